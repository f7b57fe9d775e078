//! tokio-events: a complete bus whose handlers are tasks of a tokio runtime; events are routed by their Rust type.

use std::time::Instant;

use tokio_events::prelude::*;

use crate::drive::runtime;
use crate::event::{CAPACITY, Payload, topic};
use crate::harness::Case;
use crate::tally::Tally;

/// Its event has to be `Clone` and to know how it would travel.
#[derive(Clone, Debug)]
struct Carried {
    event: crate::event::Event,
}

impl Event for Carried {
    fn event_type() -> &'static str {
        "Carried"
    }

    fn serialize_event(&self) -> tokio_events::Result<Vec<u8>> {
        Ok(self.event.payload.words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    fn deserialize_event(bytes: &[u8]) -> tokio_events::Result<Self> {
        let mut payload = Payload::new(0);
        for (word, bytes) in payload.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        Ok(Self { event: crate::event::Event { topic: String::new(), stamp: 0, payload } })
    }
}

/// S2b: one publisher, this many subscribers, two workers.
pub fn pool(subscribers: usize) -> Case {
    let runtime = runtime(2);
    let tally = Tally::new(subscribers);
    let name = topic(42);
    let (bus, handles) = runtime.block_on(async {
        let config = tokio_events::bus::EventBusConfig::new()
            .handler_channel_size(CAPACITY)
            .dispatcher_config(|dispatcher| dispatcher.max_queue_size(CAPACITY));
        let bus = EventBusBuilder::new().with_config(config).build().await.expect("the settings are right");
        let mut handles = Vec::new();
        for subscriber in 0..subscribers {
            let tally = tally.clone();
            let handler = move |carried: Carried| {
                carried.event.read();
                tally.handled_somewhere(subscriber);
                std::future::ready(())
            };
            handles.push(bus.subscribe(handler).await.expect("subscribing works"));
        }
        (bus, handles)
    });
    Case::wall("tokio-events @rt2", move |n| {
        tally.expect(n);
        let begin = Instant::now();
        runtime.block_on(async {
            for i in 0..n {
                let event = crate::event::Event::build(&name, i as u64);
                bus.publish(Carried { event }).await.expect("the bus runs");
            }
        });
        let end = tally.wait();
        (end.saturating_duration_since(begin), (n * handles.len()) as u64)
    })
}
