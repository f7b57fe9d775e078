//! A payload without serde is asked for by `subscribe_local`.
use trolleybus::EventBus;

struct NoSerde(u32);

fn main() {
    let bus = EventBus::new();
    let _subscription = bus.subscribe_local::<NoSerde>("a").handle_inline(|event| drop(event.payload().0 + 1));
}
