//! What rules, engines and tenants cost a publish to one inline handler: a bus with one engine, one with rules that lead to
//! the same, one whose topic goes by another memory engine, and a tenant's.
//!
//! All of them hold the same subscription. The three without a rule that matches are to be alike, to the noise.

#[path = "support/handlers.rs"]
mod handlers;
mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use handlers::inline;
use support::{Payload, payload};
use trolleybus::{EventBus, Subscription};

/// A handle of a bus, and what it holds beside it.
type Bus = (EventBus, Subscription);

fn with_handler(bus: EventBus) -> Bus {
    let handler = inline(&bus, "order.placed");
    (bus, handler)
}

fn buses() -> [(&'static str, Bus); 4] {
    let other = || EventBus::builder().memory_engine("other");
    let build = |builder: trolleybus::BusBuilder| with_handler(builder.build().expect("valid"));
    let tenant = EventBus::new().tenant("acme").expect("a tenant");
    [
        ("one engine", with_handler(EventBus::new())),
        ("rules for others", build(other().route("other", ["user.*", "auth.**", "audit.+.done"]))),
        ("another memory engine", build(other().route("other", ["order.*"]))),
        ("a tenant", with_handler(tenant)),
    ]
}

fn routed(c: &mut Criterion) {
    let mut group = c.benchmark_group("routed");
    let buses = buses();
    for (name, (bus, _handler)) in &buses {
        group.bench_function(format!("name/{name}"), |b| {
            b.iter(|| black_box(bus.publish("order.placed", payload(1))));
        });
    }
    for (name, (bus, _handler)) in &buses {
        let handle = bus.publisher::<Payload>("order.placed").expect("a topic");
        group.bench_function(format!("handle/{name}"), |b| b.iter(|| black_box(handle.publish(payload(1)))));
    }
    group.finish();
}

criterion_group!(name = benches; config = support::short(); targets = routed);
criterion_main!(benches);
