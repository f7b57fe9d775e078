//! The publishers: threads that take the deliveries in turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use trolleybus::{EventBus, PublishRefusal, Receipt};

use crate::delivery::Delivery;
use crate::progress::{self, Progress};

/// So many refusals are kept to be shown.
const SHOWN: usize = 5;

/// A publisher tells how far it is every so many events.
const STEP: u64 = 256;

/// What the publishers were told by the bus.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Events that the bus took.
    pub(crate) events: u64,
    /// Events that the bus refused, because their name makes no topic.
    pub(crate) rejected: u64,
    /// The first of them, in words.
    pub(crate) refusals: Vec<String>,
    /// The receipts, added up.
    pub(crate) offered: u64,
    pub(crate) filtered: u64,
}

impl Published {
    fn count(&mut self, receipt: &Receipt) {
        self.events += 1;
        self.offered += receipt.offered() as u64;
        self.filtered += receipt.filtered() as u64;
    }

    fn reject(&mut self, topic: &str, refusal: &PublishRefusal) {
        self.rejected += 1;
        if self.refusals.len() < SHOWN {
            // Escaped and cut: the name comes from outside.
            let name: String = topic.escape_debug().take(60).collect();
            self.refusals.push(format!("\"{name}\": {refusal}"));
        }
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.rejected += other.rejected;
        self.offered += other.offered;
        self.filtered += other.filtered;
        self.refusals.extend(other.refusals);
        self.refusals.truncate(SHOWN);
    }
}

/// Publishes all deliveries `repeat` times from `publishers` threads, and waits until that is done.
pub(crate) fn publish(bus: &EventBus, deliveries: &[Delivery], repeat: u64, publishers: usize) -> Published {
    // A service makes the topic when a delivery comes in; here it is made once for all repeats.
    let deliveries: Vec<_> = deliveries.iter().map(|delivery| (delivery.topic(), delivery)).collect();
    let done = AtomicU64::new(0);
    let mut progress = Progress::new(deliveries.len() as u64 * repeat);
    thread::scope(|scope| {
        // Nothing is sent: the channel closes when the last publisher is done.
        let (working, all_done) = mpsc::channel::<()>();
        let threads: Vec<_> = (0..publishers)
            .map(|number| {
                let (deliveries, done, working) = (&deliveries, &done, working.clone());
                scope.spawn(move || {
                    let _working = working;
                    let mine = (0..repeat).flat_map(|_| deliveries.iter().skip(number).step_by(publishers));
                    let mut published = Published::default();
                    let mut untold = 0;
                    for (topic, delivery) in mine {
                        match bus.publish(topic, (*delivery).clone()) {
                            Ok(receipt) => published.count(&receipt),
                            Err(error) => published.reject(topic, error.refusal()),
                        }
                        untold += 1;
                        if untold == STEP {
                            // Relaxed: for the eyes only.
                            done.fetch_add(untold, Ordering::Relaxed);
                            untold = 0;
                        }
                    }
                    published
                })
            })
            .collect();
        drop(working);
        while all_done.recv_timeout(progress::REFRESH) == Err(RecvTimeoutError::Timeout) {
            progress.show(done.load(Ordering::Relaxed));
        }
        progress.clear();
        threads.into_iter().fold(Published::default(), |mut total, thread| {
            total.add(thread.join().expect("publishing does not panic"));
            total
        })
    })
}
