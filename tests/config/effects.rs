//! Each key that is accepted, seen on a bus that runs. The original takes most of its keys and never looks at them
//! again (D-ALL-2).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use trolleybus::{Config, DropReason, Event, EventBus, Format, PublishRefusal, SubscribeError, TestClock};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::threads::threads_named;
use crate::{bus, config};

/// How many events a queue takes that says nothing of its capacity.
fn room(bus: &EventBus) -> usize {
    let held = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    (0..5000_u32).for_each(|number| drop(bus.publish("n", number).expect("publish")));
    held.len()
}

#[test]
fn x5_default_event_buffer_size_is_the_capacity_of_a_queue() {
    assert_eq!(room(&bus("defaultEventBufferSize: 7")), 7);
    assert_eq!(room(&bus("")), 1024);
    // The other capacities follow from the largest one.
    assert_eq!(room(&bus("maxEventQueueSize: 9")), 9);
}

#[test]
fn x5_max_event_queue_size_refuses_larger_subscriptions() {
    let bus = bus("maxEventQueueSize: 100");
    let error = bus.subscribe::<u32>("n").capacity(101).receiver().err();
    assert!(
        matches!(error, Some(SubscribeError::CapacityTooLarge { capacity: 101, limit: 100 })),
        "{error:?}"
    );
    let _held = bus.subscribe::<u32>("n").capacity(100).receiver().expect("the largest");
}

#[test]
fn x5_worker_count_is_the_number_of_handlers_that_run_at_a_time() {
    let _watchdog = watchdog("x5_worker_count");
    for workers in [1, 3] {
        let bus = bus(&format!("workerCount: {workers}"));
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (mine, peak) = (Arc::clone(&running), Arc::clone(&most));
        let handler = move |_: &Event<u32>| {
            let now = mine.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(now, Ordering::SeqCst);
            let _ = gate.lock().expect("lock").recv_timeout(PATIENCE);
            mine.fetch_sub(1, Ordering::SeqCst);
        };
        let handlers: Vec<_> =
            (0..8).map(|_| bus.subscribe::<u32>("n").handle(handler.clone()).expect("subscribe")).collect();
        bus.publish("n", 1_u32).expect("publish");
        eventually("all workers have begun", || running.load(Ordering::SeqCst) == workers);
        (0..8).for_each(|_| open.send(()).expect("send"));
        eventually("all is handled", || handlers.iter().all(|handler| handler.stats().delivered == 1));
        assert_eq!(most.load(Ordering::SeqCst), workers);
    }
    let error = bus("workerCount: 0").subscribe::<u32>("n").handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::NoWorkers)), "{error:?}");
}

#[test]
fn x5_d_all_2_delivery_mode_says_what_happens_at_a_full_queue() {
    let _watchdog = watchdog("x5_delivery_mode");
    let dropped = |text: &str| {
        let bus = bus(&format!("defaultEventBufferSize: 1\n{text}"));
        let mut held = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        bus.publish("n", 1_u32).expect("publish");
        // The deadline ends the wait of `block`.
        let receipt = bus.event("n", 2_u32).deadline(Duration::from_millis(20)).publish().expect("publish");
        let reasons = [DropReason::Full, DropReason::Timeout].map(|reason| receipt.dropped_by().by(reason));
        (reasons, held.try_recv().map(|number| *number))
    };
    assert_eq!(dropped("deliveryMode: drop"), ([1, 0], Ok(1)));
    assert_eq!(dropped("deliveryMode: dropOldest"), ([0, 0], Ok(2)));
    assert_eq!(dropped("deliveryMode: block"), ([0, 1], Ok(1)));
    assert_eq!(dropped("deliveryMode: timeout\npublishBlockTimeout: 1ms"), ([0, 1], Ok(1)));
}

