//! A guard or handle that is forgotten (`mem::forget`) leaks memory and nothing else (V6): its bus goes
//! on working, nobody waits for ever because of it, and its threads end.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/poll_once.rs"]
mod poll_once;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::mem::forget;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use eventually::eventually;
use kinds::{KINDS, Kind};
use poll_once::poll_once;
use support::{PATIENCE, watchdog};
use threads::threads_named;
use trolleybus::{DeliveryMode, EventBus, TryRecvError};

/// A bus whose threads can be told from others.
fn bus(threads: &str) -> EventBus {
    EventBus::builder().workers(1).thread_name(threads).build().expect("build")
}

/// The bus works, shuts down, and leaves no thread.
fn still_works(bus: EventBus, threads: &str) {
    let calls = Arc::new(AtomicUsize::new(0));
    for kind in KINDS {
        let count = Arc::clone(&calls);
        kind.handle(bus.subscribe::<u32>("works"), move |_| {
            count.fetch_add(1, SeqCst);
        })
        .detach();
    }
    bus.publish("works", 1_u32).expect("publish");
    eventually("all kinds are served", || calls.load(SeqCst) == 3);
    let _ = bus.shutdown(Duration::from_millis(5)).wait();
    drop(bus);
    eventually("no thread is left", || threads_named(threads) == 0);
}

#[test]
fn v6_forgotten_subscriptions_go_on_like_detached_ones() {
    let _watchdog = watchdog("forget subscriptions");
    let bus = bus("fgt-sub");
    let calls = Arc::new(AtomicUsize::new(0));
    for kind in KINDS {
        let count = Arc::clone(&calls);
        forget(kind.handle(bus.subscribe::<u32>("n"), move |_| {
            count.fetch_add(1, SeqCst);
        }));
    }
    assert_eq!(bus.publish("n", 1_u32).expect("publish").offered(), 3);
    eventually("all are called", || calls.load(SeqCst) == 3);
    still_works(bus, "fgt-sub");
}

#[test]
fn v6_forgotten_receivers_and_publishers_leave_the_bus_alone() {
    let _watchdog = watchdog("forget receivers");
    let bus = bus("fgt-rcv");
    forget(bus.subscribe::<u32>("n").capacity(2).receiver().expect("subscribe"));
    forget(bus.subscribe::<u32>("n").capacity(2).receiver().expect("subscribe").into_stream());
    forget(bus.expect::<u32>("n", Duration::from_millis(1)).expect("subscribe"));
    forget(bus.publisher::<u32>("n").expect("publisher"));
    forget(bus.event("n", 1_u32));
    forget(bus.subscribe::<u32>("n"));
    for number in 0..10_u32 {
        bus.publish("n", number).expect("publish");
    }
    assert_eq!(bus.stats().total.dropped.full, 8 + 8 + 9);
    still_works(bus, "fgt-rcv");
}

#[test]
fn v6_a_forgotten_publish_does_not_eat_the_wake_up_of_another() {
    let _watchdog = watchdog("forget publish");
    let bus = bus("fgt-pub");
    for taken_by_waiting in [false, true] {
        let mut receiver = bus
            .subscribe::<u32>("n")
            .capacity(1)
            .delivery(DeliveryMode::Block)
            .receiver()
            .expect("subscribe");
        bus.publish("n", 0_u32).expect("publish");
        let mut lost = bus.publish_async("n", 1_u32);
        assert!(poll_once(&mut lost).is_pending());
        forget(lost);
        let waiting = {
            let bus = bus.clone();
            thread::spawn(move || bus.publish("n", 2_u32).expect("publish").queued())
        };
        // It waits, or it will find the room itself.
        (0..50).for_each(|_| thread::yield_now());
        let mut got = Vec::new();
        eventually("the second publisher gets in", || {
            let event = if taken_by_waiting {
                receiver.recv_timeout(Duration::from_millis(20)).ok()
            } else {
                receiver.try_recv().ok()
            };
            got.extend(event.map(|event| *event));
            got.len() == 2
        });
        assert_eq!(got, [0, 2]);
        assert_eq!(waiting.join().expect("join"), 1);
        assert!(receiver.subscription().stats().is_balanced());
    }
    still_works(bus, "fgt-pub");
}

