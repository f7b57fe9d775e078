//! Panics that are wanted, and what must work after them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Once};

use trolleybus::{DeliveryMode, EventBus};

use crate::eventually::eventually;
use crate::kinds::KINDS;

/// The panics of these tests are wanted: their messages would bury the rest.
pub(crate) fn quietly() {
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
pub(crate) struct Bomb(pub(crate) Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        if !std::thread::panicking() {
            panic!("wanted: a payload's drop");
        }
    }
}

/// Panics; with a type that a handler may return.
pub(crate) fn explode() {
    panic!("wanted: a handler's panic");
}

pub(crate) fn bus(workers: usize) -> EventBus {
    quietly();
    EventBus::builder().workers(workers).thread_name("panics").build().expect("build")
}

/// Everything still works: every kind of handler, every mode, statistics, shutdown.
pub(crate) fn still_works(bus: &EventBus) {
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

impl fmt::Debug for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bomb")
    }
}
