//! Rules that are replaced while the bus runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trolleybus::engine::custom::{CustomEngine, CustomSettings};
use trolleybus::{DeliveryMode, EventBus, RerouteError, Routes};

use crate::faulty_engine::{Call, Does, Plan, Remote};
use crate::support::{PATIENCE, watchdog};

#[test]
fn who_subscribes_already_joins_what_the_new_rules_add_before_they_hold() {
    let _watchdog = watchdog("joins first");
    let remote = Remote::default();
    let bus = EventBus::builder().engine("far", remote.engine()).start().wait().expect("it starts");
    let receiver = bus.subscribe::<u32>("user.*").receiver().expect("subscribe");
    assert_eq!(remote.calls(), [Call::Start]);
    bus.replace_routes(Routes::new().route("far", ["user.*"])).wait().expect("they hold");
    assert_eq!(remote.calls(), [Call::Start, Call::Subscribe(receiver.subscription().id(), None)]);
    assert!(bus.publish("user.created", 1_u32).expect("taken").accepted().is_some());
    // Back again: it stays a member, for what is on its way.
    bus.replace_routes(Routes::new()).wait().expect("they hold");
    assert_eq!(bus.publish("user.created", 1_u32).expect("taken").queued(), 1);
    assert!(!remote.calls().iter().any(|call| matches!(call, Call::Unsubscribe(_))));
}

#[test]
fn rules_that_cannot_hold_change_nothing() {
    let _watchdog = watchdog("fails");
    let remote = Remote::new(Plan { subscribe: Does::Fails, ..Plan::default() });
    let bus = EventBus::builder().engine("far", remote.engine()).start().wait().expect("it starts");
    let _receiver = bus.subscribe::<u32>("user.*").receiver().expect("subscribe");
    let replace = |routes| bus.replace_routes(routes).wait();
    let Err(RerouteError::Engine(failure)) = replace(Routes::new().route("far", ["user.*"])) else {
        panic!("it holds")
    };
    assert_eq!(failure.engine, "far");
    assert!(matches!(replace(Routes::new().route("nowhere", ["a"])), Err(RerouteError::Rules(_))));
    assert!(matches!(replace(Routes::new().route("far", ["a..b"])), Err(RerouteError::Rules(_))));
    assert_eq!(bus.explain("user.created").expect("a topic").engine, "memory");
    // Others may follow.
    remote.change(|plan| plan.subscribe = Does::Well);
    let first = bus.replace_routes(Routes::new().route("far", ["user.*"]));
    assert!(matches!(replace(Routes::new()), Err(RerouteError::InProgress)));
    drop(first);
    replace(Routes::new().route("far", ["user.*"])).expect("they hold");
    assert_eq!(bus.explain("user.created").expect("a topic").engine, "far");
}

#[test]
fn no_event_is_lost_or_doubled_while_rules_change() {
    let _watchdog = watchdog("under load");
    let engine = || {
        CustomEngine::new(CustomSettings::default().max_event_queue_size(1 << 20).log(|_| ()))
            .expect("an engine")
    };
    let bus = EventBus::builder()
        .engine("one", engine())
        .engine("two", engine())
        .route("one", ["n.*"])
        .start()
        .wait()
        .expect("it starts");
    let mut all = bus
        .subscribe::<u64>("n.*")
        .capacity(1 << 16)
        .delivery(DeliveryMode::Block)
        .receiver()
        .expect("subscribe");
    let over = Arc::new(AtomicBool::new(false));
    let mut counts = vec![0_u8; 0];
    std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..2)
            .map(|publisher| {
                let (bus, over) = (bus.clone(), Arc::clone(&over));
                scope.spawn(move || {
                    let mut published = 0_u64;
                    while !over.load(Ordering::Relaxed) && published < 20_000 {
                        bus.publish(format!("n.{publisher}"), published * 2 + publisher).expect("taken");
                        published += 1;
                    }
                    published
                })
            })
            .collect();
        for round in 0..100 {
            let engine = ["one", "two", "memory"][round % 3];
            bus.replace_routes(Routes::new().route(engine, ["n.*"])).wait().expect("they hold");
        }
        over.store(true, Ordering::Relaxed);
        let published: Vec<u64> =
            publishers.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        counts.resize(usize::try_from(published.iter().max().expect("two") * 2).expect("few"), 0);
        for _ in 0..published.iter().sum::<u64>() {
            let number = *all.recv_timeout(PATIENCE).expect("none is lost");
            counts[usize::try_from(number).expect("few")] += 1;
        }
        for (publisher, published) in (0..).zip(published) {
            for number in 0..published {
                assert_eq!(counts[usize::try_from(number * 2 + publisher).expect("few")], 1);
            }
        }
    });
    assert!(all.try_recv().is_err(), "none comes twice");
}
