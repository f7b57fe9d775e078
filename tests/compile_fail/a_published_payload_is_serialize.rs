//! A payload without serde is not published by `publish`.
use trolleybus::EventBus;

struct NoSerde(u32);

fn main() {
    let bus = EventBus::new();
    let _ = bus.publish("a", NoSerde(1)).map_err(|error| error.into_payload().0);
}
