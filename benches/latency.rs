//! From publish to a pooled handler and back, one event at a time: to a worker that spins, and to one that
//! sleeps.

mod support;

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use support::{Payload, payload};
use trolleybus::{EventBus, Publisher, Subscription};

struct Ping {
    handle: Publisher<Payload>,
    answered: Arc<AtomicU64>,
    _subscription: Subscription,
    _bus: EventBus,
}

impl Ping {
    fn new(spin: Duration) -> Self {
        let bus = EventBus::builder().workers(1).spin(spin).build().expect("build");
        let answered = Arc::new(AtomicU64::new(0));
        let answer = Arc::clone(&answered);
        let subscription = bus
            .subscribe::<Payload>("bench.ping")
            .handle(move |event| answer.store(event[0], Ordering::Release))
            .expect("subscribe");
        let handle = bus.publisher("bench.ping").expect("a topic");
        Self { handle, answered, _subscription: subscription, _bus: bus }
    }

    /// The time until the handler has answered.
    fn measure(&self, number: u64) -> Duration {
        let start = Instant::now();
        let _ = black_box(self.handle.publish(payload(number)));
        while self.answered.load(Ordering::Acquire) != number {
            spin_loop();
        }
        start.elapsed()
    }
}

fn latency(c: &mut Criterion) {
    let mut group = c.benchmark_group("latency");
    for (name, spin, pause) in [
        ("spinning", Duration::from_millis(10), Duration::ZERO),
        ("parked", Duration::ZERO, Duration::from_micros(200)),
    ] {
        let ping = Ping::new(spin);
        let mut number = 0;
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    // Long enough for a worker that does not spin to sleep.
                    let begin = Instant::now();
                    while begin.elapsed() < pause {
                        std::thread::yield_now();
                    }
                    number += 1;
                    total += ping.measure(number);
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = latency);
criterion_main!(benches);
