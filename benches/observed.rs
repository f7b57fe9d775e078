//! What it costs that somebody hears of each publish call and each handler: nobody, an observer, the histogram of handling
//! times, the feed of the bus's life, and spans.
//!
//! ```text
//! cargo bench --features tracing --bench observed
//! ```
//!
//! All in one run, for on such a machine only what is measured side by side can be compared. Without the feature, `plain` is
//! that of a build that has no spans.

#[path = "support/handlers.rs"]
mod handlers;
mod support;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use handlers::inline;
use support::{Payload, payload};
use trolleybus::{BusBuilder, EventBus, HandledDelivery, Observer};

/// An observer with nothing to say.
struct Hears;

impl Observer for Hears {
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        black_box(delivery.duration);
    }
}

/// An event to one inline handler, and one through a queue, on a bus of that kind.
fn publish(group: &mut BenchmarkGroup<'_, WallTime>, what: &str, builder: impl Fn() -> BusBuilder) {
    let bus = builder().build().expect("built");
    let _handler = inline(&bus, "inline");
    group.bench_function(format!("inline/{what}"), |b| {
        b.iter(|| black_box(bus.publish("inline", payload(1))));
    });
    let mut receiver = bus.subscribe::<Payload>("queue").receiver().expect("subscribe");
    group.bench_function(format!("queue/{what}"), |b| {
        b.iter(|| {
            let receipt = bus.publish("queue", payload(1));
            black_box(receiver.try_recv().ok());
            receipt
        });
    });
}

fn observed(c: &mut Criterion) {
    let mut group = c.benchmark_group("observed");
    group.throughput(Throughput::Elements(1));
    publish(&mut group, "plain", EventBus::builder);
    publish(&mut group, "lifecycle feed off", EventBus::builder);
    publish(&mut group, "observer", || EventBus::builder().observer(Hears));
    publish(&mut group, "handlers timed", || EventBus::builder().time_handlers());
    publish(&mut group, "lifecycle feed on", || {
        EventBus::builder().on_lifecycle(|event| {
            black_box(event);
        })
    });
    #[cfg(feature = "tracing")]
    traced(&mut group);
    group.finish();
}

#[cfg(feature = "tracing")]
fn traced(group: &mut BenchmarkGroup<'_, WallTime>) {
    use tracing::level_filters::LevelFilter;
    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt;

    let bus = || EventBus::builder().traced();
    publish(group, "traced, no collector", bus);
    let bored = fmt().with_max_level(LevelFilter::INFO).with_writer(std::io::sink).finish();
    with_default(bored, || publish(group, "traced, collector not interested", bus));
    with_default(tracing_subscriber::registry(), || publish(group, "traced, spans kept", bus));
}

criterion_group!(name = benches; config = support::short(); targets = observed);
criterion_main!(benches);