#[test]
fn v6_a_forgotten_publish_does_not_eat_the_wake_up_at_a_pooled_handler() {
    let _watchdog = watchdog("forget publish pooled");
    let bus = bus("fgt-pool");
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let builder = bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block);
    let subscription = Kind::Pooled.handle(builder, move |_| {
        let _ = gate.lock().expect("lock").recv();
    });
    bus.publish("n", 0_u32).expect("publish");
    eventually("the handler runs", || subscription.stats().running == 1);
    bus.publish("n", 1_u32).expect("publish");
    let mut lost = bus.publish_async("n", 2_u32);
    assert!(poll_once(&mut lost).is_pending());
    forget(lost);
    let waiting = {
        let bus = bus.clone();
        thread::spawn(move || bus.publish("n", 3_u32).expect("publish").queued())
    };
    (0..50).for_each(|_| thread::yield_now());
    drop(open);
    eventually("the second publisher gets in", || waiting.is_finished());
    assert_eq!(waiting.join().expect("join"), 1);
    eventually("all are handled", || subscription.stats().delivered == 3);
    drop(subscription);
    still_works(bus, "fgt-pool");
}

#[test]
fn v6_a_forgotten_recv_does_not_eat_the_wake_up_of_the_next() {
    let _watchdog = watchdog("forget recv");
    let bus = bus("fgt-recv");
    let mut receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    for number in 0..3_u32 {
        let mut lost = receiver.recv_async();
        assert!(poll_once(&mut lost).is_pending());
        forget(lost);
        thread::scope(|scope| {
            let receiver = &mut receiver;
            let waiting = scope.spawn(move || receiver.recv().map(|event| *event));
            (0..50).for_each(|_| thread::yield_now());
            bus.publish("n", number).expect("publish");
            assert_eq!(waiting.join().expect("join"), Ok(number));
        });
    }
    assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Empty);
    drop(receiver);
    still_works(bus, "fgt-recv");
}

#[test]
fn v6_a_forgotten_drain_and_cancel_and_wait_only_end_the_waiting() {
    let _watchdog = watchdog("forget drain");
    let bus = bus("fgt-drn");
    for kind in [Kind::Pooled, Kind::Async] {
        let (open, gate) = mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let subscription = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            let _ = gate.lock().expect("lock").recv();
        });
        bus.publish("n", 1_u32).expect("publish");
        bus.publish("n", 2_u32).expect("publish");
        eventually("the handler runs", || subscription.stats().running == 1);
        let mut drain = subscription.drain(PATIENCE);
        assert!(poll_once(&mut drain).is_pending());
        forget(drain);
        open.send(()).expect("send");
        eventually("the second runs", || subscription.stats().delivered == 1);
        let mut wait = subscription.cancel_and_wait();
        let _ = poll_once(&mut wait);
        forget(wait);
        drop(open);
        subscription.cancel_and_wait().wait();
        assert!(subscription.stats().is_balanced());
    }
    still_works(bus, "fgt-drn");
}

#[test]
fn v6_a_forgotten_cancelled_leaves_its_handler_alone() {
    let _watchdog = watchdog("forget cancelled");
    let bus = bus("fgt-can");
    let forgotten = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&forgotten);
    let subscription = bus
        .subscribe::<u32>("n")
        .handle_async_with(move |_, delivery| {
            let mark = Arc::clone(&mark);
            async move {
                let mut lost = delivery.cancelled();
                assert!(poll_once(&mut lost).is_pending());
                forget(lost);
                mark.store(true, SeqCst);
                delivery.cancelled().await;
            }
        })
        .expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    eventually("the handler waits", || forgotten.load(SeqCst));
    subscription.cancel_and_wait().wait();
    assert_eq!(subscription.stats().delivered, 1);
    assert_eq!(subscription.stats().failed, 0);
    still_works(bus, "fgt-can");
}

#[test]
fn v6_a_forgotten_shutdown_leaves_the_drop_of_the_bus_to_end_its_threads() {
    let _watchdog = watchdog("forget shutdown");
    let bus = bus("fgt-shut");
    let subscription = Kind::Async.handle(bus.subscribe::<u32>("n"), |_| ());
    let held = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let mut shutdown = bus.shutdown(PATIENCE);
    assert!(matches!(poll_once(&mut shutdown), Poll::Pending));
    forget(shutdown);
    eventually("what was queued is handled", || subscription.stats().delivered == 1);
    assert!(bus.publish("n", 2_u32).unwrap_err().is_shut_down());
    drop(bus);
    eventually("no thread is left", || threads_named("fgt-shut") == 0);
    assert_eq!(held.subscription().stats().dropped.shutdown, 1);
}
