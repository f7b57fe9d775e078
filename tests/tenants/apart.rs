//! What is apart.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{AnyEvent, EventBus, Receiver, Tenant, TenantError};

use trolleybus::lifecycle::LifecycleEvent;

use crate::eventually::eventually;
use crate::support::watchdog;

/// Whose events a receiver has got, by what they hold.
fn got(receiver: &mut Receiver<AnyEvent>) -> Vec<(Option<String>, u32)> {
    let whose = |event: &AnyEvent| event.tenant().map(ToString::to_string);
    receiver.try_iter().map(|event| (whose(&event), *event.payload().expect("a number"))).collect()
}

#[test]
fn no_pattern_crosses_from_one_tenant_to_another() {
    let bus = EventBus::new();
    let handles =
        [bus.clone(), bus.tenant("acme").expect("a tenant"), bus.tenant("globex").expect("a tenant")];
    for pattern in ["*", "**", "user.*", "user.created", "+.created"] {
        let mut receivers =
            handles.each_ref().map(|handle| handle.subscribe_any(pattern).receiver().expect("a receiver"));
        for (number, handle) in (0_u32..).zip(&handles) {
            let receipt = handle.publish("user.created", number).expect("open");
            assert_eq!(receipt.matched(), 1, "{pattern}");
        }
        for (number, (handle, receiver)) in (0_u32..).zip(handles.iter().zip(&mut receivers)) {
            let whose = handle.current_tenant().map(ToString::to_string);
            assert_eq!(got(receiver), [(whose, number)], "{pattern}");
        }
    }
}

#[test]
fn every_way_to_publish_says_whose_the_event_is() {
    let bus = EventBus::new();
    let acme = bus.tenant("acme").expect("a tenant");
    let mut none = bus.subscribe_any("*").receiver().expect("a receiver");
    let mut mine = acme.subscribe_any("*").receiver().expect("a receiver");
    let typed = acme.publisher::<u32>("n").expect("a topic");
    acme.publish("n", 1_u32).expect("open");
    acme.try_publish("n", 2_u32).expect("open");
    acme.publish_local("n", 3_u32).expect("open");
    smol::block_on(acme.publish_async("n", 4_u32)).expect("open");
    acme.event("n", 5_u32).key("k").publish().expect("open");
    smol::block_on(acme.event("n", 6_u32).publish_async()).expect("open");
    typed.publish(7).expect("open");
    typed.try_publish(8).expect("open");
    typed.publish_batch([9, 10]).expect("open");
    smol::block_on(typed.clone().publish_async(11)).expect("open");
    acme.downgrade().upgrade().expect("it lives").publish("n", 12_u32).expect("open");
    let all: Vec<_> = (1..=12).map(|number| (Some("acme".to_owned()), number)).collect();
    assert_eq!(got(&mut mine), all);
    assert_eq!(got(&mut none), []);
}

