//! loom models of the receivers. Each says which change breaks it, and was seen to fail with that change.
//!
//! Receivers are polled by hand, and when all threads are done, only if they were woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use loom::thread::spawn;

use super::receiver::Receiver;
use crate::EventBus;
use crate::dispatch::models::support::{number, poll, publish, waker};
use crate::dispatch::{DeliveryMode, Quiet, Slot, Waits};
use crate::error::RecvError;
use crate::event::{AnyEvent, DropReason};
use crate::sync::clock::Deadline;

fn receiver(bus: &EventBus) -> (Receiver<AnyEvent>, Arc<Slot>) {
    receiver_of(bus, 1)
}

fn receiver_of(bus: &EventBus, capacity: usize) -> (Receiver<AnyEvent>, Arc<Slot>) {
    let subscription = bus.subscribe_any("t").capacity(capacity).delivery(DeliveryMode::Block);
    let receiver = subscription.receiver().expect("a receiver");
    let slot = Arc::clone(receiver.subscription().slot());
    (receiver, slot)
}

/// Receives while `other` happens in another thread. When both are done the receiver must have its
/// answer, or have been woken.
fn receive_against(
    receiver: &mut Receiver<AnyEvent>,
    slot: &Arc<Slot>,
    other: impl FnOnce(&Arc<Slot>) + Send + 'static,
) -> Result<u64, RecvError> {
    let thread = {
        let slot = Arc::clone(slot);
        spawn(move || other(&slot))
    };
    let (woken, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    let mut recv = receiver.recv_async();
    let first = Pin::new(&mut recv).poll(&mut cx);
    thread.join().expect("the other");
    let result = match first {
        Poll::Ready(result) => result,
        Poll::Pending => {
            assert!(woken.get() > 0, "the receiver was not woken");
            let Poll::Ready(result) = Pin::new(&mut recv).poll(&mut cx) else { panic!("woken for nothing") };
            result
        }
    };
    result.map(|event| number(&event))
}

/// An event comes while the receiver begins to wait.
///
/// Broken by a receiver that does not rest before it waits (the publisher believes that it is awake).
#[test]
fn l1_a_receiver_against_a_push() {
    loom::model(|| {
        let bus = EventBus::new();
        let (mut receiver, slot) = receiver(&bus);
        // It has taken one already, and not rested since.
        publish(&slot, 0_u64);
        assert!(receiver.try_recv().is_ok());
        let result = receive_against(&mut receiver, &slot, |slot| {
            publish(slot, 1_u64);
        });
        assert_eq!(result, Ok(1));
    });
}

/// The subscription is closed while the receiver begins to wait.
///
/// Broken by a `Doorbell::closed` that wakes nobody.
#[test]
fn l1_a_receiver_against_a_close() {
    loom::model(|| {
        let bus = EventBus::new();
        let (mut receiver, slot) = receiver(&bus);
        let result = receive_against(&mut receiver, &slot, |slot| {
            slot.close(DropReason::Shutdown);
        });
        assert_eq!(result, Err(RecvError));
    });
}

/// A pause ends while the receiver begins to wait because of it: it gets what was queued meanwhile.
///
/// Broken by a receiver that waits in a pause without parking (`resume` does not know that there is
/// somebody to wake).
#[test]
fn l1_a_receiver_against_a_resume() {
    loom::model(|| {
        let bus = EventBus::new();
        let (mut receiver, slot) = receiver(&bus);
        slot.pause();
        publish(&slot, 1_u64);
        let result = receive_against(&mut receiver, &slot, |slot| slot.resume());
        assert_eq!(result, Ok(1));
    });
}

/// The receiver is dropped while a publisher begins to wait for room in its queue: the publisher is told.
///
/// Broken by a `close` that does not notify those who wait for room.
#[test]
fn l2_a_waiting_publisher_against_the_drop_of_the_receiver() {
    loom::model(|| {
        let bus = EventBus::new();
        let (receiver, slot) = receiver(&bus);
        publish(&slot, 1_u64);
        let dropper = spawn(move || drop(receiver));
        let (woken, waker) = waker();
        let receipt = publish(&slot, 2_u64);
        if receipt.is_settled() {
            dropper.join().expect("dropper");
        } else {
            let mut waits = Waits::new(receipt, Deadline::NEVER);
            let first = poll(&mut waits, &waker);
            dropper.join().expect("dropper");
            assert!(first.is_ready() || woken.get() > 0, "the publisher was not woken");
            assert!(first.is_ready() || poll(&mut waits, &waker).is_ready(), "woken for nothing");
        }
        let ledger = slot.ledger();
        assert!(ledger.is_balanced() && ledger.queued == 0 && ledger.delivered == 0, "{ledger:?}");
        assert_eq!(slot.ledger().offered, slot.ledger().dropped.cancelled);
    });
}

/// The receiver takes one event while somebody ends the subscription and waits, and does not come back: the wait ends.
fn receive_one_against(events: u64, end: fn(&Slot)) {
    loom::model(move || {
        let bus = EventBus::new();
        let (mut receiver, slot) = receiver_of(&bus, 2);
        for event in 0..events {
            publish(&slot, event);
        }
        let ender = spawn(move || {
            end(&slot);
            let (woken, waker) = waker();
            let mut quiet = Quiet::of(slot);
            let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
            (quiet, ready, woken)
        });
        let taken = receiver.try_recv().is_ok();
        let (quiet, ready, woken) = ender.join().expect("who ends it");
        assert!(ready || woken.get() > 0, "nobody told that the event was taken: {taken}");
        drop(quiet);
    });
}

/// Somebody drains the subscription while its receiver takes the last event: everything has been taken.
///
/// Broken by a receiver that takes the last event and tells nobody.
#[test]
fn l1_a_drain_against_the_last_receive() {
    receive_one_against(1, |slot| {
        slot.close(DropReason::Cancelled);
    });
}

/// Somebody cancels the subscription while its receiver takes the first of two events: the other one is discarded.
///
/// Broken by a receiver that tells nobody while another event is there.
#[test]
fn l1_a_cancel_against_a_receive_that_is_not_the_last() {
    receive_one_against(2, |slot| {
        slot.cancel(DropReason::Cancelled);
    });
}