#[test]
fn x5_d_all_2_publish_block_timeout_is_the_time_that_a_publisher_waits() {
    let _watchdog = watchdog("x5_publish_block_timeout");
    // Numbers are seconds, as in the original's samples.
    for (time, least) in [("0", 0), ("50ms", 50), ("0.05", 50)] {
        let bus =
            bus(&format!("defaultEventBufferSize: 1\ndeliveryMode: timeout\npublishBlockTimeout: {time}"));
        let _held = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        bus.publish("n", 1_u32).expect("publish");
        let began = Instant::now();
        let receipt = bus.publish("n", 2_u32).expect("publish");
        assert!(began.elapsed() >= Duration::from_millis(least), "{time}");
        assert_eq!(receipt.dropped_by().by(DropReason::Timeout), 1, "{time}");
    }
}

#[test]
fn x5_d_all_2_rotate_subscriber_order_changes_who_is_first() {
    let firsts = |text: &str| {
        let bus = bus(text);
        let order = Arc::new(Mutex::new(Vec::new()));
        let subscriptions: Vec<_> = (0..3)
            .map(|me| {
                let order = Arc::clone(&order);
                let note = move |_: &Event<u32>| order.lock().expect("lock").push(me);
                bus.subscribe::<u32>("n").handle_inline(note).expect("subscribe")
            })
            .collect();
        for number in 0..6_u32 {
            bus.publish("n", number).expect("publish");
        }
        drop(subscriptions);
        let order = order.lock().expect("lock");
        let mut firsts: Vec<_> = order.chunks(3).map(|round| round[0]).collect();
        firsts.sort_unstable();
        firsts.dedup();
        firsts
    };
    assert_eq!(firsts("rotateSubscriberOrder: true"), [0, 1, 2]);
    assert_eq!(firsts("rotateSubscriberOrder: false"), [0]);
    assert_eq!(firsts(""), [0]);
}

#[test]
fn x5_thread_name_is_that_of_the_workers() {
    let _watchdog = watchdog("x5_thread_name");
    let bus = bus("threadName: orders\nworkerCount: 1");
    let (send, names) = mpsc::channel();
    let tell =
        move |_: &Event<u32>| send.send(std::thread::current().name().map(str::to_owned)).expect("send");
    let _handler = bus.subscribe::<u32>("n").handle(tell).expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    assert_eq!(names.recv_timeout(PATIENCE), Ok(Some("orders-0".to_owned())));
}

