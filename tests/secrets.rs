//! X4: a secret in an engine's settings, and in the payload, the key and the metadata of events, turns up nowhere that people
//! and programs look: not in what the bus prints, tells, counts or serialises, not in its errors, nor in their `Debug`. (In
//! what it traces: `tracing/canary.rs`. In configuration alone: `config/secrets.rs`.)
//!
//! What a handler's own error or panic says is the application's, and shown.

#[path = "support/canary.rs"]
mod canary;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/faulty_engine.rs"]
mod faulty_engine;
mod support;

use std::fmt::Debug;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary::{CANARY, clean};
use eventually::eventually;
use faulty_engine::{Call, Does, Plan, Remote, block_on};
use serde::{Deserialize, Serialize};
use support::watchdog;
use trolleybus::engine::custom::{CustomEngine, CustomSettings};
use trolleybus::engine::{Encoded, EngineState, Envelope, Scope};
use trolleybus::metrics::datadog::DatadogExporter;
use trolleybus::metrics::prometheus::{Format as Exposition, PrometheusCollector};
use trolleybus::{
    BusBuilder, Config, EngineRegistry, EventBus, Format, HandledDelivery, Observer, Secret, Topic,
};

/// A payload that holds the secret, and shows it to whoever asks.
#[derive(Debug, Serialize, Deserialize)]
struct Login {
    password: String,
}

fn login() -> Login {
    Login { password: CANARY.to_owned() }
}

/// Everything that was seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn note(&self, text: impl AsRef<str>) {
        let mut seen = self.0.lock().expect("lock");
        seen.push_str(text.as_ref());
        seen.push('\n');
    }

    fn debug(&self, value: &dyn Debug) {
        self.note(format!("{value:?}\n{value:#?}"));
    }

    fn text(&self) -> String {
        self.0.lock().expect("lock").clone()
    }
}

impl Observer for Seen {
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        self.debug(delivery);
    }

    fn engine_state(&self, engine: &str, state: EngineState) {
        self.note(format!("{engine} is {state}"));
    }

    fn warning(&self, message: &str) {
        self.note(message);
    }
}

/// The settings of the engine, as its author reads them.
#[derive(Debug, Deserialize)]
struct Far {
    password: Secret,
}

/// A bus from a configuration with secrets: an engine to be broken, one that works, and the memory engine.
fn builder(seen: &Seen, remote: &Remote) -> BusBuilder {
    let text = format!(
        "engines:\n  - {{name: near, type: memory}}\n  - {{name: far, type: far, config: {{password: '{CANARY}'}}}}\n  \
         - {{name: own, type: own, config: {{url: 'redis://me:{CANARY}@host/0'}}}}\nrouting:\n  - {{topics: ['far.*'], \
         engine: far}}\n  - {{topics: ['own.*'], engine: own}}\n"
    );
    let (remote, read) = (remote.clone(), seen.clone());
    let registry = EngineRegistry::new()
        .register("far", move |settings| {
            let far: Far = settings.settings().read()?;
            assert_eq!(far.password.expose(), CANARY, "the engine itself gets it");
            read.debug(&far);
            read.debug(settings);
            Ok(remote.engine())
        })
        .and_then(|registry| {
            registry.register("own", |settings| {
                CustomEngine::new(CustomSettings::default()).map_err(|error| settings.refuse(error))
            })
        })
        .expect("new types");
    let loader = Config::loader().text("bus.yaml", &text, Format::Yaml).engine_types(registry.types());
    let config = loader.load().unwrap_or_else(|error| panic!("{error}"));
    seen.debug(&config);
    let builder = config.into_builder_with(&registry).unwrap_or_else(|error| panic!("{error}"));
    seen.debug(&builder);
    builder.engine_timeout(Duration::from_millis(100)).time_handlers()
}

