//! Publishing to inline handlers: by name and by handle, over topics and subscribers.

#[path = "support/handlers.rs"]
mod handlers;
mod support;
#[path = "support/topics.rs"]
mod topics;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use handlers::inline;
use support::{Payload, payload};
use topics::{Stride, names};
use trolleybus::EventBus;

fn sync_dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sync_dispatch");
    for (topics, subscribers) in [(1, 1), (1, 8), (1, 64), (1_000, 1), (1_000, 8), (100_000, 1)] {
        let bus = EventBus::new();
        let names = names(topics);
        let subscriptions: Vec<_> =
            names.iter().flat_map(|name| (0..subscribers).map(|_| inline(&bus, name))).collect();
        let shape = format!("{topics}x{subscribers}");
        group.throughput(Throughput::Elements(subscribers));
        group.bench_with_input(BenchmarkId::new("name", &shape), &names, |b, names| {
            let mut topic = Stride::over(names.len());
            b.iter(|| black_box(bus.publish(names[topic.next()].as_str(), payload(1))));
        });
        let handles: Vec<_> =
            names.iter().map(|name| bus.publisher::<Payload>(name).expect("a topic")).collect();
        group.bench_with_input(BenchmarkId::new("handle", &shape), &handles, |b, handles| {
            let mut topic = Stride::over(handles.len());
            b.iter(|| black_box(handles[topic.next()].publish(payload(1))));
        });
        drop(subscriptions);
    }
    let bus = EventBus::new();
    let handle = bus.publisher::<Payload>("nobody.listens").expect("a topic");
    group.throughput(Throughput::Elements(1));
    group.bench_function("handle/no subscriber", |b| b.iter(|| black_box(handle.publish(payload(1)))));
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = sync_dispatch);
criterion_main!(benches);
