//! loom models of the end of a bus. Each says which change breaks it, and was seen to fail with that change.
//!
//! The events are received by hand. Time does not pass: a shutdown has none left, or has all of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::thread::{JoinHandle, spawn};

use super::{EventBus, Shutdown, ShutdownReport};
use crate::dispatch::Slot;
use crate::dispatch::models::support::{Figure, push, waker};
use crate::event::AnyEvent;
use crate::subscribe::Receiver;

fn receiver(bus: &EventBus) -> (Receiver<AnyEvent>, Arc<Slot>) {
    let receiver = bus.subscribe_any("t").capacity(1).receiver().expect("a receiver");
    let slot = Arc::clone(receiver.subscription().slot());
    (receiver, slot)
}

/// Publishes an event: in how many queues it was put, or nothing if the bus was shut down.
fn publish(bus: &EventBus, drops: &Figure) -> Option<u64> {
    let receipt = bus.publish_local("t", drops.payload(1)).ok()?;
    assert_eq!(receipt.queued(), receipt.matched());
    Some(receipt.queued() as u64)
}

/// Does so in another thread.
fn publisher(bus: &EventBus, drops: &Figure) -> JoinHandle<Option<u64>> {
    let (bus, drops) = (bus.clone(), drops.clone());
    spawn(move || publish(&bus, &drops))
}

fn poll(shutdown: &mut Shutdown, waker: &Waker) -> Poll<ShutdownReport> {
    Pin::new(shutdown).poll(&mut Context::from_waker(waker))
}

/// When all threads are done: a shutdown has ended, or was woken and ends now.
fn end(
    shutdown: &mut Shutdown,
    first: Poll<ShutdownReport>,
    woken: &Figure,
    waker: &Waker,
) -> ShutdownReport {
    if let Poll::Ready(report) = first {
        return report;
    }
    assert!(woken.get() > 0, "the shutdown was not told of the last event");
    let Poll::Ready(report) = poll(shutdown, waker) else { panic!("woken for nothing") };
    report
}

/// What was accepted has been handled or was dropped because of the shutdown.
fn check(slot: &Slot, delivered: u64, dropped: u64) {
    let ledger = slot.ledger();
    assert!(ledger.is_balanced() && ledger.queued == 0 && ledger.running == 0, "{ledger:?}");
    assert_eq!((ledger.delivered, ledger.dropped.shutdown), (delivered, dropped), "{ledger:?}");
    assert_eq!(ledger.offered, delivered + dropped, "{ledger:?}");
}

/// Something is published while the bus is shut down at once: it is refused, or its receipt is right, and what
/// was accepted is dropped and reported.
///
/// Broken by a `finish` that reads the account before it has cancelled the last subscription.
#[test]
fn s2_a_publish_against_a_shutdown_without_time() {
    loom::model(|| {
        let drops = Figure::default();
        let bus = EventBus::new();
        let (receiver, slot) = receiver(&bus);
        let publisher = publisher(&bus, &drops);
        let report = bus.shutdown(Duration::ZERO).wait();
        let accepted = publisher.join().expect("publisher").unwrap_or(0);
        assert_eq!(drops.get(), 1, "the bus keeps a payload");
        assert_eq!((report.discarded, report.complete), (accepted, accepted == 0));
        check(&slot, 0, accepted);
        assert!(bus.publish_local("t", 2_u64).is_err());
        drop(receiver);
    });
}

/// Something is published while the bus begins to drain: what was accepted is received, and the drain ends then.
///
/// Broken by a shutdown that drains without closing the subscriptions (a publisher that has passed the mark of the
/// bus puts its event into a queue that was found empty).
#[test]
fn s2_a_publish_against_a_drain() {
    loom::model(|| {
        let drops = Figure::default();
        let bus = EventBus::new();
        let (mut receiver, slot) = receiver(&bus);
        let publisher = publisher(&bus, &drops);
        let (woken, waker) = waker();
        let mut shutdown = bus.shutdown(Duration::MAX);
        let first = poll(&mut shutdown, &waker);
        let received = receiver.try_iter().count() as u64;
        let accepted = publisher.join().expect("publisher").unwrap_or(0);
        let report = end(&mut shutdown, first, &woken, &waker);
        assert!(report.complete && report.discarded == 0, "{report:?}");
        assert_eq!(received, accepted);
        check(&slot, accepted, 0);
        assert_eq!(drops.get(), 1);
    });
}

/// Something is published while the last handle of the bus goes: it is dropped and counted, or was not accepted.
///
/// Broken by a drop that only closes the subscriptions in which it finds nothing queued.
#[test]
fn s2_a_publish_against_the_drop_of_the_bus() {
    loom::model(|| {
        let drops = Figure::default();
        let bus = EventBus::new();
        let (receiver, slot) = receiver(&bus);
        let handle = bus.publisher_local("t").expect("a topic");
        let publisher = {
            let payload = drops.payload(1);
            spawn(move || handle.publish(payload).map_or(0, |receipt| receipt.queued() as u64))
        };
        drop(bus);
        let accepted = publisher.join().expect("publisher");
        assert_eq!(drops.get(), 1, "the bus keeps a payload");
        check(&slot, 0, accepted);
        drop(receiver);
    });
}

/// The bus drains, and another shutdown has not the time for it: both end, and the drain does not say that it
/// was complete. Both have begun before: two whole ones are too much for bound 3.
///
/// Broken by a `complete` that looks only at what the own shutdown has found in the queues, and by an `end` that
/// does not tell those who wait for the last handler.
#[test]
fn s3_a_drain_against_a_shutdown_without_time() {
    loom::model(|| {
        let drops = Figure::default();
        let bus = EventBus::new();
        let (receiver, slot) = receiver(&bus);
        assert!(push(&slot, drops.payload(1)));
        let (woken, waker) = waker();
        let mut drain = bus.shutdown(Duration::MAX);
        let mut hasty = bus.shutdown(Duration::ZERO);
        let hasty = spawn(move || poll(&mut hasty, Waker::noop()));
        let first = poll(&mut drain, &waker);
        let Poll::Ready(hasty) = hasty.join().expect("shutdown") else { panic!("it has no time") };
        let report = end(&mut drain, first, &woken, &waker);
        check(&slot, 0, 1);
        assert_eq!((hasty.complete, hasty.discarded), (false, 1));
        assert_eq!((report.complete, report.discarded), (false, 1));
        drop(receiver);
    });
}

/// Somebody subscribes while the bus is shut down: the subscription is refused, or closed with the others.
///
/// Broken by a `subscribe` that does not look at the mark of the bus once more when its slot is in the roster.
#[test]
fn s1_a_subscribe_against_a_shutdown() {
    loom::model(|| {
        let bus = EventBus::new();
        let subscriber = {
            let bus = bus.clone();
            spawn(move || bus.subscribe_any("t").capacity(1).receiver())
        };
        // The shutdown holds its slots until the end: loom does not see that whoever drops the last reference to
        // one comes after the others.
        let mut shutdown = bus.shutdown(Duration::ZERO);
        let report = poll(&mut shutdown, &waker().1);
        assert!(matches!(report, Poll::Ready(report) if report.complete));
        if let Ok(receiver) = subscriber.join().expect("subscriber") {
            assert!(receiver.subscription().is_closed(), "nobody will close this one");
        }
        assert!(bus.hub().roster.held().is_empty(), "somebody keeps a slot");
        drop(shutdown);
    });
}
