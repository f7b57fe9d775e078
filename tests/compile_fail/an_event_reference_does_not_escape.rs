//! A reference to an event ends with the handler.
use std::sync::Mutex;

use trolleybus::{Event, EventBus};

static KEPT: Mutex<Vec<&Event<u32>>> = Mutex::new(Vec::new());

fn main() {
    let bus = EventBus::new();
    let _subscription = bus.subscribe::<u32>("a").handle_inline(|event| {
        KEPT.lock().expect("a lock").push(event);
    });
}
