//! What is kept of events, and subscriptions that replay it.
//!
//! | file | what it holds |
//! |---|---|
//! | `history/retention.rs` | what is kept: rules, limits, the look at it |
//! | `history/replay.rs` | where a replay begins, and what it brings |
//! | `history/live.rs` | from the replay to what is published meanwhile |
//! | `history/gaps.rs` | what was missed |
//! | `history/refused.rs` | what is no history |
//! | `history/ways.rs` | every way to publish, every kind of subscription |
//! | `history/model.rs` | all of it against a vector |

#[path = "support/eventually.rs"]
mod eventually;
#[path = "history/gaps.rs"]
mod gaps;
#[path = "support/gate.rs"]
mod gate;
#[path = "history/live.rs"]
mod live;
#[path = "history/model.rs"]
mod model;
#[path = "support/poll_once.rs"]
mod poll_once;
#[path = "history/refused.rs"]
mod refused;
#[path = "history/replay.rs"]
mod replay;
#[path = "history/retention.rs"]
mod retention;
mod support;
#[path = "history/ways.rs"]
mod ways;

use std::time::Duration;

use trolleybus::{BusBuilder, Event, EventBus, Receiver, Retention, Start, TestClock};

const SECOND: Duration = Duration::from_secs(1);

/// A bus whose time a test moves, made with what the test says.
fn bus_with(change: impl FnOnce(BusBuilder) -> BusBuilder) -> (EventBus, TestClock) {
    let clock = TestClock::new();
    let bus = change(EventBus::builder()).clock(clock.clone()).build().expect("valid");
    (bus, clock)
}

/// A bus that keeps so many events of each topic.
fn keeping(count: u64) -> EventBus {
    bus_with(|builder| builder.retain(["*"], Retention::new().count(count))).0
}

fn publish(bus: &EventBus, topic: &str, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        bus.publish(topic, number).expect("publish");
    }
}

/// What is kept, topic and number.
fn kept(bus: &EventBus, pattern: &str) -> Vec<(String, u32)> {
    let events = bus.history(pattern).expect("kept");
    events
        .iter()
        .map(|event| (event.topic().to_string(), *event.payload::<u32>().expect("a number")))
        .collect()
}

fn kept_numbers(bus: &EventBus, pattern: &str) -> Vec<u32> {
    kept(bus, pattern).into_iter().map(|(_, number)| number).collect()
}

fn replay(bus: &EventBus, pattern: &str, start: Start) -> Receiver<Event<u32>> {
    bus.subscribe::<u32>(pattern).from(start).receiver().expect("subscribe")
}

/// What a receiver has now.
fn drain(receiver: &mut Receiver<Event<u32>>) -> Vec<u32> {
    std::iter::from_fn(|| receiver.try_recv().ok()).map(|event| *event).collect()
}
