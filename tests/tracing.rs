//! A traced bus: its spans and events, and what events take with them.
//!
//! One collector hears all tests of the process: each has topics of its own.

#[path = "tracing/canary.rs"]
mod canary;
#[path = "support/collector.rs"]
mod collector;
#[path = "tracing/collectors.rs"]
mod collectors;
#[path = "tracing/context.rs"]
mod context;
#[path = "tracing/correlation.rs"]
mod correlation;
#[cfg(feature = "json")]
#[path = "tracing/engines.rs"]
mod engines;
#[path = "support/eventually.rs"]
mod eventually;
#[cfg(feature = "json")]
#[path = "support/faulty_engine.rs"]
mod faulty_engine;
#[path = "support/poll_once.rs"]
mod poll_once;
#[path = "tracing/spans.rs"]
mod spans;
mod support;
#[path = "tracing/telling.rs"]
mod telling;
#[path = "support/yield_once.rs"]
mod yield_once;

use collector::{Collector, Span, Told};
use eventually::eventually;
use trolleybus::trace::TraceContext;
use trolleybus::{EventBus, Metadata};

/// A traced bus with so many workers, and who hears of it.
fn traced(workers: usize) -> (EventBus, &'static Collector) {
    let collector = Collector::default().install();
    (EventBus::builder().workers(workers).traced().build().expect("built"), collector)
}

/// The spans of that name and topic, when there are so many and all are closed.
#[track_caller]
fn closed(collector: &Collector, count: usize, name: &str, topic: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    eventually("the spans are closed", || {
        spans = collector.spans();
        spans.retain(|span| span.name == name && span.field("topic") == topic);
        assert!(spans.len() <= count, "{spans:?}");
        spans.len() == count && spans.iter().all(|span| span.closed)
    });
    assert!(spans.iter().all(|span| span.entered > 0 && span.entered == span.left), "{spans:?}");
    spans
}

/// The only span of that name and topic, when it is closed.
#[track_caller]
fn only(collector: &Collector, name: &str, topic: &str) -> Span {
    closed(collector, 1, name, topic).remove(0)
}

/// The events that have a field of that value.
fn told(collector: &Collector, field: &str, value: &str) -> Vec<Told> {
    let mut events = collector.events();
    events.retain(|event| event.fields.get(field).is_some_and(|known| known == value));
    events
}

/// The trace context that metadata holds.
#[track_caller]
fn context_of(metadata: &Metadata) -> TraceContext {
    TraceContext::of(metadata).expect("a trace context")
}
