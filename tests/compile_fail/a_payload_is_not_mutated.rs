//! A handler does not change the payload that others share.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let _subscription = bus.subscribe::<Vec<u32>>("a").handle_inline(|event| event.push(1));
}
