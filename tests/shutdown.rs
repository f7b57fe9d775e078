//! The end of a bus: phases, deadline, report, and nothing left behind (S1 to S4).

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

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use eventually::eventually;
use kinds::{KINDS, Kind};
use poll_once::poll_once;
use support::{PATIENCE, watchdog};
use threads::threads_named;
use trolleybus::{DeliveryMode, EventBus, SubscribeError, SubscriptionKind};

fn bus(threads: &str, workers: usize) -> EventBus {
    EventBus::builder().workers(workers).thread_name(threads).build().expect("build")
}

/// A handler that stays until the sender is dropped.
fn held() -> (mpsc::Sender<()>, impl Fn(u32) + Send + Sync + 'static) {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    (open, move |_| {
        let _ = gate.lock().expect("lock").recv();
    })
}

#[test]
fn s1_what_is_queued_is_handled_and_what_is_new_is_refused_at_once() {
    let _watchdog = watchdog("s1 drain");
    for kind in [Kind::Pooled, Kind::Async] {
        let bus = bus("s1-drain", 2);
        let (open, handler) = held();
        let subscription = kind.handle(bus.subscribe::<u32>("n"), handler);
        let publisher = bus.publisher::<u32>("n").expect("publisher");
        for number in 0..20_u32 {
            bus.publish("n", number).expect("publish");
        }
        // From the call on, before anybody waits for it.
        let shutdown = bus.shutdown(PATIENCE);
        assert!(bus.is_closed() && subscription.is_closed());
        assert!(bus.publish("n", 1_u32).unwrap_err().is_shut_down());
        assert!(bus.try_publish("n", 1_u32).unwrap_err().is_shut_down());
        assert!(bus.event("n", 1_u32).publish().unwrap_err().is_shut_down());
        assert!(smol::block_on(bus.publish_async("n", 1_u32)).unwrap_err().is_shut_down());
        assert_eq!(publisher.publish(7).unwrap_err().into_payload(), 7);
        for error in [
            bus.subscribe::<u32>("n").handle_inline(|_| ()).unwrap_err(),
            bus.subscribe::<u32>("n").handle(|_| ()).unwrap_err(),
            bus.subscribe::<u32>("n").receiver().unwrap_err(),
        ] {
            assert!(matches!(error, SubscribeError::ShutDown), "{error}");
        }
        drop(open);
        let report = shutdown.wait();
        assert!(report.complete && report.unfinished.is_empty(), "{report:?}");
        assert_eq!((report.discarded, report.threads_running), (0, 0));
        assert_eq!(subscription.stats().delivered, 20, "{kind:?}");
        eventually("its threads end", || threads_named("s1-drain") == 0);
    }
}

#[test]
fn s1_at_the_deadline_the_rest_is_counted_and_named() {
    let _watchdog = watchdog("s1 deadline");
    let bus = bus("s1-dead", 1);
    let (open, handler) = held();
    let stuck = Kind::Pooled.handle(bus.subscribe::<u32>("n").name("stuck"), handler);
    let receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    let fine = Kind::Inline.handle(bus.subscribe::<u32>("n"), |_| ());
    for number in 0..5_u32 {
        bus.publish("n", number).expect("publish");
    }
    eventually("the first runs", || stuck.stats().running == 1);
    let report = bus.shutdown(Duration::from_millis(1)).wait();
    assert!(!report.complete);
    assert_eq!(report.discarded, 4 + 5);
    assert_eq!(report.threads_running, 1);
    let [first, second] = &report.unfinished[..] else { panic!("{report:?}") };
    assert_eq!((first.subscription, first.running, first.discarded), (stuck.id(), 1, 4));
    assert_eq!(first.name.as_deref(), Some("stuck"));
    assert_eq!(first.patterns[0].as_str(), "n");
    assert_eq!((second.subscription, second.running), (receiver.subscription().id(), 0));
    assert_eq!((second.discarded, receiver.subscription().kind()), (5, SubscriptionKind::Receiver));
    assert_eq!(fine.stats().delivered, 5);
    drop(open);
    eventually("the stuck handler ends", || stuck.stats().running == 0);
    eventually("its thread ends", || threads_named("s1-dead") == 0);
    assert!(stuck.stats().is_balanced() && bus.stats().total.is_balanced());
}

