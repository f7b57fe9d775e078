//! Publishing to a topic that an engine carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};
use trolleybus::engine::EngineErrorKind;
use trolleybus::{EventBus, EventId, PublishRefusal, Raw};

use crate::faulty_engine::{Call, Does, Plan, Remote};
use crate::support::watchdog;

fn carried(remote: &Remote) -> EventBus {
    EventBus::builder()
        .engine("far", remote.engine())
        .route("far", ["far.*"])
        .engine_timeout(Duration::from_millis(100))
        .start()
        .wait()
        .expect("it starts")
}

#[test]
fn the_receipt_says_which_engine_accepted_the_event_and_where() {
    let _watchdog = watchdog("receipt");
    let remote = Remote::default();
    let bus = carried(&remote);
    let _near = bus.subscribe::<u32>("*").handle_inline(|_| ()).expect("subscribe");
    let handle = bus.publisher::<u32>("far.b").expect("a topic");
    assert!(handle.has_subscribers());
    let receipts = [
        bus.publish("far.a", 1_u32).expect("taken"),
        smol::block_on(bus.publish_async("far.a", 2_u32)).expect("taken"),
        bus.event("far.a", 3_u32).key("k").meta("m", "v").publish().expect("taken"),
        bus.publish_raw("far.a", "raw").expect("taken"),
        handle.publish(4).expect("taken"),
        handle.publish_batch([5, 6]).expect("taken"),
    ];
    for receipt in receipts {
        let accepted = receipt.accepted().expect("an engine carries it");
        assert_eq!((&*accepted.engine, accepted.position.name()), ("far", Some("here")));
        // Who is matched shows when it arrives.
        assert_eq!(receipt.matched(), 0);
    }
    let near = bus.publish("near.a", 1_u32).expect("taken");
    assert_eq!((near.accepted(), near.delivered()), (None, 1));
    let stats = bus.stats().engines[1].transport.clone().expect("a transport");
    assert_eq!((stats.published, stats.refused, stats.unknown), (7, 0, 0));
}

#[test]
fn an_engine_that_does_not_take_an_event_gives_it_back_and_says_whether_it_is_lost_for_sure() {
    let _watchdog = watchdog("errors");
    let remote = Remote::default();
    let bus = carried(&remote);
    for (does, kind, unknown) in [
        (Does::Fails, EngineErrorKind::Rejected, false),
        (Does::Unknown, EngineErrorKind::Connection, true),
        (Does::Hangs, EngineErrorKind::Timeout, true),
        (Does::Panics, EngineErrorKind::Panicked, true),
    ] {
        remote.change(|plan| plan.publish = does);
        for error in [
            bus.publish("far.a", vec![1, 2]).expect_err("as told"),
            smol::block_on(bus.publish_async("far.a", vec![1, 2])).expect_err("as told"),
        ] {
            let PublishRefusal::Engine { engine, error: cause } = error.refusal() else {
                panic!("{error:?}")
            };
            assert_eq!((&**engine, cause.kind()), ("far", kind));
            assert_eq!(error.is_unknown(), unknown, "{does:?}");
            assert_eq!(error.into_payload(), [1, 2]);
        }
    }
    let stats = bus.stats().engines[1].transport.clone().expect("a transport");
    assert_eq!((stats.published, stats.refused, stats.unknown), (0, 2, 6));
    // The others are not touched.
    assert!(bus.publish("near", 1_u32).is_ok());
}

#[test]
fn the_deadline_of_an_event_bounds_the_wait_for_an_engine() {
    let _watchdog = watchdog("deadline");
    let remote = Remote::new(Plan { publish: Does::Hangs, ..Plan::default() });
    let bus = EventBus::builder()
        .engine("far", remote.engine())
        .default_engine("far")
        .start()
        .wait()
        .expect("start");
    let error = bus.event("a", 1_u32).deadline(Duration::from_millis(1)).publish().expect_err("it hangs");
    assert!(error.is_unknown());
}

