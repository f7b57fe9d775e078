//! Which engine carries what.

use trolleybus::{BuildError, EventBus, MemoryEngine};

use crate::faulty_engine::{Call, Remote};
use crate::support::watchdog;

#[test]
fn d_rtr_2_a_pattern_joins_every_engine_whose_topics_it_reaches_and_leaves_all_of_them() {
    let _watchdog = watchdog("joins");
    let (user, order, rest) = (Remote::default(), Remote::default(), Remote::default());
    let bus = EventBus::builder()
        .engine("user", user.engine())
        .engine("order", order.engine())
        .engine("rest", rest.engine())
        .default_engine("rest")
        .route("user", ["user.*"])
        .route("order", ["order.**"])
        .start()
        .wait()
        .expect("it starts");
    let joined = |remote: &Remote| remote.calls().iter().any(|call| matches!(call, Call::Subscribe(..)));
    let _literal = bus.subscribe::<u32>("user.created").receiver().expect("subscribe");
    assert_eq!([&user, &order, &rest].map(joined), [true, false, false]);
    let all = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    assert_eq!([&user, &order, &rest].map(joined), [true, true, true]);
    let id = all.subscription().id();
    drop(all);
    for remote in [&user, &order, &rest] {
        crate::eventually::eventually("it has left", || remote.calls().contains(&Call::Unsubscribe(id)));
    }
}

#[test]
fn d_rtr_1_another_engine_of_the_same_kind_is_not_asked_to_unsubscribe() {
    let _watchdog = watchdog("leaves the owner only");
    let (one, other) = (Remote::default(), Remote::default());
    let bus = EventBus::builder()
        .engine("one", one.engine())
        .engine("other", other.engine())
        .route("one", ["one.*"])
        .route("other", ["other.*"])
        .start()
        .wait()
        .expect("it starts");
    drop(bus.subscribe::<u32>("one.*").receiver().expect("subscribe"));
    crate::eventually::eventually("it has left", || {
        one.calls().iter().any(|call| matches!(call, Call::Unsubscribe(_)))
    });
    assert_eq!(other.calls(), [Call::Start]);
}

#[test]
fn two_memory_engines_have_accounts_of_their_own() {
    let bus = EventBus::builder()
        .memory_engine("fast")
        .memory_engine("reliable")
        .default_engine("fast")
        .route("reliable", ["order.*"])
        .build()
        .expect("built");
    let inline = bus.subscribe::<u32>("*").handle_inline(|_| ()).expect("subscribe");
    let pooled = bus.subscribe::<u32>("order.*").handle(|_| ()).expect("subscribe");
    for number in 0..10_u32 {
        bus.publish("user.created", number).expect("published");
        bus.publish("order.placed", number).expect("published");
    }
    assert!(pooled.drain(crate::support::PATIENCE).wait().complete);
    assert_eq!(inline.stats().delivered, 20);
    let engines = bus.stats().engines;
    let counts: Vec<_> =
        engines.iter().map(|engine| (&*engine.name, engine.kind, engine.offered, engine.delivered)).collect();
    assert_eq!(counts, [("fast", "memory", 10, 10), ("reliable", "memory", 20, 20)]);
    let explained = bus.explain("order.placed").expect("a topic");
    assert_eq!((&*explained.engine, explained.rule), ("reliable", Some(0)));
    assert!(
        explained.to_string().starts_with("order.placed by engine \"reliable\", rule 0\n"),
        "{explained}"
    );
    assert_eq!(bus.explain("x").expect("a topic").rule, None);
}

#[test]
fn every_way_in_which_an_event_ends_is_in_the_account_of_its_engine() {
    let bus = EventBus::builder().memory_engine("own").route("own", ["*"]).build().expect("built");
    let full = bus.subscribe::<u32>("a").capacity(1).receiver().expect("subscribe");
    let oldest = bus
        .subscribe::<u32>("a")
        .capacity(1)
        .delivery(trolleybus::DeliveryMode::DropOldest)
        .receiver()
        .expect("subscribe");
    let timeout = bus
        .subscribe::<u32>("a")
        .capacity(1)
        .delivery(trolleybus::DeliveryMode::Timeout(std::time::Duration::from_micros(1)))
        .receiver()
        .expect("subscribe");
    let _fails = bus
        .subscribe::<u32>("a")
        .handle_inline(|_| Err::<(), _>(trolleybus::HandlerError::new("no")))
        .expect("subscribe");
    let _filtered = bus.subscribe::<u32>("a").filter(|_| false).handle_inline(|_| ()).expect("subscribe");
    let _skipped = bus.subscribe::<String>("a").handle_inline(|_| ()).expect("subscribe");
    for number in 0..3_u32 {
        bus.publish("a", number).expect("published");
    }
    drop((full, oldest, timeout));
    let stats = bus.stats();
    let own = &stats.engines[1];
    assert_eq!((own.offered, own.delivered, own.failed, own.dropped), (12, 3, 3, 9), "{own:?}");
    assert_eq!((own.filtered, own.skipped, own.in_flight), (3, 3, 0), "{own:?}");
    assert_eq!(stats.engines[0].offered, 0, "nothing went by the first one: {stats:?}");
    assert_eq!(stats.total.offered, 12);
}

#[test]
fn sizes_of_a_memory_engine_that_are_out_of_range_are_refused() {
    let build = |engine: MemoryEngine| EventBus::builder().memory_engine(engine).build();
    let own = || MemoryEngine::new("own");
    let limit = 1 << 24;
    assert!(matches!(build(own().capacity(0)), Err(BuildError::InvalidCapacity { capacity: 0, .. })));
    assert!(matches!(
        build(own().capacity(6).max_capacity(5)),
        Err(BuildError::InvalidCapacity { capacity: 6, limit: 5 })
    ));
    for capacity in [0, limit + 1] {
        let refused = build(own().max_capacity(capacity)).expect_err("out of range");
        assert!(
            matches!(refused, BuildError::InvalidMaxCapacity { limit: most, .. } if most == limit),
            "{refused}"
        );
    }
    assert!(build(own().capacity(limit).max_capacity(limit)).is_ok());
}
