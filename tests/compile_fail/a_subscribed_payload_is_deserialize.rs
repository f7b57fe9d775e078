//! A payload without serde is not asked for by `subscribe`.
use trolleybus::EventBus;

struct NoSerde(u32);

fn main() {
    let bus = EventBus::new();
    let _subscription = bus.subscribe::<NoSerde>("a").handle_inline(|event| drop(event.0 + 1));
}
