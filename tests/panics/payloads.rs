//! Payloads whose drop panics, wherever they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use trolleybus::{DeliveryMode, DropReason, EventBus};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::wanted::{Bomb, bus, still_works};
use crate::yield_once::YieldOnce;

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
