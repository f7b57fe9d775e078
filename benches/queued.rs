//! Fan-out to receivers on one thread: a burst is published, then every receiver is drained.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{Payload, payload};
use trolleybus::EventBus;

/// Half of a queue.
const BURST: u64 = 512;

fn queued(c: &mut Criterion) {
    let mut group = c.benchmark_group("queued");
    for subscribers in [1, 8, 64] {
        let bus = EventBus::new();
        let topic = "bench.queued.fan-out";
        let receiver = |_| bus.subscribe::<Payload>(topic).receiver().expect("subscribe");
        let mut receivers: Vec<_> = (0..subscribers).map(receiver).collect();
        let handle = bus.publisher::<Payload>(topic).expect("a topic");
        group.throughput(Throughput::Elements(BURST * subscribers));
        let mut drain = || {
            for receiver in &mut receivers {
                let taken = receiver.try_iter().map(|event| _ = black_box(event[0])).count();
                assert_eq!(taken as u64, BURST);
            }
        };
        group.bench_function(BenchmarkId::new("name", subscribers), |b| {
            b.iter(|| {
                for number in 0..BURST {
                    let _ = black_box(bus.publish(topic, payload(number)));
                }
                drain();
            });
        });
        group.bench_function(BenchmarkId::new("handle", subscribers), |b| {
            b.iter(|| {
                for number in 0..BURST {
                    let _ = black_box(handle.publish(payload(number)));
                }
                drain();
            });
        });
        group.bench_function(BenchmarkId::new("batch", subscribers), |b| {
            b.iter(|| {
                let _ = black_box(handle.publish_batch((0..BURST).map(payload)));
                drain();
            });
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = queued);
criterion_main!(benches);
