//! Topics and patterns that are none are refused by every way to publish and to subscribe.

use std::task::Waker;
use std::time::Duration;

use trolleybus::{EventBus, PatternError, PublishRefusal, SubscribeError, TopicError, TryRecvError};

use crate::faces::{SECRET, check_refusal, every_face, hostile_topics};

#[test]
fn m3_every_way_to_publish_refuses_hostile_topics_and_gives_the_payload_back() {
    let bus = EventBus::new();
    let mut all = bus.subscribe_any("**").receiver().expect("subscribe");
    for (topic, why) in hostile_topics() {
        for (face, result) in every_face(&bus, &topic) {
            check_refusal(face, result.expect_err(face), &PublishRefusal::InvalidTopic(why));
        }
        let raw = bus.publish_raw(&topic, SECRET).expect_err("raw");
        check_refusal("raw", raw, &PublishRefusal::InvalidTopic(why));
        assert_eq!(bus.publisher::<u32>(&topic).err(), Some(why));
        assert_eq!(bus.publisher_local::<u32>(&topic).err(), Some(why));
        assert_eq!(bus.subscriber_count(&topic), Err(why));
        assert_eq!(bus.explain(&topic).err(), Some(why));
    }
    assert_eq!(all.try_recv().err(), Some(TryRecvError::Empty));
}

#[test]
fn m3_every_way_to_subscribe_refuses_hostile_patterns() {
    let bus = EventBus::new();
    let wildcards = [
        ("a*.b".to_owned(), PatternError::Wildcard { character: '*', position: 1 }),
        ("ab**".to_owned(), PatternError::Wildcard { character: '*', position: 2 }),
        ("a+".to_owned(), PatternError::Wildcard { character: '+', position: 1 }),
    ];
    let names = hostile_topics().into_iter().filter(|(_, why)| !matches!(why, TopicError::Wildcard { .. }));
    for (pattern, why) in names.map(|(name, why)| (name, PatternError::from(why))).chain(wildcards) {
        let pattern = pattern.as_str();
        let results = [
            bus.subscribe::<u32>(pattern).receiver().err(),
            bus.subscribe::<u32>(pattern).handle(|_| ()).err(),
            bus.subscribe::<u32>(pattern).handle_inline(|_| ()).err(),
            bus.subscribe::<u32>(pattern).handle_async(|_| async {}).err(),
            bus.subscribe_any(pattern).receiver().err(),
            bus.subscribe_raw(pattern).receiver().err(),
            bus.subscribe_local::<Waker>(pattern).receiver().err(),
            // All or none.
            bus.subscribe_many::<u32, _>(["fine", pattern]).receiver().err(),
            bus.subscribe_any_many(["fine", pattern]).handle(|_| ()).err(),
            bus.expect::<u32>(pattern, Duration::ZERO).err(),
        ];
        for (number, error) in results.into_iter().enumerate() {
            match error {
                Some(SubscribeError::InvalidPattern(error)) => assert_eq!(error, why),
                other => panic!("face {number}, {pattern:?}: {other:?}"),
            }
        }
    }
    let none: [&str; 0] = [];
    let error = bus.subscribe_many::<u32, _>(none).receiver().err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    let error = bus.subscribe_any_many(none).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    assert!(bus.topics().is_empty());
}
