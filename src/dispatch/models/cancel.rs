//! Cancellation: against publishers, running handlers, pauses and completions.

use std::sync::Arc;
use std::task::Context;

use loom::sync::atomic::AtomicBool;
use loom::thread::spawn;

use super::support::{
    Bell, Figure, close_account, ends, inline, publish, publish_with, queue, serve, slot, spec, take_one,
    waker,
};
use crate::dispatch::spec::{DeliveryMode, Spec, SubscriptionKind};
use crate::dispatch::{Next, Quiet};
use crate::event::{Completion, DropReason, Extras};
use crate::sync::atomic::Ordering;

/// An event is published while the subscription is cancelled: it is not offered, or it is counted as
/// dropped; nothing stays in the queue, and the payload is dropped.
///
/// Broken by a `discard` that does not wait for the publisher which has claimed a place and not yet filled it.
#[test]
fn c1_a_publish_against_a_cancel() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let publisher = {
            let (slot, payload) = (Arc::clone(&slot), drops.payload(1));
            spawn(move || publish(&slot, payload))
        };
        slot.cancel(DropReason::Cancelled);
        let receipt = publisher.join().expect("publisher");
        assert_eq!(drops.get(), 1, "the queue of a cancelled subscription keeps a payload");
        assert_eq!(slot.ledger().dropped.cancelled, receipt.matched() as u64);
        close_account(slot, receipt.matched() as u64, 0);
    });
}

/// A consumer takes an event while somebody cancels and looks whether all is quiet: after that no handler
/// starts.
///
/// Broken by a `may_pop` that does not look at CANCELLED, and by a `pop` that looks and takes in two steps.
#[test]
fn v3_no_handler_starts_after_cancel_and_wait() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let over = Arc::new(AtomicBool::new(false));
        publish(&slot, 1_u64);
        let consumer = {
            let (slot, over) = (Arc::clone(&slot), Arc::clone(&over));
            spawn(move || {
                let mut late = false;
                if let Next::Event(event) = slot.take_any() {
                    slot.run(&event, || {
                        late = over.load(Ordering::Relaxed);
                        Ok(())
                    });
                }
                late
            })
        };
        slot.cancel(DropReason::Cancelled);
        if slot.is_quiet(0) {
            over.store(true, Ordering::Relaxed);
        }
        assert!(!consumer.join().expect("consumer"), "a handler ran after the end");
        let handled = slot.ledger().delivered;
        close_account(slot, 1, handled);
    });
}

/// A late publisher, a consumer and a drain: when the drain has said that it is complete no handler runs, and
/// none starts any more.
///
/// Broken by a drain that does not cancel when it finds the subscription at rest (the event of a publisher
/// that passed the gate before the drain is started after it).
#[test]
fn v3_no_handler_starts_after_a_complete_drain() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let over = Arc::new(AtomicBool::new(false));
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                publish(&slot, 1_u64);
            })
        };
        let consumer = {
            let (slot, over) = (Arc::clone(&slot), Arc::clone(&over));
            spawn(move || {
                let mut late = false;
                if let Next::Event(event) = slot.take_any() {
                    slot.run(&event, || {
                        late = over.load(Ordering::Relaxed);
                        Ok(())
                    });
                }
                late
            })
        };
        slot.close(DropReason::Cancelled);
        if slot.end_if_quiet(0) {
            over.store(true, Ordering::Relaxed);
        }
        publisher.join().expect("publisher");
        assert!(!consumer.join().expect("consumer"), "a handler ran after the end");
        slot.cancel(DropReason::Cancelled);
        let ledger = slot.ledger();
        close_account(slot, ledger.offered, ledger.delivered);
    });
}

/// A handler ends while somebody cancels and waits for that: the wait ends.
///
/// Broken by an `after_run` that loads the gate instead of changing it (neither sees the other), and by
/// a `Quiet` that listens without a second look.
#[test]
fn v3_a_wait_for_the_last_handler_ends() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        let Next::Event(event) = slot.take_any() else { panic!("it is queued") };
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                slot.run(&event, || Ok(()));
                slot.after_run();
            })
        };
        slot.cancel(DropReason::Cancelled);
        let (woken, waker) = waker();
        let mut quiet = Quiet::of(Arc::clone(&slot));
        let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
        assert!(!ready || slot.ledger().running == 0);
        consumer.join().expect("consumer");
        assert!(ready || woken.get() > 0, "nobody told that the handler ended");
        assert!(quiet.poll(&mut Context::from_waker(&waker)).is_ready());
        drop(quiet);
        close_account(slot, 1, 1);
    });
}

/// A publisher displaces the oldest event of a full queue while somebody cancels and waits: the wait ends,
/// although the event in the publisher's hand counts as running for a moment.
///
/// Broken by a `displace` that finds the queue closed and does not say that it has counted what it took.
#[test]
fn v3_a_wait_for_the_end_against_a_publisher_that_displaces() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(1, DeliveryMode::DropOldest);
        publish(&slot, drops.payload(1));
        let publisher = {
            let (slot, payload) = (Arc::clone(&slot), drops.payload(2));
            spawn(move || publish(&slot, payload))
        };
        slot.cancel(DropReason::Cancelled);
        let (woken, waker) = waker();
        let mut quiet = Quiet::of(Arc::clone(&slot));
        let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
        let receipt = publisher.join().expect("publisher");
        assert!(ready || woken.get() > 0, "nobody told that the displaced event was counted");
        assert!(quiet.poll(&mut Context::from_waker(&waker)).is_ready());
        assert_eq!(drops.get(), 2);
        drop(quiet);
        close_account(slot, 1 + receipt.matched() as u64, 0);
    });
}

