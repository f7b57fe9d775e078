//! A payload without serde is published by `publish_local`.
use trolleybus::EventBus;

struct NoSerde(u32);

fn main() {
    let bus = EventBus::new();
    let _ = bus.publish_local("a", NoSerde(1)).map_err(|error| error.into_payload().0);
}
