//! agent-event-bus: inline handlers by name, one mutex, linear scans. Its payload is JSON; `null` costs least.

use agent_event_bus::EventBus;

use crate::event::topic;
use crate::harness::Case;

/// S1: this many topics, each with so many handlers; publishes go round the topics.
pub fn inline(topics: usize, subscribers: usize) -> Case {
    let bus = EventBus::new();
    let names: Vec<String> = (0..topics).map(topic).collect();
    for name in &names {
        for _ in 0..subscribers {
            bus.on(name, |event| {
                std::hint::black_box(&event.payload);
            });
        }
    }
    let mut at = 0;
    Case::cpu("agent-event-bus", move |n| {
        for _ in 0..n {
            at = if at + 1 == names.len() { 0 } else { at + 1 };
            bus.emit(&names[at], serde_json::Value::Null);
        }
        n as u64
    })
}
