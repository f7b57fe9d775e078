//! Prints what subscriptions and events weigh, in bytes as glibc's malloc rounds them. Asserted by
//! `tests/one_allocation.rs`.

#[path = "../tests/support/malloc.rs"]
mod malloc;
mod support;

use malloc::tally;
use support::{Payload, inline, payload, receiver};
use trolleybus::EventBus;

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
    let names = support::names(1_000);
    drop(weigh("inline, one topic", 1_000, |_| inline(&bus, topic)));
    drop(weigh("pooled, one topic", 1_000, |_| {
        bus.subscribe::<Payload>(topic).handle(|_| ()).expect("subscribe")
    }));
    drop(weigh("receiver, one topic", 1_000, |_| receiver(&bus, topic)));
    drop(weigh("inline, with a topic of its own", 1_000, |at| inline(&bus, &names[at])));
    drop(first);
    let queue = receiver(&bus, "bench.memory.queue");
    weigh("the first event in a queue of 1024, with the queue", 1, |_| {
        bus.publish("bench.memory.queue", payload(1)).expect("publish")
    });
    weigh("each of 1023 further events", 1023, |_| {
        bus.publish("bench.memory.queue", payload(1)).expect("publish")
    });
    drop(queue);
}
