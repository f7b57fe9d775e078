//! One bus: publishing, subscribing, errors, and the end.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trolleybus::engine::EngineState;
use trolleybus::{
    Config, DeliveryMode, Event, EventBus, Format, HandledDelivery, HandlerError, Observer, Start,
    SubscriptionId, SubscriptionKind, TestClock, TopicPattern,
};

use crate::eventually::eventually;
use crate::gate::gate;
use crate::started;
use crate::support::{PATIENCE, watchdog};
use crate::threads::threads_named;

/// What a handler has got.
type Got = Arc<Mutex<Vec<String>>>;

/// What a handler has got, and a handler that notes it.
fn noted() -> (Got, impl Fn(&Event<String>) + Send + Sync + 'static) {
    let got = Got::default();
    let note = Arc::clone(&got);
    (got, move |event: &Event<String>| note.lock().expect("lock").push((**event).clone()))
}

#[test]
fn eventbus_module_initialization() {
    let config = Config::from_str("", Format::Yaml).expect("nothing is wrong with nothing");
    assert_eq!((config.engine(), config.default_event_buffer_size()), ("memory", 1024));
    assert!(config.delivery_mode() == DeliveryMode::Drop && !config.rotate_subscriber_order());
    let (room, workers) = (config.default_event_buffer_size(), config.worker_count());
    assert!(workers >= 1);
    let bus = config.into_builder().expect("a builder").build().expect("a bus");
    // What the configuration says is what the bus does.
    let mut receiver = bus.subscribe::<String>("hello").receiver().expect("the service is available");
    let stats = bus.stats();
    assert_eq!((stats.engines.len(), stats.engines[0].kind), (1, "memory"));
    let subscription = &stats.subscriptions[0];
    assert_eq!((subscription.capacity, subscription.delivery), (room, DeliveryMode::Drop));
    bus.publish("hello", "world").expect("the service is available");
    assert_eq!(**receiver.recv().expect("an event"), *"world");
}

#[test]
fn basic_event_publishing_and_subscribing() {
    let bus = EventBus::new();
    let (got, note) = noted();
    let _subscription = bus.subscribe::<String>("user.created").handle_inline(note).expect("subscribe");
    bus.publish("user.created", "test-user").expect("publish");
    assert_eq!(*got.lock().expect("lock"), ["test-user"]);
}

#[test]
fn event_publishing_to_multiple_subscribers() {
    let _watchdog = watchdog("event_publishing_to_multiple_subscribers");
    let bus = EventBus::new();
    let (first, note_first) = noted();
    let (second, note_second) = noted();
    let _handler1 = bus.subscribe::<String>("order.placed").handle_inline(note_first).expect("subscribe");
    let _handler2 = bus.subscribe::<String>("order.placed").handle(note_second).expect("subscribe");
    let receipt = bus.publish("order.placed", "order-123").expect("publish");
    assert_eq!((receipt.matched(), receipt.delivered(), receipt.queued()), (2, 1, 1));
    assert!(bus.shutdown(PATIENCE).wait().complete);
    assert_eq!(*first.lock().expect("lock"), ["order-123"]);
    assert_eq!(*second.lock().expect("lock"), ["order-123"]);
}

#[test]
fn wildcard_topic_subscriptions() {
    let bus = EventBus::new();
    let (got, note) = noted();
    let subscription = bus.subscribe::<String>("user.*").handle_inline(note).expect("subscribe");
    for (topic, payload) in [("user.created", "user-1"), ("order.placed", "no"), ("user.updated", "user-2")] {
        bus.publish(topic, payload).expect("publish");
    }
    assert_eq!(*got.lock().expect("lock"), ["user-1", "user-2"]);
    assert_eq!(subscription.stats().delivered, 2);
}

