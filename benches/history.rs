//! What it costs to keep events, on topics that are kept and on all others, and how fast a replay is.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{Payload, payload};
use trolleybus::{DeliveryMode, Event, EventBus, Receiver, Retention, Start};

const TOPIC: &str = "bench.history";

/// Events of a replay.
const KEPT: u64 = 10_000;

/// A bus that keeps the last thousand events of such topics.
fn keeping(patterns: &[&str]) -> EventBus {
    let builder = EventBus::builder().workers(1).delivery(DeliveryMode::Block);
    builder.retain(patterns.iter().copied(), Retention::new().count(1_000)).build().expect("build")
}

/// A publish by name, with one inline handler, by what is kept.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("history, publish to an inline handler");
    group.throughput(Throughput::Elements(1));
    for (name, patterns) in
        [("nothing is kept", &[][..]), ("another topic is kept", &["other.*"]), ("it is kept", &["bench.*"])]
    {
        let bus = keeping(patterns);
        let _handler = bus.subscribe::<Payload>(TOPIC).handle_inline(|event| {
            black_box(event[0]);
        });
        group.bench_function(name, |bencher| {
            bencher.iter(|| bus.publish(TOPIC, payload(1)).expect("publish"));
        });
    }
    group.finish();
}

/// A publish and the receipt of the event in the same thread, by who receives it.
fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("history, publish and receive");
    group.throughput(Throughput::Elements(1));
    let receiver = |bus: &EventBus, start| -> Receiver<Event<Payload>> {
        bus.subscribe(TOPIC).from(start).receiver().expect("subscribe")
    };
    for (name, patterns, start) in [
        ("nothing is kept", &[][..], Start::Now),
        ("it is kept", &["bench.*"], Start::Now),
        ("it is kept, for one that replays and is live", &["bench.*"], Start::Beginning),
    ] {
        let bus = keeping(patterns);
        let mut receiver = receiver(&bus, start);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                bus.publish(TOPIC, payload(1)).expect("publish");
                black_box(receiver.try_recv().expect("it is there"));
            });
        });
    }
    group.finish();
}

/// All that is kept, by one that subscribes now, and by a look.
fn replay(c: &mut Criterion) {
    let mut group = c.benchmark_group("history, replay");
    group.throughput(Throughput::Elements(KEPT));
    for topics in [1_u64, 100] {
        let bus = EventBus::builder().retain(["bench.*"], Retention::new()).build().expect("build");
        for number in 0..KEPT {
            bus.publish(format!("bench.{}", number % topics), payload(number)).expect("publish");
        }
        group.bench_function(BenchmarkId::new("by a receiver, topics", topics), |bencher| {
            bencher.iter(|| {
                let replay = bus.subscribe::<Payload>("bench.*").from(Start::Beginning);
                let mut replay = replay.receiver().expect("subscribe");
                let read = replay.try_iter().map(|event| event[0]).fold(0, u64::wrapping_add);
                assert_eq!(read, KEPT * (KEPT - 1) / 2);
            });
        });
        group.bench_function(BenchmarkId::new("looked at, topics", topics), |bencher| {
            let history = bus.history("bench.*").expect("kept");
            bencher.iter(|| assert_eq!(history.iter().count() as u64, KEPT));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = publish, receive, replay);
criterion_main!(benches);
