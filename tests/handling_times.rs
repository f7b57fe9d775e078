//! How long handlers took, as the bus counts it.

#[path = "support/eventually.rs"]
mod eventually;
mod support;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use eventually::eventually;
use support::watchdog;
use trolleybus::{EventBus, HandlingTimes};

fn times(bus: &EventBus, name: &str) -> Option<HandlingTimes> {
    let stats = bus.stats();
    let found = stats.subscriptions.into_iter().find(|one| one.name.as_deref() == Some(name));
    found.expect("it lives").handling
}

#[test]
fn every_kind_of_handler_is_timed_and_receivers_are_not() {
    let _watchdog = watchdog("handling times");
    let bus = EventBus::builder().time_handlers().build().expect("valid");
    let long = Duration::from_millis(20);
    let _inline = bus
        .subscribe_any("n")
        .name("inline")
        .handle_inline(move |_| std::thread::sleep(long))
        .expect("subscribe");
    let _pooled =
        bus.subscribe_any("n").name("pooled").handle(|_| Err::<(), _>(std::fmt::Error)).expect("subscribe");
    let _panics = bus
        .subscribe_any("n")
        .name("panics")
        .handle(|event| assert!(event.is::<String>(), "as told"))
        .expect("subscribe");
    let (go, gate) = mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    let _async = bus
        .subscribe_any("n")
        .name("async")
        .handle_async(move |_| {
            let gate = std::sync::Arc::clone(&gate);
            async move {
                smol::unblock(move || gate.lock().expect("lock").recv().expect("it is told to go")).await;
            }
        })
        .expect("subscribe");
    let mut receiver = bus.subscribe_any("n").name("receiver").receiver().expect("subscribe");
    bus.publish("n", 1_u32).expect("open");
    let published = Instant::now();
    receiver.try_recv().expect("queued");
    eventually("those in the pool", || bus.stats().total.delivered == 4);
    // It is pending, and that counts as well.
    while published.elapsed() < long {
        std::thread::yield_now();
    }
    go.send(()).expect("it waits");
    eventually("the async one", || bus.stats().total.delivered == 5);
    for name in ["inline", "pooled", "panics", "async"] {
        let handled = || times(&bus, name).expect("counted");
        eventually(name, || handled().count() == 1);
        let at_least = if matches!(name, "inline" | "async") { long } else { Duration::ZERO };
        assert!(handled().sum() >= at_least, "{name}: {:?}", handled());
        assert!(handled().quantile(1.0).expect("one") >= handled().sum(), "{name}");
    }
    assert_eq!(times(&bus, "receiver"), None);
    assert_eq!(bus.stats().handling.expect("counted").count(), 4);
}

#[test]
fn the_times_of_subscriptions_that_are_gone_stay_with_the_bus() {
    let bus = EventBus::builder().time_handlers().build().expect("valid");
    for number in 1..=3_u64 {
        let handler = bus.subscribe_any("n").handle_inline(|_| ()).expect("subscribe");
        bus.publish("n", 1_u32).expect("open");
        drop(handler);
        assert_eq!(bus.stats().handling.expect("counted").count(), number);
    }
}

#[test]
fn nothing_is_counted_unless_asked_for() {
    let bus = EventBus::new();
    let _inline = bus.subscribe_any("n").name("inline").handle_inline(|_| ()).expect("subscribe");
    bus.publish("n", 1_u32).expect("open");
    assert_eq!((bus.stats().handling, times(&bus, "inline")), (None, None));
}