#[test]
fn asynchronous_event_processing() {
    let _watchdog = watchdog("asynchronous_event_processing");
    for awaited in [false, true] {
        let bus = EventBus::builder().workers(1).build().expect("build");
        let (gate, _opens) = gate();
        let (send, processed) = mpsc::channel();
        let held = Arc::clone(&gate);
        let process = move |event: &Event<String>| {
            held.pass();
            send.send((std::thread::current().id(), (**event).clone())).expect("the test waits");
        };
        let builder = bus.subscribe::<String>("image.uploaded");
        let subscription = if awaited {
            let process = Arc::new(process);
            builder.handle_async(move |event| {
                let process = Arc::clone(&process);
                async move { process(&event) }
            })
        } else {
            builder.handle(process)
        }
        .expect("subscribe");
        // None of these calls would return if it waited for the handler.
        for _ in 0..3 {
            let receipt = bus.publish("image.uploaded", "image-data").expect("publish");
            assert_eq!((receipt.queued(), receipt.delivered()), (1, 0));
        }
        eventually("the handler has begun", || gate.inside() == 1);
        assert!(processed.try_recv().is_err() && subscription.stats().delivered == 0);
        gate.open();
        for _ in 0..3 {
            let (thread, payload) = processed.recv_timeout(PATIENCE).expect("it is processed");
            assert_eq!(payload, "image-data");
            assert_ne!(thread, std::thread::current().id());
        }
        eventually("all are counted", || subscription.stats().delivered == 3);
    }
}

#[test]
fn event_subscription_management() {
    let bus = EventBus::new();
    let subscribe = || bus.subscribe::<String>("newsletter.sent");
    let first = subscribe().handle_inline(|_| ()).expect("subscribe");
    let second = subscribe().handle_inline(|_| ()).expect("subscribe");
    let asynchronous = subscribe().handle_async(|_| async {}).expect("subscribe");
    assert!(first.id() != second.id() && second.id() != asynchronous.id());
    for subscription in [&first, &second, &asynchronous] {
        let patterns: Vec<&str> = subscription.patterns().iter().map(TopicPattern::as_str).collect();
        assert_eq!(patterns, ["newsletter.sent"]);
    }
    // Who wants it asynchronous says so.
    let kinds = [&first, &second, &asynchronous].map(trolleybus::Subscription::kind);
    assert_eq!(kinds, [SubscriptionKind::Inline, SubscriptionKind::Inline, SubscriptionKind::Async]);
    let listed: Vec<SubscriptionId> = bus.stats().subscriptions.iter().map(|listed| listed.id).collect();
    assert_eq!(listed, [first.id(), second.id(), asynchronous.id()]);
}

#[test]
fn unsubscribing_from_events() {
    let _watchdog = watchdog("unsubscribing_from_events");
    let bus = EventBus::new();
    let (inline, note_inline) = noted();
    let (pooled, note_pooled) = noted();
    let subscriptions = [
        bus.subscribe::<String>("payment.processed").handle_inline(note_inline).expect("subscribe"),
        bus.subscribe::<String>("payment.processed").handle(note_pooled).expect("subscribe"),
    ];
    bus.publish("payment.processed", "payment-1").expect("publish");
    eventually("both got it", || subscriptions.iter().all(|one| one.stats().delivered == 1));
    for subscription in &subscriptions {
        subscription.cancel_and_wait().wait();
    }
    let receipt = bus.publish("payment.processed", "payment-123").expect("publish");
    assert_eq!(receipt.matched(), 0);
    assert!(bus.shutdown(PATIENCE).wait().complete);
    for got in [inline, pooled] {
        assert_eq!(*got.lock().expect("lock"), ["payment-1"]);
    }
}

#[test]
fn active_topics_listing() {
    let bus = EventBus::new();
    let started = bus.subscribe::<String>("task.started").handle_inline(|_| ()).expect("subscribe");
    let completed = bus.subscribe::<String>("task.completed").handle(|_| ()).expect("subscribe");
    let listed = || {
        let topics = bus.topics().into_iter();
        topics.map(|topic| (topic.pattern.to_string(), topic.subscriptions)).collect::<Vec<_>>()
    };
    assert_eq!(listed(), [("task.completed".to_owned(), 1), ("task.started".to_owned(), 1)]);
    let count = |topic: &str| bus.subscriber_count(topic).expect("a topic");
    assert_eq!(["task.started", "task.completed", "task.failed"].map(count), [1, 1, 0]);
    started.cancel();
    assert_eq!(listed(), [("task.completed".to_owned(), 1)]);
    assert_eq!(count("task.started"), 0);
    drop(completed);
    assert_eq!(listed(), []);
}

