//! Prints what subscriptions and events weigh, in bytes as glibc's malloc rounds them. Asserted by
//! `tests/one_allocation.rs`.

#[path = "../tests/support/malloc.rs"]
mod malloc;

use std::hint::black_box;

use malloc::tally;
use trolleybus::{Event, EventBus, Receiver, Subscription};

/// 64 bytes, as most events are about.
type Payload = [u64; 8];

fn inline(bus: &EventBus, topic: &str) -> Subscription {
    bus.subscribe::<Payload>(topic).handle_inline(|event| _ = black_box(event[0])).expect("subscribe")
}

fn receiver(bus: &EventBus, topic: &str) -> Receiver<Event<Payload>> {
    bus.subscribe::<Payload>(topic).receiver().expect("subscribe")
}

/// Prints the weight of one of `count` things.
fn weigh<S>(what: &str, count: usize, mut make: impl FnMut(usize) -> S) -> Vec<S> {
    let mut kept = Vec::with_capacity(count);
    let before = tally().held;
    kept.extend((0..count).map(&mut make));
    println!("memory/{what}: {} bytes", (tally().held - before) / count as isize);
    kept
}

fn main() {
    let bus = EventBus::builder().workers(1).build().expect("build");
    let topic = "bench.memory";
    let first = (inline(&bus, topic), bus.subscribe::<Payload>(topic).handle(|_| ()).expect("subscribe"));
    let names: Vec<_> = (0..1_000).map(|number| format!("bench.topic.{number:08}")).collect();
    drop(weigh("inline, one topic", 1_000, |_| inline(&bus, topic)));
    drop(weigh("pooled, one topic", 1_000, |_| {
        bus.subscribe::<Payload>(topic).handle(|_| ()).expect("subscribe")
    }));
    drop(weigh("receiver, one topic", 1_000, |_| receiver(&bus, topic)));
    drop(weigh("inline, with a topic of its own", 1_000, |at| inline(&bus, &names[at])));
    drop(first);
    for matching in [1, 100, 1_000] {
        let bus = EventBus::new();
        let _everywhere: Vec<_> = (0..matching).map(|_| inline(&bus, "*")).collect();
        weigh(&format!("a topic that {matching} subscriptions to * match"), 1_000, |at| {
            // Unseen the first time, remembered the second.
            [0, 1].map(|_| bus.publish(&names[at], [1_u64; 8]).expect("publish"))
        });
    }
    let queue = receiver(&bus, "bench.memory.queue");
    weigh("the first event in a queue of 1024, with the queue", 1, |_| {
        bus.publish("bench.memory.queue", [1_u64; 8]).expect("publish")
    });
    weigh("each of 1023 further events", 1023, |_| {
        bus.publish("bench.memory.queue", [1_u64; 8]).expect("publish")
    });
    drop(queue);
}