#[test]
fn s1_discarding_throws_away_what_is_queued_and_waits_for_what_runs() {
    let _watchdog = watchdog("s1 discarding");
    for kind in [Kind::Pooled, Kind::Async] {
        let bus = bus("s1-disc", 1);
        let (open, handler) = held();
        let subscription = kind.handle(bus.subscribe::<u32>("n"), handler);
        for number in 0..5_u32 {
            bus.publish("n", number).expect("publish");
        }
        eventually("the first runs", || subscription.stats().running == 1);
        let shutdown = bus.shutdown(PATIENCE).discarding();
        assert_eq!(subscription.stats().dropped.shutdown, 4);
        drop(open);
        let report = shutdown.wait();
        assert_eq!((report.discarded, report.threads_running), (4, 0), "{kind:?}");
        assert!(!report.complete, "not everything that was queued has been handled");
        assert_eq!(subscription.stats().delivered, 1);
    }
}

/// Publishes to a full queue in one thread and shuts down in another; true if the publisher waited for room.
fn shutdown_beside_a_publisher() -> bool {
    let bus = bus("s1-pub", 1);
    let builder = bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block);
    let mut receiver = builder.receiver().expect("subscribe");
    bus.publish("n", 0_u32).expect("publish");
    let waiting = {
        let bus = bus.clone();
        thread::spawn(move || bus.publish("n", 1_u32))
    };
    (0..50).for_each(|_| thread::yield_now());
    let shutdown = bus.shutdown(PATIENCE);
    let waited = match waiting.join().expect("join") {
        Ok(receipt) => {
            // It came too late to be offered to anybody, or it was.
            assert_eq!(receipt.dropped_by().shutdown, receipt.offered() as u64);
            receipt.offered() == 1
        }
        Err(refused) => {
            assert!(refused.is_shut_down());
            false
        }
    };
    assert_eq!(*receiver.recv().expect("the queued one"), 0);
    assert!(shutdown.wait().complete);
    waited
}

#[test]
fn s1_d_mem_5_a_publisher_that_waits_for_room_is_told() {
    let _watchdog = watchdog("s1 publisher");
    // Nothing tells from outside whether it waits already.
    eventually("a publisher waits when its bus is shut down", shutdown_beside_a_publisher);
}

#[test]
fn s2_d_mem_3_what_was_accepted_is_handled_or_counted() {
    let _watchdog = watchdog("s2");
    for round in 0..36 {
        let kind = KINDS[round % 3];
        let discards = round % 2 == 1;
        let bus = bus("s2", 2);
        let calls = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&calls);
        let subscription = kind.handle(bus.subscribe::<u32>("n").capacity(64), move |_| {
            count.fetch_add(1, SeqCst);
        });
        let accepted = AtomicU64::new(0);
        let refused = AtomicU64::new(0);
        let start = Barrier::new(4);
        let (before, report) = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    start.wait();
                    for number in 0_u32.. {
                        match bus.publish("n", number) {
                            Ok(receipt) => {
                                let taken = receipt.queued() + receipt.delivered();
                                accepted.fetch_add(taken as u64, SeqCst);
                                refused.fetch_add(receipt.dropped() as u64, SeqCst);
                            }
                            Err(error) => {
                                assert!(error.is_shut_down());
                                return;
                            }
                        }
                    }
                });
            }
            start.wait();
            (0..round).for_each(|_| thread::yield_now());
            let before = accepted.load(SeqCst);
            let shutdown = bus.shutdown(PATIENCE);
            (before, if discards { shutdown.discarding().wait() } else { shutdown.wait() })
        });
        let ledger = subscription.stats();
        assert_eq!((ledger.queued, ledger.running), (0, 0), "{kind:?} {report:?}");
        assert!(ledger.is_balanced());
        assert_eq!(ledger.delivered, calls.load(SeqCst));
        assert_eq!(ledger.offered, accepted.load(SeqCst) + refused.load(SeqCst), "{kind:?} {ledger:?}");
        let accepted = accepted.load(SeqCst);
        assert!(accepted - ledger.delivered <= ledger.dropped.shutdown, "{kind:?} {ledger:?} {report:?}");
        if !discards {
            assert!(ledger.delivered >= before, "{kind:?}: accepted before the shutdown, and not handled");
        }
    }
}

