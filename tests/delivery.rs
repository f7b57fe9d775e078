//! The ways of delivery, one by one.

#[path = "support/eventually.rs"]
mod eventually;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use eventually::eventually;
use support::{PATIENCE, watchdog};
use trolleybus::{DeliveryMode, DropReason, EventBus, RecvTimeoutError, TryRecvError};
use yield_once::YieldOnce;

#[test]
fn d_mem_1_inline_handlers_have_run_when_publish_returns_in_registration_order() {
    let bus = EventBus::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let subscriptions: Vec<_> = ["user.*", "user.created", "**", "user.+"]
        .iter()
        .map(|pattern| {
            let seen = Arc::clone(&seen);
            bus.subscribe::<String>(*pattern)
                .handle_inline(move |user| seen.lock().expect("lock").push((*pattern, user.to_string())))
                .expect("subscribe")
        })
        .collect();
    for _ in 0..50 {
        let receipt = bus.publish("user.created", "ann").expect("publish");
        assert_eq!(receipt.delivered(), 4);
        let seen = std::mem::take(&mut *seen.lock().expect("lock"));
        let order: Vec<_> = seen.iter().map(|(pattern, _)| *pattern).collect();
        assert_eq!(order, ["user.*", "user.created", "**", "user.+"]);
    }
    drop(subscriptions);
    assert_eq!(bus.publish("user.created", "ben").expect("publish").matched(), 0);
}

#[test]
fn a_pooled_handler_gets_every_event_in_order() {
    let _watchdog = watchdog("a_pooled_handler_gets_every_event_in_order");
    let bus = EventBus::builder().workers(2).build().expect("build");
    let (send, receive) = mpsc::channel();
    let subscription = bus
        .subscribe::<usize>("n")
        .delivery(DeliveryMode::Block)
        .capacity(4)
        .handle(move |n| send.send(**n).expect("send"))
        .expect("subscribe");
    for n in 0..10_000_usize {
        assert_eq!(bus.publish("n", n).expect("publish").queued(), 1);
    }
    for n in 0..10_000 {
        assert_eq!(receive.recv_timeout(PATIENCE), Ok(n));
    }
    eventually("the ledger settles", || subscription.stats().delivered == 10_000);
    let ledger = subscription.stats();
    assert_eq!((ledger.offered, ledger.queued, ledger.running), (10_000, 0, 0));
    assert!(ledger.is_balanced());
}

#[test]
fn an_async_handler_gets_every_event_in_order() {
    let _watchdog = watchdog("an_async_handler_gets_every_event_in_order");
    let bus = EventBus::builder().workers(2).build().expect("build");
    let (send, receive) = mpsc::channel();
    let _subscription = bus
        .subscribe::<usize>("n")
        .delivery(DeliveryMode::Block)
        .capacity(4)
        .handle_async(move |n| {
            let send = send.clone();
            async move {
                YieldOnce::default().await;
                send.send(*n).expect("send");
            }
        })
        .expect("subscribe");
    for n in 0..2_000_usize {
        bus.publish("n", n).expect("publish");
    }
    for n in 0..2_000 {
        assert_eq!(receive.recv_timeout(PATIENCE), Ok(n));
    }
}

#[test]
fn a_full_queue_does_what_its_mode_says() {
    let bus = EventBus::new();
    let with = |mode| bus.subscribe::<u32>("n").capacity(2).delivery(mode).receiver().expect("subscribe");
    let mut newest = with(DeliveryMode::Drop);
    let mut oldest = with(DeliveryMode::DropOldest);
    let mut patient = with(DeliveryMode::Timeout(Duration::ZERO));
    for n in 1..=3_u32 {
        let receipt = bus.publish("n", n).expect("publish");
        assert_eq!(receipt.queued(), if n < 3 { 3 } else { 1 });
        if n == 3 {
            assert_eq!((receipt.dropped_by().full, receipt.dropped_by().timeout), (1, 1));
            assert!(receipt.all_delivered().is_err());
        }
    }
    let take = |receiver: &mut trolleybus::Receiver<trolleybus::Event<u32>>| {
        receiver.try_iter().map(|n| *n).collect::<Vec<_>>()
    };
    assert_eq!(take(&mut newest), [1, 2]);
    assert_eq!(take(&mut oldest), [2, 3]);
    assert_eq!(take(&mut patient), [1, 2]);
    assert_eq!(newest.subscription().stats().dropped.by(DropReason::Full), 1);
    assert_eq!(oldest.subscription().stats().dropped.by(DropReason::Oldest), 1);
    assert_eq!(patient.subscription().stats().dropped.by(DropReason::Timeout), 1);
    for receiver in [&newest, &oldest, &patient] {
        let ledger = receiver.subscription().stats();
        assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
    }
    assert!(bus.stats().total.is_balanced());
}

