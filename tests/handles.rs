//! What the handles of subscriptions promise: what is seen from when on, and what not any more (V1 to
//! V6, O3); drain, `take`, `expect`.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use eventually::eventually;
use kinds::{KINDS, Kind};
use support::{PATIENCE, watchdog};
use trolleybus::{DeliveryMode, EventBus, RecvTimeoutError, SubscribeError, TryRecvError};
use yield_once::YieldOnce;

fn bus(workers: usize) -> EventBus {
    EventBus::builder().workers(workers).build().expect("build")
}

#[test]
fn v1_a_publish_after_subscribe_returned_reaches_the_subscription() {
    let _watchdog = watchdog("v1");
    let bus = bus(1);
    let publisher = bus.publisher::<u32>("a.b").expect("publisher");
    let (tell, told) = mpsc::channel::<u32>();
    let (reply, replied) = mpsc::channel();
    let other = {
        let bus = bus.clone();
        thread::spawn(move || {
            // It published before, so it has whatever a publisher may keep.
            bus.publish("a.b", 0_u32).expect("publish");
            publisher.publish(0).expect("publish");
            reply.send((1, 1)).expect("reply");
            for number in told {
                let by_name = bus.publish("a.b", number).expect("publish").matched();
                let by_handle = publisher.publish(number).expect("publish").matched();
                reply.send((by_name, by_handle)).expect("reply");
            }
        })
    };
    assert_eq!(replied.recv_timeout(PATIENCE), Ok((1, 1)));
    for number in 0..600_u32 {
        let patterns: &[&str] =
            [&["a.b"][..], &["a.*"], &["**"], &["x", "a.b"], &["+.b", "a.*"]][number as usize % 5];
        let mut receiver =
            bus.subscribe_many::<u32, _>(patterns.iter().copied()).receiver().expect("subscribe");
        // The other thread knows of the subscription by this message alone.
        tell.send(number).expect("tell");
        assert_eq!(replied.recv_timeout(PATIENCE), Ok((1, 1)), "{patterns:?}");
        let got: Vec<u32> = receiver.try_iter().map(|event| *event).collect();
        assert_eq!(got, [number, number], "{patterns:?}");
    }
    drop(tell);
    other.join().expect("join");
}

#[test]
fn v2_a_publish_that_returned_before_subscribe_is_not_delivered() {
    let _watchdog = watchdog("v2");
    let bus = bus(2);
    for number in 0..200_u32 {
        for pattern in ["a.b", "a.*", "**"] {
            bus.publish("a.b", number).expect("publish");
            let mut receiver = bus.subscribe::<u32>(pattern).receiver().expect("subscribe");
            assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Empty);
            bus.publish("a.b", number + 1).expect("publish");
            assert_eq!(*receiver.try_recv().expect("the second"), number + 1);
            assert_eq!(receiver.subscription().stats().offered, 1);
        }
    }
}

/// Publishes from two threads until told to stop.
fn publishing(bus: &EventBus, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
    (0..2)
        .map(|_| {
            let (bus, stop) = (bus.clone(), Arc::clone(stop));
            thread::spawn(move || {
                while !stop.load(SeqCst) {
                    bus.publish("n", 1_u32).expect("publish");
                    thread::yield_now();
                }
            })
        })
        .collect()
}

#[test]
fn v3_no_handler_starts_after_cancel_returned() {
    let _watchdog = watchdog("v3 cancel");
    let bus = bus(2);
    let stop = Arc::new(AtomicBool::new(false));
    let publishers = publishing(&bus, &stop);
    for round in 0..400 {
        let kind = KINDS[round % 3];
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let lanes = if kind == Kind::Inline { 1 } else { 1 + round % 2 };
        let builder = bus.subscribe::<u32>("n").capacity(8).concurrency(lanes);
        let subscription = kind.handle(builder, move |_| {
            count.fetch_add(1, SeqCst);
        });
        eventually("it is being served", || calls.load(SeqCst) > round % 7);
        assert!(subscription.cancel());
        // Those that had started show as running; nothing can come on top of them.
        let then = subscription.stats();
        eventually("the last handlers end", || subscription.stats().running == 0);
        let end = subscription.stats();
        assert!(end.delivered <= then.delivered + then.running, "{kind:?} {then:?} {end:?}");
        eventually("publishers pass", || subscription.stats().queued == 0);
        assert_eq!(calls.load(SeqCst) as u64, subscription.stats().delivered, "{kind:?}");
        assert!(subscription.stats().is_balanced());
    }
    stop.store(true, SeqCst);
    publishers.into_iter().for_each(|publisher| publisher.join().expect("join"));
}