#[test]
fn x5_inline_depth_stops_handlers_that_publish_to_themselves() {
    let bus = bus("inlineDepth: 5");
    let (weak, depth) = (bus.downgrade(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&depth);
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let refused = Arc::clone(&refusals);
    let again = move |_: &Event<u32>| {
        count.fetch_add(1, Ordering::SeqCst);
        let bus = weak.upgrade().expect("the bus is there");
        if let Err(error) = bus.publish("n", 1_u32) {
            refused.lock().expect("lock").push(error.refusal().clone());
        }
    };
    let _handler = bus.subscribe::<u32>("n").handle_inline(again).expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    assert_eq!(depth.load(Ordering::SeqCst), 5);
    assert_eq!(*refusals.lock().expect("lock"), [PublishRefusal::TooDeep { limit: 5 }]);
}

#[test]
fn x5_precise_time_gives_events_times_that_differ() {
    let _watchdog = watchdog("x5_precise_time");
    let bus = bus("preciseTime: true");
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let note = move |event: &Event<u32>| seen.lock().expect("lock").push(event.time());
    let _handler = bus.subscribe::<u32>("n").handle_inline(note).expect("subscribe");
    // The coarse clock stands for a millisecond at least; the precise one moves between two publishes.
    eventually("two events less than half a millisecond apart", || {
        times.lock().expect("lock").clear();
        (0..10_u32).for_each(|number| drop(bus.publish("n", number).expect("publish")));
        let times = times.lock().expect("lock");
        times.windows(2).any(|pair| {
            pair[1]
                .duration_since(pair[0])
                .is_ok_and(|gap| !gap.is_zero() && gap < Duration::from_micros(500))
        })
    });
}

#[test]
fn x5_max_raw_payload_refuses_larger_ones() {
    for (size, limit) in [("2KiB", 2048), ("100", 100)] {
        let bus = bus(&format!("maxRawPayload: {size}"));
        let publish =
            |bytes: usize| bus.publish_raw("n", vec![0_u8; bytes]).map_err(|error| error.refusal().clone());
        assert!(publish(limit).is_ok());
        let refusal = publish(limit + 1).expect_err("too large");
        assert_eq!(refusal, PublishRefusal::TooLarge { size: limit + 1, limit });
    }
}

#[test]
fn x5_topic_cache_is_the_number_of_topics_that_are_remembered() {
    let remembered = |text: &str| {
        let bus = bus(text);
        for number in 0..50 {
            bus.publish(format!("t.{number}"), 1_u32).expect("publish");
        }
        format!("{:?}", bus.stats())
    };
    // Nothing of it shows but the time that a lookup takes: what reaches the builder is what can be tested.
    assert_eq!(remembered("topicCache: 10"), remembered("topicCache: 65536"));
    let builder = config("topicCache: 10").into_builder().expect("a builder");
    assert!(format!("{builder:?}").contains("topic_cache: 10,"), "{builder:?}");
}

#[test]
fn x5_max_tenants_is_the_most_that_a_bus_serves() {
    for (text, limit) in [("maxTenants: 2", 2), ("maxTenants: 0", 0), ("{}", 1024)] {
        let bus = bus(text);
        let served: Vec<_> = (0..=limit).map(|number| bus.tenant(format!("t{number}"))).collect();
        assert_eq!(served.iter().filter(|tenant| tenant.is_ok()).count(), limit, "{text}");
    }
}

#[test]
fn x5_routing_tenants_are_those_whose_events_the_rule_is_about() {
    let bus = bus("engines: [{name: shared, type: memory}, {name: large, type: memory}]\n\
         routing: [{topics: [\"order.*\"], tenants: [acme, globex], engine: large}]");
    let engine = |tenant: &str, topic: &str| {
        bus.tenant(tenant).expect("a tenant").explain(topic).expect("a topic").engine
    };
    assert_eq!((engine("acme", "order.7"), engine("globex", "order.7")), ("large".into(), "large".into()));
    assert_eq!((engine("acme", "user.7"), engine("other", "order.7")), ("shared".into(), "shared".into()));
    assert_eq!(bus.explain("order.7").expect("a topic").engine, "shared");
}

#[test]
fn x5_spin_reaches_the_workers() {
    // It shows in CPU time alone: what reaches the builder is what can be tested.
    for (text, expected) in
        [("spin: 0s", "spin: 0ns,"), ("spin: 20us", "spin: 20µs,"), ("spin: 0.5", "spin: 500ms,")]
    {
        let builder = config(text).into_builder().expect("a builder");
        assert!(format!("{builder:?}").contains(expected), "{builder:?}");
    }
}

#[test]
fn x5_quarantine_after_pauses_a_subscription_that_panics() {
    let _watchdog = watchdog("x5_quarantine_after");
    // Only this one is wanted: others shall be seen.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("wanted") {
            hook(panic);
        }
    }));
    let bus = bus("quarantineAfter: 2\nworkerCount: 1");
    let bad = bus.subscribe::<u32>("n").handle(|number| assert!(**number == 0, "wanted")).expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    eventually("one panic", || bad.stats().delivered == 1);
    assert!(!bad.is_paused());
    bus.publish("n", 1_u32).expect("publish");
    eventually("the quarantine", || bad.is_paused());
}

#[test]
fn x5_engine_is_the_only_one() {
    assert_eq!(config("engine: memory").engine(), "memory");
    let kind = |bus: &EventBus| bus.stats().engines[0].kind;
    assert_eq!(kind(&bus("engine: memory")), "memory");
    assert_eq!(kind(&started("engine: custom")), "custom");
}

