//! Counts the events of one subscriber whose handlers somebody else runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// The counter of one subscriber, alone on its cache lines. A handler with concurrency 1 owns it: it loads and
/// stores, without a read-modify-write.
#[derive(Default)]
#[repr(align(128))]
struct Count {
    handled: AtomicU64,
}

/// What the handlers of one contestant share.
#[derive(Clone)]
pub struct Tally {
    counts: Arc<Vec<Count>>,
    /// Events that each subscriber gets until the round ends, ever growing.
    target: Arc<AtomicU64>,
    deliveries: Deliveries,
}

impl Tally {
    /// Makes counters for this many subscribers.
    pub fn new(subscribers: usize) -> Self {
        Self {
            counts: Arc::new((0..subscribers).map(|_| Count::default()).collect()),
            target: Arc::new(AtomicU64::new(0)),
            deliveries: Deliveries::new(),
        }
    }

    /// Says for how many subscribers it counts.
    pub fn subscribers(&self) -> usize {
        self.counts.len()
    }

    /// Announces that each subscriber will get `events` more.
    pub fn expect(&self, events: usize) {
        // The publish that follows carries it to the handlers.
        self.target.fetch_add(events as u64, Ordering::Release);
    }

    /// Counts one event of a subscriber, in its handler.
    #[inline]
    pub fn handled(&self, subscriber: usize) {
        let count = &self.counts[subscriber].handled;
        let handled = count.load(Ordering::Relaxed) + 1;
        count.store(handled, Ordering::Release);
        if handled == self.target.load(Ordering::Relaxed) {
            self.deliveries.finish_one();
        }
    }

    /// Counts one event of a subscriber whose handlers may run beside each other.
    #[inline]
    pub fn handled_somewhere(&self, subscriber: usize) {
        let handled = self.counts[subscriber].handled.fetch_add(1, Ordering::AcqRel) + 1;
        if handled == self.target.load(Ordering::Relaxed) {
            self.deliveries.finish_one();
        }
    }

    /// Reads how many events the slowest subscriber has handled.
    pub fn slowest(&self) -> u64 {
        self.counts.iter().map(|count| count.handled.load(Ordering::Acquire)).min().unwrap_or(0)
    }

    /// Waits until every subscriber had what was announced.
    pub fn wait(&self) -> Instant {
        self.deliveries.wait(self.counts.len())
    }
}

/// Counts down what a round still has to deliver, for contestants that run the handlers themselves.
#[derive(Clone)]
struct Deliveries {
    finished: Arc<(Mutex<usize>, Condvar)>,
}

impl Deliveries {
    /// Starts with nobody finished.
    fn new() -> Self {
        Self { finished: Arc::new((Mutex::new(0), Condvar::new())) }
    }

    /// Says that one subscriber has had all its events.
    fn finish_one(&self) {
        let (count, changed) = &*self.finished;
        *count.lock().expect("nobody panics with the lock") += 1;
        changed.notify_all();
    }

    /// Waits until `subscribers` have had all their events, then starts anew.
    fn wait(&self, subscribers: usize) -> Instant {
        let (count, changed) = &*self.finished;
        let count = count.lock().expect("nobody panics with the lock");
        let mut count =
            changed.wait_while(count, |count| *count < subscribers).expect("nobody panics with the lock");
        *count = 0;
        Instant::now()
    }
}
