//! S4: how long an event takes to its handler on the other core, and what a wake costs the publisher.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::drive::runtime;
use crate::event::{CAPACITY, Event, topic};
use crate::harness::{Case, Group, Harness, median};
use crate::probe::{now, pin, process_cpu};
use crate::table::{Absolute, Bar, Table};
use crate::us;

/// How long the publisher lets the other side rest before each event.
#[derive(Clone, Copy)]
enum Gap {
    /// 2 us: a worker that spins is still spinning.
    Spinning,
    /// 20 to 50 us.
    Short,
    /// 3 ms: everybody sleeps.
    Parked,
}

/// What is reported.
#[derive(Clone, Copy)]
enum Report {
    /// From before the publish until the handler runs.
    Latency,
    /// How long the publish itself takes.
    Cost,
}

/// Where a handler says that it has run.
#[derive(Clone, Default)]
pub struct Seen {
    shared: Arc<(AtomicU64, AtomicU64)>,
}

impl Seen {
    /// Notes the arrival of an event that was sent at `stamp`.
    #[inline]
    pub fn arrive(&self, stamp: u64) {
        let (latency, count) = &*self.shared;
        latency.store(now().saturating_sub(stamp), Ordering::Relaxed);
        count.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.shared.1.load(Ordering::Acquire)
    }

    fn latency(&self) -> u64 {
        self.shared.0.load(Ordering::Relaxed)
    }
}

/// Publishes one event at a time from a thread pinned to the first core; returns the median.
fn trips(gap: Gap, report: Report, samples: usize, seen: &Seen, mut publish: impl FnMut(u64) + Send) -> f64 {
    let trip = move || {
        pin(0);
        let mut figures = Vec::with_capacity(samples);
        let mut random = now() | 1;
        for _ in 0..samples {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match gap {
                Gap::Spinning => rest(2_000),
                Gap::Short => rest(20_000 + (random >> 33) % 30_000),
                Gap::Parked => thread::sleep(Duration::from_millis(3)),
            }
            let before = seen.count();
            let stamp = now();
            publish(stamp);
            let published = now();
            while seen.count() == before {
                spin_loop();
            }
            figures.push(match report {
                Report::Latency => seen.latency(),
                Report::Cost => published - stamp,
            } as f64);
        }
        median(figures)
    };
    thread::scope(|scope| scope.spawn(trip).join()).expect("the publisher does not panic")
}

fn rest(nanoseconds: u64) {
    let start = now();
    while now() - start < nanoseconds {
        spin_loop();
    }
}

/// Runs `consume` on a thread pinned to the second core while `body` runs here, then tells it to stop.
fn beside<T>(consume: impl FnOnce(&AtomicBool) + Send, body: impl FnOnce(&thread::Thread) -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            pin(1);
            consume(&stop);
        });
        let result = body(consumer.thread());
        stop.store(true, Ordering::Release);
        consumer.thread().unpark();
        result
    })
}

/// A thread that spins on a word.
fn raw_flag(gap: Gap, samples: usize) -> Case {
    Case::figure("raw flag", samples, move |samples| {
        let (seen, flag) = (Seen::default(), AtomicU64::new(0));
        let consume = |stop: &AtomicBool| {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let stamp = flag.load(Ordering::Acquire);
                if stamp != last {
                    last = stamp;
                    seen.arrive(stamp);
                }
                spin_loop();
            }
        };
        beside(consume, |_| {
            trips(gap, Report::Latency, samples, &seen, |stamp| flag.store(stamp, Ordering::Release))
        })
    })
}

/// A thread that parks until a word changes.
fn raw_park(name: &str, report: Report, samples: usize) -> Case {
    Case::figure(name, samples, move |samples| {
        let (seen, flag) = (Seen::default(), AtomicU64::new(0));
        let consume = |stop: &AtomicBool| {
            let mut last = 0;
            while !stop.load(Ordering::Acquire) {
                let stamp = flag.load(Ordering::Acquire);
                if stamp == last {
                    thread::park();
                    continue;
                }
                last = stamp;
                seen.arrive(stamp);
            }
        };
        beside(consume, |consumer| {
            let publish = |stamp| {
                flag.store(stamp, Ordering::Release);
                consumer.unpark();
            };
            trips(Gap::Parked, report, samples, &seen, publish)
        })
    })
}

