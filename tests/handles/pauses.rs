//! Pauses keep the order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use trolleybus::DeliveryMode;

use crate::bus;
use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::{PATIENCE, watchdog};

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