#[test]
fn eventbus_with_memory_engine() {
    let bus = started("engine: memory");
    let stats = bus.stats();
    assert_eq!((stats.engines.len(), stats.engines[0].kind), (1, "memory"));
    assert_eq!(stats.engines[0].transport, None, "nothing is carried out of the process");
    assert_eq!(bus.explain("user.created").expect("a topic").engine, stats.engines[0].name);
    // The handler borrows the very value that was published.
    let payload = "in memory".to_owned();
    let published = payload.as_ptr() as usize;
    let seen = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&seen);
    let look = move |event: &Event<String>| note.store(event.as_ptr() as usize, SeqCst);
    let _subscription = bus.subscribe::<String>("user.created").handle_inline(look).expect("subscribe");
    let receipt = bus.publish("user.created", payload).expect("publish");
    assert!(receipt.delivered() == 1 && receipt.accepted().is_none());
    assert_eq!(seen.load(SeqCst), published);
}

/// Hears of failures.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<(SubscriptionId, String, String)>>>);

impl Observer for Failures {
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        if let Some(error) = delivery.error {
            let failure = (delivery.subscription, delivery.topic.to_string(), error.to_string());
            self.0.lock().expect("lock").push(failure);
        }
    }
}

#[test]
fn event_handler_error_handling() {
    let _watchdog = watchdog("event_handler_error_handling");
    let failures = Failures::default();
    let bus = EventBus::builder().workers(1).observer(failures.clone()).build().expect("build");
    let fails = |event: &Event<String>| match event.as_str() {
        "error-data" => Err(HandlerError::new("simulated")),
        _ => Ok(()),
    };
    let (got, note) = noted();
    let inline = bus.subscribe::<String>("error.test").handle_inline(fails).expect("subscribe");
    let pooled = bus.subscribe::<String>("error.test").handle(fails).expect("subscribe");
    let _other = bus.subscribe::<String>("error.test").handle_inline(note).expect("subscribe");
    let receipt = bus.publish("error.test", "error-data").expect("the publisher goes on");
    assert_eq!((receipt.delivered(), receipt.failed(), receipt.queued()), (2, 1, 1));
    // Who failed gets the next event like everybody else.
    bus.publish("error.test", "fine").expect("publish");
    assert!(bus.shutdown(PATIENCE).wait().complete);
    assert_eq!(*got.lock().expect("lock"), ["error-data", "fine"]);
    for subscription in [&inline, &pooled] {
        assert_eq!((subscription.stats().delivered, subscription.stats().failed), (2, 1));
    }
    let mut logged = failures.0.lock().expect("lock").clone();
    logged.sort();
    let expected = [&inline, &pooled].map(|one| (one.id(), "error.test".to_owned(), "simulated".to_owned()));
    assert_eq!(logged, expected);
}

/// The original's TTL is read by nobody, and its retention empties a history that nobody can read.
#[test]
fn event_ttl_and_retention() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let config = Config::from_str("eventTTL: 1h\nretentionDays: 7", Format::Yaml).expect("valid");
    assert_eq!((config.event_ttl(), config.retention_days()), (Some(DAY / 24), Some(7)));
    let clock = TestClock::new();
    let bus = config.into_builder().expect("a builder").clock(clock.clone()).build().expect("a bus");
    let mut live = bus.subscribe::<String>("user.*").receiver().expect("subscribe");
    bus.publish("user.created", "old").expect("publish");
    clock.advance(DAY / 24);
    bus.publish("user.created", "fresh").expect("publish");
    // What was not handled in time is not handled any more, and counted.
    assert_eq!(live.try_recv().map(|event| (**event).to_owned()), Ok("fresh".to_owned()));
    let ledger = live.subscription().stats();
    assert_eq!((ledger.expired, ledger.delivered), (1, 1));
    // Both are kept, to be looked at; a replay expires what is too old to be handled.
    let kept = || bus.history("user.*").expect("kept").iter().count();
    assert_eq!(kept(), 2);
    let mut late = bus.subscribe::<String>("user.*").from(Start::Beginning).receiver().expect("subscribe");
    assert_eq!(late.try_recv().map(|event| (**event).to_owned()), Ok("fresh".to_owned()));
    assert_eq!(late.subscription().stats().expired, 1);
    // After seven days they are cleaned up, one after the other.
    clock.advance(7 * DAY - DAY / 24);
    assert_eq!((kept(), bus.stats().history.trimmed), (1, 1));
    clock.advance(DAY / 24);
    assert_eq!((kept(), bus.stats().history.trimmed), (0, 2));
    assert_eq!((bus.stats().history.bytes, bus.stats().history.topics), (0, 0));
}