#[test]
fn s3_twice_and_concurrently() {
    let _watchdog = watchdog("s3");
    // Before anything was started, too.
    let idle = EventBus::new();
    assert!(idle.shutdown(Duration::ZERO).wait().complete);
    assert!(idle.shutdown(Duration::MAX).wait().complete);
    for _ in 0..50 {
        let bus = bus("bus-s3", 2);
        let subscription = Kind::Pooled.handle(bus.subscribe::<u32>("n"), |_| ());
        for number in 0..100_u32 {
            bus.publish("n", number).expect("publish");
        }
        thread::scope(|scope| {
            for turn in 0..3 {
                let bus = &bus;
                scope.spawn(move || {
                    let shutdown = bus.shutdown(PATIENCE);
                    let report = if turn == 0 { smol::block_on(shutdown) } else { shutdown.wait() };
                    assert!(report.complete, "{report:?}");
                });
            }
        });
        assert_eq!(subscription.stats().delivered, 100);
        assert!(bus.shutdown(PATIENCE).wait().complete);
        eventually("its threads end", || threads_named("bus-s3") == 0);
    }
}

#[test]
fn s3_inside_a_handler() {
    let _watchdog = watchdog("s3 handler");
    for kind in KINDS {
        let bus = bus("s3-in", 2);
        let (send, reports) = mpsc::channel();
        let weak = bus.downgrade();
        let subscription = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            let bus = weak.upgrade().expect("the bus lives");
            send.send(bus.shutdown(PATIENCE).wait()).expect("send");
        });
        bus.publish("n", 1_u32).expect("publish");
        let report = reports.recv_timeout(PATIENCE).expect("the handler is not waited for");
        assert!(report.complete, "{kind:?} {report:?}");
        assert!(bus.publish("n", 2_u32).unwrap_err().is_shut_down());
        eventually("the handler ends", || subscription.stats().delivered == 1);
        drop(bus);
        eventually("no thread is left", || threads_named("s3-in") == 0);
    }
}

#[test]
fn s3_awaited_inside_an_async_handler() {
    let _watchdog = watchdog("s3 async");
    let bus = bus("s3-async", 1);
    let (send, reports) = mpsc::channel();
    let weak = bus.downgrade();
    let other = Kind::Pooled.handle(bus.subscribe::<u32>("n"), |_| ());
    let ended = Arc::new(AtomicBool::new(false));
    let at_end = Arc::clone(&ended);
    let subscription = bus
        .subscribe::<u32>("n")
        .handle_async(move |_| {
            let (bus, send, at_end) = (weak.upgrade().expect("alive"), send.clone(), Arc::clone(&at_end));
            async move {
                let report = bus.shutdown(PATIENCE).await;
                send.send(report).expect("send");
                at_end.store(true, SeqCst);
            }
        })
        .expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let report = reports.recv_timeout(PATIENCE).expect("a report");
    assert!(report.complete, "{report:?}");
    eventually("the handler ends", || ended.load(SeqCst) && subscription.stats().running == 0);
    assert_eq!((other.stats().delivered, subscription.stats().delivered), (1, 1));
}

