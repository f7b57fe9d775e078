//! A payload that threads cannot share is not published.
use std::cell::Cell;

use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let _ = bus.publish("a", Cell::new(1_u32));
}
