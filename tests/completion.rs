//! An event's completion is called exactly once, when the last subscription is done with it, and says
//! what became of it there.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/poll_once.rs"]
mod poll_once;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eventually::eventually;
use kinds::KINDS;
use poll_once::poll_once;
use support::{PATIENCE, watchdog};
use trolleybus::{DeliveryMode, DropReason, EventBus, HandlerError, Outcome};

/// Publishes an event with a completion that reports how often it was called, and with what.
fn publish(bus: &EventBus, calls: &mpsc::Sender<Outcome>) {
    let calls = calls.clone();
    let event = bus.event("n", 1_u32).deadline(Duration::from_millis(1));
    drop(event.on_complete(move |outcome| calls.send(outcome).expect("send")).publish().expect("publish"));
}

#[test]
fn the_outcome_tells_of_every_end() {
    let _watchdog = watchdog("completion");
    for kind in KINDS {
        let bus = EventBus::builder().workers(1).build().expect("build");
        let (send, outcomes) = mpsc::channel();
        publish(&bus, &send);
        assert_eq!(outcomes.recv_timeout(PATIENCE), Ok(Outcome::default()), "nobody subscribes");

        let fine = kind.handle(bus.subscribe::<u32>("n"), |_| ());
        let failing = kind.try_handle(bus.subscribe::<u32>("n"), |_, _| Err(HandlerError::new("no")));
        let full = |mode| {
            let receiver =
                bus.subscribe::<u32>("*").capacity(1).delivery(mode).receiver().expect("subscribe");
            bus.publish("other", 0_u32).expect("publish");
            receiver
        };
        let dropping = full(DeliveryMode::Drop);
        let waiting = full(DeliveryMode::Block);
        let mut taking = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        let cancelled = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        let _filtered = bus.subscribe::<u32>("n").filter(|_| false).receiver().expect("subscribe");
        publish(&bus, &send);
        eventually("two are done", || fine.stats().delivered + failing.stats().delivered == 2);
        assert!(outcomes.try_recv().is_err(), "two queues still hold it");
        assert_eq!(*taking.recv().expect("the event"), 1);
        assert!(outcomes.try_recv().is_err(), "one queue still holds it");
        cancelled.subscription().cancel();
        let outcome = outcomes.recv_timeout(PATIENCE).expect("the outcome");
        assert_eq!((outcome.done, &outcome.failed[..]), (2, &[failing.id()][..]), "{kind:?}");
        let mut dropped = outcome.dropped.clone();
        dropped.sort_unstable();
        let id = |receiver: &trolleybus::Receiver<_>| receiver.subscription().id();
        let expected = [
            (id(&dropping), DropReason::Full),
            (id(&waiting), DropReason::Timeout),
            (id(&cancelled), DropReason::Cancelled),
        ];
        assert_eq!(dropped, expected, "{kind:?}");
        assert!(!outcome.is_ok());
        assert!(outcomes.try_recv().is_err(), "once");
    }
}

#[test]
fn every_completion_is_called_once_whatever_happens_meanwhile() {
    let _watchdog = watchdog("completion storm");
    for round in 0..60 {
        let bus = EventBus::builder().workers(2).build().expect("build");
        let mode = [DeliveryMode::Drop, DeliveryMode::DropOldest, DeliveryMode::Block][round % 3];
        let subscriptions = KINDS.map(|kind| {
            kind.try_handle(bus.subscribe::<u32>("n").capacity(4).delivery(mode), |number, _| {
                assert!(number % 7 != 3, "a wanted panic");
                if number % 7 == 5 { Err(HandlerError::new("no")) } else { Ok(()) }
            })
        });
        let (published, completed) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for number in 0..200_u32 {
                        let count = Arc::clone(&completed);
                        let event = bus.event("n", number).on_complete(move |_| {
                            count.fetch_add(1, SeqCst);
                        });
                        published.fetch_add(usize::from(event.publish().is_ok()), SeqCst);
                    }
                });
            }
            match round % 4 {
                0 => drop(subscriptions[1].cancel()),
                1 => drop(subscriptions[2].drain(PATIENCE).wait()),
                2 => drop(bus.shutdown(PATIENCE).discarding().wait()),
                _ => {}
            }
        });
        drop(bus);
        drop(subscriptions);
        eventually("all are called", || completed.load(SeqCst) == published.load(SeqCst));
    }
}

#[test]
fn a_refused_event_and_one_that_was_taken_back_are_not_completed_by_those_who_never_got_it() {
    let _watchdog = watchdog("completion refused");
    let bus = EventBus::new();
    let builder = bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block);
    let receiver = builder.receiver().expect("subscribe");
    bus.publish("n", 0_u32).expect("publish");
    let (send, outcomes) = mpsc::channel();
    let event = bus.event("n", 1_u32).on_complete(move |outcome| send.send(outcome).expect("send"));
    let mut waiting = event.publish_async();
    assert!(poll_once(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!(outcomes.recv_timeout(PATIENCE), Ok(Outcome::default()), "never offered to anybody");
    assert_eq!(receiver.subscription().stats().offered, 1);
    let _ = bus.shutdown(Duration::ZERO).wait();
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let event = bus.event("n", 2_u32).on_complete(move |_| {
        count.fetch_add(1, SeqCst);
    });
    assert!(event.publish().is_err());
    assert_eq!((called.load(SeqCst), Arc::strong_count(&called)), (0, 1), "dropped uncalled");
}
