//! Push, take, rest, pause and close of one queue.

use std::sync::Arc;

use loom::thread::spawn;

use super::support::{
    Figure, close_account, ends, publish, push, queue, serve, serve_woken, slot, spec, take_one,
};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::event::DropReason;

/// An event is pushed while the consumer comes to the end of the queue: it does not rest over it.
///
/// Broken by a `Gate::rest` that looks first and clears ACTIVE in a second step.
#[test]
fn l1_an_event_pushed_while_the_consumer_goes_to_rest_is_handled() {
    loom::model(|| {
        let (slot, bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        bell.0.take();
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || serve(&slot))
        };
        publish(&slot, 2_u64);
        let mut handled = consumer.join().expect("consumer");
        handled.extend(serve_woken(&slot, &bell));
        assert_eq!(handled, [1, 2]);
        close_account(slot, 2, 2);
    });
}

/// Two publishers and a consumer: every event is handled once, those of one publisher in their order.
///
/// Broken by a publisher that judges by a look before its push whether the consumer is awake.
#[test]
fn o1_two_publishers_and_a_consumer() {
    loom::model(|| {
        let (slot, bell) = queue(4, DeliveryMode::Drop);
        push(&slot, 10_u64);
        bell.0.take();
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || push(&slot, 1_u64))
        };
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || serve(&slot))
        };
        push(&slot, 11_u64);
        other.join().expect("publisher");
        let mut handled = consumer.join().expect("consumer");
        handled.extend(serve_woken(&slot, &bell));
        let own: Vec<_> = handled.iter().copied().filter(|number| *number >= 10).collect();
        assert_eq!((handled.len(), own), (3, vec![10, 11]));
        close_account(slot, 3, 3);
    });
}

/// One pushes while another takes and closes. Whoever was told "queued" is handled, for a close lets the
/// queue run empty; whoever was not is counted or knows that it was not offered.
///
/// Broken by a `push` that looks at the gate once, and not in the same step in which it claims its place.
#[test]
fn s2_push_take_and_close() {
    loom::model(|| {
        let (slot, bell) = queue(2, DeliveryMode::Drop);
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || publish(&slot, 1_u64))
        };
        let mut handled = serve(&slot);
        assert!(slot.close(DropReason::Shutdown));
        handled.extend(serve_woken(&slot, &bell));
        let receipt = publisher.join().expect("publisher");
        handled.extend(serve_woken(&slot, &bell));
        assert_eq!(handled.len(), receipt.queued());
        close_account(slot, receipt.matched() as u64, receipt.queued() as u64);
    });
}

/// A push displaces the oldest event while the consumer takes it, or the newer one. The account is
/// exact, and every payload is dropped once.
///
/// Broken by a `displace` that does not count the displaced event.
#[test]
fn c4_a_displacing_push_against_a_take() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, bell) = queue(1, DeliveryMode::DropOldest);
        publish(&slot, drops.payload(1));
        bell.0.take();
        let publisher = {
            let (slot, payload) = (Arc::clone(&slot), drops.payload(2));
            spawn(move || publish(&slot, payload).queued())
        };
        let mut handled = serve(&slot);
        assert_eq!(publisher.join().expect("publisher"), 1);
        handled.extend(serve_woken(&slot, &bell));
        assert!(handled == [1, 2] || handled == [2], "{handled:?}");
        assert_eq!(slot.ledger().dropped.oldest, 2 - handled.len() as u64);
        close_account(slot, 2, handled.len() as u64);
        assert_eq!(drops.get(), 2);
    });
}

/// A pause comes and goes while the consumer takes: what is queued keeps its order, and a consumer that
/// parked is woken.
///
/// Broken by a `park` that does not look whether the pause is over, and by a `resume` that forgets PARKED.
#[test]
fn o3_a_pause_against_a_take() {
    loom::model(|| {
        let (slot, bell) = queue(2, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        publish(&slot, 2_u64);
        bell.0.take();
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || serve(&slot))
        };
        slot.pause();
        slot.resume();
        let mut handled = consumer.join().expect("consumer");
        handled.extend(serve_woken(&slot, &bell));
        assert_eq!(handled, [1, 2]);
        close_account(slot, 2, 2);
    });
}

/// Two consumers of one queue (the lanes of a subscription with concurrency 2) take while it is
/// paused: if the second event started, the first did, and each starts once.
///
/// Broken by a `pop` that claims its number with an addition, and gives it back if it finds the pause then.
#[test]
fn o2_two_lanes_start_events_in_their_order() {
    loom::model(|| {
        let slot = two_lanes();
        publish(&slot, 1_u64);
        publish(&slot, 2_u64);
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        let pauser = {
            let slot = Arc::clone(&slot);
            spawn(move || slot.pause())
        };
        let own = take_one(&slot);
        let other = other.join().expect("lane");
        pauser.join().expect("pauser");
        let started: Vec<_> = own.into_iter().chain(other).collect();
        assert!(started != [2], "the second event started and the first did not");
        slot.resume();
        let rest = serve(&slot);
        let mut all = [started.clone(), rest].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        close_account(slot, 2, 2);
    });
}

fn two_lanes() -> Arc<Slot> {
    let mut spec = spec(&["t"], 2, DeliveryMode::Drop);
    spec.concurrency = 2;
    slot(spec, |_| ends(2, super::support::Bell::default()))
}

/// Two consumers and two events, and a cancellation: each event starts at most once, what does not start
/// is counted, every payload is dropped once.
///
/// Broken by a `discard_queue` that does not count what it takes out.
#[test]
fn c1_two_lanes_against_a_cancel() {
    loom::model(|| {
        let drops = Figure::default();
        let slot = two_lanes();
        publish(&slot, drops.payload(1));
        publish(&slot, drops.payload(2));
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || take_one(&slot))
        };
        let own = take_one(&slot);
        slot.cancel(DropReason::Cancelled);
        let other = other.join().expect("lane");
        assert_eq!(slot.ledger().dropped.cancelled + own.iter().chain(&other).count() as u64, 2);
        assert!(own != other || own.is_none());
        close_account(slot, 2, own.iter().chain(&other).count() as u64);
        assert_eq!(drops.get(), 2);
    });
}
