//! Several engines and rules, from a configuration.

use trolleybus::engine::{EngineErrorKind, EngineState};
use trolleybus::{EngineRegistry, EngineStats, Event, EventBus, PublishRefusal, Receiver, SubscribeError};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::test_engine::{Health, Switch, TestEngine};
use crate::{configured, started};

/// An engine of either kind.
const BOTH: &str = "
engines:
  - {name: memory, type: memory}
  - {name: custom, type: custom}
routing:
  - {topics: ['user.*', 'auth.*'], engine: memory}
  - {topics: ['analytics.*'], engine: custom}
";

/// A bus with those engines, one that its application brings among them, and its switch.
fn with_test_engine(text: &str) -> (EventBus, Switch) {
    let switch = Switch::default();
    let mine = switch.clone();
    let registry = EngineRegistry::new()
        .register("testengine", move |_| Ok(TestEngine::new(mine.clone())))
        .expect("a new type");
    let bus = configured(text, &registry).start().wait().unwrap_or_else(|error| panic!("{text}\n{error}"));
    (bus, switch)
}

fn engine_of(bus: &EventBus, topic: &str) -> String {
    bus.explain(topic).expect("a topic").engine
}

/// The account of an engine.
fn account(bus: &EventBus, name: &str) -> EngineStats {
    bus.stats().engines.into_iter().find(|engine| engine.name == name).expect("an engine")
}

/// The next event, which has to come: its topic, its payload, and who says to have carried it.
fn next(receiver: &mut Receiver<Event<String>>) -> (String, String, Option<String>) {
    let event = receiver.recv_timeout(PATIENCE).expect("an event");
    (event.topic().to_string(), (*event).clone(), event.meta("engine").map(str::to_owned))
}

#[test]
fn multi_engine_configuration() {
    let bus = started(BOTH);
    let engines = bus.stats().engines;
    let found: Vec<_> = engines.iter().map(|engine| (&*engine.name, engine.kind, engine.state)).collect();
    let connected = EngineState::Connected;
    assert_eq!(found, [("memory", "memory", connected), ("custom", "custom", connected)]);
    let topics = ["user.created", "auth.login.failed", "analytics.pageview", "anything.else"];
    let routes = topics.map(|topic| engine_of(&bus, topic));
    assert_eq!(routes, ["memory", "memory", "custom", "memory"]);
    let rules = topics.map(|topic| bus.explain(topic).expect("a topic").rule);
    assert_eq!(rules, [Some(0), Some(0), Some(1), None]);
}

#[test]
fn topic_routing_between_engines() {
    let _watchdog = watchdog("topic_routing_between_engines");
    let bus = started(BOTH);
    let mut all = bus.subscribe::<String>("*").receiver().expect("subscribe");
    let near = bus.publish("user.created", "ann").expect("publish");
    assert!(near.accepted().is_none() && near.queued() == 1, "the memory engine is the bus itself");
    assert_eq!(next(&mut all), ("user.created".to_owned(), "ann".to_owned(), None));
    let far = bus.publish("analytics.pageview", "/home").expect("publish");
    assert_eq!(far.accepted().map(|accepted| &*accepted.engine), Some("custom"));
    let mark = Some("custom-memory".to_owned());
    assert_eq!(next(&mut all), ("analytics.pageview".to_owned(), "/home".to_owned(), mark));
    for name in ["memory", "custom"] {
        assert_eq!((account(&bus, name).offered, account(&bus, name).delivered), (1, 1), "{name}");
    }
}

#[test]
fn custom_engine_registration() {
    let _watchdog = watchdog("custom_engine_registration");
    let (bus, _) = with_test_engine("engines: [{name: own, type: testengine}]");
    let engines = bus.stats().engines;
    assert_eq!((engines.len(), &*engines[0].name, engines[0].kind), (1, "own", "testengine"));
    let mut receiver = bus.subscribe::<String>("user.*").receiver().expect("subscribe");
    let receipt = bus.publish("user.created", "ann").expect("publish");
    assert_eq!(receipt.accepted().map(|accepted| &*accepted.engine), Some("own"));
    let event = receiver.recv_timeout(PATIENCE).expect("the engine brings it");
    assert_eq!((event.as_str(), event.meta("carrier")), ("ann", Some("testengine")));
    assert_eq!(account(&bus, "own").delivered, 1);
    // It stops with the bus.
    drop(receiver);
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete && report.engines.is_empty(), "{report:?}");
    assert_eq!(account(&bus, "own").state, EngineState::Stopped);
}

