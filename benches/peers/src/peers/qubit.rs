//! qubit-event-bus with its local provider: a complete bus with a thread per subscription.
//!
//! A full queue refuses the event there, so the publisher keeps the slowest subscriber within half a queue.

use std::thread;
use std::time::{Duration, Instant};

use qubit_event_bus::EventBus;
use qubit_event_bus::local::LocalEventBusConfig;
use qubit_event_bus::model::{PublishRequest, SubscribeRequest, Topic};
use qubit_event_bus::spi::ShutdownMode;

use crate::event::{CAPACITY, Event, topic};
use crate::harness::Case;
use crate::tally::Tally;

/// S2a: one publisher, this many subscribers.
pub fn threads(subscribers: usize) -> Case {
    let bus =
        EventBus::local(LocalEventBusConfig::new().queue_capacity(CAPACITY)).expect("the settings are right");
    let name = topic(42);
    let channel = Topic::<Event>::new(&name).expect("the name is valid");
    let tally = Tally::new(subscribers);
    let subscriptions: Vec<_> = (0..subscribers)
        .map(|subscriber| {
            let tally = tally.clone();
            let request =
                SubscribeRequest::new(&format!("s{subscriber}"), channel.clone()).expect("the name is valid");
            bus.subscribe(request, move |delivery| {
                delivery.payload().read();
                tally.handled_somewhere(subscriber);
            })
            .expect("there is room for a subscription")
        })
        .collect();
    let running = Running(bus);
    let mut published = 0;
    Case::wall("qubit-event-bus", move |n| {
        tally.expect(n);
        let begin = Instant::now();
        for _ in 0..n {
            while published - tally.slowest() >= CAPACITY as u64 / 2 {
                thread::yield_now();
            }
            published += 1;
            let request =
                PublishRequest::new(channel.clone(), Event::build(&name, published)).expect("an id is free");
            // The receipt says that it is queued: there is room, for the slowest was waited for.
            let _ = running.0.publish(request).expect("the bus runs");
        }
        let end = tally.wait();
        (end.saturating_duration_since(begin), (n * subscriptions.len()) as u64)
    })
}

/// Dropping its bus leaves the threads behind, so that they would poll beside everything that follows.
struct Running(EventBus);

impl Drop for Running {
    fn drop(&mut self) {
        let report = self.0.shutdown(ShutdownMode::Graceful { timeout: Duration::from_secs(3) });
        if let Err(error) = report {
            eprintln!("qubit-event-bus did not stop: {error}");
        }
    }
}
