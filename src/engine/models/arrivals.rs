//! An arrival on its way past the subscriptions while the bus is shut down.

use std::sync::Arc;

use loom::thread::spawn;

use super::{deliver, hooks, intake, wait};
use crate::dispatch::models::support::{Bell, Figure, ends, slot_in, spec};
use crate::dispatch::{DeliveryMode, MakeTable, Roster, Slot, Tables};
use crate::engine::delivery::{Delivery, Errands, Ground};
use crate::engine::handover::Handover;
use crate::engine::ingress::{Intake, Next};
use crate::event::{DropReason, Outcome};

/// A bus with one subscription that has joined its engine, whose queue holds one event.
struct Bus {
    tables: Arc<Tables>,
    slot: Arc<Slot>,
    intake: Arc<Intake>,
    delivery: Delivery,
}

fn bus(mode: DeliveryMode) -> Bus {
    let roster = Arc::<Roster>::default();
    let make = MakeTable { cap: 4, carriers: None, feed: None, ttls: None, keeper: None, observed: false };
    let tables = Arc::new(Tables::new(make, 1, Arc::clone(&roster)));
    let table = Arc::downgrade(tables.common());
    let slot = slot_in(&table, &roster, spec(&["t"], 1, mode), |_| ends(1, Bell::default()));
    assert!(slot.join(1));
    tables.common().insert(&slot);
    let intake = intake(2);
    let ground = Ground { tables: Arc::downgrade(&tables), hooks: hooks() };
    let delivery = Delivery::new(Arc::clone(&intake), Arc::new(Errands::default()), ground, 1);
    Bus { tables, slot, intake, delivery }
}

/// An arrival is handed over, and taken past the subscriptions by the engine's thread.
fn take_one_past(intake: &Arc<Intake>, delivery: &Delivery) -> Handover {
    let handover = wait(deliver(intake)).expect("it is open");
    let Next::Arrival(accepted) = intake.next() else { panic!("it was handed over") };
    delivery.take_past(accepted);
    handover
}

/// As a shutdown without patience does once the engines have had their time.
fn close(tables: &Tables, slot: &Slot) {
    tables.close();
    slot.close(DropReason::Shutdown);
    slot.cancel(DropReason::Shutdown);
}

/// The outcome agrees with the account of the subscription, and nothing is in flight.
fn check(slot: &Slot, intake: &Intake, outcomes: &[Outcome]) {
    let ledger = slot.ledger();
    assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
    let dropped = outcomes.iter().flat_map(|outcome| &outcome.dropped);
    assert!(dropped.clone().all(|(id, reason)| (*id, *reason) == (slot.id, DropReason::Shutdown)));
    assert_eq!(dropped.count() as u64, ledger.offered, "{outcomes:?}");
    assert_eq!(intake.in_flight(), 0);
}

/// An arrival is taken past the subscriptions while the bus is shut down: it is offered to nobody, or dropped by the
/// subscription, which the engine hears of. It is not lost, and not in flight for ever.
///
/// Broken by a `take_past` that holds no obligation of its own while the subscriptions are asked, and by a cancel that
/// discards a queue without settling what was in it.
#[test]
fn s2_an_arrival_against_the_shutdown_of_the_bus() {
    loom::model(|| {
        let Bus { tables, slot, intake, delivery } = bus(DeliveryMode::Drop);
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || take_one_past(&intake, &delivery))
        };
        close(&tables, &slot);
        let handover = engine.join().expect("the engine's thread");
        let outcome = wait(handover).expect("it was taken past the subscriptions");
        check(&slot, &intake, &[outcome]);
    });
}

/// The same where it waits for room in the subscription's queue: the wait ends.
///
/// Broken by a close that does not tell those who wait for room.
#[test]
fn l3_an_arrival_that_waits_for_room_against_the_shutdown_of_the_bus() {
    loom::model(|| {
        let Bus { tables, slot, intake, delivery } = bus(DeliveryMode::Block);
        let first = take_one_past(&intake, &delivery);
        let waited = Figure::default();
        let engine = {
            let (intake, waited) = (Arc::clone(&intake), waited.clone());
            spawn(move || {
                let second = take_one_past(&intake, &delivery);
                waited.raise();
                second
            })
        };
        close(&tables, &slot);
        let second = engine.join().expect("the engine's thread");
        assert_eq!(waited.get(), 1);
        let outcomes = [first, second].map(|handover| wait(handover).expect("it was taken past"));
        check(&slot, &intake, &outcomes);
    });
}
