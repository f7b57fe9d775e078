//! Traces that go through an engine.

use tracing::Level;
use trolleybus::EventBus;
use trolleybus::engine::{Encoded, EngineState, Envelope, Scope};
use trolleybus::{Topic, topic};

use crate::faulty_engine::{Call, Does, Plan, Remote, block_on};
use crate::support::{PATIENCE, watchdog};
use crate::{Collector, closed, context_of, only, told};

/// A traced bus on which an engine of that name carries its topics.
fn carried(name: &str, remote: &Remote) -> EventBus {
    let rule = format!("{name}.*");
    let bus = EventBus::builder().workers(1).traced().engine(name, remote.engine()).route(name, [&*rule]);
    bus.start().wait().expect("it starts")
}

#[test]
fn a_trace_goes_on_behind_a_broker() {
    let _watchdog = watchdog("behind");
    let (collector, remote) = (Collector::default().install(), Remote::default());
    let bus = carried("far", &remote);
    let (weak, inline) = (bus.downgrade(), bus.downgrade());
    let _pooled = bus
        .subscribe::<u32>("far.a")
        .handle(move |n| weak.upgrade().map(|bus| bus.publish("far.b", **n)).transpose().map(drop))
        .expect("subscribe");
    let _inline = bus
        .subscribe::<u32>("far.b")
        .handle_inline(move |n| inline.upgrade().map(|bus| bus.publish("near", **n)).transpose().map(drop))
        .expect("subscribe");
    let mut near = bus.subscribe_any("near").receiver().expect("subscribe");
    let receipt = block_on(bus.publish_async("far.a", 1_u32)).expect("taken");
    assert!(receipt.accepted().is_some());
    let [a] = remote.published().try_into().expect("one");
    assert!(a.metadata().get("causationid").is_none());
    block_on(remote.arrive(a.clone(), Scope::Everyone)).expect("offered");
    let b = remote.published().pop().expect("the second");
    assert_eq!(b.metadata().get("causationid"), Some(a.id().to_string().as_str()));
    block_on(remote.arrive(b.clone(), Scope::Everyone)).expect("offered");
    let near = near.recv().expect("it comes");
    assert_eq!(near.meta("causationid"), Some(b.id().to_string().as_str()));
    assert_eq!(near.meta("correlationid"), Some(a.id().to_string().as_str()));
    let traces =
        [a.metadata(), b.metadata(), near.metadata()].map(|metadata| context_of(metadata).trace_id());
    assert_eq!((traces[0], traces[1]), (traces[1], traces[2]));
    for topic in ["far.a", "far.b"] {
        let (publish, handle) = (only(collector, "publish", topic), only(collector, "handle", topic));
        assert_eq!((publish.field("outcome"), publish.field("accepted_by")), ("accepted", "far"));
        assert_eq!((publish.field("engine"), handle.field("engine")), ("far", "far"));
        assert_eq!((handle.parent, handle.field("parent_id")), (None, publish.field("span_id")));
    }
}

#[test]
fn an_arrival_without_a_context_or_with_a_broken_one_begins_a_trace() {
    let _watchdog = watchdog("strangers");
    let (collector, remote) = (Collector::default().install(), Remote::default());
    let bus = carried("strange", &remote);
    let _handler = bus.subscribe::<u32>("strange.*").handle_inline(|_| ()).expect("subscribe");
    let envelope = |topic: Topic| Envelope::new(topic, Encoded::json(&1_u32).expect("JSON"));
    block_on(remote.arrive(envelope(topic!("strange.none")), Scope::Everyone)).expect("offered");
    let mut metadata = trolleybus::Metadata::new();
    metadata.set("traceparent", "00-canary").expect("within the limits");
    let broken = envelope(topic!("strange.broken")).with_metadata(metadata);
    block_on(remote.arrive(broken, Scope::Everyone)).expect("offered");
    for topic in ["strange.none", "strange.broken"] {
        let span = only(collector, "handle", topic);
        assert_eq!((span.field("trace_id").len(), span.field("parent_id")), (32, ""));
    }
}

#[test]
fn what_an_engine_refuses_and_says_is_told() {
    let _watchdog = watchdog("refused");
    let plan = Plan { publish: Does::Unknown, ..Plan::default() };
    let (collector, remote) = (Collector::default().install(), Remote::new(plan));
    let bus = carried("sulky", &remote);
    bus.publish("sulky.unknown", 1_u32).expect_err("as told");
    assert_eq!(only(collector, "publish", "sulky.unknown").field("outcome"), "refused");
    assert!(remote.calls().contains(&Call::Publish("sulky.unknown".to_owned())));
    remote.change(|plan| plan.publish = Does::Fails);
    bus.publish("sulky.a", 1_u32).expect_err("as told");
    bus.try_publish("sulky.b", 1_u32).expect_err("it would wait");
    for (topic, words) in [("sulky.a", "as told"), ("sulky.b", "has to be waited for")] {
        let span = only(collector, "publish", topic);
        assert_eq!((span.field("outcome"), span.field("otel.status_code")), ("refused", "ERROR"));
        assert!(span.field("error").contains(words), "{span:?}");
    }
    remote.change(|plan| plan.publish = Does::Hangs);
    let mut hangs = bus.publish_async("sulky.c", 1_u32);
    assert!(crate::poll_once::poll_once(&mut hangs).is_pending());
    drop(hangs);
    assert_eq!(closed(collector, 1, "publish", "sulky.c")[0].field("outcome"), "cancelled");

    remote.ingress().set_state(EngineState::Degraded);
    remote.ingress().reject(&"no event: sulky");
    remote.change(|plan| plan.shutdown = Does::Fails);
    assert!(!bus.shutdown(PATIENCE).wait().engines.is_empty());
    let events = told(collector, "engine", "sulky");
    let levels: Vec<_> = events.iter().map(|event| (event.level, event.fields["message"].as_str())).collect();
    assert!(levels.contains(&(Level::INFO, "engine has changed its state")), "{levels:?}");
    assert!(levels.contains(&(Level::WARN, "engine is degraded")), "{levels:?}");
    assert!(levels.contains(&(Level::WARN, "engine has not stopped in order")), "{levels:?}");
    let rejected = "engine \"sulky\" rejects what arrived: no event: sulky";
    assert_eq!(told(collector, "message", rejected)[0].level, Level::WARN);
}
