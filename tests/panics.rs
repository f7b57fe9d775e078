//! Panics of the application's code stay where they are (P1 to P4).

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use eventually::eventually;
use kinds::{KINDS, Kind};
use support::{PATIENCE, watchdog};
use threads::threads_named;
use trolleybus::{
    DeliveryMode, DropReason, EventBus, HandledDelivery, HandlerError, Observer, SubscriptionId,
};
use yield_once::YieldOnce;

/// The panics of these tests are wanted: their messages would bury the rest.
fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let wanted = text.is_some_and(|text| text.starts_with("wanted"));
            if !wanted && !info.payload().is::<Bomb>() {
                usual(info);
            }
        }));
    });
}

/// A payload whose drop panics, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        if !std::thread::panicking() {
            panic!("wanted: a payload's drop");
        }
    }
}

/// Panics; with a type that a handler may return.
fn explode() {
    panic!("wanted: a handler's panic");
}

fn bus(workers: usize) -> EventBus {
    quietly();
    EventBus::builder().workers(workers).thread_name("panics").build().expect("build")
}

/// Everything still works: every kind of handler, every mode, statistics, shutdown.
fn still_works(bus: &EventBus) {
    let calls = Arc::new(AtomicUsize::new(0));
    let subscriptions = KINDS.map(|kind| {
        let count = Arc::clone(&calls);
        let builder = bus.subscribe::<u32>("works").delivery(DeliveryMode::Block).capacity(1);
        kind.handle(builder, move |_| {
            count.fetch_add(1, SeqCst);
        })
    });
    for number in 0..20_u32 {
        assert_eq!(bus.publish("works", number).expect("publish").offered(), 3);
    }
    eventually("all kinds work", || calls.load(SeqCst) == 60);
    assert_eq!(bus.subscriber_count("works"), Ok(3));
    drop(subscriptions);
    assert_eq!(bus.subscriber_count("works"), Ok(0));
    eventually("the ledger balances", || bus.stats().total.is_balanced());
}

#[test]
fn p1_a_panic_is_counted_and_harms_nobody_else() {
    let _watchdog = watchdog("p1");
    for kind in KINDS {
        let bus = bus(1);
        let fine = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fine);
        let bad = kind.handle(bus.subscribe::<u32>("n"), |number| {
            assert!(number % 2 == 0, "wanted: a handler's panic");
        });
        let good = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            count.fetch_add(1, SeqCst);
        });
        for number in 0..100_u32 {
            let receipt = bus.publish("n", number).expect("publish");
            if kind == Kind::Inline {
                assert_eq!((receipt.delivered(), receipt.failed()), (2, (number % 2) as usize));
                let error = receipt.all_delivered().map(drop).err().map(|error| error.to_string());
                let said = error.is_some_and(|text| text.contains("wanted: a handler's panic"));
                assert_eq!(said, number % 2 == 1);
            }
        }
        eventually("all are handled", || bad.stats().delivered == 100 && good.stats().delivered == 100);
        assert_eq!((bad.stats().failed, good.stats().failed), (50, 0), "{kind:?}");
        assert_eq!(fine.load(SeqCst), 100);
        still_works(&bus);
    }
}

#[test]
fn p1_ten_thousand_panics_leave_the_pool_whole() {
    let _watchdog = watchdog("p1 pool");
    quietly();
    let bus = EventBus::builder().workers(3).thread_name("ten-thousand").build().expect("build");
    for kind in [Kind::Pooled, Kind::Async] {
        let builder = bus.subscribe::<u32>("n").delivery(DeliveryMode::Block).concurrency(2);
        let bad = kind.handle(builder, |_| panic!("wanted: a handler's panic"));
        for number in 0..10_000_u32 {
            bus.publish("n", number).expect("publish");
        }
        assert!(bad.drain(PATIENCE).wait().complete);
        assert_eq!((bad.stats().delivered, bad.stats().failed), (10_000, 10_000));
        assert_eq!(threads_named("ten-thousand"), 3);
    }
    still_works(&bus);
}

#[test]
fn p1_an_async_handler_may_panic_at_any_time() {
    /// Becomes a `HandlerError` by panicking.
    struct Nasty;
    impl From<Nasty> for HandlerError {
        fn from(_: Nasty) -> Self {
            panic!("wanted: a conversion's panic")
        }
    }
    let _watchdog = watchdog("p1 async");
    let bus = bus(1);
    let subscription = bus
        .subscribe::<u32>("n")
        .handle_async(|number| {
            assert!(*number != 0, "wanted: before the first await");
            async move {
                assert!(*number != 1, "wanted: in the first poll");
                YieldOnce::default().await;
                assert!(*number != 2, "wanted: in a later poll");
                if *number == 3 { Err(Nasty) } else { Ok(()) }
            }
        })
        .expect("subscribe");
    for number in 0..8_u32 {
        bus.publish("n", number).expect("publish");
    }
    eventually("all are handled", || subscription.stats().delivered == 8);
    assert_eq!(subscription.stats().failed, 4);
    still_works(&bus);
}