/// Counts itself while it lives.
struct Inside(Arc<AtomicUsize>);

impl Inside {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn v3_no_handler_runs_after_cancel_and_wait() {
    let _watchdog = watchdog("v3 wait");
    let bus = bus(2);
    let stop = Arc::new(AtomicBool::new(false));
    let publishers = publishing(&bus, &stop);
    for round in 0..400 {
        let kind = KINDS[round % 3];
        let inside = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicUsize::new(0));
        let calls = Arc::new(AtomicUsize::new(0));
        let body = {
            let (inside, over, late) = (Arc::clone(&inside), Arc::clone(&over), Arc::clone(&late));
            let calls = Arc::clone(&calls);
            move || {
                let here = Inside::enter(&inside);
                calls.fetch_add(1, SeqCst);
                if over.load(SeqCst) {
                    late.fetch_add(1, SeqCst);
                }
                here
            }
        };
        let builder = bus.subscribe::<u32>("n").capacity(8);
        let subscription = match kind {
            Kind::Async => builder
                .concurrency(2)
                .handle_async(move |_| {
                    let here = body();
                    async move {
                        YieldOnce::default().await;
                        YieldOnce::default().await;
                        drop(here);
                    }
                })
                .expect("subscribe"),
            kind => kind.handle(builder, move |_| {
                let here = body();
                thread::yield_now();
                drop(here);
            }),
        };
        eventually("it is being served", || calls.load(SeqCst) > round % 5);
        subscription.cancel_and_wait().wait();
        assert_eq!(inside.load(SeqCst), 0, "{kind:?}: a handler runs");
        over.store(true, SeqCst);
        let then = calls.load(SeqCst);
        for _ in 0..20 {
            thread::yield_now();
        }
        assert_eq!((late.load(SeqCst), calls.load(SeqCst)), (0, then), "{kind:?}");
        assert_eq!(subscription.stats().delivered, then as u64, "{kind:?}");
    }
    stop.store(true, SeqCst);
    publishers.into_iter().for_each(|publisher| publisher.join().expect("join"));
}

#[test]
fn v4_cancel_is_idempotent_and_concurrent_and_leaves_no_trace() {
    let _watchdog = watchdog("v4");
    let bus = bus(2);
    for round in 0..150 {
        let kind = KINDS[round % 3];
        let patterns = [["a.b", "a.*"], ["**", "a.+"], ["a.b", "c"]][round % 3];
        let subscription = kind.handle(bus.subscribe_many::<u32, _>(patterns), |_| ());
        bus.publish("a.b", 1_u32).expect("publish");
        assert_eq!(bus.topics().len(), 2);
        assert_eq!(bus.subscriber_count("a.b"), Ok(1));
        let start = Barrier::new(4);
        let firsts = thread::scope(|scope| {
            let cancel = || {
                start.wait();
                let first = subscription.cancel();
                // Whoever was first: it is gone when any of them returned.
                assert_eq!(bus.publish("a.b", 1_u32).expect("publish").queued(), 0);
                first
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(cancel)).collect();
            threads.into_iter().map(|one| one.join().expect("join")).filter(|first| *first).count()
        });
        assert_eq!(firsts, 1, "one of them cancelled it");
        assert!(!subscription.cancel() && subscription.is_closed());
        assert_eq!(bus.topics(), []);
        assert_eq!(bus.subscriber_count("a.b"), Ok(0));
        assert!(bus.explain("a.b").expect("explain").matching.is_empty());
    }
}

#[test]
fn v5_several_patterns_are_subscribed_all_or_none() {
    let bus = bus(1);
    for bad in ["a..b", "", "a*b"] {
        let error = bus.subscribe_many::<u32, _>(["good.*", "good", bad]).receiver().unwrap_err();
        assert!(matches!(error, SubscribeError::InvalidPattern(_)), "{error}");
    }
    let none = bus.subscribe_many::<u32, _>(Vec::<&str>::new()).receiver().unwrap_err();
    assert!(matches!(none, SubscribeError::NoPattern));
    assert_eq!(bus.topics(), []);
    assert_eq!(bus.publish("good", 1_u32).expect("publish").matched(), 0);
    assert!(bus.stats().subscriptions.is_empty());
}