#[test]
fn every_kind_of_subscription_gets_its_tenants_events_alone() {
    let _watchdog = watchdog("kinds");
    let bus = EventBus::new();
    let [acme, globex] = ["acme", "globex"].map(|name| bus.tenant(name).expect("a tenant"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |kind: &'static str| {
        let seen = Arc::clone(&seen);
        move |event: &trolleybus::Event<u32>| {
            let whose = event.tenant().expect("a tenant's").to_string();
            seen.lock().expect("lock").push((kind, whose, **event));
        }
    };
    let (inline, pooled, polled) = (note("inline"), note("pooled"), note("async"));
    let _inline = acme.subscribe::<u32>("*").handle_inline(inline).expect("subscribe");
    let _pooled = acme.subscribe::<u32>("*").handle(pooled).expect("subscribe");
    let polled = Arc::new(polled);
    let _async = acme
        .subscribe::<u32>("*")
        .handle_async(move |event| {
            let polled = Arc::clone(&polled);
            async move { polled(&event) }
        })
        .expect("subscribe");
    globex.publish("n", 1_u32).expect("open");
    bus.publish("n", 2_u32).expect("open");
    acme.publish("n", 3_u32).expect("open");
    eventually("all three", || seen.lock().expect("lock").len() == 3);
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
    let mut seen = seen.lock().expect("lock").clone();
    seen.sort();
    assert_eq!(seen, ["async", "inline", "pooled"].map(|kind| (kind, "acme".to_owned(), 3)));
}

#[test]
fn groups_of_two_tenants_are_two_whatever_they_are_called() {
    let bus = EventBus::new();
    let members = ["acme", "globex"].map(|name| {
        let tenant = bus.tenant(name).expect("a tenant");
        let receiver = tenant.subscribe_any("*").group("workers").receiver().expect("a receiver");
        (tenant, receiver)
    });
    for (tenant, _) in &members {
        for number in 0..4_u32 {
            tenant.publish("n", number).expect("open");
        }
    }
    for (_, mut receiver) in members {
        assert_eq!(receiver.try_iter().count(), 4);
    }
}

#[test]
fn what_a_tenants_handle_tells_is_about_the_tenant() {
    let bus = EventBus::new();
    let acme = bus.tenant("acme").expect("a tenant");
    let _common = bus.subscribe_any("user.*").handle_inline(|_| ()).expect("subscribe");
    let mine = acme.subscribe_any("order.*").handle_inline(|_| ()).expect("subscribe");
    let patterns =
        |bus: &EventBus| bus.topics().iter().map(|topic| topic.pattern.to_string()).collect::<Vec<_>>();
    assert_eq!((patterns(&bus), patterns(&acme)), (vec!["user.*".to_owned()], vec!["order.*".to_owned()]));
    assert_eq!(acme.subscriber_count("order.7"), Ok(1));
    assert_eq!((bus.subscriber_count("order.7"), acme.subscriber_count("user.7")), (Ok(0), Ok(0)));
    let near = acme.explain("user.created").expect("a topic");
    assert!(near.matching.is_empty() && near.near.is_empty(), "{near}");
    assert_eq!(acme.explain("order.7").expect("a topic").matching[0].subscription, mine.id());
    // Handles of handles: the tenant is not a path.
    let globex = acme.tenant("globex").expect("a tenant");
    assert_eq!(globex.current_tenant().map(Tenant::as_str), Some("globex"));
    assert!(format!("{globex:?}").contains("globex"));
}

#[test]
fn the_bus_is_one_and_ends_for_all() {
    let _watchdog = watchdog("ends for all");
    let bus = EventBus::new();
    let acme = bus.tenant("acme").expect("a tenant");
    let mut received = acme.subscribe_any("*").receiver().expect("a receiver");
    drop(bus);
    acme.publish("n", 1_u32).expect("a tenant's handle keeps the bus alive");
    let weak = acme.downgrade();
    assert!(acme.shutdown(Duration::ZERO).wait().unfinished.len() <= 1);
    assert!(acme.publish("n", 2_u32).expect_err("closed").is_shut_down());
    assert!(acme.tenant("globex").expect("a name").subscribe_any("*").handle_inline(|_| ()).is_err());
    drop(acme);
    assert!(weak.upgrade().is_none());
    assert!(received.recv().is_err());
}

#[test]
fn x2_events_of_the_bus_s_life_say_whom_they_are_about() {
    let _watchdog = watchdog("life");
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let bus = EventBus::builder()
        .on_lifecycle(move |event: &LifecycleEvent| {
            let name = event.event_type().rsplit_once("eventbus.").expect("ours").1.to_owned();
            note.lock().expect("lock").push((name, event.text("tenant").map(str::to_owned)));
        })
        .build()
        .expect("valid");
    let acme = bus.tenant("acme").expect("a tenant");
    let subscription =
        acme.subscribe_any("n").handle_inline(|_| Err::<(), _>(std::fmt::Error)).expect("subscribe");
    acme.publish("n", 1_u32).expect("open");
    acme.publish("no topic", 1_u32).expect_err("refused");
    bus.publish("n", 1_u32).expect("open");
    drop(subscription);
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
    let acme = Some("acme");
    let expected = [
        ("bus.started", None),
        ("subscription.created", acme),
        ("topic.created", acme),
        ("message.received", acme),
        ("message.failed", acme),
        ("message.published", acme),
        ("message.failed", acme),
        ("message.published", None),
        ("subscription.removed", acme),
        ("topic.deleted", acme),
        ("bus.stopped", None),
    ];
    let expected = expected.map(|(name, whose)| (name.to_owned(), whose.map(str::to_owned)));
    assert_eq!(*told.lock().expect("lock"), expected);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let bus = EventBus::new();
    assert_eq!(bus.tenant("").expect_err("empty"), TenantError::Empty);
    assert_eq!(bus.tenant("a.b").expect_err("a separator"), TenantError::Character { position: 1 });
    let tenant = Tenant::new("acme").expect("a tenant");
    assert_eq!(bus.tenant(&tenant).expect("by reference").current_tenant(), Some(&tenant));
    assert_eq!(bus.tenant(tenant.clone()).expect("by value").current_tenant(), Some(&tenant));
}
