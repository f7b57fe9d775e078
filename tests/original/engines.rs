//! What is to be the same whatever engine carries an event.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use trolleybus::{DeliveryMode, Event, EventBus};

use crate::eventually::eventually;
use crate::on_each_engine;
use crate::support::{PATIENCE, watchdog};

/// In the original a bare `*` matches nothing in one engine and everything in another, and breaks a third; `*` inside of a
/// name, `?` and `[]` are wildcards for some.
#[test]
fn d_all_4_patterns_mean_the_same_on_every_engine() {
    const TOPICS: [&str; 7] =
        ["user", "user.created", "user.a.created", "users", "order.7.paid", "u?er", "[u]"];
    const PATTERNS: [(&str, &[usize]); 9] = [
        ("*", &[0, 1, 2, 3, 4, 5, 6]),
        ("**", &[0, 1, 2, 3, 4, 5, 6]),
        ("user.*", &[1, 2]),
        ("user*", &[0, 1, 2, 3]),
        ("user.+", &[1]),
        ("user.**", &[0, 1, 2]),
        ("user.*.created", &[2]),
        ("u?er", &[5]),
        ("[u]", &[6]),
    ];
    let _watchdog = watchdog("d_all_4");
    for bus in on_each_engine(EventBus::builder) {
        let mut receivers =
            PATTERNS.map(|(pattern, _)| bus.subscribe_any(pattern).receiver().expect(pattern));
        let mut all = bus.subscribe_any("**").receiver().expect("subscribe");
        for topic in TOPICS {
            bus.publish(topic, 1_u32).expect(topic);
        }
        // Registered last: when it has everything, so have the others.
        for topic in TOPICS {
            assert_eq!(all.recv_timeout(PATIENCE).expect(topic).topic(), topic);
        }
        for ((pattern, expected), receiver) in PATTERNS.iter().zip(&mut receivers) {
            let found: Vec<_> = receiver.try_iter().map(|event| event.topic().to_string()).collect();
            let expected: Vec<_> = expected.iter().map(|topic| TOPICS[*topic]).collect();
            assert_eq!(found, expected, "{pattern} on {:?}", bus.stats().engines[0].kind);
        }
    }
}

/// In the original a panicking handler ends its subscription or its worker, or the process: five panics, and nothing
/// asynchronous is handled any more.
#[test]
fn d_all_7_a_handler_that_panics_keeps_its_subscription_and_its_worker_on_every_engine() {
    let _watchdog = watchdog("d_all_7");
    for bus in on_each_engine(|| EventBus::builder().workers(2)) {
        let handle = |number: &Event<u32>| assert!(**number >= 10, "wanted: a handler's panic");
        let subscriptions = [
            bus.subscribe::<u32>("n").handle_inline(handle).expect("subscribe"),
            bus.subscribe::<u32>("n").handle(handle).expect("subscribe"),
            bus.subscribe::<u32>("n")
                .handle_async(move |number| async move { handle(&number) })
                .expect("subscribe"),
        ];
        for number in 0..20_u32 {
            bus.publish("n", number).expect("publish");
        }
        for subscription in &subscriptions {
            eventually("all are handled", || subscription.stats().delivered == 20);
            assert_eq!(subscription.stats().failed, 10);
            assert!(!subscription.is_closed() && !subscription.is_paused());
        }
        assert_eq!(bus.subscriber_count("n"), Ok(3));
    }
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct UserData {
    name: String,
}

/// In the original `event.Payload.(UserData)` panics on everything but the memory engine, and all handlers write to the one
/// metadata map.
#[test]
fn d_all_9_a_typed_handler_works_on_every_engine_and_all_borrow_one_payload() {
    let _watchdog = watchdog("d_all_9");
    for bus in on_each_engine(EventBus::builder) {
        let (send, seen) = mpsc::channel();
        let look = move |event: &Event<UserData>| {
            let address = std::ptr::from_ref(event.payload()) as usize;
            send.send((event.name.clone(), address)).expect("the test waits");
        };
        let _inline = bus.subscribe::<UserData>("user.*").handle_inline(look.clone()).expect("subscribe");
        let _pooled = bus.subscribe::<UserData>("user.*").handle(look.clone()).expect("subscribe");
        let _async = bus
            .subscribe::<UserData>("user.*")
            .handle_async(move |event| {
                look(&event);
                async {}
            })
            .expect("subscribe");
        // Keeps the payload where it is.
        let mut kept = bus.subscribe::<UserData>("user.*").receiver().expect("subscribe");
        bus.publish("user.created", UserData { name: "ann".to_owned() }).expect("publish");
        let kept = kept.recv_timeout(PATIENCE).expect("an event");
        let address = std::ptr::from_ref(kept.payload()) as usize;
        for _ in 0..3 {
            assert_eq!(seen.recv_timeout(PATIENCE), Ok(("ann".to_owned(), address)));
        }
    }
}

/// In the original no call takes metadata: the sample in its documentation drops it.
#[test]
fn d_mod_2_metadata_reaches_every_handler_on_every_engine() {
    let _watchdog = watchdog("d_mod_2");
    for bus in on_each_engine(EventBus::builder) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let look = move |event: &Event<u32>| {
            let meta = ["source", "version", "other"].map(|name| event.meta(name).map(str::to_owned));
            note.lock().expect("lock").push((event.id(), event.key().map(str::to_owned), meta));
        };
        let subscriptions = [
            bus.subscribe::<u32>("payment.*").handle_inline(look.clone()).expect("subscribe"),
            bus.subscribe::<u32>("payment.*").handle(look).expect("subscribe"),
        ];
        let id = trolleybus::EventId::from_u128(7);
        let event = bus.event("payment.processed", 1_u32).id(id).key("customer-3");
        event.meta("source", "payment-service").meta("version", "1.2.0").publish().expect("publish");
        eventually("both are done", || subscriptions.iter().all(|one| one.stats().delivered == 1));
        let meta = [Some("payment-service".to_owned()), Some("1.2.0".to_owned()), None];
        let expected = (id, Some("customer-3".to_owned()), meta);
        assert_eq!(*seen.lock().expect("lock"), [expected.clone(), expected]);
    }
}

/// In the original mode `block` drops at a second hop, to the workers, which never waits; and the mode never reaches an
/// engine that a configuration names.
#[test]
fn d_mem_4_mode_block_loses_nothing_on_any_engine() {
    const EVENTS: u32 = 500;
    let _watchdog = watchdog("d_mem_4");
    for bus in on_each_engine(|| EventBus::builder().workers(1).capacity(1).delivery(DeliveryMode::Block)) {
        let subscriptions = [
            bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe"),
            bus.subscribe::<u32>("n").handle_async(|_| async {}).expect("subscribe"),
        ];
        for number in 0..EVENTS {
            bus.publish("n", number).expect("publish");
        }
        let report = bus.shutdown(PATIENCE).wait();
        assert!(report.complete, "{report:?}");
        for subscription in subscriptions {
            let ledger = subscription.stats();
            assert_eq!((ledger.delivered, ledger.dropped.total()), (EVENTS.into(), 0), "{ledger:?}");
        }
    }
}
