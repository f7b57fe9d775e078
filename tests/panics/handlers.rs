//! Handlers that panic are counted, and harm nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use trolleybus::{DeliveryMode, EventBus, HandlerError};

use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::{PATIENCE, watchdog};
use crate::threads::threads_named;
use crate::wanted::{bus, quietly, still_works};
use crate::yield_once::YieldOnce;

#[test]
fn p1_d_all_7_a_panic_is_counted_and_harms_nobody_else() {
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
fn p1_d_all_7_ten_thousand_panics_leave_the_pool_whole() {
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