/// The subscription is paused and cancelled while the consumer takes: the event is not kept, and counted
/// once.
///
/// Broken by a `discard` that heeds the pause.
#[test]
fn v3_a_cancel_in_a_pause_against_a_take() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, drops.payload(1));
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        slot.pause();
        slot.cancel(DropReason::Cancelled);
        let handled = consumer.join().expect("consumer").is_some();
        assert_eq!(drops.get(), 1, "the event is still there");
        close_account(slot, 1, u64::from(handled));
    });
}

/// An event with a completion is published, taken and cancelled: the completion is called exactly once,
/// whichever way the event ends, with what became of it.
///
/// Broken by a `discard` that does not settle (never called), and by a pass that opens the obligation
/// after the push (called before the event was handled).
#[test]
fn c1_a_completion_is_called_once_however_the_event_ends() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let outcomes = Arc::new(crate::sync::Mutex::new(Vec::new()));
        let publisher = {
            let (slot, outcomes) = (Arc::clone(&slot), Arc::clone(&outcomes));
            spawn(move || {
                let completion = Completion::new(Box::new(move |outcome| outcomes.lock().push(outcome)));
                let extras = Extras { completion: Some(completion.into()), ..Extras::default() };
                publish_with(&slot, 1_u64, Some(Box::new(extras)))
            })
        };
        let handled = take_one(&slot).is_some();
        slot.cancel(DropReason::Cancelled);
        let receipt = publisher.join().expect("publisher");
        let outcomes = std::mem::take(&mut *outcomes.lock());
        let [outcome] = &*outcomes else { panic!("called {} times", outcomes.len()) };
        assert_eq!((outcome.done, outcome.dropped.len()), {
            let offered = receipt.matched();
            (usize::from(handled), offered - usize::from(handled))
        });
        close_account(slot, receipt.matched() as u64, u64::from(handled));
    });
}

/// Two threads cancel: one of them is told that it did it.
///
/// Broken by a `Taken::cancel` that loads and stores, and by a `cancel` that tells of the quiet only if it
/// was the first (the other may have had the last event in its hand).
#[test]
fn v4_one_of_two_cancels_is_the_first() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, drops.payload(1));
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || slot.cancel(DropReason::Cancelled))
        };
        let own = slot.cancel(DropReason::Cancelled);
        assert!(own != other.join().expect("canceller"));
        assert_eq!(drops.get(), 1);
        close_account(slot, 1, 0);
    });
}

/// An inline subscription that takes one event gets two at once: its handler runs once, and the other
/// publisher knows that its event was not offered.
///
/// Broken by a `claim` that loads and stores.
#[test]
fn c1_a_budget_of_one_runs_one_handler() {
    loom::model(|| {
        let runs = Figure::default();
        let slot = {
            let runs = runs.clone();
            inline(1, move || runs.raise())
        };
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || publish(&slot, 1_u64))
        };
        let own = publish(&slot, 2_u64);
        let other = other.join().expect("publisher");
        assert_eq!((runs.get(), own.matched() + other.matched()), (1, 1));
        assert_eq!(own.delivered() + other.delivered(), 1);
        assert!(slot.is_closed());
        close_account(slot, 1, 1);
    });
}

/// A queued subscription that takes one event has two queued: it handles one, ends, and the other is
/// counted.
///
/// Broken by a `spend` that does not cancel with the last one.
#[test]
fn c1_a_budget_of_one_against_a_late_push() {
    loom::model(|| {
        let drops = Figure::default();
        let bell = Bell::default();
        let mut spec = spec(&["t"], 2, DeliveryMode::Drop);
        spec.budget = 1;
        let slot = slot(spec, |_| ends(2, bell));
        publish(&slot, drops.payload(1));
        let publisher = {
            let (slot, payload) = (Arc::clone(&slot), drops.payload(2));
            spawn(move || publish(&slot, payload).matched())
        };
        assert_eq!(serve(&slot), [1]);
        let late = publisher.join().expect("publisher") as u64;
        assert_eq!(drops.get(), 2);
        close_account(slot, 1 + late, 1);
    });
}

/// A receiver takes and counts an event while somebody closes its subscription: one of the two sees the other. The
/// hand-shake alone, with nothing in between that has a fence of its own.
///
/// Broken by a `show_mark` without its fence, and by a `sees_close` without its own.
#[test]
fn l1_a_mark_on_the_gate_against_a_receiver_that_counts() {
    loom::model(|| {
        let spec = Spec { kind: SubscriptionKind::Receiver, ..spec(&["t"], 1, DeliveryMode::Drop) };
        let slot = slot(spec, |_| ends(1, Bell::default()));
        publish(&slot, 1_u64);
        let receiver = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                let Next::Event(event) = slot.take_any() else { panic!("it is queued") };
                slot.handed_over(&event);
                slot.sees_close()
            })
        };
        slot.gate.bar();
        slot.show_mark();
        let counted = slot.ledger().delivered == 1;
        let seen = receiver.join().expect("receiver");
        assert!(counted || seen, "nobody tells that the event was taken");
        close_account(slot, 1, 1);
    });
}
