//! pubsub-bus: inline subscribers behind mutexes, each asked for every event whether it wants the topic.

use pubsub_bus::{BusEvent, EventBus, Subscriber};

use crate::event::{Payload, topic};
use crate::harness::Case;

struct Reader {
    topic: &'static str,
}

impl Subscriber<Payload, &'static str> for Reader {
    fn is_subscribed_to(&self, topic: &&'static str) -> bool {
        *topic == self.topic
    }

    fn on_event(&mut self, event: &BusEvent<Payload, &'static str>) {
        event.get_content().read();
    }
}

/// S1: this many topics, each with so many subscribers. Topics are static strings, which its events hold for free.
pub fn inline(topics: usize, subscribers: usize) -> Case {
    let bus: EventBus<Payload, &'static str> = EventBus::new();
    let names: Vec<&'static str> = (0..topics).map(|i| &*topic(i).leak()).collect();
    for &topic in &names {
        for _ in 0..subscribers {
            bus.add_subscriber(Reader { topic });
        }
    }
    let mut at = 0;
    Case::cpu("pubsub-bus", move |n| {
        for i in 0..n {
            at = if at + 1 == names.len() { 0 } else { at + 1 };
            bus.publish(Payload::new(i as u64), Some(names[at]), 0);
        }
        n as u64
    })
}
