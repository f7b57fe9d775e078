//! Reading the account while it changes.

use std::sync::Arc;

use loom::thread::{JoinHandle, spawn};

use super::support::{Figure, close_account, inline, inline_in, publish, publish_to, push, queue, take_one};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Ledger, Roster};
use crate::event::DropReason;

/// Two readings of one account, at most `most` events in it: none shows more at the ends than at the
/// source, and no counter goes down.
fn read_twice(slot: &Arc<Slot>, most: u64) -> Ledger {
    let first = slot.ledger();
    let second = slot.ledger();
    for ledger in [first, second] {
        // A difference below zero would show as one above all bounds.
        assert!(ledger.queued <= most && ledger.running <= most, "{ledger:?}");
        assert!(ledger.is_balanced() && ledger.offered <= most, "{ledger:?}");
    }
    assert!(first.offered <= second.offered, "{first:?} {second:?}");
    assert!(first.delivered <= second.delivered, "{first:?} {second:?}");
    assert!(first.dropped.total() <= second.dropped.total(), "{first:?} {second:?}");
    second
}

/// Reads in a thread of its own.
///
/// The thread that changes things is the first that loom runs, and the reader comes after it: the other way
/// round loom does not see that a load comes too late for a change whose thread has looked before it
/// changed (it compares an access with the last one only), and leaves those orders out.
fn reader(slot: &Arc<Slot>, most: u64) -> JoinHandle<Ledger> {
    let slot = Arc::clone(slot);
    spawn(move || read_twice(&slot, most))
}

/// An event is pushed, taken and handled, while one reads. The steps of publisher and consumer are in one
/// thread, in that order, so that the search stays small.
///
/// Broken by a `ledger` that reads what was taken before the ends.
#[test]
fn c2_a_reader_during_publish_and_take() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let reader = reader(&slot, 1);
        push(&slot, 1_u64);
        assert_eq!(take_one(&slot), Some(1));
        reader.join().expect("reader");
        close_account(slot, 1, 1);
    });
}

/// An event is published and its subscription cancelled, while one reads.
///
/// Broken by a `ledger` that reads what was taken before the ends.
#[test]
fn c2_a_reader_during_publish_and_cancel() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let reader = reader(&slot, 1);
        push(&slot, 1_u64);
        slot.cancel(DropReason::Cancelled);
        reader.join().expect("reader");
        close_account(slot, 1, 0);
    });
}

/// An event is published and taken in a pause or before it, while one reads: it stays offered.
///
/// Broken by a `ledger` that reads what was accepted before what was taken.
#[test]
fn c2_a_reader_during_publish_and_pause() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        let reader = reader(&slot, 1);
        push(&slot, 1_u64);
        slot.pause();
        reader.join().expect("reader");
        let handled = consumer.join().expect("consumer").is_some();
        slot.resume();
        assert_eq!(take_one(&slot).is_some(), !handled);
        close_account(slot, 1, 1);
    });
}

/// An event meets a pause and a cancellation, while one reads: it is offered once, and ends once.
///
/// Broken by a `ledger` that reads what was taken before the ends.
#[test]
fn c2_a_reader_during_pause_and_cancel() {
    loom::model(|| {
        let (slot, _bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        let reader = reader(&slot, 1);
        slot.pause();
        slot.cancel(DropReason::Cancelled);
        reader.join().expect("reader");
        let handled = consumer.join().expect("consumer").is_some();
        close_account(slot, 1, u64::from(handled));
    });
}

/// A publisher runs an inline handler while one reads.
///
/// Broken by a `sums` that reads the entries before the exits.
#[test]
fn c2_a_reader_during_inline_handlers() {
    loom::model(|| {
        let slot = inline(u64::MAX, || {});
        let reader = reader(&slot, 1);
        publish(&slot, 1_u64);
        reader.join().expect("reader");
        close_account(slot, 1, 1);
    });
}

/// The last reference to a subscription is dropped while the account of the bus is read: its events are
/// in it once, before and after.
///
/// Broken by a `fold` that takes the slot out in one step and adds its account in another, and by a
/// `Roster::ledger` that passes by a slot which is being dropped.
#[test]
fn c2_a_reader_of_the_bus_against_the_end_of_a_slot() {
    loom::model(|| {
        let roster = Arc::<Roster>::default();
        let spec = super::support::spec(&["t"], 1, DeliveryMode::Drop);
        let bell = super::support::Bell::default();
        let slot = super::support::slot_in(&std::sync::Weak::new(), &roster, spec, |_| {
            super::support::ends(1, bell)
        });
        let drops = Figure::default();
        publish(&slot, drops.payload(1));
        assert_eq!(take_one(&slot), Some(1));
        slot.cancel(DropReason::Cancelled);
        let dropper = spawn(move || drop(slot));
        for _ in 0..2 {
            let ledger = roster.ledger();
            assert_eq!((ledger.offered, ledger.delivered), (1, 1), "{ledger:?}");
        }
        dropper.join().expect("dropper");
        assert_eq!(roster.ledger().offered, 1);
        assert_eq!(drops.get(), 1);
    });
}

/// A publisher calls two inline handlers in a round, and drops the list with its view, while one reads the account of
/// the second: what is counted in the round shows once, before and after it is gone.
///
/// Broken by an `Attendance::leave` that gives the seat up before it keeps its count, or does not keep it.
#[test]
fn c2_a_reader_during_a_round_and_its_end() {
    loom::model(|| {
        let roster = Arc::default();
        let slots = [inline_in(&roster, u64::MAX, || {}), inline_in(&roster, u64::MAX, || {})];
        let reader = reader(&slots[1], 1);
        publish_to(&slots, 1_u64, None);
        reader.join().expect("reader");
        for slot in slots {
            close_account(slot, 1, 1);
        }
    });
}
