//! Start, end, and what comes after.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use trolleybus::lifecycle::LifecycleEvent;
use trolleybus::{Config, EngineRegistry, EngineSettings, EventBus, PublishRefusal, SubscribeError};

use crate::eventually::eventually;
use crate::on_each_engine;
use crate::quiet_engine::quiet_engine;
use crate::support::{PATIENCE, watchdog};

/// What is told of the end of a pattern's last subscription: who it was, and then that the topic has gone.
fn heard_of_end(heard: &mpsc::Receiver<LifecycleEvent>, pattern: &str) -> Vec<Option<String>> {
    let events = std::iter::from_fn(|| heard.recv_timeout(PATIENCE).ok());
    events
        .filter(|event| event.text("topic") == Some(pattern))
        .filter(|event| event.event_type().ends_with("removed") || event.event_type().ends_with("deleted"))
        .take(2)
        .map(|event| event.text("subscription_id").map(str::to_owned))
        .collect()
}

/// In the original a subscription that was cancelled stays listed, nobody hears that it has gone, and on some engines its
/// handler goes on.
#[test]
fn d_all_5_to_cancel_by_whatever_way_leaves_nothing_behind() {
    let _watchdog = watchdog("d_all_5");
    let (told, heard) = mpsc::channel();
    let listening = || {
        let told = told.clone();
        EventBus::builder().on_lifecycle(move |event| drop(told.send(event.clone())))
    };
    for bus in on_each_engine(listening) {
        for way in 0..3 {
            let (send, handled) = mpsc::channel();
            let subscription = bus
                .subscribe::<u32>("n.*")
                .handle(move |number| send.send(**number).expect("the test waits"))
                .expect("subscribe");
            let id = subscription.id().to_string();
            bus.publish("n.a", 1_u32).expect("publish");
            assert_eq!(handled.recv_timeout(PATIENCE), Ok(1));
            match way {
                0 => assert!(subscription.cancel() && !subscription.cancel()),
                1 => subscription.cancel_and_wait().wait(),
                _ => drop(subscription),
            }
            assert!(bus.topics().is_empty());
            // Its handler has told that it runs, and may not have returned yet.
            eventually("its handler has returned", || bus.stats().subscriptions.is_empty());
            assert_eq!(bus.subscriber_count("n.a"), Ok(0));
            bus.publish("n.a", 2_u32).expect("publish");
            let gone = heard_of_end(&heard, "n.*");
            assert_eq!(gone, [Some(id), None]);
            // A later subscription has the next event, so the one before has passed.
            let mut after = bus.subscribe::<u32>("n.a").receiver().expect("subscribe");
            bus.publish("n.a", 3_u32).expect("publish");
            while *after.recv_timeout(PATIENCE).expect("an event") != 3 {}
            assert!(handled.try_recv().is_err(), "nothing was handled after the end");
        }
    }
}

/// In the original the context of the start is that of the bus: with the time for the start the bus is over. Here nothing
/// of the start is left once it has succeeded: neither its time, nor the thread and the executor that awaited it.
#[test]
fn d_all_6_a_bus_outlives_the_time_and_the_thread_of_its_start() {
    const TIME: Duration = Duration::from_millis(200);
    let _watchdog = watchdog("d_all_6");
    let starting = std::thread::spawn(|| {
        let began = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let start =
            EventBus::builder().engine("own", quiet_engine()).route("own", ["far.*"]).engine_timeout(TIME);
        let started = runtime.block_on(async { tokio::time::timeout(PATIENCE, start.start()).await });
        (began, started.expect("in time").expect("it starts"))
    });
    let (began, bus) = starting.join().expect("join");
    eventually("the time for the start is over", || began.elapsed() > 2 * TIME);
    let mut receiver = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    for topic in ["near.a", "far.a"] {
        bus.publish(topic, 1_u32).expect("the bus lives");
        assert_eq!(receiver.recv_timeout(PATIENCE).expect("an event").topic(), topic);
    }
    assert!(!bus.is_closed());
}

