//! A subscription that is dropped at once is cancelled at once.
#![deny(unused_must_use)]

use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("a subscription");
}
