//! The event that everybody carries: a topic of 20 bytes, 64 bytes of payload, a timestamp.
//!
//! The peers are naked channels, so their event is what people write beside a channel: an `Arc` around a
//! struct that owns its topic. It is built for every publish, like ours. The timestamp is read from the
//! coarse clock on both sides; a precise one costs as much as a whole publish.

use std::hint::black_box;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Queues hold this many events, on every side.
pub const CAPACITY: usize = 1024;

/// The payload: 64 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// Eight words; latency scenarios put a timestamp into the first one.
    pub words: [u64; 8],
}

impl Payload {
    /// Makes the payload number `i`.
    #[inline]
    pub fn new(i: u64) -> Self {
        Self { words: [i; 8] }
    }

    /// Does what every handler does: it reads one word.
    #[inline]
    pub fn read(&self) {
        black_box(self.words[0]);
    }
}

/// The event of the peers.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "handlers read one word of the payload; the rest only has to travel")]
pub struct Event {
    /// The owned topic.
    pub topic: String,
    /// Wall clock in nanoseconds, coarse.
    pub stamp: u64,
    /// The payload.
    pub payload: Payload,
}

impl Event {
    /// Builds the event number `i`.
    #[inline]
    pub fn build(topic: &str, i: u64) -> Self {
        Self { topic: topic.to_owned(), stamp: coarse_now(), payload: Payload::new(i) }
    }

    /// Builds the event number `i` behind an `Arc`, as a fan-out needs it.
    #[inline]
    pub fn shared(topic: &str, i: u64) -> Arc<Self> {
        Arc::new(Self::build(topic, i))
    }

    /// Does what every handler does.
    #[inline]
    pub fn read(&self) {
        self.payload.read();
    }
}

/// Reads the coarse wall clock, in nanoseconds.
#[inline]
pub fn coarse_now() -> u64 {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Names the topic number `i`, in 20 bytes.
pub fn topic(i: usize) -> String {
    let name = format!("user.created.t{i:06}");
    debug_assert_eq!(name.len(), 20);
    name
}
