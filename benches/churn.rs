//! Subscribing and cancelling: among many topics, within one topic, and a publish beside it; and the end of all.

#[path = "support/handlers.rs"]
mod handlers;
mod support;
#[path = "support/topics.rs"]
mod topics;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use handlers::inline;
use support::payload;
use topics::{Stride, names};
use trolleybus::EventBus;

fn churn(c: &mut Criterion) {
    let mut group = c.benchmark_group("churn");
    for count in [10, 1_000, 100_000] {
        {
            let bus = EventBus::new();
            let names = names(count);
            let _subscriptions: Vec<_> = names.iter().map(|name| inline(&bus, name)).collect();
            let mut topic = Stride::over(count);
            group.bench_function(BenchmarkId::new("wide", count), |b| {
                b.iter(|| black_box(inline(&bus, &names[topic.next()])).cancel());
            });
        }
        {
            let bus = EventBus::new();
            let _subscriptions: Vec<_> = (0..count).map(|_| inline(&bus, "bench.deep")).collect();
            group.bench_function(BenchmarkId::new("deep", count), |b| {
                b.iter(|| black_box(inline(&bus, "bench.deep")).cancel());
            });
        }
    }
    let bus = EventBus::new();
    let names = names(1_000);
    let _subscriptions: Vec<_> = names.iter().map(|name| inline(&bus, name)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut topic = Stride::over(names.len());
            while !stop.load(Ordering::Relaxed) {
                black_box(inline(&bus, &names[topic.next()])).cancel();
            }
        });
        let mut topic = Stride::over(names.len());
        group.bench_function("publish beside", |b| {
            b.iter(|| black_box(bus.publish(names[topic.next()].as_str(), payload(1))));
        });
        stop.store(true, Ordering::Relaxed);
    });
    group.finish();
}

/// What takes long: a subscription with a wildcard, whose topics were published to, and a whole bus.
fn ends(c: &mut Criterion) {
    let mut group = c.benchmark_group("churn");
    for count in [10, 1_000, 10_000] {
        let bus = crowded(count, None);
        let names = names(count);
        group.bench_function(BenchmarkId::new("wild", count), |b| {
            b.iter_batched(
                || {
                    let subscription = inline(&bus, "*");
                    for name in &names {
                        bus.publish(name.as_str(), payload(1)).expect("the bus runs");
                    }
                    subscription
                },
                |subscription| subscription.cancel(),
                BatchSize::PerIteration,
            );
        });
    }
    let bus = crowded(10_000, None);
    let names = names(10_000);
    let mut topic = Stride::over(names.len());
    group.bench_function(BenchmarkId::new("wild, one event", 10_000), |b| {
        b.iter(|| {
            let subscription = inline(&bus, "*");
            let receipt = bus.publish(names[topic.next()].as_str(), payload(1));
            subscription.cancel();
            receipt
        });
    });
    for count in [10, 1_000] {
        let bus = crowded(count, Some("*"));
        group.bench_function(BenchmarkId::new("publish after a pattern", count), |b| {
            b.iter(|| {
                inline(&bus, "nobody.*").cancel();
                bus.publish("bench.none", payload(1))
            });
        });
    }
    for (name, count, pattern) in [("literal", 10_000, None), ("wild", 100, Some("*"))] {
        group.bench_function(BenchmarkId::new(format!("shutdown/{name}"), count), |b| {
            b.iter_batched(
                || crowded(count, pattern),
                |bus| assert!(bus.shutdown(Duration::MAX).wait().complete),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A bus that knows 1,000 topics at least, and has so many subscriptions: all with the same pattern, or each with a
/// topic of its own.
fn crowded(subscriptions: usize, pattern: Option<&str>) -> EventBus {
    let bus = EventBus::new();
    let names = names(subscriptions.max(1_000));
    for name in names.iter().take(subscriptions) {
        inline(&bus, pattern.unwrap_or(name)).detach();
    }
    // A topic that comes again is remembered.
    for name in names.iter().flat_map(|name| [name, name]) {
        bus.publish(name.as_str(), payload(1)).expect("the bus runs");
    }
    bus
}

criterion_group!(name = benches; config = support::short(); targets = churn, ends);
criterion_main!(benches);