/// Publishes one bomb and checks that it went off once, harmed nobody, and the receipt came back.
fn one_bomb(bus: &EventBus, what: &str, publish: impl FnOnce(&EventBus, Bomb)) {
    let drops = Arc::new(AtomicUsize::new(0));
    publish(bus, Bomb(Arc::clone(&drops)));
    eventually(what, || drops.load(SeqCst) == 1);
    still_works(bus);
    assert_eq!(drops.load(SeqCst), 1, "{what}: dropped once");
}

#[test]
fn p2_a_payload_that_panics_in_drop_wherever_it_ends() {
    let _watchdog = watchdog("p2 payload");
    let bus = bus(1);
    one_bomb(&bus, "nobody subscribes", |bus, bomb| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bus.publish_local("b", bomb)));
        assert!(result.is_ok_and(|receipt| receipt.is_ok_and(|receipt| receipt.matched() == 0)));
    });
    one_bomb(&bus, "the publisher's own last reference", |bus, bomb| {
        let _inline = bus.subscribe_local::<Bomb>("b").handle_inline(|_| ()).expect("subscribe");
        let receipt = bus.publish_local("b", bomb).expect("publish");
        assert_eq!((receipt.delivered(), receipt.failed()), (1, 0));
    });
    one_bomb(&bus, "delivered to a pooled handler", |bus, bomb| {
        let pooled = bus.subscribe_local::<Bomb>("b").handle(|_| ()).expect("subscribe");
        assert_eq!(bus.publish_local("b", bomb).expect("publish").queued(), 1);
        assert!(pooled.drain(PATIENCE).wait().complete);
        assert_eq!((pooled.stats().delivered, pooled.stats().failed), (1, 0));
    });
    one_bomb(&bus, "dropped by an async handler's future", |bus, bomb| {
        let pooled = bus
            .subscribe_local::<Bomb>("b")
            .handle_async(|event| async move {
                YieldOnce::default().await;
                drop(event.topic().clone());
            })
            .expect("subscribe");
        assert_eq!(bus.publish_local("b", bomb).expect("publish").queued(), 1);
        assert!(pooled.drain(PATIENCE).wait().complete);
        assert_eq!(pooled.stats().delivered, 1);
    });
    one_bomb(&bus, "full", |bus, bomb| {
        let full = bus.subscribe_any("b").capacity(1).receiver().expect("subscribe");
        bus.publish("b", 1_u32).expect("publish");
        assert_eq!(bus.publish_local("b", bomb).expect("publish").dropped_by().full, 1);
        assert_eq!(full.len(), 1);
    });
    one_bomb(&bus, "displaced", |bus, bomb| {
        let mode = DeliveryMode::DropOldest;
        let mut first = bus.subscribe_any("b").capacity(1).delivery(mode).receiver().expect("subscribe");
        bus.publish_local("b", bomb).expect("publish");
        // The bomb's last reference is displaced in the middle of the next one's pass.
        let last = bus.subscribe_any("b").receiver().expect("subscribe");
        let receipt = bus.publish("b", 1_u32).expect("publish");
        assert_eq!((receipt.queued(), last.len()), (2, 1));
        assert_eq!(first.try_recv().expect("the newer one").payload(), Some(&1_u32));
        assert_eq!(first.subscription().stats().dropped.by(DropReason::Oldest), 1);
    });
    one_bomb(&bus, "timed out", |bus, bomb| {
        let mode = DeliveryMode::Timeout(Duration::from_millis(1));
        let full = bus.subscribe_any("b").capacity(1).delivery(mode).receiver().expect("subscribe");
        bus.publish("b", 1_u32).expect("publish");
        assert_eq!(bus.publish_local("b", bomb).expect("publish").dropped_by().timeout, 1);
        drop(full);
    });
    one_bomb(&bus, "cancelled", |bus, bomb| {
        let receiver = bus.subscribe_any("b").receiver().expect("subscribe");
        bus.publish_local("b", bomb).expect("publish");
        bus.publish("b", 1_u32).expect("publish");
        assert!(receiver.subscription().cancel());
        assert_eq!(receiver.subscription().stats().dropped.cancelled, 2);
    });
    one_bomb(&bus, "beyond the budget", |bus, bomb| {
        let pooled = bus.subscribe_any("b").take(1).handle(|_| ()).expect("subscribe");
        pooled.pause();
        bus.publish("b", 1_u32).expect("publish");
        bus.publish_local("b", bomb).expect("publish");
        pooled.resume();
        pooled.cancel_and_wait().wait();
        eventually("it is quiet", || pooled.stats().running == 0 && pooled.stats().queued == 0);
    });
    assert!(bus.shutdown(PATIENCE).wait().complete);
}

