//! loom models of the lanes. Each says which change breaks it, and was seen to fail with that change.
//!
//! No worker runs in them: a lane is driven by hand, and when all threads are done, only if somebody
//! queued it. So an event that is left over is one whose lane was not woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::atomic::AtomicBool;
use loom::thread::spawn;

use super::lane::{Body, Lane, LaneWaker, Lanes, Place, Step};
use super::lane_support::{drive, driver};
use super::spawn::{LaneTask, Spawned};
use crate::dispatch::models::support::{Figure, close_account, ends, publish, slot, spec, waker};
use crate::dispatch::{DeliveryMode, Next, Quiet, Slot};
use crate::event::{AnyEvent, DropReason};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

/// A handler that runs to its end at once.
struct AtOnce<F>(F);

impl<F: Fn() + Send> Body for AtOnce<F> {
    fn step(&mut self, slot: &Arc<Slot>, _waker: &LaneWaker<'_>) -> Step {
        let event = match slot.take_any() {
            Next::Event(event) => event,
            other => return Step::from(&other),
        };
        slot.wake_next_lane();
        slot.run(&event, || {
            (self.0)();
            Ok(())
        });
        Step::Handled
    }

    fn resume(&mut self, _slot: &Arc<Slot>, _waker: &LaneWaker<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn abandon(&mut self, _slot: &Arc<Slot>) {}
}

/// A slot with that many lanes, which nobody runs.
fn lanes<B: Body + 'static>(count: usize, body: impl Fn() -> B) -> (Arc<Slot>, Vec<Arc<Lane>>) {
    let mut lanes = Vec::new();
    let mut spec = spec(&["t"], 2, DeliveryMode::Drop);
    spec.concurrency = count;
    let slot = slot(spec, |weak| {
        lanes = (0..count)
            .map(|home| Lane::new(weak.clone(), Box::new(body()), Place::Spawned(Spawned::default()), home))
            .collect();
        ends(2, Lanes::new(lanes.iter().cloned().collect(), None))
    });
    (slot, lanes)
}

/// An event is published while the lane goes idle: the lane is queued again, or handles it at once.
///
/// Broken by a lane that does not ask, after it said that it is idle, whether it was woken (the publisher
/// found it resting and not yet idle, and could not queue it).
#[test]
fn l1_a_publish_against_a_lane_that_goes_idle() {
    loom::model(|| {
        let handled = Figure::default();
        let (slot, lanes) = lanes(1, || {
            let handled = handled.clone();
            AtOnce(move || handled.raise())
        });
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        publish(&slot, 2_u64);
        driver.join().expect("driver");
        drive(&lanes[0]);
        assert_eq!(handled.get(), 2);
        close_account(slot, 2, 2);
    });
}

/// A pause ends while the lane parks because of it: the lane goes on.
///
/// Broken by a lane that does not ask, after it said that it is idle, whether the pause is over.
#[test]
fn l1_a_resume_against_a_lane_that_parks() {
    loom::model(|| {
        let handled = Figure::default();
        let (slot, lanes) = lanes(1, || {
            let handled = handled.clone();
            AtOnce(move || handled.raise())
        });
        slot.pause();
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        slot.resume();
        driver.join().expect("driver");
        drive(&lanes[0]);
        assert_eq!(handled.get(), 1);
        close_account(slot, 1, 1);
    });
}

/// A pause ends and another begins while the lane parks because of the first; then that ends too, and the
/// lane goes on.
///
/// Broken by a `was_unparked` that asks whether the pause is over instead of whether the mark is gone: the
/// first `resume` took the mark and could not wake the lane, the second finds no mark and does not.
#[test]
fn l1_two_pauses_against_a_lane_that_parks() {
    loom::model(|| {
        let handled = Figure::default();
        let (slot, lanes) = lanes(1, || {
            let handled = handled.clone();
            AtOnce(move || handled.raise())
        });
        slot.pause();
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        slot.resume();
        slot.pause();
        slot.resume();
        driver.join().expect("driver");
        drive(&lanes[0]);
        assert_eq!(handled.get(), 1);
        close_account(slot, 1, 1);
    });
}

/// Two lanes are run while a second event comes: each event is handled once.
///
/// Broken by a `Gate::rest` that looks first and clears ACTIVE in a second step, and by an `exclusive` that is
/// true for two lanes (the count of one handler's end is lost: it is made for one at a time).
#[test]
fn o2_two_lanes_share_the_events() {
    loom::model(|| {
        let handled = Figure::default();
        let (slot, lanes) = lanes(2, || {
            let handled = handled.clone();
            AtOnce(move || handled.raise())
        });
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        publish(&slot, 2_u64);
        drive(&lanes[1]);
        driver.join().expect("driver");
        lanes.iter().for_each(drive);
        assert_eq!(handled.get(), 2);
        close_account(slot, 2, 2);
    });
}

