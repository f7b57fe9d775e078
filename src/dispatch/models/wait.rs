//! Publishers that wait for room, polled by hand.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::thread::spawn;

use super::support::{Figure, close_account, poll, publish, queue, take_one, waker};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Receipt, Waits};
use crate::event::DropReason;
use crate::sync::clock::{Deadline, model};

/// A full queue of one event, in a mode that waits.
fn full(mode: DeliveryMode, drops: &Figure) -> Arc<Slot> {
    let (slot, _bell) = queue(1, mode);
    publish(&slot, drops.payload(0));
    slot
}

/// Offers an event, which is polled at least once if the queue is full.
fn offer(slot: &Arc<Slot>, drops: &Figure, number: u64, waker: &Waker) -> Result<Receipt, Waits> {
    let receipt = publish(slot, drops.payload(number));
    if receipt.is_settled() {
        return Ok(receipt);
    }
    let mut waits = Waits::new(receipt, Deadline::NEVER);
    match poll(&mut waits, waker) {
        Poll::Ready(receipt) => Ok(receipt),
        Poll::Pending => Err(waits),
    }
}

/// A publisher offers in a thread of its own while `other` happens. When both are done it must be
/// served, or have been woken.
fn offered_against(
    slot: &Arc<Slot>,
    drops: &Figure,
    other: impl FnOnce(&Arc<Slot>) + Send + 'static,
) -> Receipt {
    let (woken, waker) = waker();
    let thread = {
        let slot = Arc::clone(slot);
        spawn(move || other(&slot))
    };
    let offered = offer(slot, drops, 1, &waker);
    thread.join().expect("the other");
    offered.unwrap_or_else(|mut waits| {
        assert!(woken.get() > 0, "the publisher was not woken");
        let Poll::Ready(receipt) = poll(&mut waits, &waker) else { panic!("woken for nothing") };
        receipt
    })
}

/// There comes to be room while a publisher begins to wait: it gets it.
///
/// Broken by a `Waiting` that does not try once more after it has announced itself, and by a `take` that
/// does not look at the announcements.
#[test]
fn l2_a_waiting_publisher_against_room() {
    loom::model(|| {
        let drops = Figure::default();
        let slot = full(DeliveryMode::Block, &drops);
        let receipt = offered_against(&slot, &drops, |slot| assert_eq!(take_one(slot), Some(0)));
        assert_eq!(receipt.queued(), 1);
        assert_eq!(take_one(&slot), Some(1));
        close_account(slot, 2, 2);
    });
}

/// The subscription is cancelled while a publisher begins to wait: it is told.
///
/// Broken by a `close` that does not notify, or that notifies before it closes the gate.
#[test]
fn l2_a_waiting_publisher_against_a_cancel() {
    loom::model(|| {
        let drops = Figure::default();
        let slot = full(DeliveryMode::Block, &drops);
        let receipt = offered_against(&slot, &drops, |slot| {
            slot.cancel(DropReason::Cancelled);
        });
        // Matched nothing if the subscription had gone before the offer.
        let late = receipt.matched() as u64;
        assert_eq!(slot.ledger().dropped.cancelled, 1 + late);
        assert_eq!(drops.get(), 2);
        close_account(slot, 1 + late, 0);
    });
}

/// The bus shuts down while a publisher begins to wait: it is told "shut down", and what is queued can
/// still be taken.
///
/// Broken by a `Waiting` that waits on without a look whether the gate is closed.
#[test]
fn l2_a_waiting_publisher_against_a_shutdown() {
    loom::model(|| {
        let drops = Figure::default();
        let slot = full(DeliveryMode::Block, &drops);
        let receipt = offered_against(&slot, &drops, |slot| {
            slot.close(DropReason::Shutdown);
        });
        let late = receipt.matched() as u64;
        assert_eq!(slot.ledger().dropped.shutdown, late);
        assert_eq!(take_one(&slot), Some(0));
        close_account(slot, 1 + late, 1);
    });
}