/// Publishes the secret in every part of an event, over every engine, to every kind of subscription, and has as much as
/// possible go wrong on the way.
fn burn(bus: &EventBus, remote: &Remote, seen: &Seen) {
    let bus = &bus.tenant("acme").expect("a tenant");
    let fails = |_: &trolleybus::Event<Login>| Err::<(), _>(trolleybus::HandlerError::new("as told"));
    let subscriptions = [
        bus.subscribe::<Login>("*").name("inline").handle_inline(fails),
        bus.subscribe::<Login>("*").name("pooled").handle(fails),
        bus.subscribe::<Login>("*")
            .name("panics")
            .handle(|login| assert!(login.password.is_empty(), "as told")),
        bus.subscribe::<Login>("*").name("async").handle_async(|_| async { Err::<(), _>(std::fmt::Error) }),
        bus.subscribe::<u32>("*").name("of another type").handle_inline(|_| ()),
        bus.subscribe::<Login>("*").name("filters").filter(|_| panic!("as told")).handle_inline(|_| ()),
        bus.subscribe_any("*").name("any").handle_inline({
            let seen = seen.clone();
            move |event| seen.debug(event)
        }),
    ];
    let subscriptions = subscriptions.map(|subscription| subscription.expect("subscribe"));
    let full = bus.subscribe::<Login>("*").capacity(1).receiver().expect("subscribe");
    let event = |topic: &str| bus.event(topic, login()).key(CANARY).meta("token", CANARY);
    for topic in ["near.a", "own.a", "far.a", "near.a", "own.a"] {
        match event(topic).publish() {
            Ok(receipt) => seen.debug(&receipt),
            Err(error) => panic!("{error}"),
        }
    }
    for does in [Does::Fails, Does::Unknown, Does::Panics, Does::Hangs] {
        remote.change(|plan| plan.publish = does);
        let error = event("far.a").publish().expect_err("as told");
        seen.note(format!("{error}\n{error:?}\n{:?}", std::error::Error::source(&error)));
    }
    for error in [
        event("no topic").publish().expect_err("refused"),
        event("far.a").try_publish().expect_err("refused"),
        event("far.a").on_complete(|_| ()).publish().expect_err("refused"),
        bus.event("near.a", login()).meta(format!("{CANARY}\0"), "x").publish().expect_err("refused"),
        bus.event("near.a", login()).meta("x", CANARY.repeat(10_000)).publish().expect_err("refused"),
    ] {
        seen.note(format!("{error}\n{error:?}\n{:?}", error.refusal()));
    }
    // What arrives: as it should be, of another type, and no JSON at all.
    let topic = Topic::new("far.b").expect("a topic");
    let raw = format!("{{\"password\": [\"{CANARY}\"]}}");
    for payload in [
        Encoded::json(&login()).expect("it can be encoded"),
        Encoded::json(&vec![CANARY; 3]).expect("it can be encoded"),
        Encoded::raw(raw.clone()),
        Encoded::raw(CANARY),
    ] {
        let mut metadata = trolleybus::Metadata::new();
        metadata.set("token", CANARY).expect("within the limits");
        let envelope = Envelope::new(topic.clone(), payload.clone()).with_key(CANARY).with_metadata(metadata);
        seen.debug(&envelope);
        seen.debug(&payload);
        let envelope = envelope.with_tenant("acme".parse().expect("a tenant"));
        let outcome = block_on(remote.arrive(envelope, Scope::Everyone)).expect("it was offered");
        seen.debug(&outcome);
        if let Err(error) = payload.decode::<Login>(8) {
            seen.note(format!("{error}\n{error:?}"));
        }
    }
    eventually("all handlers are done", || {
        bus.stats().subscriptions.iter().all(|one| one.ledger.running == 0)
    });
    subscriptions.iter().for_each(|subscription| seen.debug(subscription));
    seen.debug(&full);
}

/// What a bus says of itself.
fn look_at(bus: &EventBus, seen: &Seen) {
    seen.debug(bus);
    seen.debug(&bus.downgrade());
    seen.debug(&bus.stats());
    seen.note(serde_json::to_string(&bus.stats()).expect("it serialises"));
    seen.debug(&bus.topics());
    let tenant = bus.tenant("acme").expect("a tenant");
    for topic in ["near.a", "far.a"] {
        let explanation = tenant.explain(topic).expect("a topic");
        seen.note(explanation.to_string());
        seen.debug(&explanation);
    }
    for format in [Exposition::Text, Exposition::OpenMetrics] {
        seen.note(PrometheusCollector::new(bus).encode(format));
    }
    let agent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    agent.set_nonblocking(true).expect("a socket");
    let address = agent.local_addr().expect("an address").to_string();
    let exporter = DatadogExporter::builder(bus).address(address).start().expect("it starts");
    seen.debug(&exporter);
    seen.debug(&exporter.stop());
    let mut line = [0; 2048];
    while let Ok(length) = agent.recv(&mut line) {
        seen.note(String::from_utf8_lossy(&line[..length]));
    }
}

#[test]
fn x4_nothing_that_a_bus_tells_counts_or_refuses_shows_a_secret() {
    let _watchdog = watchdog("canary");
    let (seen, remote) = (Seen::default(), Remote::new(Plan::default()));
    let told = seen.clone();
    let builder = builder(&seen, &remote).observer(seen.clone()).on_lifecycle(move |event| {
        told.debug(event);
        told.note(serde_json::to_string(event).expect("it serialises"));
    });
    let bus = builder.start().wait().expect("it starts");
    burn(&bus, &remote, &seen);
    look_at(&bus, &seen);
    remote.change(|plan| plan.shutdown = Does::Fails);
    let report = bus.shutdown(Duration::from_secs(1)).wait();
    seen.debug(&report);
    // It did travel, and the engine was there to the end.
    let sent = remote.published();
    assert!(sent.iter().all(|envelope| envelope.key() == Some(CANARY)) && sent.len() > 4);
    assert_eq!(remote.calls().last(), Some(&Call::Shutdown));
    let text = seen.text();
    clean(&text);
    // Enough was looked at: who it was, and what went wrong.
    for expected in [
        "as told",
        "of another type",
        "cannot decode",
        "filter of",
        "message.failed",
        "modular_eventbus_failed_total",
        "delivered_total",
        "engine \"far\"",
    ] {
        assert!(text.contains(expected), "nothing of {expected:?} was seen");
    }
}

/// What a bus without an observer prints, as another process sees it.
#[test]
fn x4_nothing_that_is_printed_shows_a_secret() {
    let _watchdog = watchdog("canary that is printed");
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "the_bus_of_the_other_process", "--nocapture"]).env(CHILD, "1");
    let output = command.output().expect("it runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    clean(&text);
    assert!(
        text.contains("trolleybus: ") && text.contains("as told") && text.contains("skips events"),
        "{text}"
    );
}

/// Says that this is the other process.
const CHILD: &str = "TROLLEYBUS_CANARY";

#[test]
fn the_bus_of_the_other_process() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (unseen, remote) = (Seen::default(), Remote::new(Plan::default()));
    let bus = builder(&unseen, &remote).start().wait().expect("it starts");
    burn(&bus, &remote, &unseen);
}