#[test]
fn a_publish_that_nobody_awaits_any_more_ends_quietly() {
    let _watchdog = watchdog("dropped publish");
    let remote = Remote::new(Plan { publish: Does::Hangs, ..Plan::default() });
    let bus = carried(&remote);
    let mut publish = bus.publish_async("far.a", 1_u32);
    smol::block_on(async {
        assert!(smol::future::poll_once(&mut publish).await.is_none());
    });
    drop(publish);
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
}

#[test]
fn what_an_engine_cannot_carry_is_refused_at_the_call() {
    let remote = Remote::default();
    let bus = carried(&remote);
    let local = bus.publish_local("far.a", std::sync::mpsc::channel::<u8>().0).expect_err("it cannot travel");
    assert_eq!(*local.refusal(), PublishRefusal::StaysLocal { engine: "far".to_owned() });
    let now = bus.try_publish("far.a", 7_u32).expect_err("an engine is waited for");
    assert_eq!(*now.refusal(), PublishRefusal::WouldWait { engine: "far".to_owned() });
    assert_eq!(now.into_payload(), 7);
    let completion = bus.event("far.a", 7_u32).on_complete(|_| ()).publish().expect_err("nobody can tell");
    assert_eq!(*completion.refusal(), PublishRefusal::NoCompletion { engine: "far".to_owned() });
    assert_eq!(remote.calls(), [Call::Start]);
}

/// Cannot be serialised, each in its way.
enum Bad {
    Errs,
    Panics,
}

impl Serialize for Bad {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Errs => Err(serde::ser::Error::custom("no")),
            Self::Panics => panic!("no"),
        }
    }
}

#[test]
fn a_payload_that_cannot_be_encoded_comes_back() {
    let remote = Remote::default();
    let bus = carried(&remote);
    for bad in [Bad::Errs, Bad::Panics] {
        let error = bus.publish("far.a", bad).expect_err("it cannot be encoded");
        assert!(matches!(error.refusal(), PublishRefusal::Encode(_)), "{error:?}");
    }
    assert_eq!(remote.calls(), [Call::Start]);
    // In process nobody encodes it.
    assert!(bus.publish("near", Bad::Errs).is_ok());
}

#[test]
fn d_mod_2_an_event_keeps_its_id_key_metadata_and_time_on_the_way() {
    let _watchdog = watchdog("envelope");
    let remote = Remote::default();
    let seen = Arc::new(AtomicU32::new(0));
    let bus = carried(&remote);
    let id = EventId::from_u128(7);
    let _sub = bus
        .subscribe::<String>("far.*")
        .handle_inline({
            let seen = Arc::clone(&seen);
            move |event| {
                assert_eq!((event.id(), event.key(), event.meta("m")), (id, Some("k"), Some("v")));
                assert_eq!(**event, "hello");
                seen.fetch_add(1, Ordering::Relaxed);
            }
        })
        .expect("subscribe");
    bus.event("far.a", "hello").id(id).key("k").meta("m", "v").publish().expect("taken");
    let envelope = remote.published().pop().expect("one was published");
    let outcome =
        crate::faulty_engine::block_on(remote.arrive(envelope, trolleybus::engine::Scope::Everyone));
    assert_eq!(outcome.expect("offered").done, 1);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn raw_bytes_travel_as_they_are() {
    let _watchdog = watchdog("raw");
    let remote = Remote::default();
    let bus = carried(&remote);
    let mut raw = bus.subscribe_raw("far.*").receiver().expect("subscribe");
    bus.publish_raw("far.a", Raw::from(&[0xff_u8, 0][..])).expect("taken");
    let envelope = remote.published().pop().expect("one was published");
    drop(remote.arrive(envelope, trolleybus::engine::Scope::Everyone));
    assert_eq!(&**raw.recv().expect("it arrives"), [0xff, 0]);
}