/// Room and the deadline come at a time: the event is queued or counted as timed out, not both, and
/// room that was there before wins.
///
/// Broken by a `Waiting` that looks at its deadline before it tries to push.
#[test]
fn l2_a_waiting_publisher_against_its_deadline() {
    loom::model(|| {
        model::pass(Duration::ZERO);
        let drops = Figure::default();
        let slot = full(DeliveryMode::Timeout(Duration::from_secs(1)), &drops);
        let (_, waker) = waker();
        let Err(mut waits) = offer(&slot, &drops, 1, &waker) else { panic!("there was room") };
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || {
                assert_eq!(take_one(&slot), Some(0));
            })
        };
        model::pass(Duration::from_secs(1));
        // A read-modify-write: the newest count.
        let inlet = slot.inlet().expect("a queue");
        let had_room = inlet.gate().view().ahead_of(inlet.taken().touch()) == 0;
        let Poll::Ready(receipt) = poll(&mut waits, &waker) else { panic!("the deadline has passed") };
        consumer.join().expect("consumer");
        assert!(!had_room || receipt.queued() == 1, "room was there before");
        let queued = receipt.queued() as u64;
        assert_eq!(slot.ledger().dropped.timeout, 1 - queued);
        assert_eq!(take_one(&slot).is_some(), queued == 1);
        drop(waits);
        close_account(slot, 2, 1 + queued);
    });
}

/// Two publishers wait, and two events are taken while one of them looks: both get room.
///
/// Broken by a `take` that notifies "one, unless one is notified already" (the second room is lost on
/// the one who has not looked yet).
#[test]
fn l2_two_waiting_publishers_and_two_takes() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(2, DeliveryMode::Block);
        publish(&slot, drops.payload(0));
        publish(&slot, drops.payload(1));
        let wakers = [waker(), waker()];
        let mut waits: Vec<_> = (0..2)
            .map(|at| match offer(&slot, &drops, 2 + at as u64, &wakers[at].1) {
                Err(waits) => Some(waits),
                Ok(_) => panic!("there was room"),
            })
            .collect();
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || [take_one(&slot), take_one(&slot)])
        };
        let mut queued = 0;
        if let Some(first) = &mut waits[0]
            && let Poll::Ready(receipt) = poll(first, &wakers[0].1)
        {
            queued += receipt.queued();
            waits[0] = None;
        }
        assert_eq!(consumer.join().expect("consumer"), [Some(0), Some(1)]);
        for (waits, (woken, waker)) in waits.iter_mut().zip(&wakers) {
            let Some(waits) = waits else { continue };
            assert!(woken.get() > 0, "room for two, and one was not woken");
            let Poll::Ready(receipt) = poll(waits, waker) else { panic!("there is room for both") };
            queued += receipt.queued();
        }
        assert_eq!(queued, 2);
        drop(waits);
        assert!(take_one(&slot).is_some() && take_one(&slot).is_some());
        close_account(slot, 4, 4);
    });
}

/// Two publishers wait, one gives up while an event is taken: the other gets the room, and of the first
/// no trace is left.
///
/// Broken by a `stop_listening` that swallows a notification (polls the listener once more before it drops
/// it), and by one that does not take the announcement back.
#[test]
fn l7_a_dropped_wait_passes_its_turn_on() {
    loom::model(|| {
        let drops = Figure::default();
        let slot = full(DeliveryMode::Block, &drops);
        let (_, first) = waker();
        let (woken, second) = waker();
        let Err(gives_up) = offer(&slot, &drops, 1, &first) else { panic!("there was room") };
        let Err(mut waits) = offer(&slot, &drops, 2, &second) else { panic!("there was room") };
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        drop(gives_up);
        assert_eq!(consumer.join().expect("consumer"), Some(0));
        assert!(woken.get() > 0, "the turn was lost with the wait that was dropped");
        let Poll::Ready(receipt) = poll(&mut waits, &second) else { panic!("there is room") };
        assert_eq!(receipt.queued(), 1);
        drop(waits);
        assert_eq!(take_one(&slot), Some(2));
        assert_eq!(drops.get(), 3);
        close_account(slot, 2, 2);
    });
}
