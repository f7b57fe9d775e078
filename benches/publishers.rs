//! Several publishers to one topic with one inline handler: nothing that they share may slow them down.

#[path = "support/handlers.rs"]
mod handlers;
mod support;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use handlers::inline;
use support::payload;
use trolleybus::EventBus;

/// The time that `threads` threads take for `each` publishes each, from the common start to the last end.
fn run(bus: &EventBus, topic: &str, threads: u64, each: u64) -> Duration {
    let start = Barrier::new(usize::try_from(threads).expect("few") + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                for number in 0..each {
                    let _ = black_box(bus.publish(topic, payload(number)));
                }
            });
        }
        start.wait();
        Instant::now()
    })
    .elapsed()
}

fn publishers(c: &mut Criterion) {
    let mut group = c.benchmark_group("publishers");
    let bus = EventBus::new();
    let _subscription = inline(&bus, "bench.publishers");
    /// Publishes of one thread in one iteration, so that starting threads weighs little.
    const EACH: u64 = 10_000;
    for threads in [1, 2, 4] {
        group.throughput(Throughput::Elements(EACH * threads));
        group.bench_function(BenchmarkId::from_parameter(threads), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| run(&bus, "bench.publishers", threads, EACH)).sum());
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = publishers);
criterion_main!(benches);