#[test]
fn eventbus_shutdown_and_cleanup() {
    const EVENTS: usize = 20;
    let _watchdog = watchdog("eventbus_shutdown_and_cleanup");
    // With time for what is queued, and without.
    for patience in [PATIENCE, Duration::ZERO] {
        let in_time = !patience.is_zero();
        let text = "workerCount: 2\nthreadName: end\nengines: [{name: near, type: memory}, {name: own, type: custom}]";
        let bus = started(text);
        let (gate, opens) = gate();
        let (payload, captured) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let (held, count) = (Arc::clone(&gate), Arc::clone(&captured));
        let hold = move |_: &Event<Arc<()>>| {
            held.pass();
            count.fetch_add(1, SeqCst);
        };
        let count = Arc::clone(&captured);
        let inline = move |_: &Event<Arc<()>>| _ = count.fetch_add(1, SeqCst);
        let subscribe = || bus.subscribe_local::<Arc<()>>("n.*");
        let handlers = [
            subscribe().handle_inline(inline).expect("subscribe"),
            subscribe().handle(hold.clone()).expect("subscribe"),
            subscribe().handle(hold).expect("subscribe"),
        ];
        let receiver = subscribe().receiver().expect("subscribe");
        for _ in 0..EVENTS {
            bus.publish_local("n.a", Arc::clone(&payload)).expect("publish");
        }
        eventually("two handlers run, the rest is queued", || gate.inside() == 2);
        assert_eq!(threads_named("end-"), 2);
        assert!(Arc::strong_count(&payload) > EVENTS, "{} events wait", Arc::strong_count(&payload));

        let shutdown = bus.shutdown(patience);
        assert!(bus.is_closed() && bus.publish_local("n.a", Arc::clone(&payload)).is_err());
        if in_time {
            drop(opens);
            // The receiver's events are not handled by anybody else: it is gone, and they with it.
            drop(receiver);
            let report = shutdown.wait();
            assert_eq!((report.threads_running, report.unfinished.len()), (0, 0), "{report:?}");
        } else {
            let report = shutdown.wait();
            assert!(!report.complete && report.threads_running == 2, "{report:?}");
            // Two of each of the handlers' events run; the receiver's were all dropped.
            assert_eq!(report.discarded, 3 * EVENTS as u64 - 2);
            drop((opens, receiver));
        }
        eventually("the handlers end", || handlers.iter().all(|one| one.stats().running == 0));
        let handled = if in_time { 3 * EVENTS } else { EVENTS + 2 };
        assert_eq!(captured.load(SeqCst), handled);
        for subscription in &handlers {
            let ledger = subscription.stats();
            assert!(subscription.is_closed() && ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
        }
        assert!(bus.topics().is_empty());
        // A subscription goes when its last worker has let go of it, a moment after its handler was counted.
        eventually("the subscriptions go", || bus.stats().subscriptions.is_empty());
        eventually("the workers stop", || threads_named("end-") == 0);
        eventually("the other engine stops", || bus.stats().engines[1].state == EngineState::Stopped);
        drop((bus, handlers));
        eventually("no event is left", || Arc::strong_count(&payload) == 1);
        eventually("no handler is left", || Arc::strong_count(&captured) == 1);
    }
}