#[test]
fn p2_a_payload_that_panics_in_drop_at_the_end_of_the_bus() {
    let _watchdog = watchdog("p2 end");
    for end in ["discarding", "deadline", "drop"] {
        let bus = bus(1);
        let drops = Arc::new(AtomicUsize::new(0));
        let receiver = bus.subscribe_local::<Bomb>("b").receiver().expect("subscribe");
        for _ in 0..3 {
            bus.publish_local("b", Bomb(Arc::clone(&drops))).expect("publish");
        }
        match end {
            "discarding" => assert_eq!(bus.shutdown(PATIENCE).discarding().wait().discarded, 3),
            "deadline" => assert_eq!(bus.shutdown(Duration::ZERO).wait().discarded, 3),
            _ => drop(bus),
        }
        assert_eq!(drops.load(SeqCst), 3, "{end}");
        assert_eq!(receiver.subscription().stats().dropped.shutdown, 3, "{end}");
    }
}

#[test]
fn p2_a_filter_a_completion_and_an_observer_that_panic() {
    #[derive(Default)]
    struct Nasty(Arc<AtomicUsize>);
    impl Observer for Nasty {
        fn handled(&self, _: &HandledDelivery<'_>) {
            self.0.fetch_add(1, SeqCst);
            panic!("wanted: an observer's panic");
        }
        fn warning(&self, _: &str) {
            self.0.fetch_add(1, SeqCst);
            panic!("wanted: an observer's panic");
        }
        fn quarantined(&self, _: SubscriptionId, _: u32) {
            self.0.fetch_add(1, SeqCst);
            panic!("wanted: an observer's panic");
        }
    }
    let _watchdog = watchdog("p2 user code");
    quietly();
    for observed in [false, true] {
        let heard = Arc::new(AtomicUsize::new(0));
        let mut builder = EventBus::builder().workers(1).quarantine_after(NonZeroU32::MIN);
        if observed {
            builder = builder.observer(Nasty(Arc::clone(&heard)));
        }
        let bus = builder.build().expect("build");
        let filtered = bus
            .subscribe::<u32>("f")
            .filter(|_| panic!("wanted: a filter's panic"))
            .handle_inline(|_| ())
            .expect("subscribe");
        let receipt = bus.publish("f", 1_u32).expect("publish");
        assert_eq!((receipt.filtered(), receipt.offered()), (1, 0));
        assert_eq!(filtered.stats().filtered, 1);
        let completed = Arc::new(AtomicUsize::new(0));
        for kind in KINDS {
            let _subscription = kind.handle(bus.subscribe::<u32>("c"), |_| ());
            let count = Arc::clone(&completed);
            let event = bus.event("c", 1_u32).on_complete(move |_| {
                count.fetch_add(1, SeqCst);
                panic!("wanted: a completion's panic");
            });
            assert_eq!(event.publish().expect("publish").offered(), 1);
        }
        eventually("all completed", || completed.load(SeqCst) == 3);
        let bad = Kind::Pooled.handle(bus.subscribe::<u32>("q"), |_| panic!("wanted: a handler's panic"));
        bus.publish("q", 1_u32).expect("publish");
        eventually("it is in quarantine", || bad.is_paused());
        still_works(&bus);
        // A filter, three completions, a quarantine, and a handler's end each.
        assert_eq!(heard.load(SeqCst) > 5, observed);
    }
}

/// An error that panics when it is shown, and when it is dropped.
#[derive(Debug)]
struct NastyError {
    _bomb: Option<Bomb>,
}

impl fmt::Debug for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bomb")
    }
}

impl fmt::Display for NastyError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("wanted: an error's display")
    }
}

impl std::error::Error for NastyError {}

#[test]
fn p2_an_error_that_panics_in_display_or_drop() {
    let _watchdog = watchdog("p2 error");
    for kind in [Kind::Pooled, Kind::Async] {
        for bombs in [false, true] {
            let bus = bus(1);
            let drops = Arc::new(AtomicUsize::new(0));
            let bomb = Arc::clone(&drops);
            let bad = kind.try_handle(bus.subscribe::<u32>("n"), move |_, _| {
                Err(NastyError { _bomb: bombs.then(|| Bomb(Arc::clone(&bomb))) }.into())
            });
            for number in 0..3_u32 {
                bus.publish("n", number).expect("publish");
            }
            eventually("all are handled", || bad.stats().delivered == 3);
            assert!(bad.drain(PATIENCE).wait().complete, "{kind:?}");
            assert_eq!(bad.stats().failed, 3);
            // An error is dropped after its handler's end was counted.
            let expected = if bombs { 3 } else { 0 };
            eventually("the errors are dropped", || drops.load(SeqCst) == expected);
            still_works(&bus);
        }
    }
}

