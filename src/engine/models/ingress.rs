//! Hand-overs, their bound and their outcomes; the delivery thread.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use loom::thread::spawn;

use super::{deliver, hooks, intake, wait};
use crate::dispatch::models::support::waker;
use crate::engine::delivery::{Delivery, Errands, Ground};
use crate::engine::handover::{Abandoned, Handover};
use crate::engine::ingress::{Intake, Next};
use crate::event::Outcome;
use crate::sync::park::block_on;

/// Ends the next arrival, as the last subscription does.
fn end_next(intake: &Intake) -> bool {
    let Next::Arrival(accepted) = intake.next() else { return false };
    accepted.share.end(Outcome::default());
    true
}

/// An engine waits for room while the last subscription of another arrival comes to its end: it gets the room.
///
/// Broken by a share that is given back without a notification, and by a `Deliver` that does not try again after it
/// has begun to listen.
#[test]
fn l2_a_hand_over_that_waits_against_the_end_of_another() {
    loom::model(|| {
        let intake = intake(1);
        let first = wait(deliver(&intake)).expect("there is room");
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || drop(wait(deliver(&intake)).expect("it is open")))
        };
        assert!(end_next(&intake));
        engine.join().expect("it gets the room");
        assert_eq!(wait(first), Ok(Outcome::default()));
        assert_eq!(intake.in_flight(), 1);
        intake.close();
    });
}

/// Two hand-overs wait for room, and two arrivals end: both get it.
///
/// Broken by a notification that does not add to one that is on its way.
#[test]
fn l2_two_hand_overs_that_wait_against_two_ends() {
    loom::model(|| {
        let intake = intake(2);
        let _there = [(); 2].map(|()| wait(deliver(&intake)).expect("there is room"));
        let engine = || {
            let intake = Arc::clone(&intake);
            spawn(move || drop(wait(deliver(&intake)).expect("it is open")))
        };
        let engines = [engine(), engine()];
        assert!(end_next(&intake) && end_next(&intake));
        for engine in engines {
            engine.join().expect("it gets the room");
        }
        intake.close();
    });
}

/// An engine hands an arrival over while the ingress is closed: either it is refused and given back, or it is taken
/// and said to be abandoned. Nothing stays in flight, and nobody waits for ever.
///
/// Broken by a `close` that leaves the queue as it is, and by an `admit` that looks whether it is closed before it has
/// the lock.
#[test]
fn s2_a_hand_over_against_the_close() {
    loom::model(|| {
        let intake = intake(1);
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || match wait(deliver(&intake)) {
                Ok(handover) => assert_eq!(wait(handover), Err(Abandoned)),
                Err(closed) => assert!(closed.into_arrival().is_some()),
            })
        };
        intake.close();
        engine.join().expect("it is told");
        assert_eq!(intake.in_flight(), 0);
    });
}

/// The same while it waits for room, which an arrival has that is on its way past the subscriptions.
///
/// Broken by a `close` that does not tell those who wait for room.
#[test]
fn l2_a_hand_over_that_waits_against_the_close() {
    loom::model(|| {
        let intake = intake(1);
        let first = wait(deliver(&intake)).expect("there is room");
        let Next::Arrival(on_its_way) = intake.next() else { panic!("it was handed over") };
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || assert!(wait(deliver(&intake)).is_err(), "there is no room"))
        };
        intake.close();
        engine.join().expect("it is told");
        on_its_way.share.end(Outcome::default());
        assert_eq!(wait(first), Ok(Outcome::default()));
    });
}

/// An engine begins to wait for an outcome while the last subscription ends: it is woken, once.
///
/// Broken by a `settle` that takes the waker before it leaves the result, in two steps.
#[test]
fn c1_a_handover_is_told_of_the_outcome() {
    loom::model(|| {
        let intake = intake(1);
        let mut handover: Handover = wait(deliver(&intake)).expect("there is room");
        let last = {
            let intake = Arc::clone(&intake);
            spawn(move || assert!(end_next(&intake)))
        };
        let (woken, waker) = waker();
        let mut cx = Context::from_waker(&waker);
        let first = Pin::new(&mut handover).poll(&mut cx);
        last.join().expect("the last subscription");
        match first {
            Poll::Ready(result) => assert_eq!(result, Ok(Outcome::default())),
            Poll::Pending => {
                assert_eq!(woken.get(), 1);
                assert_eq!(Pin::new(&mut handover).poll(&mut cx), Poll::Ready(Ok(Outcome::default())));
            }
        }
    });
}

/// The delivery thread looks for work and goes to sleep while an engine hands over and the ingress is closed: it takes
/// the arrival, or finds it abandoned, and comes to its end. (The bus is gone, so that nobody is offered it.)
///
/// Broken by an `admit` or a `close` that does not notify the thread, and by a thread that does not look again after
/// it has begun to listen.
#[test]
fn l1_the_delivery_thread_against_a_hand_over_and_the_close() {
    loom::model(|| {
        let intake = intake(2);
        let thread = {
            let intake = Arc::clone(&intake);
            spawn(move || {
                let ground = Ground { tables: Weak::new(), hooks: hooks() };
                block_on(&mut Delivery::new(intake, Arc::new(Errands::default()), ground, 1));
            })
        };
        let handover = wait(deliver(&intake)).expect("it is open");
        assert_eq!(wait(handover), Err(Abandoned));
        intake.close();
        thread.join().expect("it ends");
        assert_eq!(intake.in_flight(), 0);
    });
}
