//! From when on a subscription gets no events, and starts and runs no handlers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use trolleybus::EventBus;

use crate::bus;
use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::watchdog;
use crate::yield_once::YieldOnce;

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
fn v4_d_all_5_cancel_is_idempotent_and_concurrent_and_leaves_no_trace() {
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

/// So many inline handlers of one topic are counted together; the list changes under the publishers all the time.
#[test]
fn c1_two_threads_publish_to_many_inline_handlers_while_others_come_and_go() {
    const HANDLERS: usize = 40;
    const EVENTS: u64 = 3_000;
    let _watchdog = watchdog("c1 rounds");
    let bus = EventBus::new();
    let handled: Arc<Vec<AtomicUsize>> = Arc::new((0..HANDLERS).map(|_| AtomicUsize::new(0)).collect());
    let subscribe = |number: usize| {
        let handled = Arc::clone(&handled);
        let count = move |_: &trolleybus::Event<u64>| {
            handled[number].fetch_add(1, SeqCst);
        };
        bus.subscribe::<u64>("n").handle_inline(count).expect("subscribe")
    };
    let subscriptions: Vec<_> = (0..HANDLERS).map(subscribe).collect();
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                for event in 0..EVENTS {
                    assert!(bus.publish("n", event).expect("publish").delivered() >= HANDLERS);
                }
            });
        }
        start.wait();
        for _ in 0..300 {
            let passing = bus.subscribe::<u64>("n").handle_inline(|_| ()).expect("subscribe");
            passing.cancel_and_wait().wait();
        }
    });
    for (subscription, handled) in subscriptions.iter().zip(&*handled) {
        assert_eq!((subscription.stats().delivered, handled.load(SeqCst) as u64), (2 * EVENTS, 2 * EVENTS));
    }
    let total = bus.stats().total;
    assert!(total.is_balanced() && total.running == 0, "{total:?}");
}
