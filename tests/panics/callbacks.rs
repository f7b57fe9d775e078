//! Filters, completions, observers, errors and what a panic carries; nothing stays poisoned.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use trolleybus::{EventBus, HandledDelivery, Observer, SubscriptionId};

use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::{PATIENCE, watchdog};
use crate::wanted::{Bomb, bus, explode, quietly, still_works};

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
