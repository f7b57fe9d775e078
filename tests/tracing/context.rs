//! Trace contexts: ours, the application's, and those of another system.

use std::sync::{Arc, Mutex};

use tracing::Span;
use trolleybus::trace::{Propagator, TraceContext};
use trolleybus::{AnyEvent, EventBus, Metadata};

use crate::support::watchdog;
use crate::{Collector, context_of, eventually, only, told, traced};

pub(crate) const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Publishes an event with that metadata, and returns what a subscription gets.
fn published(bus: &EventBus, topic: &str, metadata: &[(&str, &str)]) -> AnyEvent {
    let mut receiver = bus.subscribe_any(topic).receiver().expect("subscribe");
    let event = bus.event(topic, 1_u32);
    metadata.iter().fold(event, |event, (name, value)| event.meta(name, value)).publish().expect("published");
    receiver.recv().expect("it comes")
}

#[test]
fn a_context_of_the_application_is_kept_and_goes_on() {
    let _watchdog = watchdog("kept");
    let (bus, collector) = traced(1);
    let weak = bus.downgrade();
    let mut next = bus.subscribe_any("kept.b").receiver().expect("subscribe");
    let _handler = bus
        .subscribe::<u32>("kept.a")
        .handle(move |n| weak.upgrade().map(|bus| bus.publish("kept.b", **n)).transpose().map(drop))
        .expect("subscribe");
    let state = "vendor=opaque,other=1";
    let event = published(&bus, "kept.a", &[("traceparent", GOOD), ("tracestate", state)]);
    assert_eq!((event.meta("traceparent"), event.meta("tracestate")), (Some(GOOD), Some(state)));
    let next = next.recv().expect("it comes");
    let (given, goes_on) = (TraceContext::parse(GOOD).expect("well-formed"), context_of(next.metadata()));
    assert_eq!((goes_on.trace_id(), goes_on.tracestate()), (given.trace_id(), Some(state)));
    assert!(goes_on.is_sampled() && goes_on.span_id() != given.span_id());
    let (publish, handle) = (only(collector, "publish", "kept.a"), only(collector, "handle", "kept.a"));
    for span in [publish, handle] {
        assert_eq!((span.field("trace_id"), span.field("parent_id")), (&GOOD[3..35], &GOOD[36..52]));
    }
    assert_eq!(only(collector, "publish", "kept.b").field("span_id"), format!("{:016x}", goes_on.span_id()));
}

#[test]
fn what_is_not_well_formed_is_replaced_and_told_without_its_words() {
    let _watchdog = watchdog("malformed");
    let (bus, collector) = traced(1);
    let before = told(collector, "name", "traceparent").len();
    let event = published(&bus, "malformed.parent", &[("traceparent", "00-canary"), ("tracestate", "a=1")]);
    let context = context_of(event.metadata());
    assert!(context.is_sampled(), "somebody collects the span");
    assert!(told(collector, "name", "traceparent").len() > before);
    let event = published(&bus, "malformed.state", &[("traceparent", GOOD), ("tracestate", "canary")]);
    assert_eq!((event.meta("traceparent"), event.meta("tracestate")), (Some(GOOD), None));
    let event = published(&bus, "malformed.none", &[("tracestate", "own=1")]);
    assert_eq!(context_of(event.metadata()).tracestate(), Some("own=1"));
}

/// Carries a context of its own, and keeps what it was asked.
#[derive(Clone, Default)]
struct Other(Arc<Mutex<Vec<String>>>);

impl Propagator for Other {
    fn inject(&self, span: &Span, metadata: &mut Metadata) {
        assert!(metadata.is_empty());
        let id = span.id().map_or(0, |id| id.into_u64());
        self.0.lock().expect("lock").push(format!("inject {id}"));
        metadata.set("b3", id.to_string()).expect("within the limits");
    }

    fn extract(&self, span: &Span, metadata: &Metadata) {
        let (id, b3) = (span.id().map_or(0, |id| id.into_u64()), metadata.get("b3"));
        self.0.lock().expect("lock").push(format!("extract {} {b3:?}", id != 0));
    }
}

#[test]
fn another_system_carries_its_own_contexts() {
    let _watchdog = watchdog("other");
    let collector = Collector::default().install();
    let other = Other::default();
    let bus = EventBus::builder().workers(1).traced_with(other.clone()).build().expect("built");
    let _inline = bus.subscribe::<u32>("other").handle_inline(|_| ()).expect("subscribe");
    let _pooled = bus.subscribe::<u32>("other").handle(|_| ()).expect("subscribe");
    let event = published(&bus, "other", &[]);
    let id = event.meta("b3").expect("it was injected").to_owned();
    assert_eq!(event.meta("traceparent"), None);
    eventually("both have their spans", || {
        collector
            .spans()
            .iter()
            .filter(|span| span.name == "handle" && span.field("topic") == "other")
            .count()
            == 2
    });
    // Not for the inline one, which has the publish call for a parent.
    let expected = [format!("inject {id}"), format!("extract true Some({id:?})")];
    assert_eq!(*other.0.lock().expect("lock"), expected);
    assert_eq!(only(collector, "publish", "other").field("trace_id"), "");
    // The application's own is kept.
    assert_eq!(published(&bus, "other.set", &[("b3", "mine")]).meta("b3"), Some("mine"));
}

/// Writes nothing, or panics.
struct Broken(bool);

impl Propagator for Broken {
    fn inject(&self, _: &Span, _: &mut Metadata) {
        assert!(self.0, "as told");
    }

    fn extract(&self, _: &Span, _: &Metadata) {
        assert!(self.0, "as told");
    }
}

#[test]
fn a_propagator_that_panics_or_writes_nothing_harms_nobody_and_contexts_are_passed_on() {
    let _watchdog = watchdog("broken");
    let _ = Collector::default().install();
    for quiet in [true, false] {
        let topic = format!("broken.{quiet}");
        let bus = EventBus::builder().workers(1).traced_with(Broken(quiet)).build().expect("built");
        let (weak, to) = (bus.downgrade(), format!("{topic}.next"));
        let mut next = bus.subscribe_any(&*to).receiver().expect("subscribe");
        let _handler = bus
            .subscribe::<u32>(&*topic)
            .handle(move |n| weak.upgrade().map(|bus| bus.publish(&to, **n)).transpose().map(drop))
            .expect("subscribe");
        published(&bus, &topic, &[("traceparent", GOOD), ("tracestate", "a=1")]);
        let next = next.recv().expect("it comes");
        assert_eq!((next.meta("traceparent"), next.meta("tracestate")), (Some(GOOD), Some("a=1")));
        assert!(next.meta("causationid").is_some());
    }
}
