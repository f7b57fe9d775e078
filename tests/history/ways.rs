//! Every way to publish keeps the event, and every kind of subscription gets it beside those who replay.

use std::sync::{Arc, Mutex};

use trolleybus::{AnyEvent, EventBus, Start};

use crate::eventually::eventually;
use crate::poll_once::poll_once;
use crate::support::watchdog;
use crate::{keeping, kept_numbers};

/// Publishes 1 to 12, in as many ways as there are.
fn in_every_way(bus: &EventBus) {
    bus.publish("a", 1_u32).expect("open");
    bus.try_publish("a", 2_u32).expect("open");
    assert!(poll_once(&mut bus.publish_async("a", 3_u32)).is_ready());
    bus.publish_local("a", 4_u32).expect("open");
    bus.event("a", 5_u32).key("k").publish().expect("open");
    bus.event("a", 6_u32).try_publish().expect("open");
    let handle = bus.publisher::<u32>("a").expect("a topic");
    assert!(handle.has_subscribers());
    handle.publish(7).expect("open");
    handle.try_publish(8).expect("open");
    assert!(poll_once(&mut handle.publish_async(9)).is_ready());
    handle.publish_batch([10, 11, 12]).expect("open");
}

#[test]
fn t4_every_way_to_publish_keeps_the_event_and_everybody_gets_it_once_in_order() {
    let _watchdog = watchdog("ways to publish");
    let bus = keeping(100);
    in_every_way(&bus);
    let all: Vec<u32> = (1..=12).collect();
    assert_eq!(kept_numbers(&bus, "a"), all, "also if nobody subscribes");

    let bus = keeping(100);
    let seen = Arc::new(Mutex::new(vec![Vec::new(); 6]));
    let note = |who: usize| {
        let seen = Arc::clone(&seen);
        move |number: u32, sequence: Option<u64>| {
            seen.lock().expect("lock")[who].push((number, sequence.expect("it is kept")));
        }
    };
    let of_any = |event: &AnyEvent| *event.payload::<u32>().expect("a number");
    let (inline, any, pooled, async_, grouped, follows) =
        (note(0), note(1), note(2), note(3), note(4), note(5));
    let subscribe = || bus.subscribe::<u32>("a");
    let subscriptions = [
        subscribe().handle_inline(move |event| inline(**event, event.sequence())),
        bus.subscribe_any("*").handle_inline(move |event| any(of_any(event), event.sequence())),
        subscribe().handle(move |event| pooled(**event, event.sequence())),
        subscribe().handle_async(move |event| {
            async_(*event, event.sequence());
            std::future::ready(())
        }),
        subscribe().group("g").handle_inline(move |event| grouped(**event, event.sequence())),
        subscribe().from(Start::Beginning).handle(move |event| follows(**event, event.sequence())),
    ]
    .map(|subscription| subscription.expect("subscribe"));
    let mut live = subscribe().receiver().expect("subscribe");
    in_every_way(&bus);
    eventually("all are handled", || subscriptions.iter().all(|one| one.stats().delivered == 12));
    let expected: Vec<(u32, u64)> = all.iter().map(|number| (*number, u64::from(*number))).collect();
    for seen in &*seen.lock().expect("lock") {
        assert_eq!(*seen, expected);
    }
    assert_eq!(crate::drain(&mut live), all);
    for subscription in &subscriptions {
        let ledger = subscription.stats();
        assert!(ledger.is_balanced() && ledger.offered == 12, "{ledger:?}");
    }
}

#[test]
fn receipts_tell_of_those_who_replay_and_of_all_others() {
    let bus = keeping(100);
    let _inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("subscribe");
    let _queue = bus.subscribe::<u32>("a").receiver().expect("subscribe");
    let _follows = crate::replay(&bus, "a", Start::Beginning);
    let _other = bus.subscribe::<String>("a").from(Start::Beginning).receiver().expect("subscribe");
    let _picky =
        bus.subscribe::<u32>("a").filter(|_| false).from(Start::Beginning).receiver().expect("subscribe");
    let receipt = bus.publish("a", 1_u32).expect("open");
    assert_eq!((receipt.delivered(), receipt.queued(), receipt.filtered(), receipt.skipped()), (1, 2, 1, 1));
}

#[test]
fn r3_a_publish_that_is_nested_too_deep_is_refused_and_not_kept() {
    let bus = EventBus::builder().inline_depth(1).retain(["*"], trolleybus::Retention::new());
    let bus = bus.build().expect("valid");
    let _inner = bus.subscribe::<u32>("b").handle_inline(|_| ()).expect("subscribe");
    let weak = bus.downgrade();
    let _outer = bus
        .subscribe::<u32>("a")
        .handle_inline(move |event| {
            let bus = weak.upgrade().expect("it lives");
            bus.publish("b", **event).map(drop).expect_err("too deep");
        })
        .expect("subscribe");
    bus.publish("a", 1_u32).expect("open");
    assert_eq!(kept_numbers(&bus, "a"), [1]);
    assert_eq!(kept_numbers(&bus, "b"), [0_u32; 0]);
}
