//! A handler that owns what it uses lives as long as it must.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let local = String::from("x");
    let _subscription = bus.subscribe::<u32>("a").handle(move |_| drop(local.len()));
}
