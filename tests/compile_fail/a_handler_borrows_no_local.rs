//! A handler that borrows a local variable would outlive it.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let local = String::from("x");
    let _subscription = bus.subscribe::<u32>("a").handle(|_| drop(local.len()));
}
