//! A handler that holds what a thread keeps for itself is refused.
use std::rc::Rc;

use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let mine = Rc::new(1);
    let _subscription = bus.subscribe::<u32>("a").handle(move |_| drop(Rc::clone(&mine)));
}