/// In the original a bus that is started again has dead subscriptions, whose queues fill up, and clients that are closed.
/// Here a bus ends for good, and says so; the next one has nothing of it.
#[test]
fn d_all_12_a_bus_ends_for_good_and_the_next_one_starts_with_nothing_of_it() {
    let _watchdog = watchdog("d_all_12");
    let config = || {
        Config::new()
            .with_engine_settings(EngineSettings::new("near", "memory"))
            .with_engine_settings(EngineSettings::new("own", "custom"))
    };
    let start = || config().into_builder().expect("a builder").start().wait().expect("it starts");
    let first = start();
    let old = first.subscribe::<u32>("*").handle(|_| ()).expect("subscribe");
    first.publish("n", 1_u32).expect("publish");
    let publisher = first.publisher::<u32>("n").expect("a topic");
    assert!(first.shutdown(PATIENCE).wait().complete);

    let second = start();
    assert!(second.topics().is_empty() && second.stats().total.offered == 0);
    let new = second.subscribe::<u32>("*").handle(|_| ()).expect("subscribe");
    for number in 0..50_u32 {
        assert_eq!(second.publish("n", number).expect("publish").queued(), 1);
        assert_eq!(*publisher.publish(number).expect_err("gone").refusal(), PublishRefusal::ShutDown);
    }
    assert!(matches!(first.subscribe::<u32>("n").receiver(), Err(SubscribeError::ShutDown)));
    assert!(second.shutdown(PATIENCE).wait().complete);
    assert_eq!((old.stats().offered, old.stats().delivered, new.stats().delivered), (1, 1, 50));
}

/// In the original it is an error to unsubscribe after the stop.
#[test]
fn d_rtr_4_a_subscription_may_be_ended_after_its_bus_by_whatever_way() {
    let _watchdog = watchdog("d_rtr_4");
    for bus in on_each_engine(EventBus::builder) {
        let subscribe = || bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe");
        let (before, kept, dropped) = (subscribe(), subscribe(), subscribe());
        assert!(before.cancel());
        let receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        assert!(bus.shutdown(PATIENCE).wait().complete);
        for subscription in [&before, &kept] {
            // The end of the bus was theirs; twice is as good as once.
            for _ in 0..2 {
                assert!(!subscription.cancel());
                subscription.cancel_and_wait().wait();
                assert!(subscription.drain(PATIENCE).wait().complete);
            }
        }
        drop((dropped, receiver));
        drop(bus);
        assert!(!kept.cancel() && kept.is_closed());
    }
}

/// In the original one map holds the types of engines for the whole process, without a lock. Here a registry is a value:
/// threads share one, and it knows nothing of another.
#[test]
fn d_rtr_5_threads_share_a_registry_and_two_registries_share_nothing() {
    let _watchdog = watchdog("d_rtr_5");
    let own = EngineRegistry::new().register("own", |_| Ok(quiet_engine())).expect("a new type");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let own = &own;
            scope.spawn(move || {
                for _ in 0..5 {
                    let name = format!("engine-{thread}");
                    let loader = Config::loader().engine_types(own.types());
                    let config = loader.set("engines[0].name", &*name).set("engines[0].type", "own").load();
                    let builder = config.expect("fine").into_builder_with(own).expect("its engine is known");
                    let bus = builder.start().wait().expect("it starts");
                    assert_eq!(bus.stats().engines[0].name, name);
                    // Others come and go meanwhile, with types of the same name.
                    let other = EngineRegistry::new().register("own", |_| Ok(quiet_engine()));
                    assert_eq!(other.expect("new there").types().count(), 4);
                }
            });
        }
    });
    assert_eq!(EngineRegistry::new().types().collect::<Vec<_>>(), ["custom", "durable-memory", "memory"]);
}
