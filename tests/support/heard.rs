//! What a bus tells of its life.

use std::sync::mpsc;

use trolleybus::lifecycle::LifecycleEvent;
use trolleybus::{BusBuilder, EventBus};

use super::support::PATIENCE;

/// What the types of a bus's own events begin with.
pub(crate) const PREFIX: &str = "com.modular.eventbus.";

/// A bus, and what it tells.
pub(crate) fn heard(builder: BusBuilder) -> (BusBuilder, mpsc::Receiver<LifecycleEvent>) {
    let (told, heard) = mpsc::channel();
    (builder.on_lifecycle(move |event| drop(told.send(event.clone()))), heard)
}

/// All that was told, without the prefix of the types, once the bus has ended.
pub(crate) fn all(bus: &EventBus, heard: &mpsc::Receiver<LifecycleEvent>) -> Vec<LifecycleEvent> {
    assert!(bus.shutdown(PATIENCE).wait().complete);
    let mut events = Vec::new();
    loop {
        let event = heard.recv_timeout(PATIENCE).expect("the end is told");
        let is_last = event.event_type() == format!("{PREFIX}bus.stopped");
        events.push(event);
        if is_last {
            return events;
        }
    }
}

/// The types, without their prefix.
pub(crate) fn names(events: &[LifecycleEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_type().strip_prefix(PREFIX).unwrap_or(event.event_type())).collect()
}