/// crossbeam-channel, whose receiver polls.
fn crossbeam(gap: Gap, samples: usize) -> Case {
    Case::figure("crossbeam, polled", samples, move |samples| {
        let (seen, name) = (Seen::default(), topic(42));
        let (sender, receiver) = crossbeam_channel::bounded::<Arc<Event>>(CAPACITY);
        let consume = |stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                match receiver.try_recv() {
                    Ok(event) => arrive(&seen, &event),
                    Err(_) => spin_loop(),
                }
            }
        };
        let publish = |stamp| sender.send(Event::shared(&name, stamp)).expect("the receiver lives");
        beside(consume, |_| trips(gap, Report::Latency, samples, &seen, publish))
    })
}

/// tokio mpsc on a runtime with one worker, which parks.
fn tokio_mpsc(name: &str, gap: Gap, samples: usize) -> Case {
    let runtime = runtime(1);
    Case::figure(name, samples, move |samples| {
        let (seen, topic) = (Seen::default(), topic(42));
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Arc<Event>>(CAPACITY);
        let handler = seen.clone();
        let task = runtime.spawn(async move {
            pin(1);
            while let Some(event) = receiver.recv().await {
                arrive(&handler, &event);
            }
        });
        let publish = |stamp| sender.try_send(Event::shared(&topic, stamp)).expect("there is room");
        let figure = trips(gap, Report::Latency, samples, &seen, publish);
        drop(sender);
        runtime.block_on(task).expect("the listener does not panic");
        figure
    })
}

fn arrive(seen: &Seen, event: &Event) {
    seen.arrive(event.payload.words[0]);
}

/// Our pool of one, pinned to the second core.
fn ours(name: &str, gap: Gap, report: Report, samples: usize) -> Case {
    let seen = Seen::default();
    let mut publish = us::latency(&seen);
    Case::figure(name, samples, move |samples| trips(gap, report, samples, &seen, &mut publish))
}

/// The four bars of S4.
pub fn run(harness: &Harness, table: &mut Table) {
    if harness.wants("S4.spinning", &["21"]) {
        let cases = vec![
            ours("spinning p50", Gap::Spinning, Report::Latency, 2000),
            crossbeam(Gap::Spinning, 2000),
            raw_flag(Gap::Spinning, 2000),
        ];
        let bars = [
            Bar::cheaper("21", "spinning p50", "crossbeam, polled", 0.75),
            Bar::cheaper("21", "spinning p50", "raw flag", 2.2),
        ];
        table.group(&harness.run(Group { name: "S4.spinning", two_core: true, cases }), &bars);
    }
    if harness.wants("S4.parked", &["22"]) {
        let cases = vec![
            ours("parked p50", Gap::Parked, Report::Latency, 40),
            ours("publish, parked", Gap::Parked, Report::Cost, 40),
            raw_park("raw park p50", Report::Latency, 40),
            raw_park("raw unpark", Report::Cost, 40),
            tokio_mpsc("tokio mpsc p50", Gap::Parked, 40),
        ];
        let bars = [
            Bar::cheaper("22", "parked p50", "raw park p50", 1.25),
            Bar::cheaper("22", "publish, parked", "raw unpark", 1.25),
        ];
        table.group(&harness.run(Group { name: "S4.parked", two_core: true, cases }), &bars);
    }
    if harness.wants("S4.short", &["23"]) {
        let cases = vec![
            ours("20-50 us p50", Gap::Short, Report::Latency, 500),
            tokio_mpsc("tokio mpsc, parked", Gap::Short, 500),
            crossbeam(Gap::Short, 500),
        ];
        let bars = [Bar::cheaper("23", "20-50 us p50", "tokio mpsc, parked", 0.1).must()];
        table.group(&harness.run(Group { name: "S4.short", two_core: true, cases }), &bars);
        silence(table);
    }
}

/// Bar 23's other half: no CPU is used from 5 ms after the last event on.
fn silence(table: &mut Table) {
    const WINDOW: Duration = Duration::from_millis(200);
    let seen = Seen::default();
    let mut publish = us::latency(&seen);
    let spent = (0..5).map(|_| {
        for _ in 0..1000 {
            publish(now());
        }
        thread::sleep(Duration::from_millis(5));
        let before = process_cpu();
        thread::sleep(WINDOW);
        process_cpu().saturating_sub(before).as_nanos() as f64 / 1e3
    });
    let figure = median(spent.collect());
    table.absolute(&Absolute {
        number: "23",
        scenario: "S4.silence",
        ours: "idle pool",
        figure: Some(figure),
        peer: "CPU time in 200 ms",
        peer_figure: None,
        unit: " us",
        limit: Some(200.0),
        must: true,
        remark: "(0.1 % of one core: waking up to read the clock costs that)",
    });
}
