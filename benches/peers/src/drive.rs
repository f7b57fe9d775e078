//! What the scenarios with queues do with anything that publishes and receives.

use std::future::Future;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Case;
use crate::probe::pin;
use crate::tally::Tally;

/// Publishes to all subscribers of a contestant.
pub trait Publish: Send {
    /// Builds the event number `i` and hands it to every subscriber; waits while a queue is full.
    fn publish(&mut self, i: u64);

    /// The events of these numbers, for those who can do better than one by one.
    #[inline]
    fn publish_all(&mut self, numbers: Range<u64>) {
        numbers.for_each(|i| self.publish(i));
    }
}

/// One subscriber that takes events itself.
pub trait Receive: Send {
    /// Takes and reads the next event, waiting for it as the contestant does.
    fn next(&mut self);
}

/// One that can also look whether there is an event, which not every contestant offers.
pub trait TryReceive: Receive {
    /// Takes and reads one event if there is one.
    fn try_next(&mut self) -> bool;
}

/// One subscriber that is a task of a runtime.
pub trait Listen: Send + 'static {
    /// Takes and reads the next event.
    fn next(&mut self) -> impl Future<Output = ()> + Send;
}

/// Events of one burst of [`burst`]; fits into every queue.
const BURST: usize = 512;

/// S2c: one thread publishes a burst that fits, then drains every subscriber.
pub fn burst<P, R>(name: &str, (mut publisher, mut receivers): (P, Vec<R>)) -> Case
where
    P: Publish + 'static,
    R: TryReceive + 'static,
{
    let mut number = 0;
    Case::cpu(name, move |n| {
        let mut delivered = 0;
        let mut left = n;
        while left > 0 {
            let burst = left.min(BURST);
            let first = number;
            number += burst as u64;
            publisher.publish_all(first..number);
            for receiver in &mut receivers {
                while receiver.try_next() {
                    delivered += 1;
                }
            }
            left -= burst;
        }
        assert_eq!(delivered, (n * receivers.len()) as u64, "an event was lost");
        delivered
    })
}

/// S2p: a publisher on one core, one thread that serves all subscribers on the other one.
pub fn two_cores<P, R>(name: &str, (mut publisher, mut receivers): (P, Vec<R>)) -> Case
where
    P: Publish + 'static,
    R: TryReceive + 'static,
{
    Case::wall(name, move |n| {
        let start = Barrier::new(2);
        let (publisher, receivers) = (&mut publisher, &mut receivers);
        let total = (n * receivers.len()) as u64;
        let spent = thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                pin(1);
                start.wait();
                serve(receivers, n);
                Instant::now()
            });
            let publisher = scope.spawn(|| {
                pin(0);
                start.wait();
                let begin = Instant::now();
                publisher.publish_all(0..n as u64);
                begin
            });
            elapsed(publisher.join().ok(), consumer.join().ok())
        });
        (spent, total)
    })
}

/// Takes `n` events from each receiver, up to 64 from one at a time; waits on the one that is most behind.
fn serve<R: TryReceive>(receivers: &mut [R], n: usize) {
    const BATCH: usize = 64;
    let mut taken = vec![0; receivers.len()];
    let mut left = n * receivers.len();
    while left > 0 {
        let before = left;
        for (receiver, taken) in receivers.iter_mut().zip(&mut taken) {
            let mut batch = 0;
            while batch < BATCH && receiver.try_next() {
                batch += 1;
            }
            *taken += batch;
            left -= batch;
        }
        if before == left
            && let Some((behind, count)) = taken.iter_mut().enumerate().min_by_key(|(_, taken)| **taken)
        {
            receivers[behind].next();
            *count += 1;
            left -= 1;
        }
    }
}

/// S2a and S3: a thread for each publisher and for each subscriber, none pinned.
pub fn threads<P, R>(name: &str, (mut publishers, mut receivers): (Vec<P>, Vec<R>)) -> Case
where
    P: Publish + 'static,
    R: Receive + 'static,
{
    Case::wall(name, move |n| {
        let share = n.div_ceil(publishers.len());
        let each = share * publishers.len();
        let total = (each * receivers.len()) as u64;
        let start = Barrier::new(publishers.len() + receivers.len());
        let start = &start;
        let spent = thread::scope(|scope| {
            let consumers: Vec<_> = receivers
                .iter_mut()
                .map(|receiver| {
                    scope.spawn(move || {
                        start.wait();
                        for _ in 0..each {
                            receiver.next();
                        }
                        Instant::now()
                    })
                })
                .collect();
            let begin = publish_all(scope, &mut publishers, share, Some(start), None);
            elapsed(begin, consumers.into_iter().filter_map(|consumer| consumer.join().ok()).max())
        });
        (spent, total)
    })
}

