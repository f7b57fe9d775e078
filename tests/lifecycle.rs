//! What a bus tells of itself, to whom, and at what price.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/heard.rs"]
mod heard;
mod support;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use eventually::eventually;
use gate::gate;
use heard::{PREFIX, all, heard, names};
use support::{PATIENCE, watchdog};
use trolleybus::lifecycle::{LifecycleEvent, LifecycleValue};
use trolleybus::{EventBus, HandlerError};

#[test]
fn d_mod_3_d_mod_5_a_life_is_told_in_its_order() {
    let _watchdog = watchdog("order");
    let (builder, heard) = heard(EventBus::builder().workers(2));
    let bus = builder.build().expect("built");
    let first = bus.subscribe::<u32>("user.*").handle_inline(|_| ()).expect("subscribe");
    let second = bus
        .subscribe::<u32>("user.*")
        .handle_inline(|number| if **number == 0 { Err(HandlerError::new("zero")) } else { Ok(()) })
        .expect("subscribe");
    bus.publish("user.created", 1_u32).expect("published");
    bus.publish("user.created", 0_u32).expect("published");
    assert!(bus.emit(LifecycleEvent::new("com.example.deployed", "deployer").with("version", 7_u64)));
    let (first_id, second_id) = (first.id().to_string(), second.id().to_string());
    first.cancel();
    drop(second);
    bus.publish("", 1_u32).expect_err("no topic");
    let events = all(&bus, &heard);
    let expected = [
        "bus.started",
        "subscription.created",
        "topic.created",
        "subscription.created",
        "message.received",
        "message.received",
        "message.published",
        "message.received",
        "message.received",
        "message.failed",
        "message.published",
        "com.example.deployed",
        "subscription.removed",
        "subscription.removed",
        "topic.deleted",
        "message.failed",
        "bus.stopped",
    ];
    assert_eq!(names(&events), expected);
    assert_eq!(
        (events[0].text("engine"), events[0].get("workers")),
        (Some("memory"), Some(&LifecycleValue::Count(2)))
    );
    assert_eq!(
        (events[1].text("topic"), events[1].text("subscription_id")),
        (Some("user.*"), Some(&*first_id))
    );
    assert_eq!(events[1].get("async"), Some(&LifecycleValue::Flag(false)));
    assert_eq!(events[2].text("topic"), Some("user.*"));
    assert_eq!(
        (events[4].text("topic"), events[4].text("subscription_id")),
        (Some("user.created"), Some(&*first_id))
    );
    assert!(matches!(events[6].get("duration_ms"), Some(LifecycleValue::Measure(took)) if *took >= 0.0));
    assert_eq!(
        (events[9].text("error"), events[9].text("subscription_id")),
        (Some("zero"), Some(&*second_id))
    );
    assert_eq!(events[11].get("version"), Some(&LifecycleValue::Count(7)));
    assert_eq!((events[15].text("topic"), events[15].text("subscription_id")), (Some(""), None));
    assert_eq!(events[16].text("engine"), Some("memory"));
    let mut ids: Vec<_> = events.iter().map(LifecycleEvent::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn every_kind_of_handler_is_told_of_before_it_starts() {
    let _watchdog = watchdog("kinds");
    let (builder, heard) = heard(EventBus::builder().workers(1));
    let bus = builder.build().expect("built");
    let _inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("subscribe");
    let pooled = bus.subscribe::<u32>("a").handle(|_| ()).expect("subscribe");
    let tasks = bus.subscribe::<u32>("a").handle_async(|_| async {}).expect("subscribe");
    let mut receiver = bus.subscribe::<u32>("a").receiver().expect("subscribe");
    bus.publish("a", 1_u32).expect("published");
    receiver.recv().expect("it comes");
    eventually("all are done", || [&pooled, &tasks].iter().all(|sub| sub.stats().delivered == 1));
    let events = all(&bus, &heard);
    assert_eq!(names(&events).iter().filter(|name| **name == "message.received").count(), 4);
}

#[test]
fn topics_come_with_the_first_subscription_and_go_with_the_last() {
    let _watchdog = watchdog("topics");
    let (builder, heard) = heard(EventBus::builder());
    let bus = builder.build().expect("built");
    for patterns in [vec!["a"], vec!["a", "b.*"], vec!["b.*"]] {
        for group in [None, Some("g")] {
            let subscribe = || {
                let builder = bus.subscribe_many::<u32, _>(patterns.clone());
                let builder = if let Some(group) = group { builder.group(group) } else { builder };
                builder.receiver().expect("subscribe")
            };
            let (one, other) = (subscribe(), subscribe());
            drop(one);
            drop(other);
        }
    }
    let events = all(&bus, &heard);
    let mut there = std::collections::BTreeSet::new();
    let mut told = 0;
    for event in &events {
        let topic = event.text("topic").unwrap_or_default().to_owned();
        match event.event_type().strip_prefix(PREFIX) {
            Some("topic.created") => assert!(there.insert(topic), "created twice"),
            Some("topic.deleted") => assert!(there.remove(&topic), "deleted and not there"),
            _ => continue,
        }
        told += 1;
    }
    assert_eq!((told, there.len()), (16, 0));
}

#[test]
fn x2_d_mod_5_a_listener_that_hangs_holds_nobody_up_and_what_it_misses_is_counted() {
    let _watchdog = watchdog("hanging listener");
    let (gate, opens) = gate();
    let hangs = Arc::clone(&gate);
    let bus = EventBus::builder().on_lifecycle(move |_| hangs.pass()).build().expect("built");
    let inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("subscribe");
    let pooled = bus.subscribe::<u32>("a").capacity(1 << 16).handle(|_| ()).expect("subscribe");
    for number in 0..10_000_u32 {
        bus.publish("a", number).expect("published");
    }
    eventually("all are handled", || pooled.stats().delivered == 10_000);
    assert_eq!(inline.stats().delivered, 10_000);
    assert!(bus.stats().lifecycle_dropped > 10_000, "{}", bus.stats().lifecycle_dropped);
    let report = bus.shutdown(Duration::from_secs(5)).wait();
    assert!(report.complete);
    eventually("it hangs in the first of them", || gate.inside() == 1);
    drop(opens);
}

#[test]
fn x2_a_listener_that_panics_is_called_again_and_disturbs_no_other() {
    let _watchdog = watchdog("panicking listener");
    let (builder, heard) = heard(EventBus::builder().on_lifecycle(|_| panic!("as told")));
    let bus = builder.build().expect("built");
    let inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("subscribe");
    bus.publish("a", 1_u32).expect("published");
    assert_eq!(inline.stats().delivered, 1);
    assert_eq!(names(&all(&bus, &heard)).len(), 7);
}

#[test]
fn x2_a_listener_may_use_the_bus_and_shut_it_down() {
    let _watchdog = watchdog("listener uses the bus");
    let slot: Arc<Mutex<Option<EventBus>>> = Arc::default();
    let inside = Arc::clone(&slot);
    let (done, is_done) = mpsc::channel();
    let bus = EventBus::builder()
        .on_lifecycle(move |event| {
            if event.text("topic") == Some("last") {
                let bus = inside.lock().expect("lock").take();
                if let Some(bus) = bus {
                    let complete = bus.shutdown(Duration::from_secs(5)).wait().complete;
                    done.send(complete).expect("the test waits");
                }
            }
        })
        .build()
        .expect("built");
    *slot.lock().expect("lock") = Some(bus.clone());
    bus.publish("last", 1_u32).expect("published");
    assert!(is_done.recv_timeout(PATIENCE).expect("it returns"));
}

#[test]
fn quarantines_and_refused_topics_are_told() {
    let _watchdog = watchdog("more types");
    let builder = EventBus::builder().quarantine_after(NonZeroU32::MIN).topic_cache(0);
    let (builder, heard) = heard(builder);
    let bus = builder.build().expect("built");
    let _panics =
        bus.subscribe::<u32>("*").handle_inline(|_| -> () { panic!("as told") }).expect("subscribe");
    for _ in 0..2 {
        bus.publish("a", 1_u32).expect("published");
    }
    let events = all(&bus, &heard);
    let find = |name: &str| events.iter().find(|event| event.event_type() == format!("{PREFIX}{name}"));
    assert_eq!(
        find("subscription.quarantined").expect("told").get("panics"),
        Some(&LifecycleValue::Count(1))
    );
    assert_eq!(find("topic.refused").expect("told").text("topic"), Some("a"));
}

#[test]
fn d_mod_5_nobody_listens_and_nothing_is_told() {
    let bus = EventBus::new();
    assert!(!bus.emit(LifecycleEvent::new("com.example.deployed", "deployer")));
    assert_eq!(bus.stats().lifecycle_dropped, 0);
}
