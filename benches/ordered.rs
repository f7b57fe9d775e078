//! Order by key beside one handler at a time, and several in no order; and what a policy for retries costs that is not used.
//!
//! Handlers work for about 20 µs or 2 µs, so that to run two of them at a time is worth something, or not at all.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Payload, payload};
use trolleybus::{CircuitBreaker, DeliveryMode, Event, EventBus, Retry, Subscribe, Subscription};

/// Events of one round.
const ROUND: u64 = 4_096;

/// So many turns of [`work`] take about 2 µs.
const TURNS: u64 = 1_000;

fn work(number: u64, turns: u64) -> u64 {
    (0..turns).fold(number, |sum, turn| black_box(sum.wrapping_mul(31).wrapping_add(turn)))
}

fn handle(subscribe: Subscribe<Event<Payload>>, handled: &Arc<AtomicU64>, turns: u64) -> Subscription {
    let handled = Arc::clone(handled);
    let subscription = subscribe.handle(move |event| {
        black_box(work(event[0], turns));
        handled.fetch_add(1, Ordering::AcqRel);
    });
    subscription.expect("subscribe")
}

/// Publishes a round, in which a key comes as often as any other, and waits until all of it is handled.
fn round(bus: &EventBus, handled: &AtomicU64) {
    let goal = handled.load(Ordering::Acquire) + ROUND;
    for number in 0..ROUND {
        bus.publish("bench.ordered", payload(number)).expect("publish");
    }
    while handled.load(Ordering::Acquire) < goal {
        std::thread::yield_now();
    }
}

fn ordered(c: &mut Criterion) {
    type Prepare = fn(Subscribe<Event<Payload>>) -> Subscribe<Event<Payload>>;
    let ways: [(&str, Prepare); 7] = [
        ("one at a time", |it| it),
        ("one at a time, retries", |it| it.retry(Retry::new(3))),
        ("one at a time, a circuit breaker", |it| {
            it.circuit_breaker(CircuitBreaker::new(3, Duration::from_secs(1)))
        }),
        ("4 in no order", |it| it.concurrency(4)),
        ("4 by key, 1,000 keys", |it| it.ordered_by(4, |event| event[0] % 1_000)),
        ("4 by key, 4 keys", |it| it.ordered_by(4, |event| event[0] % 4)),
        ("4 by key, 1 key", |it| it.ordered_by(4, |_| 0)),
    ];
    for (name, turns) in [
        ("ordered, handlers of 20 us", 10 * TURNS),
        ("ordered, handlers of 2 us", TURNS),
        ("ordered, handlers of nothing", 0),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(ROUND));
        for (way, prepare) in ways {
            let bus = EventBus::builder().workers(2).delivery(DeliveryMode::Block).build().expect("build");
            let handled = Arc::new(AtomicU64::new(0));
            let _subscription = handle(prepare(bus.subscribe("bench.ordered")), &handled, turns);
            group.bench_function(way, |bencher| bencher.iter(|| round(&bus, &handled)));
        }
        group.finish();
    }
}

criterion_group!(name = benches; config = support::short(); targets = ordered);
criterion_main!(benches);
