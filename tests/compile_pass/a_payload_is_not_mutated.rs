//! A handler changes its own copy of the payload.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let _subscription = bus.subscribe::<Vec<u32>>("a").handle_inline(|event| event.to_vec().push(1));
}
