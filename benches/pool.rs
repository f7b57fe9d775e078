//! Handlers on a pool of two workers, sync and async; the publisher waits when queues are full.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{Payload, payload};
use trolleybus::{DeliveryMode, EventBus, Subscription};

/// Events of one round: as many as four queues hold, so that waiting for the last weighs little.
const ROUND: u64 = 4_096;

/// Publishes a round and waits until every subscription has handled it.
fn round(publish: impl Fn(Payload), handled: &AtomicU64, subscribers: u64) {
    let goal = handled.load(Ordering::Acquire) + ROUND * subscribers;
    for number in 0..ROUND {
        publish(payload(number));
    }
    while handled.load(Ordering::Acquire) < goal {
        std::thread::yield_now();
    }
}

fn pool(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool");
    for subscribers in [1, 8, 64] {
        for kind in ["sync", "async"] {
            let bus = EventBus::builder().workers(2).delivery(DeliveryMode::Block).build().expect("build");
            let handled = Arc::new(AtomicU64::new(0));
            let subscriptions: Vec<Subscription> = (0..subscribers)
                .map(|_| {
                    let handled = Arc::clone(&handled);
                    let subscribe = bus.subscribe::<Payload>("bench.pool");
                    let subscription = if kind == "sync" {
                        subscribe.handle(move |event| {
                            black_box(event[0]);
                            handled.fetch_add(1, Ordering::AcqRel);
                        })
                    } else {
                        subscribe.handle_async(move |event| {
                            black_box(event[0]);
                            handled.fetch_add(1, Ordering::AcqRel);
                            async {}
                        })
                    };
                    subscription.expect("subscribe")
                })
                .collect();
            let handle = bus.publisher::<Payload>("bench.pool").expect("a topic");
            group.throughput(Throughput::Elements(ROUND * subscribers));
            group.bench_function(BenchmarkId::new(kind, subscribers), |b| {
                b.iter(|| round(|payload| drop(black_box(handle.publish(payload))), &handled, subscribers));
            });
            drop(subscriptions);
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = pool);
criterion_main!(benches);
