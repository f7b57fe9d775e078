//! Subscriptions that end in an orderly way: drain, `take`, `expect`, the end of a receiver.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, RecvTimeoutError, SubscribeError, TryRecvError};

use crate::bus;
use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::{PATIENCE, watchdog};

#[test]
fn v3_a_drain_lets_what_is_queued_be_handled_and_says_what_it_threw_away() {
    let _watchdog = watchdog("drain");
    for kind in [Kind::Pooled, Kind::Async] {
        let bus = bus(1);
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let subscription = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            // Closed when the test is done with it.
            let _ = gate.lock().expect("lock").recv();
        });
        for number in 0..5_u32 {
            bus.publish("n", number).expect("publish");
        }
        eventually("the first runs", || subscription.stats().running == 1);
        let report = subscription.drain(Duration::from_millis(1)).wait();
        assert!(!report.complete);
        assert_eq!((report.discarded, report.running), (4, 1), "{kind:?}");
        drop(open);
        subscription.cancel_and_wait().wait();
        let ledger = subscription.stats();
        assert_eq!((ledger.delivered, ledger.dropped.cancelled), (1, 4), "{kind:?}");

        let slow = kind.handle(bus.subscribe::<u32>("m"), |_| thread::yield_now());
        for number in 0..100_u32 {
            bus.publish("m", number).expect("publish");
        }
        let report = slow.drain(PATIENCE).wait();
        assert!(report.complete && report.discarded == 0 && report.running == 0);
        assert_eq!(slow.stats().delivered, 100);
        assert_eq!(bus.publish("m", 1_u32).expect("publish").matched(), 0, "closed since the drain");
    }
}

#[test]
fn v4_take_ends_a_subscription_after_exactly_so_many_events() {
    let _watchdog = watchdog("take");
    let bus = bus(2);
    for round in 0..200 {
        let kind = KINDS[round % 3];
        let limit = [1, 2, 7][(round / 3) % 3];
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let lanes = if round % 2 == 0 { 1 } else { 3 };
        let builder = bus.subscribe::<u32>("n").take(limit as u64).concurrency(lanes);
        let subscription = kind.handle(builder, move |_| {
            count.fetch_add(1, SeqCst);
        });
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..10_u32).for_each(|n| drop(bus.publish("n", n).expect("publish"))));
            }
        });
        eventually("it ends", || subscription.is_closed());
        subscription.cancel_and_wait().wait();
        assert_eq!(calls.load(SeqCst), limit, "{kind:?} with {lanes} lanes");
        assert_eq!(subscription.stats().delivered, limit as u64);
        assert!(subscription.stats().is_balanced(), "{:?}", subscription.stats());
        assert_eq!(bus.subscriber_count("n"), Ok(0));
    }
    let mut receiver = bus.subscribe::<u32>("n").take(2).receiver().expect("subscribe");
    (0..5_u32).for_each(|n| drop(bus.publish("n", n).expect("publish")));
    assert_eq!(receiver.iter().map(|event| *event).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(receiver.subscription().stats().dropped.cancelled, 3);
    assert!(matches!(bus.subscribe::<u32>("n").take(0).receiver(), Err(SubscribeError::TakesNothing)));
}

#[test]
fn a_subscription_that_ends_by_itself_does_not_tell_its_last_handler_to_give_up() {
    let _watchdog = watchdog("once");
    let bus = bus(1);
    for kind in KINDS {
        let (send, told) = mpsc::channel();
        let subscription = kind.try_handle(bus.subscribe::<u32>("n").once(), move |_, delivery| {
            send.send(delivery.is_cancelled()).expect("send");
            Ok(())
        });
        bus.publish("n", 1_u32).expect("publish");
        assert_eq!(told.recv_timeout(PATIENCE), Ok(false), "{kind:?}");
        drop(subscription);
    }
}

#[test]
fn expect_gets_the_first_event_or_times_out() {
    let _watchdog = watchdog("expect");
    let bus = EventBus::builder().delivery(DeliveryMode::Block).build().expect("build");
    let expect = bus.expect::<u32>("n", PATIENCE).expect("subscribe");
    // The second must not wait for somebody who wants only the first.
    bus.publish("n", 1_u32).expect("publish");
    bus.publish("n", 2_u32).expect("publish");
    assert_eq!(*expect.wait().expect("the event"), 1);
    assert_eq!(bus.subscriber_count("n"), Ok(0));
    let never = bus.expect::<u32>("n", Duration::from_millis(1)).expect("subscribe");
    assert_eq!(never.wait().unwrap_err(), RecvTimeoutError::Timeout);
    let awaited = bus.expect::<u32>("n", Duration::from_millis(1)).expect("subscribe");
    assert_eq!(smol::block_on(awaited).unwrap_err(), RecvTimeoutError::Timeout);
    let closed = bus.expect::<u32>("n", PATIENCE).expect("subscribe");
    assert!(bus.shutdown(PATIENCE).wait().complete);
    assert_eq!(closed.wait().unwrap_err(), RecvTimeoutError::Closed);
    assert!(matches!(bus.expect::<u32>("n", PATIENCE), Err(SubscribeError::ShutDown)));
}

#[test]
fn a_receiver_yields_what_was_queued_before_the_end_and_then_says_closed() {
    let _watchdog = watchdog("receivers");
    let bus = bus(1);
    let mut drained = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    let mut cancelled = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    let mut shut = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    (0..3_u32).for_each(|n| drop(bus.publish("n", n).expect("publish")));
    let drain = drained.subscription().drain(PATIENCE);
    cancelled.subscription().cancel();
    let shutdown = bus.shutdown(PATIENCE);
    assert_eq!(cancelled.try_recv().unwrap_err(), TryRecvError::Closed);
    for receiver in [&mut drained, &mut shut] {
        assert_eq!(receiver.iter().map(|event| *event).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Closed);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap_err(), RecvTimeoutError::Closed);
    }
    assert!(drain.wait().complete);
    assert!(shutdown.wait().complete);
    let mut stream = shut.into_stream();
    assert!(smol::block_on(smol::stream::StreamExt::next(&mut stream)).is_none());
}
