//! What other engines tell of a bus's life.

use std::time::Duration;

use trolleybus::engine::{Encoded, EngineState, Envelope, Scope};
use trolleybus::{EventBus, HandlerError, PublishRefusal, Topic};

use crate::faulty_engine::{Does, Plan, Remote, block_on};
use crate::heard::{all, heard, names};
use crate::support::watchdog;

#[test]
fn d_all_11_other_engines_tell_what_the_memory_engine_tells() {
    let _watchdog = watchdog("engines");
    let remote = Remote::default();
    let (builder, heard) = heard(EventBus::builder());
    let bus =
        builder.engine("far", remote.engine()).route("far", ["far.*"]).start().wait().expect("it starts");
    let _fails = bus
        .subscribe::<u32>("far.*")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    bus.publish("far.a", 1_u32).expect("taken");
    let topic = Topic::new("far.a").expect("a topic");
    let envelope = Envelope::new(topic, Encoded::json(&1_u32).expect("JSON"));
    block_on(remote.arrive(envelope, Scope::Everyone)).expect("offered");
    remote.change(|plan| plan.publish = Does::Fails);
    bus.publish("far.a", 1_u32).expect_err("as told");
    remote.ingress().set_state(EngineState::Degraded);
    assert_eq!(remote.published().len(), 2);
    let events = all(&bus, &heard);
    let expected = [
        "engine.state",
        "bus.started",
        "subscription.created",
        "topic.created",
        "message.published",
        "message.received",
        "message.failed",
        "message.failed",
        "engine.state",
        "engine.state",
        "subscription.removed",
        "bus.stopped",
    ];
    assert_eq!(names(&events), expected);
    assert_eq!(events[4].text("engine"), Some("far"));
    assert_eq!(events[5].text("engine"), Some("far"));
    assert!(events[7].text("error").is_some_and(|error| error.contains("as told")));
    assert_eq!((events[8].text("state"), events[9].text("state")), (Some("degraded"), Some("stopped")));
}

#[test]
fn d_mod_4_a_stop_that_fails_is_a_stop_and_is_told() {
    let _watchdog = watchdog("failing stop");
    for shutdown in [Does::Fails, Does::Hangs, Does::Panics] {
        let remote = Remote::new(Plan { shutdown, ..Plan::default() });
        let (builder, heard) = heard(EventBus::builder());
        let bus =
            builder.engine("far", remote.engine()).route("far", ["far.*"]).start().wait().expect("start");
        let subscription = bus.subscribe::<u32>("far.*").handle_inline(|_| ()).expect("subscribe");
        let report = bus.shutdown(Duration::from_millis(50)).wait();
        assert_eq!(report.engines.len(), 1, "{shutdown:?}: {report:?}");
        // Nothing is half alive, and whoever asks gets an answer.
        assert!(bus.is_closed() && subscription.is_closed() && bus.topics().is_empty());
        assert_eq!(bus.subscriber_count("far.a").expect("a topic"), 0);
        let refused = bus.publish("far.a", 1_u32).expect_err("it is shut down");
        assert_eq!(*refused.refusal(), PublishRefusal::ShutDown);
        // Whoever shuts it down again need not wait for what hung.
        remote.change(|plan| plan.shutdown = Does::Well);
        let events = all(&bus, &heard);
        let stopped = events.iter().position(|event| event.text("state") == Some("stopped"));
        let told = names(&events);
        assert!(stopped.is_some_and(|number| told[number] == "engine.state"), "{shutdown:?}: {told:?}");
        assert!(told.contains(&"subscription.removed"), "{shutdown:?}: {told:?}");
        assert_eq!(told.iter().filter(|name| **name == "bus.stopped").count(), 1, "{shutdown:?}: {told:?}");
    }
}
