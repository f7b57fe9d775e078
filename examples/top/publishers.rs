//! The publishers' threads: at rates that change, or as fast as they can.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trolleybus::{EventBus, PublishRefusal, Receipt};

use super::model::Published;

/// A publisher publishes a handful of events this often.
const BEAT: Duration = Duration::from_millis(10);

/// Events of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Published to in turn.
    pub(crate) topics: &'static [&'static str],
    /// Events per second on average. The rate swings between nothing and twice as much.
    pub(crate) rate: f64,
    /// The time of a swing, in seconds.
    pub(crate) period: f64,
    /// Bytes instead of values: what every engine carries.
    pub(crate) raw: bool,
}

/// What the publishers count.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    events: AtomicU64,
    unmatched: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub(crate) fn read(&self) -> Published {
        // Relaxed: statistics.
        Published {
            events: self.events.load(Ordering::Relaxed),
            unmatched: self.unmatched.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn count(&self, result: Result<Receipt, PublishRefusal>) {
        let Ok(receipt) = result else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.events.fetch_add(1, Ordering::Relaxed);
        // What an engine carries has yet to arrive: its receipt cannot know who will match.
        if receipt.accepted().is_none() && receipt.matched() == 0 {
            self.unmatched.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Stream {
    /// Publishes the event of a number.
    fn publish(&self, bus: &EventBus, counts: &Counts, number: u64) {
        let place = usize::try_from(number % self.topics.len() as u64).unwrap_or(0);
        let topic = self.topics[place];
        let result = if self.raw {
            bus.publish_raw(topic, number.to_be_bytes().to_vec()).map_err(|error| error.refusal().clone())
        } else {
            bus.publish(topic, number).map_err(|error| error.refusal().clone())
        };
        counts.count(result);
    }

    /// How many events are due in the time from the beginning: the integral of a rate that swings.
    fn due(&self, since: Duration) -> f64 {
        let turn = std::f64::consts::TAU / self.period;
        let time = since.as_secs_f64();
        self.rate * (time - (turn * time).sin() / turn)
    }
}

/// Publishers that go on until this is dropped.
#[derive(Debug)]
pub(crate) struct Publishers {
    /// Nothing is sent: the channels' ends are what the threads wait for.
    stop: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Publishers {
    /// Starts a thread for each stream.
    pub(crate) fn start(streams: &[Stream], bus: &EventBus, counts: &Arc<Counts>) -> io::Result<Self> {
        let mut publishers = Self { stop: Vec::new(), threads: Vec::new() };
        for &stream in streams {
            let (stop, stopped) = mpsc::channel();
            let (bus, counts) = (bus.clone(), Arc::clone(counts));
            let thread = thread::Builder::new().name("publisher".to_owned()).spawn(move || {
                let began = Instant::now();
                let mut number = 0;
                while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    let due = stream.due(began.elapsed());
                    while (number as f64) < due {
                        stream.publish(&bus, &counts, number);
                        number += 1;
                    }
                }
            })?;
            publishers.stop.push(stop);
            publishers.threads.push(thread);
        }
        Ok(publishers)
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        self.stop.clear();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Publishes so many events of each stream, as fast as it goes, and returns when that is done.
pub(crate) fn publish(streams: &[Stream], events: u64, bus: &EventBus, counts: &Counts) {
    thread::scope(|scope| {
        for stream in streams {
            scope.spawn(move || (0..events).for_each(|number| stream.publish(bus, counts, number)));
        }
    });
}
