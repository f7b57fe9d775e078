//! What a bus tells of its life, each kind of event when it happens and with its data.

use std::sync::mpsc::Receiver;

use trolleybus::lifecycle::{LifecycleEvent, LifecycleValue};
use trolleybus::{EngineRegistry, EventBus, HandlerError, Subscription};

use crate::configured;
use crate::heard::{PREFIX, all, heard, names};
use crate::support::{PATIENCE, watchdog};

/// A bus that is observed, and what it tells after its start.
fn observed() -> (EventBus, Receiver<LifecycleEvent>) {
    let (builder, heard) = heard(EventBus::builder().workers(1));
    let bus = builder.build().expect("build");
    assert_eq!(next(&heard).event_type(), format!("{PREFIX}bus.started"));
    (bus, heard)
}

/// The next event, which has to come.
fn next(heard: &Receiver<LifecycleEvent>) -> LifecycleEvent {
    heard.recv_timeout(PATIENCE).expect("something is told")
}

/// Checks that the next event is of this type, and about this subscription and its topic.
fn assert_tells(heard: &Receiver<LifecycleEvent>, name: &str, topic: &str, about: Option<&Subscription>) {
    let event = next(heard);
    assert_eq!(event.event_type(), format!("{PREFIX}{name}"));
    assert_eq!(event.text("topic"), Some(topic), "{name}");
    let id = about.map(|subscription| subscription.id().to_string());
    assert_eq!(event.text("subscription_id"), id.as_deref(), "{name}");
}

#[test]
fn event_observation_during_message_publishing() {
    let _watchdog = watchdog("event_observation_during_message_publishing");
    let (bus, heard) = observed();
    let handler = bus.subscribe::<String>("user.created").handle_inline(|_| ()).expect("subscribe");
    bus.publish("user.created", "test-user").expect("publish");
    assert_tells(&heard, "subscription.created", "user.created", Some(&handler));
    assert_tells(&heard, "topic.created", "user.created", None);
    assert_tells(&heard, "message.received", "user.created", Some(&handler));
    assert_tells(&heard, "message.published", "user.created", None);
}

#[test]
fn event_observation_during_bus_lifecycle() {
    let _watchdog = watchdog("event_observation_during_bus_lifecycle");
    let text = "{workerCount: 2, maxEventQueueSize: 500, engines: [{name: near, type: memory}]}";
    let (builder, heard) = heard(configured(text, &EngineRegistry::new()));
    let bus = builder.build().expect("build");
    let loaded = next(&heard);
    assert_eq!(loaded.event_type(), format!("{PREFIX}config.loaded"));
    assert_eq!(loaded.text("engine"), Some("near"));
    let counts = [loaded.get("max_queue_size"), loaded.get("worker_count")];
    assert_eq!(counts, [Some(&LifecycleValue::Count(500)), Some(&LifecycleValue::Count(2))]);
    let started = next(&heard);
    assert_eq!(started.event_type(), format!("{PREFIX}bus.started"));
    assert_eq!(started.text("engine"), Some("near"));
    assert_eq!(started.get("workers"), Some(&LifecycleValue::Count(2)));
    // The end is told when the bus ends, and not before.
    assert!(heard.try_recv().is_err());
    let end = all(&bus, &heard);
    assert_eq!(names(&end), ["bus.stopped"]);
    assert_eq!(end[0].text("engine"), Some("near"));
}

#[test]
fn event_observation_during_subscription_management() {
    let _watchdog = watchdog("event_observation_during_subscription_management");
    let (bus, heard) = observed();
    let handler = bus.subscribe::<String>("user.created").handle_inline(|_| ()).expect("subscribe");
    assert_tells(&heard, "subscription.created", "user.created", Some(&handler));
    assert_tells(&heard, "topic.created", "user.created", None);
    assert!(heard.try_recv().is_err(), "nothing was removed");
    handler.cancel();
    assert_tells(&heard, "subscription.removed", "user.created", Some(&handler));
    assert_tells(&heard, "topic.deleted", "user.created", None);
    assert_eq!(names(&all(&bus, &heard)), ["bus.stopped"], "once is enough");
}