#[test]
fn p2_a_panic_whose_payload_panics_in_drop() {
    let _watchdog = watchdog("p2 payload of a panic");
    for kind in KINDS {
        let bus = bus(1);
        let drops = Arc::new(AtomicUsize::new(0));
        let bomb = Arc::clone(&drops);
        let bad = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            std::panic::panic_any(Bomb(Arc::clone(&bomb)));
        });
        for number in 0..3_u32 {
            bus.publish("n", number).expect("publish");
        }
        assert!(bad.drain(PATIENCE).wait().complete, "{kind:?}");
        assert_eq!((bad.stats().failed, drops.load(SeqCst)), (3, 3), "{kind:?}");
        still_works(&bus);
    }
}

#[test]
fn p3_nothing_stays_poisoned() {
    let _watchdog = watchdog("p3");
    let bus = bus(2);
    // A panic while the bus is in the middle of things: publish in publish, filter in publish, drop of
    // a handler's captured value inside cancel.
    let weak = bus.downgrade();
    let nested = bus
        .subscribe::<u32>("outer")
        .handle_inline(move |_| {
            let bus = weak.upgrade().expect("alive");
            let _inner = bus.subscribe::<u32>("inner").handle_inline(|_| explode()).expect("subscribe");
            bus.publish("inner", 1_u32).expect("publish");
            explode();
        })
        .expect("subscribe");
    let drops = Arc::new(AtomicUsize::new(0));
    let captured = Bomb(Arc::clone(&drops));
    let holder = bus
        .subscribe::<u32>("holder")
        .handle_inline(move |_| {
            let _ = &captured;
        })
        .expect("subscribe");
    for _ in 0..3 {
        assert_eq!(bus.publish("outer", 1_u32).expect("publish").failed(), 1);
    }
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(holder)));
    assert_eq!(drops.load(SeqCst), 1, "the handler went with its subscription ({ended:?})");
    assert_eq!(nested.stats().failed, 3);
    still_works(&bus);
    assert!(bus.shutdown(PATIENCE).wait().complete);
}

#[test]
fn p4_quarantine_after_so_many_panics_in_a_row() {
    struct Tell(Mutex<mpsc::Sender<(SubscriptionId, u32)>>);
    impl Observer for Tell {
        fn quarantined(&self, subscription: SubscriptionId, panics: u32) {
            self.0.lock().expect("lock").send((subscription, panics)).expect("send");
        }
    }
    let _watchdog = watchdog("p4");
    quietly();
    for kind in KINDS {
        let (send, told) = mpsc::channel();
        let bus = EventBus::builder()
            .workers(1)
            .quarantine_after(NonZeroU32::new(3).expect("not zero"))
            .observer(Tell(Mutex::new(send)))
            .build()
            .expect("build");
        let bad = kind.handle(bus.subscribe::<u32>("n"), |number| {
            assert!(number != 0, "wanted: a handler's panic");
        });
        let publish = |number: u32| drop(bus.publish("n", number).expect("publish"));
        // Two in a row, a success, two in a row: not yet.
        [0, 0, 1, 0, 0].into_iter().for_each(publish);
        eventually("these are handled", || bad.stats().delivered == 5);
        assert!(!bad.is_paused(), "{kind:?}");
        publish(0);
        assert_eq!(told.recv_timeout(PATIENCE), Ok((bad.id(), 3)));
        eventually("it is in quarantine", || bad.is_paused());
        publish(1);
        publish(1);
        assert_eq!(bad.stats().delivered, 6, "{kind:?}");
        let (skipped, queued) = if kind == Kind::Inline { (2, 0) } else { (0, 2) };
        assert_eq!((bad.stats().skipped, bad.stats().queued), (skipped, queued), "{kind:?}");
        bad.resume();
        publish(1);
        let all = 7 + if kind == Kind::Inline { 0 } else { 2 };
        eventually("it works again", || bad.stats().delivered == all);
        assert!(bad.stats().is_balanced() && told.try_recv().is_err());
    }
}

#[test]
fn p4_there_is_no_quarantine_unless_asked_for() {
    let _watchdog = watchdog("p4 off");
    let bus = bus(1);
    for kind in KINDS {
        let bad = kind.handle(bus.subscribe::<u32>("n"), |_| panic!("wanted: a handler's panic"));
        for number in 0..100_u32 {
            bus.publish("n", number).expect("publish");
        }
        eventually("all are handled", || bad.stats().delivered == 100);
        assert!(!bad.is_paused() && bad.stats().failed == 100, "{kind:?}");
    }
}