/// A handler that waits on after the workers have gone is dropped, not forgotten.
#[test]
fn s3_an_async_handler_that_outlives_the_workers_is_dropped() {
    struct Tell(Arc<AtomicUsize>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let _watchdog = watchdog("s3 outlives");
    let bus = bus("s3-out", 1);
    let dropped = Arc::new(AtomicUsize::new(0));
    let (weak, tell) = (bus.downgrade(), Arc::clone(&dropped));
    let subscription = bus
        .subscribe::<u32>("n")
        .handle_async_with(move |_, delivery| {
            let (weak, tell) = (weak.clone(), Tell(Arc::clone(&tell)));
            async move {
                let _held = (tell, delivery);
                let bus = weak.upgrade().expect("alive");
                let _ = bus.shutdown(PATIENCE).await;
                std::future::pending::<()>().await;
            }
        })
        .expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    eventually("it is dropped", || dropped.load(SeqCst) == 1);
    eventually("it counts as failed", || subscription.stats().failed == 1);
    assert!(subscription.stats().is_balanced());
    drop(bus);
    eventually("no thread is left", || threads_named("s3-out") == 0);
}

#[test]
fn s4_dropping_the_bus_leaves_no_thread() {
    let _watchdog = watchdog("s4");
    for round in 0..300_u32 {
        let bus = bus("s4-drop", 2);
        let calls = Arc::new(AtomicU64::new(0));
        let subscriptions: Vec<_> = KINDS
            .iter()
            .map(|kind| {
                let count = Arc::clone(&calls);
                kind.handle(bus.subscribe::<u32>("n"), move |_| {
                    count.fetch_add(1, SeqCst);
                })
            })
            .collect();
        (0..round % 20).for_each(|number| drop(bus.publish("n", number).expect("publish")));
        // A timer thread, too.
        let mut expect = bus.expect::<u32>("never", PATIENCE).expect("subscribe");
        assert!(poll_once(&mut expect).is_pending());
        drop(bus);
        eventually("its threads end", || threads_named("s4-drop") == 0);
        assert!(expect.wait().is_err());
        let mut delivered = 0;
        for subscription in &subscriptions {
            let ledger = subscription.stats();
            assert!(ledger.is_balanced() && ledger.queued + ledger.running == 0, "{ledger:?}");
            delivered += ledger.delivered - ledger.failed;
        }
        assert_eq!(delivered, calls.load(SeqCst));
    }
    eventually("no timer is left", || threads_named("trolleybus-time") == 0);
}

#[test]
fn s4_a_publisher_handle_keeps_no_handler_of_a_bus_that_has_ended() {
    let _watchdog = watchdog("s4 kept");
    for by_drop in [false, true] {
        let bus = bus("s4-kept", 2);
        let kept = Arc::new(());
        for kind in KINDS {
            for pattern in ["a.b", "a.*", "*"] {
                for grouped in [false, true] {
                    let hold = Arc::clone(&kept);
                    let builder = bus.subscribe::<u32>(pattern);
                    let builder = if grouped { builder.group("g") } else { builder };
                    kind.handle(builder, move |_| assert!(Arc::strong_count(&hold) > 1)).detach();
                }
            }
        }
        let publishers = ["a.b", "a.c", "d"].map(|topic| bus.publisher::<u32>(topic).expect("publisher"));
        for (publisher, matching) in publishers.iter().zip([18, 12, 6]) {
            // In one of two a group is offered the event once.
            assert_eq!(publisher.publish(1).expect("publish").offered(), matching / 2 + 1);
            assert_eq!(bus.subscriber_count(publisher.topic()), Ok(matching));
        }
        if by_drop {
            drop(bus);
        } else {
            assert!(bus.shutdown(PATIENCE).wait().complete);
            assert!(bus.topics().is_empty());
            assert_eq!((bus.subscriber_count("a.b"), bus.stats().topics_known), (Ok(0), 0));
        }
        eventually("no handler is kept", || Arc::strong_count(&kept) == 1);
        assert!(publishers.iter().all(|publisher| publisher.publish(2).unwrap_err().is_shut_down()));
    }
}

#[test]
fn s1_a_delivery_trips_at_cancel_and_at_the_deadline() {
    let _watchdog = watchdog("trips");
    for by_shutdown in [false, true] {
        for kind in KINDS {
            let bus = bus("s1-trip", 1);
            let (started, starts) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let released = Mutex::new(released);
            let subscription = kind.try_handle(bus.subscribe::<u32>("n"), move |_, delivery| {
                assert!(!delivery.is_cancelled());
                started.send(()).expect("send");
                eventually("it is tripped", || delivery.is_cancelled());
                if by_shutdown {
                    // A handler that ends as it is tripped may still end in time for the report.
                    let _ = released.lock().expect("lock").recv_timeout(PATIENCE);
                }
                Ok(())
            });
            let (send, awaited) = mpsc::channel();
            let awaiting = bus
                .subscribe::<u32>("m")
                .handle_async_with(move |_, delivery| {
                    let send = send.clone();
                    async move {
                        delivery.cancelled().await;
                        send.send(delivery.is_cancelled()).expect("send");
                    }
                })
                .expect("subscribe");
            bus.publish("m", 1_u32).expect("publish");
            eventually("one waits", || awaiting.stats().running == 1);
            thread::scope(|scope| {
                scope.spawn(|| bus.publish("n", 1_u32).expect("publish"));
                starts.recv_timeout(PATIENCE).expect("it starts");
                if by_shutdown {
                    assert!(!bus.shutdown(Duration::from_millis(1)).wait().complete);
                    release.send(()).expect("send");
                } else {
                    subscription.cancel_and_wait().wait();
                    awaiting.cancel_and_wait().wait();
                }
            });
            eventually("it ends", || subscription.stats().delivered == 1);
            assert_eq!(subscription.stats().failed, 0, "{kind:?}");
            if !by_shutdown {
                assert_eq!(awaited.recv_timeout(PATIENCE), Ok(true), "{kind:?}");
            }
        }
    }
}