#[test]
fn v5_an_event_that_matches_several_patterns_comes_once() {
    let _watchdog = watchdog("v5 once");
    let bus = bus(1);
    let patterns = ["a.b", "a.*", "a.+", "**", "a.b"];
    for kind in KINDS {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let subscription = kind.handle(bus.subscribe_many::<u32, _>(patterns), move |_| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(bus.publish("a.b", 1_u32).expect("publish").offered(), 1);
        assert!(subscription.drain(PATIENCE).wait().complete);
        assert_eq!(calls.load(SeqCst), 1, "{kind:?}");
    }
}

#[test]
fn v5_a_publish_never_sees_half_of_a_subscription() {
    let _watchdog = watchdog("v5 half");
    let bus = bus(1);
    for round in 0..300_u32 {
        // The order in which the patterns are entered must not show.
        let patterns = [["first", "second"], ["second", "*"], ["second", "first"]][round as usize % 3];
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                let count = |topic| bus.publish(topic, round).expect("publish").matched();
                eventually("it is subscribed", || count("first") == 1);
                assert_eq!(count("second"), 1, "half of {patterns:?} was there");
                start.wait();
            });
            start.wait();
            let receiver = bus.subscribe_many::<u32, _>(patterns).capacity(1).receiver().expect("subscribe");
            start.wait();
            drop(receiver);
        });
    }
}

#[test]
fn v6_dropping_a_handle_cancels_and_detaching_keeps() {
    let _watchdog = watchdog("v6");
    for kind in KINDS {
        let bus = bus(1);
        let calls = Arc::new(AtomicUsize::new(0));
        let subscribe = || {
            let count = Arc::clone(&calls);
            kind.handle(bus.subscribe::<u32>("n"), move |_| {
                count.fetch_add(1, SeqCst);
            })
        };
        drop(subscribe());
        assert_eq!(bus.publish("n", 1_u32).expect("publish").matched(), 0, "{kind:?}");
        let id = subscribe().detach();
        assert_eq!(bus.publish("n", 1_u32).expect("publish").offered(), 1, "{kind:?}");
        eventually("it is handled", || calls.load(SeqCst) == 1);
        assert_eq!(bus.stats().subscriptions.iter().filter(|stats| stats.id == id).count(), 1);
        drop(bus.subscribe::<u32>("n").receiver().expect("subscribe"));
        assert_eq!(bus.publish("n", 1_u32).expect("publish").matched(), 1, "{kind:?}");
    }
}

#[test]
fn o3_order_survives_pauses() {
    let _watchdog = watchdog("o3");
    for kind in [Kind::Pooled, Kind::Async] {
        let bus = bus(2);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let builder = bus.subscribe::<u32>("n").capacity(16).delivery(DeliveryMode::Block);
        let subscription = kind.handle(builder, move |number| keep.lock().expect("lock").push(number));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    subscription.pause();
                    thread::yield_now();
                    subscription.resume();
                    thread::yield_now();
                }
            });
            for number in 0..5_000_u32 {
                assert_eq!(bus.publish("n", number).expect("publish").queued(), 1);
            }
            done.store(true, SeqCst);
        });
        assert!(subscription.drain(PATIENCE).wait().complete);
        assert_eq!(*seen.lock().expect("lock"), (0..5_000).collect::<Vec<_>>(), "{kind:?}");
    }
}

#[test]
fn o3_a_paused_queue_holds_its_events_and_a_paused_inline_handler_is_passed_by() {
    let _watchdog = watchdog("o3 hold");
    let bus = bus(1);
    for kind in KINDS {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let subscription = kind.handle(bus.subscribe::<u32>("n").capacity(4), move |_| {
            count.fetch_add(1, SeqCst);
        });
        subscription.pause();
        assert!(subscription.is_paused());
        let mut receipts = (0..3_u32).map(|n| bus.publish("n", n).expect("publish"));
        if kind == Kind::Inline {
            assert!(receipts.all(|receipt| (receipt.skipped(), receipt.offered()) == (1, 0)));
            assert_eq!(subscription.stats().skipped, 3);
        } else {
            assert!(receipts.all(|receipt| receipt.queued() == 1));
            assert_eq!(subscription.stats().queued, 3);
        }
        assert_eq!(calls.load(SeqCst), 0, "{kind:?}");
        subscription.resume();
        bus.publish("n", 9_u32).expect("publish");
        let all = if kind == Kind::Inline { 1 } else { 4 };
        eventually("all are handled", || calls.load(SeqCst) == all);
        assert!(subscription.stats().is_balanced());
    }
}

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
