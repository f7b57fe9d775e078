//! No lock is held while user code runs.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, HandledDelivery, Observer, WeakEventBus};

use crate::eventually::eventually;
use crate::kinds::KINDS;
use crate::support::watchdog;

/// Calls something when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// Uses about everything that takes a lock.
fn use_all(weak: &WeakEventBus, calls: &AtomicUsize) {
    if let Some(bus) = weak.upgrade() {
        let topic = format!("used.{}", calls.load(SeqCst));
        let receiver = bus.subscribe::<u32>(topic.as_str()).receiver();
        let wild = bus.subscribe::<u32>("used.*").receiver();
        let _ = bus.publish(&topic, 1_u32);
        let _ = (bus.stats(), bus.topics(), bus.explain(&topic), format!("{bus:?}"));
        let _ = receiver.map(|receiver| receiver.subscription().cancel());
        drop(wild);
    }
    calls.fetch_add(1, SeqCst);
}

#[test]
fn r5_no_lock_is_held_while_user_code_runs() {
    struct Uses(Mutex<WeakEventBus>, Arc<AtomicUsize>);
    impl Observer for Uses {
        fn handled(&self, delivery: &HandledDelivery<'_>) {
            // Not for what it publishes itself.
            if delivery.topic.as_str() == "observed" {
                use_all(&self.0.lock().expect("lock").clone(), &self.1);
            }
        }
        fn warning(&self, _: &str) {
            use_all(&self.0.lock().expect("lock").clone(), &self.1);
        }
    }
    let _watchdog = watchdog("r5");
    let calls = Arc::new(AtomicUsize::new(0));
    let observer = Arc::new(Uses(Mutex::new(EventBus::new().downgrade()), Arc::clone(&calls)));
    struct Shared(Arc<Uses>);
    impl Observer for Shared {
        fn handled(&self, delivery: &HandledDelivery<'_>) {
            self.0.handled(delivery);
        }
        fn warning(&self, message: &str) {
            self.0.warning(message);
        }
    }
    let bus = EventBus::builder().workers(1).observer(Shared(Arc::clone(&observer))).build().expect("build");
    *observer.0.lock().expect("lock") = bus.downgrade();
    let (weak, count) = (bus.downgrade(), Arc::clone(&calls));
    let on_drop = move || {
        let (weak, count) = (weak.clone(), Arc::clone(&count));
        OnDrop(Some(Box::new(move || use_all(&weak, &count))))
    };
    let called = |what: &str, at_least: usize| {
        eventually(what, || calls.load(SeqCst) >= at_least);
        calls.store(0, SeqCst);
    };

    for pattern in ["p", "*", "p.*"] {
        let topic = if pattern == "p.*" { "p.q" } else { "p" };
        for mode in [DeliveryMode::Drop, DeliveryMode::DropOldest] {
            let receiver = bus
                .subscribe_local::<OnDrop>(pattern)
                .capacity(1)
                .delivery(mode)
                .receiver()
                .expect("subscribe");
            bus.publish_local(topic, on_drop()).expect("publish");
            bus.publish_local(topic, on_drop()).expect("publish");
            called("a payload was dropped for want of room", 1);
            drop(receiver);
            called("a payload was dropped by cancel", 1);
        }
        for kind in KINDS {
            let captured = on_drop();
            let subscription = kind.handle(bus.subscribe::<u32>(pattern), move |_| {
                let _ = &captured;
            });
            bus.publish(topic, 1_u32).expect("publish");
            eventually("it is handled", || subscription.stats().delivered == 1);
            drop(subscription);
            bus.publish(topic, 1_u32).expect("publish");
            called("a handler was dropped", 1);
        }
    }
    let (weak, count) = (bus.downgrade(), Arc::clone(&calls));
    let filtered = bus
        .subscribe::<u32>("filtered")
        .filter(move |_| {
            use_all(&weak, &count);
            true
        })
        .receiver()
        .expect("subscribe");
    bus.publish("filtered", 1_u32).expect("publish");
    called("the filter", 1);
    bus.publish("filtered", "another type").expect("publish");
    called("the warning of a mismatch", 1);
    for kind in KINDS {
        let _subscription = kind.handle(bus.subscribe::<u32>("observed"), |_| ());
        let last = on_drop();
        let event = bus.event("observed", 1_u32).on_complete(move |_| drop(last));
        event.publish().expect("publish");
        called("the observer and the completion", 2);
    }
    drop(filtered);
    let queued = bus.subscribe_local::<OnDrop>("end").receiver().expect("subscribe");
    bus.publish_local("end", on_drop()).expect("publish");
    drop(bus.shutdown(Duration::ZERO).wait());
    called("a payload was dropped by the shutdown", 1);
    drop(queued);
}
