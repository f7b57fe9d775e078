//! A payload that threads can share is published.
use std::sync::atomic::AtomicU32;

use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let _ = bus.publish("a", AtomicU32::new(1));
}
