//! A handler that holds what threads share is taken.
use std::sync::Arc;

use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let mine = Arc::new(1);
    let _subscription = bus.subscribe::<u32>("a").handle(move |_| drop(Arc::clone(&mine)));
}
