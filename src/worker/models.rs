//! loom models of the sleep protocol. Each says which change breaks it, and did when it was tried.
//!
//! Workers run their real loop, without the search (it would only repeat the look at the queues). The
//! ready queue's stand-in orders nothing by itself, see `sync/ready.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::run::{Queue, Shared, Worker};
use super::sleep::Sleep;
use super::{Stop, Task};
use crate::sync::Line;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::park::{Wait, block_on};

/// Counts its runs and stops the pool after the last one that is expected.
struct Count {
    runs: AtomicUsize,
    last: usize,
    home: usize,
    shared: std::sync::Weak<Shared>,
}

impl Count {
    fn new(shared: &Arc<Shared>, last: usize, home: usize) -> Arc<Self> {
        Arc::new(Self { runs: AtomicUsize::new(0), last, home, shared: Arc::downgrade(shared) })
    }
}

impl Task for Count {
    fn run(self: Arc<Self>, _worker: &Worker<'_>) {
        if self.runs.fetch_add(1, Ordering::AcqRel) + 1 == self.last
            && let Some(shared) = self.shared.upgrade()
        {
            shared.stop(Stop::Drain);
        }
    }

    fn home(&self) -> usize {
        self.home
    }
}

fn pool(threads: usize) -> Arc<Shared> {
    let shared = Arc::new(Shared::new(threads, Duration::ZERO));
    (0..threads).for_each(|me| shared.enter(me));
    shared
}

fn worker(shared: &Arc<Shared>, me: usize) -> loom::thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    loom::thread::spawn(move || {
        shared.work(me);
        shared.leave(me);
    })
}

/// A task is scheduled while the only worker goes to sleep: it runs, and once.
///
/// Broken by parking without the second look at the queues (the worker sleeps for ever), and by a
/// `notify` that loads the word instead of changing it (neither sees the other).
#[test]
fn a_task_scheduled_to_a_worker_that_goes_to_sleep_runs() {
    loom::model(|| {
        let shared = pool(1);
        let thread = worker(&shared, 0);
        let task = Count::new(&shared, 1, 0);
        shared.schedule(task.clone());
        thread.join().expect("worker");
        assert_eq!(task.runs.load(Ordering::Acquire), 1);
        assert_eq!(Arc::strong_count(&task), 1);
    });
}

/// Two threads schedule while the only worker goes to sleep: both tasks run.
///
/// Broken by a woken worker that does not count as searching (`wake_one` without `+ SEARCHER`: leaving
/// the search then takes one from a number that is not there).
#[test]
fn two_threads_schedule_to_one_worker() {
    loom::model(|| {
        let shared = pool(1);
        let thread = worker(&shared, 0);
        let task = Count::new(&shared, 2, 0);
        let other = {
            let (shared, task) = (shared.clone(), task.clone());
            loom::thread::spawn(move || shared.schedule(task))
        };
        shared.schedule(task.clone());
        other.join().expect("scheduler");
        thread.join().expect("worker");
        assert_eq!(task.runs.load(Ordering::Acquire), 2);
    });
}

/// The pool stops while the worker goes to sleep: the worker leaves.
///
/// Broken by an `announce` that does not tell about the stop.
#[test]
fn a_stop_reaches_a_worker_that_goes_to_sleep() {
    loom::model(|| {
        let shared = pool(1);
        let thread = worker(&shared, 0);
        shared.stop(Stop::Discard);
        thread.join().expect("worker");
    });
}

/// Two workers and one task, which may wake one of them or none: it runs once, and both leave.
///
/// Broken by a `stop` that clears the sleepers' bits and unparks none of them.
#[test]
fn two_workers_and_one_task() {
    loom::model(|| {
        let shared = pool(2);
        let threads = [worker(&shared, 0), worker(&shared, 1)];
        let task = Count::new(&shared, 1, 1);
        shared.schedule(task.clone());
        for thread in threads {
            thread.join().expect("worker");
        }
        assert_eq!(task.runs.load(Ordering::Acquire), 1);
    });
}

