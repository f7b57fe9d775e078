//! Publishing beside many patterns: to a topic that is resolved already, and to topics that are new.

#[path = "support/handlers.rs"]
mod handlers;
mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use handlers::inline;
use support::payload;
use trolleybus::EventBus;

fn wildcards(c: &mut Criterion) {
    let mut group = c.benchmark_group("wildcards");
    for patterns in [10, 1_000, 100_000] {
        // No entry is kept for the new topics, so that each publish resolves.
        let bus = EventBus::builder().topic_cache(0).build().expect("build");
        let subscriptions: Vec<_> =
            (0..patterns).map(|number| inline(&bus, &format!("tenant{number}.*.created"))).collect();
        let known = "tenant3.user.created";
        let handle = bus.publisher::<support::Payload>(known).expect("a topic");
        group.bench_function(BenchmarkId::new("known", patterns), |b| {
            b.iter(|| black_box(bus.publish(known, payload(1))));
        });
        let mut number = 0_u64;
        let mut topic = String::new();
        group.bench_function(BenchmarkId::new("unseen", patterns), |b| {
            b.iter(|| {
                use std::fmt::Write;
                number += 1;
                topic.clear();
                let _ = write!(topic, "tenant3.{number}.created");
                black_box(bus.publish(topic.as_str(), payload(1)))
            });
        });
        drop((subscriptions, handle));
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = wildcards);
criterion_main!(benches);