/// A lane is queued with an event and run while somebody cancels and waits: after the wait no handler
/// runs, and the wait ends.
///
/// Broken by a lane that rests without telling (`rest` without `after_run`).
#[test]
fn v3_a_queued_lane_against_cancel_and_wait() {
    loom::model(|| {
        let over = Arc::new(AtomicBool::new(false));
        let late = Figure::default();
        let (slot, lanes) = lanes(1, || {
            let (over, late) = (Arc::clone(&over), late.clone());
            AtOnce(move || {
                if over.load(Ordering::Relaxed) {
                    late.raise();
                }
            })
        });
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        slot.cancel(DropReason::Cancelled);
        let (woken, waker) = waker();
        let mut quiet = Quiet::of(Arc::clone(&slot));
        let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
        if ready {
            over.store(true, Ordering::Relaxed);
        }
        driver.join().expect("driver");
        drive(&lanes[0]);
        assert_eq!(late.get(), 0, "a handler ran after the end");
        assert!(ready || woken.get() > 0, "nobody told that the handler ended");
        drop(quiet);
        let delivered = slot.ledger().delivered;
        close_account(slot, 1, delivered);
    });
}

/// What an async handler waits for.
#[derive(Default)]
struct Signal(Mutex<(bool, Option<Waker>)>);

impl Signal {
    fn set(&self) {
        let waker = {
            let mut signal = self.0.lock();
            signal.0 = true;
            signal.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// An async handler that is done when its signal is set.
struct Awaits(Arc<Signal>, Option<AnyEvent>);

impl Body for Awaits {
    fn step(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Step {
        match slot.take_any() {
            Next::Event(event) => self.1 = Some(event),
            other => return Step::from(&other),
        }
        if self.resume(slot, waker).is_pending() { Step::Pending } else { Step::Handled }
    }

    fn resume(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Poll<()> {
        {
            let mut signal = self.0.0.lock();
            if !signal.0 {
                signal.1 = Some(waker.context().waker().clone());
                return Poll::Pending;
            }
        }
        let event = self.1.take().expect("an event is being handled");
        slot.run(&event, || Ok(()));
        Poll::Ready(())
    }

    fn is_busy(&self) -> bool {
        self.1.is_some()
    }

    fn abandon(&mut self, _slot: &Arc<Slot>) {}
}

/// A handler's future is woken while it is polled, or while its lane begins to wait for it: it is polled
/// again.
///
/// Broken by a lane that goes WAITING over a NOTIFIED, and by a waker that only looks for WAITING.
#[test]
fn l1_a_future_woken_while_its_lane_begins_to_wait() {
    loom::model(|| {
        let signal = Arc::new(Signal::default());
        let (slot, lanes) = lanes(1, || Awaits(Arc::clone(&signal), None));
        publish(&slot, 1_u64);
        let driver = driver(&lanes[0]);
        signal.set();
        driver.join().expect("driver");
        drive(&lanes[0]);
        close_account(slot, 1, 1);
    });
}

/// One of two lanes is in a handler, and the other one goes idle while an event is published: it takes the event.
///
/// Broken by a publisher that wakes nobody because a lane is awake, the one in the handler.
#[test]
fn l1_a_publish_against_a_lane_that_goes_idle_beside_one_in_a_handler() {
    loom::model(|| {
        let signal = Arc::new(Signal::default());
        let (slot, lanes) = lanes(2, || Awaits(Arc::clone(&signal), None));
        publish(&slot, 1_u64);
        drive(&lanes[0]);
        assert_eq!(slot.ledger().running, 1);
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                publish(&slot, 2_u64);
            })
        };
        lanes.iter().for_each(drive);
        publisher.join().expect("publisher");
        lanes.iter().for_each(drive);
        assert_eq!(slot.ledger().running, 2, "an event waits, and a lane is free");
        signal.set();
        // It keeps one waker: the other lane is woken like this one.
        lanes.iter().for_each(|lane| std::task::Wake::wake_by_ref(lane));
        lanes.iter().for_each(drive);
        close_account(slot, 2, 2);
    });
}

/// A lane on the application's runtime is polled for the first time while an event is published.
///
/// Broken by a task that leaves its waker only after it has looked whether it is queued.
#[test]
fn l1_a_publish_against_the_first_poll_of_a_spawned_lane() {
    loom::model(|| {
        let handled = Figure::default();
        let (slot, lanes) = lanes(1, || {
            let handled = handled.clone();
            AtOnce(move || handled.raise())
        });
        let mut task = LaneTask::new(Arc::clone(&lanes[0]));
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                publish(&slot, 1_u64);
            })
        };
        let (woken, waker) = waker();
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut task).poll(&mut cx).is_pending());
        publisher.join().expect("publisher");
        while woken.take() > 0 {
            assert!(Pin::new(&mut task).poll(&mut cx).is_pending());
        }
        assert_eq!(handled.get(), 1, "the runtime was not told to poll");
        slot.close(DropReason::Cancelled);
        assert!(woken.get() > 0, "the runtime was not told of the end");
        assert!(Pin::new(&mut task).poll(&mut cx).is_ready());
        drop((task, lanes));
        close_account(slot, 1, 1);
    });
}
