//! Calls on a bus that was shut down or is gone.

use std::time::Duration;

use trolleybus::{EventBus, PublishRefusal, RecvTimeoutError, SubscribeError, TryRecvError};

use crate::faces::{SECRET, check_refusal, every_face, now, refused};
use crate::support::watchdog;

#[test]
fn d_all_12_a_bus_that_was_shut_down_gives_every_payload_back_and_makes_no_subscription() {
    let _watchdog =
        watchdog("d_all_12_a_bus_that_was_shut_down_gives_every_payload_back_and_makes_no_subscription");
    let bus = EventBus::new();
    let publisher = bus.publisher::<String>("a").expect("a topic");
    let kept = bus.subscribe_any("a").handle(|_| ()).expect("subscribe");
    let before = bus.event("a", SECRET.to_owned());
    assert!(bus.shutdown(Duration::from_secs(20)).wait().complete);
    assert!(bus.is_closed() && kept.is_closed());
    let mut results = every_face(&bus, "a");
    results.push(("begun before", before.publish()));
    results.push(("by handle", publisher.publish(SECRET.to_owned())));
    results.push(("try by handle", publisher.try_publish(SECRET.to_owned())));
    results.push(("async by handle", now(publisher.publish_async(SECRET.to_owned()))));
    results.push(("batch", publisher.publish_batch([SECRET.to_owned(), SECRET.to_owned()])));
    for (face, result) in results {
        check_refusal(face, result.expect_err(face), &PublishRefusal::ShutDown);
    }
    check_refusal("raw", bus.publish_raw("a", SECRET).expect_err("raw"), &PublishRefusal::ShutDown);
    refused(|| bus.subscribe::<u32>("a"), |error| matches!(error, SubscribeError::ShutDown));
    let error = bus.expect::<u32>("a", Duration::MAX).err();
    assert!(matches!(error, Some(SubscribeError::ShutDown)), "{error:?}");
    // Again, and again.
    assert!(bus.shutdown(Duration::ZERO).wait().complete);
    assert!(bus.shutdown(Duration::MAX).discarding().wait().complete);
    assert!(bus.topics().is_empty());
}

#[test]
fn a_shutdown_inside_a_handler_and_inside_a_shutdown_ends() {
    let _watchdog = watchdog("a_shutdown_inside_a_handler_and_inside_a_shutdown_ends");
    let bus = EventBus::new();
    let weak = bus.downgrade();
    let handle = bus
        .subscribe::<u32>("a")
        .handle_inline(move |_| {
            let Some(bus) = weak.upgrade() else { return };
            let outer = bus.shutdown(Duration::MAX);
            // Its own handler is not waited for.
            let inner = bus.shutdown(Duration::from_secs(20)).wait();
            assert!(bus.publish("a", 1_u32).is_err());
            drop((outer.wait(), inner));
        })
        .expect("subscribe");
    assert_eq!(bus.publish("a", 1_u32).expect("publish").failed(), 0);
    assert!(bus.is_closed() && handle.stats().is_balanced());
    assert_eq!(handle.stats().delivered, 1);
}

#[test]
fn what_is_left_of_a_bus_that_is_gone_says_so() {
    let _watchdog = watchdog("what_is_left_of_a_bus_that_is_gone_says_so");
    let bus = EventBus::new();
    let weak = bus.downgrade();
    let publisher = bus.publisher::<String>("a").expect("a topic");
    let pooled = bus.subscribe_any("**").handle(|_| ()).expect("subscribe");
    let mut receiver = bus.subscribe::<String>("a").receiver().expect("subscribe");
    let expected = bus.expect::<String>("b", Duration::MAX).expect("subscribe");
    let builder = bus.subscribe::<u32>("a");
    let event = bus.event("a", SECRET.to_owned());
    let publish = bus.publish_async("a", SECRET.to_owned());
    publisher.publish("queued".to_owned()).expect("publish");
    drop(bus);
    assert!(weak.upgrade().is_none());
    let results = [
        ("publisher", publisher.publish(SECRET.to_owned())),
        ("event", event.publish()),
        ("future", now(publish)),
    ];
    for (face, result) in results {
        check_refusal(face, result.expect_err(face), &PublishRefusal::ShutDown);
    }
    assert!(!publisher.has_subscribers());
    assert!(matches!(builder.receiver(), Err(SubscribeError::ShutDown)));
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
    assert!(receiver.recv().is_err() && receiver.iter().next().is_none());
    assert_eq!(receiver.recv_timeout(Duration::MAX).err(), Some(RecvTimeoutError::Closed));
    assert_eq!(receiver.subscription().stats().dropped.shutdown, 1);
    assert_eq!(expected.wait().err(), Some(RecvTimeoutError::Closed));
    pooled.pause();
    pooled.resume();
    pooled.cancel();
    pooled.cancel_and_wait().wait();
    assert!(pooled.drain(Duration::MAX).wait().complete);
    assert!(pooled.is_closed() && pooled.stats().is_balanced());
}
