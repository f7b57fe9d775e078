//! Members of a group: each event goes to one of them, whatever happens meanwhile.

use std::sync::{Arc, Weak};

use loom::thread::{JoinHandle, spawn};

use super::support::{
    Bell, Figure, close_account, ends, publish, publish_to, serve, slot_in, spec, take_one,
};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::{DeliveryMode, Group};
use crate::dispatch::{Receipt, Roster};
use crate::event::DropReason;

/// The two members of a group. The first one's turn comes first.
fn group(capacity: usize, mode: DeliveryMode) -> [Arc<Slot>; 2] {
    let group = Arc::new(Group::new("g", None));
    let roster = Arc::<Roster>::default();
    [(); 2].map(|()| {
        let mut spec = spec(&["t"], capacity, mode);
        spec.group = Some(Arc::clone(&group));
        slot_in(&Weak::new(), &roster, spec, |_| ends(capacity, Bell::default()))
    })
}

/// The two members, each with one event, which is all that it has room for. It is the first one's turn.
fn full_group(drops: &Figure) -> [Arc<Slot>; 2] {
    let members = group(1, DeliveryMode::Drop);
    for member in &members {
        publish(member, drops.payload(0));
    }
    members
}

/// Publishes to the members in another thread.
fn publisher<T: Send + Sync + 'static>(members: &[Arc<Slot>; 2], payload: T) -> JoinHandle<Receipt> {
    let members = members.clone();
    spawn(move || publish_to(&members, payload, None))
}

/// Two publish to a group at a time: each event goes to one member, and each member gets one.
///
/// Broken by a `next_turn` that loads and stores (both begin with the same member).
#[test]
fn o4_two_publishers_to_a_group_take_turns() {
    loom::model(|| {
        let members = group(2, DeliveryMode::Drop);
        let other = publisher(&members, 1_u64);
        let own = publish_to(&members, 2_u64, None).queued();
        assert_eq!((own, other.join().expect("publisher").queued()), (1, 1));
        let [one, two] = members;
        let (mut handled, others) = (serve(&one), serve(&two));
        assert_eq!((handled.len(), others.len()), (1, 1));
        handled.extend(others);
        handled.sort_unstable();
        assert_eq!(handled, [1, 2]);
        close_account(one, 1, 1);
        close_account(two, 1, 1);
    });
}

/// A member is cancelled while a publisher offers it an event: it had accepted that before, and counts it as
/// dropped, or the event goes to the other.
///
/// Broken by a pass that has done with the group when it finds a member closed.
#[test]
fn c1_a_member_of_a_group_is_cancelled_against_an_offer() {
    loom::model(|| {
        let drops = Figure::default();
        let members = group(1, DeliveryMode::Drop);
        let publisher = publisher(&members, drops.payload(1));
        let [one, two] = members;
        one.cancel(DropReason::Cancelled);
        let receipt = publisher.join().expect("publisher");
        assert_eq!((receipt.queued(), receipt.matched()), (1, 1));
        let (dropped, handled) = (one.ledger().dropped.cancelled, serve(&two).len() as u64);
        assert_eq!((dropped + handled, drops.get()), (1, 1));
        close_account(one, dropped, 0);
        close_account(two, handled, handled);
    });
}

/// Both members are full, and the one whose turn it is is cancelled meanwhile: one of them counts the event, for
/// it was there to be offered to.
///
/// Broken by a pass that has done with the group when the full member that is to deal with the event is closed.
#[test]
fn c1_a_full_member_of_a_group_is_cancelled_against_an_offer() {
    loom::model(|| {
        let drops = Figure::default();
        let members = full_group(&drops);
        let publisher = publisher(&members, drops.payload(1));
        let [one, two] = members;
        one.cancel(DropReason::Cancelled);
        let receipt = publisher.join().expect("publisher");
        assert_eq!((receipt.dropped(), receipt.matched()), (1, 1), "nobody counts the event");
        let full = [&one, &two].map(|member| member.ledger().dropped.full);
        assert_eq!(full[0] + full[1], 1);
        assert_eq!(take_one(&two), Some(0));
        assert_eq!(drops.get(), 3);
        close_account(one, 1 + full[0], 0);
        close_account(two, 1 + full[1], 1);
    });
}

/// Two publish to a group whose members are full while one of these takes: each event is queued once or counted
/// once, and there is room for one.
///
/// Broken by a pass that makes its round with `offer` as to a subscription alone (each full member on the way
/// counts the event).
#[test]
fn c1_two_publishers_to_a_full_group_against_a_take() {
    loom::model(|| {
        let drops = Figure::default();
        let members = full_group(&drops);
        let other = publisher(&members, drops.payload(1));
        let taker = {
            let one = Arc::clone(&members[0]);
            spawn(move || take_one(&one))
        };
        let own = publish_to(&members, drops.payload(2), None);
        let other = other.join().expect("publisher");
        assert_eq!(taker.join().expect("consumer"), Some(0));
        assert_eq!((own.matched(), other.matched()), (1, 1));
        let queued = own.queued() + other.queued();
        assert!(queued <= 1, "there was room for one");
        let [one, two] = members;
        let full = [&one, &two].map(|member| member.ledger().dropped.full);
        assert_eq!(full[0] + full[1], 2 - queued as u64);
        assert_eq!((serve(&one).len(), serve(&two).len()), (queued, 1));
        assert_eq!(drops.get(), 4);
        close_account(one, 1 + full[0] + queued as u64, 1 + queued as u64);
        close_account(two, 1 + full[1], 1);
    });
}
