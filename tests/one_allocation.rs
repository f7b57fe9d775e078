//! One publish allocates one block whatever the fan-out, and an idle subscription is small.
//!
//! Bytes are counted as glibc's malloc rounds them.

#[path = "support/malloc.rs"]
mod malloc;

use std::hint::black_box;

use malloc::tally;
use trolleybus::{Event, EventBus, Receiver, Subscription};

/// 64 bytes, as most events are about.
type Payload = [u64; 8];

const TOPIC: &str = "allocation.count";
const EVENTS: u64 = 1_000_000;

fn inline(bus: &EventBus) -> Subscription {
    bus.subscribe::<Payload>(TOPIC).handle_inline(|event| _ = black_box(event[0])).expect("subscribe")
}

fn receiver(bus: &EventBus) -> Receiver<Event<Payload>> {
    bus.subscribe::<Payload>(TOPIC).receiver().expect("subscribe")
}

/// Counts the blocks of a million publishes and the bytes asked for, after a few that warm up.
fn blocks_of_a_million(mut publish: impl FnMut(Payload)) -> (u64, u64) {
    for n in 0..5_000 {
        publish([n; 8]);
    }
    let before = tally();
    for n in 0..EVENTS {
        publish([n; 8]);
    }
    let after = tally();
    (after.made - before.made, after.asked - before.asked)
}

/// What an event with a payload of 64 bytes asks for: the counts of the `Arc`, 40 bytes of head, the payload.
const BLOCK: usize = 16 + 40 + 64;
const BYTES: u64 = EVENTS * BLOCK as u64;

/// Publishes a million events by name and by handle to inline handlers, and counts the blocks.
fn inline_blocks<T: Send + Sync + 'static>(fan_out: usize, make: fn(Payload) -> T) -> [(u64, u64); 2] {
    let bus = EventBus::new();
    let subscribe = || bus.subscribe_local::<T>(TOPIC).handle_inline(|event| _ = black_box(event.payload()));
    let _subscriptions: Vec<_> = (0..fan_out).map(|_| subscribe().expect("subscribe")).collect();
    let by_name = blocks_of_a_million(|payload| {
        assert_eq!(bus.publish_local(TOPIC, make(payload)).expect("publish").delivered(), fan_out);
    });
    let handle = bus.publisher_local::<T>(TOPIC).expect("a topic");
    let by_handle = blocks_of_a_million(|payload| {
        assert_eq!(handle.publish(make(payload)).expect("publish").delivered(), fan_out);
    });
    [by_name, by_handle]
}

#[test]
fn an_inline_publish_allocates_one_block_of_120_bytes_whatever_the_fan_out() {
    /// What it holds must not outlive the event.
    struct Held(Payload);
    impl Drop for Held {
        fn drop(&mut self) {
            black_box(self.0);
        }
    }
    for fan_out in [1, 8] {
        assert_eq!(inline_blocks(fan_out, Held), [(EVENTS, BYTES); 2], "by name and by handle, {fan_out}");
    }
}

#[test]
fn an_inline_publish_of_a_payload_without_a_destructor_uses_the_block_of_the_one_before() {
    for fan_out in [1, 8] {
        assert_eq!(
            inline_blocks(fan_out, |payload| payload),
            [(0, 0); 2],
            "by name and by handle, {fan_out}"
        );
    }
}

#[test]
fn a_queued_publish_allocates_one_block_of_120_bytes_whatever_the_fan_out() {
    for fan_out in [1, 8] {
        let bus = EventBus::new();
        let mut receivers: Vec<_> = (0..fan_out).map(|_| receiver(&bus)).collect();
        let blocks = blocks_of_a_million(|payload| {
            assert_eq!(bus.publish(TOPIC, payload).expect("publish").queued(), fan_out);
            for receiver in &mut receivers {
                assert_eq!(*receiver.try_recv().expect("an event"), payload);
            }
        });
        assert_eq!(blocks, (EVENTS, BYTES), "fan-out {fan_out}");
    }
}