#[test]
fn engine_specific_configuration() {
    let _watchdog = watchdog("engine_specific_configuration");
    let bus = started(
        "
engines:
  - {name: small, type: custom, config: {maxEventQueueSize: 2, defaultEventBufferSize: 1}}
  - {name: large, type: custom, config: {maxEventQueueSize: 5, defaultEventBufferSize: 1}}
  - name: picky
    type: custom
    config: {eventFilters: [{type: topicPrefix, prefixes: ['picky.good']}]}
routing:
  - {topics: ['small.*'], engine: small}
  - {topics: ['large.*'], engine: large}
  - {topics: ['picky.*'], engine: picky}
",
    );
    for (topic, limit) in [("small.n", 2), ("large.n", 5)] {
        let slow = bus.subscribe::<String>(topic).receiver().expect("subscribe");
        bus.publish(topic, "handed over").expect("publish");
        eventually("one is handed over, and not done with", || slow.len() == 1);
        // The engine hands over no second one before, so the rest stays in its own queue.
        let mut queued = 0;
        let refusal = loop {
            match bus.publish(topic, "queued") {
                Ok(_) => queued += 1,
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(queued, limit, "{topic}");
        assert!(refusal.contains(&format!("{limit} events are queued, the limit")), "{refusal}");
    }
    let mut picked = bus.subscribe::<String>("picky.*").receiver().expect("subscribe");
    for topic in ["picky.bad", "picky.good.one"] {
        bus.publish(topic, "event").expect("a filter is no error");
    }
    assert_eq!(next(&mut picked).0, "picky.good.one");
    assert_eq!(account(&bus, "picky").offered, 1);
    // The others have no filter.
    assert_eq!(["small", "large"].map(|name| account(&bus, name).filtered), [0, 0]);
}

#[test]
fn multi_engine_subscription_management() {
    let _watchdog = watchdog("multi_engine_subscription_management");
    let bus = started(
        "
engines: [{name: near, type: memory}, {name: one, type: custom}, {name: two, type: custom}]
routing:
  - {topics: ['one.*'], engine: one}
  - {topics: ['two.*'], engine: two}
",
    );
    let subscribe =
        |pattern: &str| bus.subscribe::<String>(pattern).handle_inline(|_| ()).expect("subscribe");
    let _kept = [subscribe("near.a"), subscribe("one.a"), subscribe("one.*"), subscribe("two.a")];
    let members = |bus: &EventBus| {
        ["one", "two"].map(|name| account(bus, name).transport.expect("it is no memory engine").members)
    };
    let counts = |bus: &EventBus| {
        ["near.a", "one.a", "one.b", "two.a"].map(|topic| bus.subscriber_count(topic).expect("a topic"))
    };
    assert_eq!((members(&bus), counts(&bus)), ([2, 1], [1, 2, 1, 1]));
    assert_eq!(bus.stats().subscriptions.len(), 4);
    // One that wants everything is with every engine, and counts once.
    let all = subscribe("*");
    assert_eq!((members(&bus), counts(&bus)), ([3, 2], [2, 3, 2, 2]));
    assert_eq!(bus.stats().subscriptions.len(), 5);
    all.cancel();
    assert_eq!(counts(&bus), [1, 2, 1, 1]);
    eventually("it has left all engines", || members(&bus) == [2, 1]);
    assert_eq!(bus.stats().subscriptions.len(), 4);
}

#[test]
fn routing_rule_evaluation() {
    let _watchdog = watchdog("routing_rule_evaluation");
    let bus = started(
        "
engines:
  - {name: fallback, type: memory}
  - {name: exact, type: custom}
  - {name: wide, type: custom}
routing:
  - {topics: ['user.created'], engine: exact}
  - {topics: ['user.*', 'order.+.paid'], engine: wide}
  - {topics: ['user.deleted', 'order.**'], engine: exact}
",
    );
    let mut all = bus.subscribe::<String>("*").receiver().expect("subscribe");
    for (topic, engine) in [
        ("user.created", "exact"),
        // The third rule would match, too, and comes too late.
        ("user.deleted", "wide"),
        ("user.created.again", "wide"),
        ("order.7.paid", "wide"),
        ("order.7.placed", "exact"),
        ("order", "exact"),
        ("users", "fallback"),
        ("analytics.pageview", "fallback"),
    ] {
        assert_eq!(engine_of(&bus, topic), engine, "{topic}");
        let receipt = bus.publish(topic, topic).expect("publish");
        let carried = receipt.accepted().map_or("fallback", |accepted| &accepted.engine);
        assert_eq!(carried, engine, "{topic}");
        assert_eq!(next(&mut all).0, topic);
    }
    let delivered = ["fallback", "exact", "wide"].map(|name| account(&bus, name).delivered);
    assert_eq!(delivered, [2, 3, 3]);
}

#[test]
fn multi_engine_error_handling() {
    let _watchdog = watchdog("multi_engine_error_handling");
    let (bus, switch) = with_test_engine(
        "
engines: [{name: near, type: memory}, {name: bad, type: testengine}, {name: far, type: custom}]
routing:
  - {topics: ['bad.*'], engine: bad}
  - {topics: ['far.*'], engine: far}
",
    );
    let mut all = bus.subscribe::<String>("*").receiver().expect("subscribe");
    let topics = |all: &mut Receiver<Event<String>>, count: usize| {
        let mut topics: Vec<_> = (0..count).map(|_| next(all).0).collect();
        topics.sort_unstable();
        topics
    };
    for (health, kind) in
        [(Health::Fails, EngineErrorKind::Connection), (Health::Panics, EngineErrorKind::Panicked)]
    {
        switch.set(health);
        let error = bus.publish("bad.a", "lost").expect_err("the engine is broken");
        let PublishRefusal::Engine { engine, error: cause } = error.refusal() else { panic!("{error:?}") };
        assert_eq!((&**engine, cause.kind()), ("bad", kind));
        assert_eq!(error.into_payload(), "lost");
        let refused = bus.subscribe::<String>("bad.*").receiver().err();
        assert!(
            matches!(&refused, Some(SubscribeError::Engine { engine, .. }) if engine == "bad"),
            "{refused:?}"
        );
        // The others go on, for subscriptions that are with the broken one, too, and for new ones.
        let mut new = bus.subscribe::<String>("far.*").receiver().expect("another engine");
        for topic in ["near.a", "far.a"] {
            bus.publish(topic, topic).expect("another engine");
        }
        assert_eq!(topics(&mut all, 2), ["far.a", "near.a"]);
        assert_eq!(next(&mut new).0, "far.a");
    }
    let far = account(&bus, "far").transport.expect("it is no memory engine");
    assert_eq!((far.published, far.refused, far.unknown), (2, 0, 0));
    let bad = account(&bus, "bad").transport.expect("it is no memory engine");
    // Nobody knows how far it came before the panic.
    assert_eq!((bad.published, bad.refused, bad.unknown), (0, 1, 1));
    // Once it works again, so does everything that goes by it.
    switch.set(Health::Well);
    bus.publish("bad.a", "found").expect("the engine works");
    assert_eq!(next(&mut all).1, "found");
    drop(all);
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete && report.engines.is_empty(), "{report:?}");
}

#[test]
fn engine_router_topic_discovery() {
    let bus = started(BOTH);
    let subscribe =
        |pattern: &str| bus.subscribe::<String>(pattern).handle_inline(|_| ()).expect("subscribe");
    let mut held = vec![
        subscribe("user.created"),
        subscribe("user.created"),
        subscribe("analytics.pageview"),
        subscribe("analytics.*"),
        subscribe("*"),
    ];
    let topics = |bus: &EventBus| {
        let topics = bus.topics().into_iter();
        topics.map(|topic| format!("{} {}", topic.pattern, topic.subscriptions)).collect::<Vec<_>>()
    };
    // A pattern that is with two engines stands there once.
    assert_eq!(topics(&bus), ["* 1", "analytics.* 1", "analytics.pageview 1", "user.created 2"]);
    let count = |topic: &str| bus.subscriber_count(topic).expect("a topic");
    assert_eq!(["user.created", "analytics.pageview", "analytics.click", "other"].map(count), [3, 3, 2, 1]);
    held.truncate(3);
    assert_eq!(topics(&bus), ["analytics.pageview 1", "user.created 2"]);
    held.clear();
    assert!(bus.topics().is_empty());
}
