//! What the benchmarks share.
#![allow(dead_code, reason = "each benchmark is a program of its own and uses a part of this")]

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use trolleybus::{Event, EventBus, Receiver, Subscription};

/// 64 bytes, as most events are about.
pub(crate) type Payload = [u64; 8];

/// A fresh payload, which the compiler cannot foresee.
#[inline]
pub(crate) fn payload(number: u64) -> Payload {
    black_box([number; 8])
}

/// Short enough for all groups to end in about 6 minutes; `--measurement-time` and its kin overrule it.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .without_plots()
        .configure_from_args()
}

/// Names of about 20 bytes.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("bench.topic.{number:08}")).collect()
}

/// A subscription with a handler that reads the event in the publisher's thread.
pub(crate) fn inline(bus: &EventBus, pattern: &str) -> Subscription {
    bus.subscribe::<Payload>(pattern).handle_inline(|event| _ = black_box(event[0])).expect("subscribe")
}

/// A subscription to pull from.
pub(crate) fn receiver(bus: &EventBus, pattern: &str) -> Receiver<Event<Payload>> {
    bus.subscribe::<Payload>(pattern).receiver().expect("subscribe")
}

/// Goes through the topics so that neighbours in time are not neighbours in memory.
pub(crate) struct Stride {
    at: usize,
    len: usize,
}

impl Stride {
    pub(crate) fn over(len: usize) -> Self {
        Self { at: 0, len }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> usize {
        self.at += 7;
        if self.at >= self.len {
            self.at %= self.len;
        }
        self.at
    }
}