/// A bus with engines that have to be started.
fn started(text: &str) -> EventBus {
    let builder = config(text).into_builder().unwrap_or_else(|error| panic!("{text}\n{error}"));
    builder.start().wait().unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[test]
fn x5_engines_name_and_type_and_routing_carry_topics() {
    let text = "
engines:
  - {name: near, type: memory}
  - {name: far, type: custom}
  - {name: kept, type: memory}
routing:
  - {topics: ['user.created'], engine: kept}
  - {topics: ['user.*', 'order.**'], engine: far}
";
    let bus = started(text);
    let names: Vec<_> = bus.stats().engines.iter().map(|engine| (engine.name.clone(), engine.kind)).collect();
    let expected = [("near", "memory"), ("far", "custom"), ("kept", "memory")];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let of = |topic: &str| bus.explain(topic).expect("a topic").engine;
    let routes = ["user.created", "user.deleted", "order", "order.7.paid", "other"].map(of);
    assert_eq!(routes, ["kept", "far", "far", "far", "near"]);
}

#[test]
#[cfg(feature = "json")]
fn x5_engines_config_changes_what_the_engine_does() {
    let _watchdog = watchdog("custom settings");
    let text = "
engines:
  - name: own
    type: custom
    config:
      maxEventQueueSize: 2
      defaultEventBufferSize: 1
      metricsInterval: 1h
      eventFilters: [{type: topicPrefix, prefixes: ['a.']}]
";
    let bus = started(text);
    let mut held = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    bus.publish("b.filtered", 0_u32).expect("skipped without an error");
    // One is handed over and not taken, two are queued, and the next is refused.
    let full = || (0..100_u32).find_map(|number| bus.publish("a.b", number).err());
    assert!(full().expect("the queue is bounded").to_string().contains("2 events are queued, the limit"));
    assert_eq!(*held.recv().expect("the first"), 0);
    assert_eq!(held.subscription().stats().skipped, 0);
}

#[test]
fn x5_engines_config_of_a_memory_engine_is_about_its_subscriptions_and_the_pool() {
    let bus = bus(
        "threadName: ofmem\ndefaultEventBufferSize: 50\nengines:\n  - {name: a, type: memory, config: {workerCount: 1, defaultEventBufferSize: 20}}\n  \
         - {name: b, type: memory, config: {workerCount: 2, maxEventQueueSize: 10}}\n  - {name: c, type: memory}\n\
         routing:\n  - {topics: ['b.*'], engine: b}\n  - {topics: ['c.*'], engine: c}\n",
    );
    let capacity = |pattern: &str| {
        let receiver = bus.subscribe::<u32>(pattern).receiver().expect("subscribe");
        let stats = bus.stats();
        drop(receiver);
        stats.subscriptions[0].capacity
    };
    // Its own, its limit, the bus's, and the smallest where a pattern reaches several.
    assert_eq!(["a.x", "b.x", "c.x", "*", "c.*"].map(capacity), [20, 10, 50, 10, 50]);
    let asks = |pattern: &str, events| bus.subscribe::<u32>(pattern).capacity(events).receiver().is_ok();
    assert!(asks("b.x", 10) && !asks("b.x", 11) && !asks("*", 11) && asks("c.x", 11));
    let _pooled = bus.subscribe::<u32>("a.x").name("w").handle(|_| ()).expect("subscribe");
    eventually("one and two workers", || threads_named("ofmem-") == 3);
}

#[test]
fn the_sample_of_the_original_s_documentation_is_read_as_it_stands() {
    // But for redis, which there is no engine for yet.
    let text = "
engines:
  - name: \"memory\"
    type: \"memory\"
    config:
      workerCount: 5
      maxEventQueueSize: 1000
  - name: \"redis\"
    type: \"custom\"
routing:
  - topics: [\"user.*\", \"auth.*\"]
    engine: \"memory\"
  - topics: [\"*\"]
    engine: \"redis\"
";
    let bus = started(text);
    let engine = |topic: &str| bus.explain(topic).expect("a topic").engine;
    assert_eq!(["user.created", "auth.login", "order.placed"].map(engine), ["memory", "memory", "redis"]);
}

#[test]
fn x5_event_ttl_is_how_long_events_are_worth_delivering() {
    for (text, seconds) in [("eventTTL: 90", 90), ("eventTTL: 1m 30s", 90), ("eventTTL: 2h", 7200)] {
        let clock = TestClock::new();
        let builder = config(text).into_builder().expect("a builder");
        let bus = builder.clock(clock.clone()).build().expect("valid");
        let mut receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        bus.publish("n", 1_u32).expect("publish");
        bus.publish("n", 2_u32).expect("publish");
        clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(receiver.try_recv().as_deref(), Ok(&1), "{text}");
        clock.advance(Duration::from_millis(1));
        assert!(receiver.try_recv().is_err(), "{text}");
        assert_eq!(receiver.subscription().stats().expired, 1, "{text}");
    }
}

#[test]
fn x5_topic_ttl_topics_and_ttl_are_rules_of_which_the_first_decides() {
    let clock = TestClock::new();
    let text = "eventTTL: 1h\ntopicTTL: [{topics: [a.b], ttl: 0s}, {topics: [a.*, c], ttl: 2}]";
    let bus = config(text).into_builder().expect("a builder").clock(clock.clone()).build().expect("valid");
    let mut receiver = bus.subscribe_any("*").receiver().expect("subscribe");
    for topic in ["a.b", "a.c", "c", "d"] {
        bus.publish(topic, 1_u32).expect("publish");
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(receiver.try_recv().expect("the second").topic().as_str(), "a.c");
    clock.advance(Duration::from_secs(1));
    assert_eq!(receiver.try_recv().expect("the last").topic().as_str(), "d");
    assert_eq!(receiver.subscription().stats().expired, 2);
}

#[test]
fn x5_dead_letters_topics_and_to_say_where_they_go() {
    let bus = bus("deadLetters: [{topics: [a.b], to: dead.one}, {topics: [a.*], to: dead.two}]");
    let mut dead = bus.subscribe_any("dead.*").receiver().expect("subscribe");
    let fails = |_: &trolleybus::AnyEvent| Err::<(), _>(trolleybus::HandlerError::new("no"));
    let _all = bus.subscribe_any_many(["a.*", "b"]).handle_inline(fails).expect("subscribe");
    for topic in ["a.b", "a.c", "b"] {
        bus.publish(topic, 1_u32).expect("publish");
    }
    let topics: Vec<_> =
        std::iter::from_fn(|| dead.try_recv().ok()).map(|event| event.topic().to_string()).collect();
    assert_eq!(topics, ["dead.one", "dead.two"]);
}

/// What is kept of each topic when five events were published to it.
fn kept(bus: &EventBus, topics: &[&str]) -> Vec<usize> {
    for topic in topics {
        (0..5_u32).for_each(|number| drop(bus.publish(*topic, number).expect("publish")));
    }
    topics.iter().map(|topic| bus.history(*topic).map_or(0, |history| history.iter().count())).collect()
}

#[test]
fn x5_retention_topics_and_count_are_rules_of_which_the_first_decides() {
    let rules = "[{topics: [secret.*], count: 0}, {topics: [a.*, c], count: 2}, {topics: [a.b, d]}]";
    let bus = bus(&format!("retention: {rules}"));
    assert_eq!(kept(&bus, &["a.b", "c", "d", "e", "secret.x"]), [2, 2, 5, 0, 0]);
}

#[test]
fn x5_retention_bytes_is_what_a_topic_may_take() {
    let bus = bus("retention: [{topics: [a], bytes: 1KiB}]");
    assert_eq!(kept(&bus, &["a"]), [4]);
}

#[test]
fn x5_retention_age_and_retention_days_are_how_long_events_are_kept() {
    for (text, longest) in [
        ("retention: [{topics: ['*'], age: 90}]", Duration::from_secs(90)),
        ("retentionDays: 7", Duration::from_secs(7 * 86_400)),
        ("retention: [{topics: [b], count: 1}]\nretentionDays: 1", Duration::from_secs(86_400)),
    ] {
        let clock = TestClock::new();
        let bus =
            config(text).into_builder().expect("a builder").clock(clock.clone()).build().expect("valid");
        assert_eq!(kept(&bus, &["a"]), [5], "{text}");
        clock.advance(longest - Duration::from_millis(1));
        assert_eq!(bus.history("a").expect("kept").iter().count(), 5, "{text}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(bus.history("a").expect("kept").iter().count(), 0, "{text}");
    }
}

#[test]
fn x5_retention_days_is_for_what_no_rule_is_about() {
    let bus = bus("retention: [{topics: [b], count: 1}]\nretentionDays: 1");
    assert_eq!(kept(&bus, &["a", "b"]), [5, 1]);
}

#[test]
fn x5_max_history_events_max_history_bytes_and_max_history_topics_bound_all_topics_together() {
    for (text, left) in [
        ("maxHistoryEvents: 7", [0, 5]),
        ("maxHistoryBytes: 1280", [0, 5]),
        ("maxHistoryTopics: 1", [0, 5]),
        ("maxHistoryEvents: 10", [5, 5]),
    ] {
        let bus = bus(&format!("retention: [{{topics: ['*']}}]\n{text}"));
        assert_eq!(kept(&bus, &["a", "b"]), left, "{text}");
    }
}

#[test]
fn rules_about_topics_are_checked_where_they_stand() {
    let refused = |text: &str| crate::refused(text, Format::Yaml);
    for (text, expected) in [
        (
            "topicTTL: [{topics: [], ttl: 1s}]",
            "text:1:21: topicTTL[0].topics: a list of 0 is out of range: it must be one or more",
        ),
        ("topicTTL: [{topics: [a]}]", "text:1:12: topicTTL[0]: \"ttl\" is missing"),
        (
            "topicTTL: [{topics: [a], ttl: 101years}]",
            "text:1:31: topicTTL[0].ttl: the text \"101years\" is out of range: it must be from 0s to 100years",
        ),
        (
            "deadLetters: [{topics: [a..b], to: dead}]",
            "text:1:25: deadLetters[0].topics[0]: \"a..b\" is no pattern: empty segment at byte 2",
        ),
        ("deadLetters: [{to: dead}]", "text:1:15: deadLetters[0]: \"topics\" is missing"),
        (
            "deadLetters: [{topics: [a], to: 'dead..x'}]",
            "text:1:33: deadLetters[0].to: \"dead..x\" is no topic: empty segment at byte 5",
        ),
        ("deadLetters: {topics: [a]}", "text:1:14: deadLetters: expected a list of rules, found a map"),
        (
            "deadLetters: [{topics: [a], too: dead}]",
            "text:1:15: deadLetters[0]: \"to\" is missing\ntext:1:29: deadLetters[0].too: unknown key; did you mean \"to\"?",
        ),
        ("retention: [{count: 1}]", "text:1:13: retention[0]: \"topics\" is missing"),
        (
            "retention: [{topics: [a], bytes: 0}]",
            "text:1:34: retention[0].bytes: 0 is out of range: it must be from 1B to 1TiB",
        ),
        (
            "retention: [{topics: [a], age: -1}]",
            "text:1:32: retention[0].age: -1 is out of range: it must be from 1ms to 100years",
        ),
    ] {
        assert_eq!(refused(text), expected);
    }
    let config =
        Config::new().with_retention([], trolleybus::Retention::new().count(0)).with_retention_days(0);
    let problems = config.check().expect_err("no pattern, and nothing").to_string();
    assert_eq!(problems.lines().count(), 3, "{problems}");
    let config = Config::new().with_ttl_of([], Duration::MAX);
    let problems = config.check().expect_err("no pattern, and too long").to_string();
    assert_eq!(problems.lines().count(), 2, "{problems}");
}