#[test]
fn event_observation_during_message_publishing_with_and_without_subscribers() {
    let _watchdog = watchdog("event_observation_during_message_publishing_with_and_without_subscribers");
    let (bus, heard) = observed();
    bus.publish("message.test", "nobody listens").expect("publish");
    let _handler = bus.subscribe::<String>("message.test").handle_inline(|_| ()).expect("subscribe");
    bus.publish("message.test", "test-data").expect("publish");
    bus.publish("message..test", "no topic").expect_err("it is refused");
    let events = all(&bus, &heard);
    let published: Vec<_> =
        events.iter().filter(|event| event.event_type() == format!("{PREFIX}message.published")).collect();
    assert_eq!(published.len(), 2, "{:?}", names(&events));
    for event in published {
        assert_eq!(event.text("topic"), Some("message.test"));
        let took = event.get("duration_ms");
        assert!(matches!(took, Some(LifecycleValue::Measure(took)) if *took >= 0.0), "{took:?}");
    }
}

#[test]
fn event_observation_during_message_reception() {
    let _watchdog = watchdog("event_observation_during_message_reception");
    let (bus, heard) = observed();
    let topic = "message.received";
    let inline = bus.subscribe::<String>(topic).handle_inline(|_| ()).expect("subscribe");
    let pooled = bus.subscribe::<String>(topic).handle(|_| ()).expect("subscribe");
    let _filtered = bus.subscribe::<String>(topic).filter(|_| false).handle(|_| ()).expect("subscribe");
    bus.publish(topic, "test-data").expect("publish");
    let events = all(&bus, &heard);
    let received = events.iter().filter(|event| event.event_type() == format!("{PREFIX}{topic}"));
    let mut by: Vec<_> = received.map(|event| (event.text("topic"), event.text("subscription_id"))).collect();
    by.sort_unstable();
    let ids = [&inline, &pooled].map(|handler| handler.id().to_string());
    assert_eq!(by, [(Some(topic), Some(&*ids[0])), (Some(topic), Some(&*ids[1]))]);
}

#[test]
fn event_observation_during_handler_failures() {
    let _watchdog = watchdog("event_observation_during_handler_failures");
    let (bus, heard) = observed();
    let fails = |_: &trolleybus::Event<String>| Err::<(), _>(HandlerError::new("simulated"));
    let inline = bus.subscribe::<String>("error.handler").handle_inline(fails).expect("subscribe");
    let pooled = bus.subscribe::<String>("error.handler").handle(fails).expect("subscribe");
    let _fine = bus.subscribe::<String>("error.handler").handle_inline(|_| ()).expect("subscribe");
    bus.publish("error.handler", "fail-data").expect("publish");
    let events = all(&bus, &heard);
    let failed = events.iter().filter(|event| event.event_type() == format!("{PREFIX}message.failed"));
    let mut failures: Vec<_> = failed
        .map(|event| {
            assert_eq!(event.text("topic"), Some("error.handler"));
            (event.text("subscription_id").map(str::to_owned), event.text("error").map(str::to_owned))
        })
        .collect();
    failures.sort();
    let expected =
        [&inline, &pooled].map(|handler| (Some(handler.id().to_string()), Some("simulated".to_owned())));
    assert_eq!(failures, expected);
    // The publish call was fine.
    assert_eq!(names(&events).iter().filter(|name| **name == "message.published").count(), 1);
}

#[test]
fn event_observation_during_topic_creation() {
    let _watchdog = watchdog("event_observation_during_topic_creation");
    let (bus, heard) = observed();
    let first = bus.subscribe::<String>("new.topic").handle_inline(|_| ()).expect("subscribe");
    let second = bus.subscribe::<String>("new.topic").handle_inline(|_| ()).expect("subscribe");
    assert_tells(&heard, "subscription.created", "new.topic", Some(&first));
    assert_tells(&heard, "topic.created", "new.topic", None);
    // It is there already.
    assert_tells(&heard, "subscription.created", "new.topic", Some(&second));
    assert!(!names(&all(&bus, &heard)).contains(&"topic.created"));
}

#[test]
fn event_observation_during_topic_deletion() {
    let _watchdog = watchdog("event_observation_during_topic_deletion");
    let (bus, heard) = observed();
    let subscribe = || bus.subscribe::<String>("delete.topic").handle_inline(|_| ()).expect("subscribe");
    let (first, second) = (subscribe(), subscribe());
    for (name, about) in [
        ("subscription.created", Some(&first)),
        ("topic.created", None),
        ("subscription.created", Some(&second)),
    ] {
        assert_tells(&heard, name, "delete.topic", about);
    }
    first.cancel();
    assert_tells(&heard, "subscription.removed", "delete.topic", Some(&first));
    // Somebody has it still.
    second.cancel();
    assert_tells(&heard, "subscription.removed", "delete.topic", Some(&second));
    assert_tells(&heard, "topic.deleted", "delete.topic", None);
}