/// `@scan2`: two threads poll a fixed half of the queues each and yield, but never park.
pub fn scan2<P, R>(name: &str, (mut publishers, mut receivers): (Vec<P>, Vec<R>)) -> Case
where
    P: Publish + 'static,
    R: TryReceive + 'static,
{
    Case::wall(name, move |n| {
        let share = n.div_ceil(publishers.len());
        let each = share * publishers.len();
        let total = (each * receivers.len()) as u64;
        let half = receivers.len().div_ceil(2);
        let spent = thread::scope(|scope| {
            let consumers: Vec<_> = receivers
                .chunks_mut(half)
                .map(|receivers| {
                    scope.spawn(move || {
                        let mut left = each * receivers.len();
                        while left > 0 {
                            let before = left;
                            for receiver in receivers.iter_mut() {
                                let mut batch = 0;
                                while batch < 64 && receiver.try_next() {
                                    batch += 1;
                                }
                                left -= batch;
                            }
                            if before == left {
                                thread::yield_now();
                            }
                        }
                        Instant::now()
                    })
                })
                .collect();
            let begin = publish_all(scope, &mut publishers, share, None, None);
            elapsed(begin, consumers.into_iter().filter_map(|consumer| consumer.join().ok()).max())
        });
        (spent, total)
    })
}

/// `@rt2`: one task per subscriber on a tokio runtime with two workers; the publishers are threads of their own.
pub fn rt2<P, L>(name: &str, (mut publishers, listeners): (Vec<P>, Vec<L>)) -> Case
where
    P: Publish + 'static,
    L: Listen,
{
    let runtime = runtime(2);
    let mut listeners: Vec<Option<L>> = listeners.into_iter().map(Some).collect();
    Case::wall(name, move |n| {
        let share = n.div_ceil(publishers.len());
        let each = share * publishers.len();
        let total = (each * listeners.len()) as u64;
        let tasks: Vec<_> = listeners
            .iter_mut()
            .filter_map(Option::take)
            .map(|mut listener| {
                runtime.spawn(async move {
                    for _ in 0..each {
                        listener.next().await;
                    }
                    (listener, Instant::now())
                })
            })
            .collect();
        let begin = thread::scope(|scope| publish_all(scope, &mut publishers, share, None, None));
        let mut end = None;
        for (place, task) in listeners.iter_mut().zip(tasks) {
            let (listener, done) = runtime.block_on(task).expect("a listener does not panic");
            *place = Some(listener);
            end = end.max(Some(done));
        }
        (elapsed(begin, end), total)
    })
}

/// For contestants that run the handlers themselves and count in `tally`. `kept` lives as long as the contestant;
/// with `pinned` the only publisher runs on the first core.
pub fn driven<P: Publish + 'static>(
    name: &str,
    mut publishers: Vec<P>,
    tally: Tally,
    pinned: bool,
    kept: impl Sized + 'static,
) -> Case {
    Case::wall(name, move |n| {
        let _kept = &kept;
        let share = n.div_ceil(publishers.len());
        let each = share * publishers.len();
        tally.expect(each);
        let place = pinned.then_some(0);
        let begin = thread::scope(|scope| publish_all(scope, &mut publishers, share, None, place));
        (elapsed(begin, Some(tally.wait())), (each * tally.subscribers()) as u64)
    })
}

/// For contestants whose handlers run in the publishing threads; each publisher has a core of its own.
pub fn inline<P: Publish + 'static>(name: &str, mut publishers: Vec<P>) -> Case {
    Case::wall(name, move |n| {
        let start = Barrier::new(publishers.len());
        let start = &start;
        let times = thread::scope(|scope| {
            let running: Vec<_> = publishers
                .iter_mut()
                .enumerate()
                .map(|(place, publisher)| {
                    scope.spawn(move || {
                        pin(place);
                        start.wait();
                        let begin = Instant::now();
                        for i in 0..n {
                            publisher.publish(i as u64);
                        }
                        (begin, Instant::now())
                    })
                })
                .collect();
            running.into_iter().filter_map(|publisher| publisher.join().ok()).collect::<Vec<_>>()
        });
        let begin = times.iter().map(|(begin, _)| *begin).min();
        let end = times.iter().map(|(_, end)| *end).max();
        (elapsed(begin, end), (n * publishers.len()) as u64)
    })
}

/// Publishes `share` events from each publisher; returns when the first one began.
fn publish_all<'scope, P: Publish>(
    scope: &'scope thread::Scope<'scope, '_>,
    publishers: &'scope mut [P],
    share: usize,
    start: Option<&'scope Barrier>,
    place: Option<usize>,
) -> Option<Instant> {
    let running: Vec<_> = publishers
        .iter_mut()
        .map(|publisher| {
            scope.spawn(move || {
                if let Some(place) = place {
                    pin(place);
                }
                if let Some(start) = start {
                    start.wait();
                }
                let begin = Instant::now();
                for i in 0..share {
                    publisher.publish(i as u64);
                }
                begin
            })
        })
        .collect();
    running.into_iter().filter_map(|publisher| publisher.join().ok()).min()
}

/// Starts a multi-thread runtime with this many workers.
pub fn runtime(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time() // tokio-events asks for timers; it costs the channels nothing
        .build()
        .expect("a runtime can be started")
}

fn elapsed(begin: Option<Instant>, end: Option<Instant>) -> Duration {
    let (Some(begin), Some(end)) = (begin, end) else { panic!("a thread of the contestant panicked") };
    end.saturating_duration_since(begin)
}