#[test]
fn a_publish_with_no_subscriber_allocates_nothing() {
    let bus = EventBus::new();
    let known = blocks_of_a_million(|payload| {
        assert_eq!(bus.publish(TOPIC, payload).expect("publish").matched(), 0);
    });
    assert_eq!(known, (0, 0), "by name");
    let handle = bus.publisher::<Payload>(TOPIC).expect("a topic");
    let by_handle = blocks_of_a_million(|payload| {
        assert_eq!(handle.publish(payload).expect("publish").matched(), 0);
    });
    assert_eq!(by_handle, (0, 0), "by handle");
}

/// The bytes that `make` leaves allocated, for each of 64 runs.
fn bytes_of<S>(mut make: impl FnMut() -> S) -> isize {
    const RUNS: usize = 64;
    let mut kept = Vec::with_capacity(RUNS);
    let before = tally().held;
    kept.extend((0..RUNS).map(|_| make()));
    (tally().held - before) / RUNS as isize
}

/// 1 KB, the most that a subscription may cost that has not queued an event.
const IDLE_LIMIT: isize = 1024;

#[test]
fn a_subscription_that_never_queued_an_event_costs_at_most_1_kb() {
    // Without a thread of the pool that would allocate beside: allocations are counted by thread. The
    // first subscription of a bus pays for what they share.
    let bus = EventBus::builder().workers(1).build().expect("build");
    let _first = (inline(&bus), receiver(&bus), pooled(&bus, TOPIC));
    let costs = [
        ("receiver", bytes_of(|| receiver(&bus))),
        ("pooled", bytes_of(|| pooled(&bus, TOPIC))),
        ("inline", bytes_of(|| inline(&bus))),
    ];
    for (kind, bytes) in costs {
        println!("an idle {kind} subscription: {bytes} bytes");
    }
    for (kind, bytes) in costs {
        assert!(bytes <= IDLE_LIMIT, "an idle {kind} subscription costs {bytes} bytes");
    }
}

#[test]
fn a_full_queue_of_1024_events_costs_its_slots_and_no_more_per_event() {
    let bus = EventBus::new();
    let mut receivers = Vec::with_capacity(1);
    let before = tally().held;
    receivers.push(receiver(&bus));
    let idle = tally().held;
    bus.publish(TOPIC, [0_u64; 8]).expect("publish");
    let one = tally().held;
    for n in 1..1024_u64 {
        assert_eq!(bus.publish(TOPIC, [n; 8]).expect("publish").queued(), 1);
    }
    let full = tally().held;
    let event = (BLOCK + 8).next_multiple_of(16) as isize;
    assert_eq!(full - one, 1023 * event, "an event in a queue costs its own block only");
    assert_eq!(receivers[0].try_iter().count(), 1024);
    assert_eq!(one - tally().held, event, "the events are given back");
    // The harness keeps what is printed: not before the last reading.
    println!(
        "a receiver and its topic: {} bytes idle, {} more with one event, {} more with 1024, events apart",
        idle - before,
        one - idle - event,
        full - idle - 1024 * event,
    );
}

fn pooled(bus: &EventBus, topic: &str) -> Subscription {
    bus.subscribe::<Payload>(topic).handle(|event| _ = black_box(event[0])).expect("subscribe")
}

#[test]
fn an_inline_subscription_keeps_no_queue_after_its_first_event() {
    let bus = EventBus::new();
    let _first = inline(&bus);
    let idle = tally().held;
    bus.publish(TOPIC, [1_u64; 8]).expect("publish");
    let after = tally().held;
    println!("an inline subscription after its first event: {} bytes more", after - idle);
    // Lines of 64 bytes for the counters, one for each core up to 16.
    assert!(after - idle <= 64 * 17 + 32, "{} bytes", after - idle);
}