#[test]
fn a_blocked_publisher_goes_on_when_there_is_room() {
    let _watchdog = watchdog("a_blocked_publisher_goes_on_when_there_is_room");
    let bus = EventBus::new();
    let mut numbers =
        bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block).receiver().expect("subscribe");
    let publisher = {
        let bus = bus.clone();
        std::thread::spawn(move || {
            (0..1_000_u32).map(|n| bus.publish("n", n).expect("publish").queued()).sum()
        })
    };
    for n in 0..1_000 {
        assert_eq!(*numbers.recv_timeout(PATIENCE).expect("receive"), n);
    }
    let queued: usize = publisher.join().expect("join");
    assert_eq!(queued, 1_000);
    assert_eq!(numbers.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(numbers.recv_timeout(Duration::from_millis(1)).unwrap_err(), RecvTimeoutError::Timeout);
}

#[test]
fn cancel_wakes_a_blocked_publisher() {
    let _watchdog = watchdog("cancel_wakes_a_blocked_publisher");
    let bus = EventBus::new();
    let numbers =
        bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block).receiver().expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let publisher = {
        let bus = bus.clone();
        std::thread::spawn(move || bus.publish("n", 2_u32).expect("publish"))
    };
    eventually("the publisher waits", || !publisher.is_finished());
    assert!(numbers.subscription().cancel());
    let receipt = publisher.join().expect("join");
    // It was cancelled before, while or after the publisher came to wait.
    assert_eq!(receipt.queued(), 0);
    assert!(numbers.subscription().stats().is_balanced());
}

#[test]
fn d_mem_2_a_shutdown_drains_and_reports() {
    let bus = EventBus::builder().workers(1).delivery(DeliveryMode::Block).build().expect("build");
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    bus.subscribe::<u32>("n")
        .handle_with(move |_, delivery| {
            // Who still has time is not told to give up.
            assert!(!delivery.is_cancelled());
            count.fetch_add(1, Ordering::Relaxed);
        })
        .expect("subscribe")
        .detach();
    for n in 0..500_u32 {
        bus.publish("n", n).expect("publish");
    }
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete, "{report:?}");
    assert_eq!(bus.stats().total.failed, 0);
    assert_eq!(handled.load(Ordering::Relaxed), 500);
    assert!(bus.publish("n", 1_u32).unwrap_err().is_shut_down());
    assert!(bus.subscribe::<u32>("n").receiver().is_err());
    let again = bus.shutdown(Duration::ZERO).wait();
    assert!(again.complete);
}

#[test]
fn l5_a_timeout_never_ends_early_while_the_queue_is_full_and_room_wins() {
    let _watchdog = watchdog("l5_a_timeout_never_ends_early_while_the_queue_is_full_and_room_wins");
    let bus = EventBus::new();
    let limit = Duration::from_millis(30);
    let mut numbers = bus
        .subscribe::<u32>("n")
        .capacity(1)
        .delivery(DeliveryMode::Timeout(limit))
        .receiver()
        .expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let began = Instant::now();
    let receipt = bus.publish("n", 2_u32).expect("publish");
    assert!(began.elapsed() >= limit, "it gave up after {:?}", began.elapsed());
    assert_eq!((receipt.queued(), receipt.dropped_by().timeout), (0, 1));
    // With room at the last moment the event is queued, even if the time is over by then.
    assert_eq!(*numbers.recv().expect("receive"), 1);
    assert_eq!(bus.event("n", 3_u32).deadline(Duration::ZERO).publish().expect("publish").queued(), 1);
    assert_eq!(numbers.subscription().stats().dropped.timeout, 1);
}