/// A searcher (here the main thread, by hand: the whole of two workers is too much for bound 3) finds a
/// task and is busy with it for ever, while a second one is scheduled, perhaps without waking anybody,
/// because somebody searches. The other worker gets the second one.
///
/// Broken by a `found` that does not pass the search on.
#[test]
fn the_last_searcher_wakes_the_next_worker() {
    loom::model(|| {
        let queues: Arc<Box<[Line<Queue>]>> = Arc::new((0..2).map(|_| Line(Queue::new())).collect());
        let sleep = Arc::new(Sleep::new(2));
        let shared = pool(1);
        let task = Count::new(&shared, usize::MAX, 0);
        assert!(sleep.try_search(0));
        let other = {
            let (queues, sleep) = (queues.clone(), sleep.clone());
            loom::thread::spawn(move || {
                let mut searching = false;
                while queues[0].pop().is_none() {
                    sleep.announce(1, std::mem::replace(&mut searching, true));
                    if queues[0].is_empty() {
                        sleep.park(1);
                    } else {
                        sleep.retract(1);
                    }
                }
            })
        };
        let scheduler = {
            let (queues, sleep) = (queues.clone(), sleep.clone());
            loom::thread::spawn(move || {
                queues[0].push(task);
                sleep.notify(0);
            })
        };
        sleep.found(0, &queues);
        scheduler.join().expect("scheduler");
        other.join().expect("worker");
    });
}

/// A task is scheduled before a stop that drains: it runs, though the worker may be anywhere.
///
/// Broken by a worker that reads the stop after its look at the queues.
#[test]
fn a_drain_runs_what_was_scheduled_before() {
    loom::model(|| {
        let shared = pool(1);
        let thread = worker(&shared, 0);
        let task = Count::new(&shared, usize::MAX, 0);
        shared.schedule(task.clone());
        shared.stop(Stop::Drain);
        thread.join().expect("worker");
        assert_eq!(task.runs.load(Ordering::Acquire), 1);
    });
}

/// A task is scheduled while the last worker leaves: it is run or dropped, never kept.
///
/// Broken by a `leave` that drops what is queued before it tells that everybody has gone.
#[test]
fn a_task_scheduled_when_the_last_worker_leaves_is_not_kept() {
    loom::model(|| {
        let shared = pool(1);
        let thread = worker(&shared, 0);
        let task = Count::new(&shared, usize::MAX, 0);
        let stopper = {
            let shared = shared.clone();
            loom::thread::spawn(move || shared.stop(Stop::Drain))
        };
        shared.schedule(task.clone());
        stopper.join().expect("stopper");
        thread.join().expect("worker");
        assert_eq!(Arc::strong_count(&task), 1, "the pool kept the task");
    });
}

/// A thread blocks on a wait whose waker is woken by another: it returns.
///
/// Broken by a driver that sets PARKED only after it has looked at the count.
#[test]
fn block_on_returns_when_it_is_woken() {
    loom::model(|| {
        let flag = Arc::new(Flag::default());
        let setter = {
            let flag = flag.clone();
            loom::thread::spawn(move || flag.set())
        };
        block_on(&mut Until { flag: &flag, inner: None });
        setter.join().expect("setter");
    });
}

/// The outer wait's poll blocks on another wait of the same thread; each is woken once, in any order.
///
/// Broken by a driver that sleeps by the park token alone: the inner call eats the outer one's.
#[test]
fn a_nested_block_on_loses_no_wake_up() {
    loom::model(|| {
        let (outer, inner) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let setter = {
            let (outer, inner) = (outer.clone(), inner.clone());
            loom::thread::spawn(move || {
                outer.set();
                inner.set();
            })
        };
        block_on(&mut Until { flag: &outer, inner: Some(&inner) });
        setter.join().expect("setter");
    });
}

/// A flag that wakes one waiter.
struct Flag {
    state: crate::sync::Mutex<(bool, Option<std::task::Waker>)>,
}

impl Default for Flag {
    fn default() -> Self {
        Self { state: crate::sync::Mutex::new((false, None)) }
    }
}

impl Flag {
    fn set(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for a flag; when it is pending the first time, blocks on another one inside of the poll.
struct Until<'a> {
    flag: &'a Flag,
    inner: Option<&'a Flag>,
}

impl Wait for Until<'_> {
    type Output = ();

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        {
            let mut state = self.flag.state.lock();
            if state.0 {
                return std::task::Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
        }
        if let Some(inner) = self.inner.take() {
            block_on(&mut Until { flag: inner, inner: None });
        }
        std::task::Poll::Pending
    }

    fn deadline(&self) -> crate::sync::clock::Deadline {
        crate::sync::clock::Deadline::NEVER
    }
}
