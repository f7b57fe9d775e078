//! What is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trolleybus::{EventBus, Raw, Received, Retention, SubscribeError};

use crate::{SECOND, bus_with, keeping, kept, kept_numbers, publish};

#[test]
fn t4_the_last_so_many_are_kept_and_numbered() {
    let bus = keeping(3);
    publish(&bus, "a", 1..=2);
    assert_eq!(kept_numbers(&bus, "a"), [1, 2]);
    publish(&bus, "a", 3..=5);
    publish(&bus, "b", 9..=9);
    let events = bus.history("a").expect("kept");
    let sequences: Vec<_> =
        events.iter().map(|event| (event.sequence(), event.payload::<u32>().copied())).collect();
    assert_eq!(sequences, [(Some(3), Some(3)), (Some(4), Some(4)), (Some(5), Some(5))]);
    assert_eq!(kept_numbers(&bus, "b"), [9]);
    let stats = bus.stats().history;
    assert_eq!((stats.events, stats.topics, stats.trimmed, stats.evicted), (4, 2, 2, 0));
    assert_eq!(stats.bytes, 4 * 256);
}

#[test]
fn t4_bytes_are_those_of_raw_payloads_and_256_for_each_event() {
    let (bus, _) = bus_with(|builder| builder.retain(["a"], Retention::new().bytes(3 * 256 + 30)));
    let lengths = |bus: &EventBus| -> Vec<usize> {
        bus.history("a").expect("kept").iter().filter_map(|event| event.raw().map(<[u8]>::len)).collect()
    };
    for length in [10, 10, 10] {
        bus.publish_raw("a", Raw::from(vec![0; length])).expect("publish");
    }
    assert_eq!(lengths(&bus), [10, 10, 10]);
    bus.publish_raw("a", Raw::from(vec![0; 11])).expect("publish");
    assert_eq!(lengths(&bus), [10, 11]);
    bus.publish_raw("a", Raw::from(vec![0; 2 * 256 + 30])).expect("publish");
    assert_eq!((lengths(&bus), bus.stats().history.bytes), (vec![2 * 256 + 30], 3 * 256 + 30));
    // More than the rule allows is not kept at all.
    bus.publish_raw("a", Raw::from(vec![0; 2 * 256 + 31])).expect("publish");
    assert_eq!((lengths(&bus), bus.stats().history.bytes), (vec![], 0));
}

#[test]
fn t4_what_reaches_the_age_is_not_kept_at_the_next_look() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().age(10 * SECOND)));
    publish(&bus, "a", [1]);
    clock.advance(5 * SECOND);
    publish(&bus, "a", [2]);
    clock.advance(5 * SECOND - std::time::Duration::from_millis(1));
    assert_eq!(kept_numbers(&bus, "a"), [1, 2]);
    clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(kept_numbers(&bus, "a"), [2]);
    // Ages of many years are told, too.
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().age(400 * 86_400 * SECOND)));
    publish(&bus, "a", [1]);
    clock.advance(399 * 86_400 * SECOND);
    assert_eq!(kept_numbers(&bus, "a"), [1]);
    clock.advance(86_400 * SECOND);
    assert_eq!(kept_numbers(&bus, "a"), [0_u32; 0]);
}

#[test]
fn t4_the_first_rule_that_matches_decides_and_nothing_is_kept_without_one() {
    let (bus, _) = bus_with(|builder| {
        builder
            .retain(["secret.*"], Retention::nothing())
            .retain(["a.*", "c"], Retention::new().count(1))
            .retain(["a.b"], Retention::new().count(5))
    });
    for topic in ["a.b", "a.c", "c", "d", "secret.a"] {
        publish(&bus, topic, 1..=3);
    }
    let expected = [("a.b", 3), ("a.c", 3), ("c", 3)].map(|(topic, number)| (topic.to_owned(), number));
    assert_eq!(kept(&bus, "*"), expected);
    let event = bus.subscribe_any("d").receiver().map(|mut receiver| {
        publish(&bus, "d", [1]);
        receiver.try_recv().expect("an event")
    });
    assert_eq!(event.expect("subscribe").sequence(), None);
}

#[test]
fn z2_the_topic_that_was_published_to_least_recently_goes_when_the_limits_are_reached() {
    let (bus, _) = bus_with(|builder| builder.retain(["*"], Retention::new()).max_history_events(5));
    publish(&bus, "a", 1..=2);
    publish(&bus, "b", 1..=2);
    publish(&bus, "a", 3..=3);
    publish(&bus, "c", 1..=1);
    assert_eq!(kept_numbers(&bus, "b"), [0_u32; 0]);
    assert_eq!((kept_numbers(&bus, "a"), kept_numbers(&bus, "c")), (vec![1, 2, 3], vec![1]));
    let stats = bus.stats().history;
    assert_eq!((stats.events, stats.topics, stats.evicted, stats.evicted_topics), (4, 2, 2, 1));
    publish(&bus, "c", 2..=9);
    // The only topic that is left loses its oldest.
    assert_eq!(kept_numbers(&bus, "*"), [5, 6, 7, 8, 9]);
    assert_eq!(bus.stats().history.evicted_topics, 2);
    let (bus, _) = bus_with(|builder| builder.retain(["*"], Retention::new()).max_history_topics(2));
    ["a", "b", "a", "c"].into_iter().for_each(|topic| publish(&bus, topic, [1]));
    assert_eq!(kept(&bus, "*").iter().map(|(topic, _)| topic.as_str()).collect::<String>(), "aac");
    let (bus, _) = bus_with(|builder| builder.retain(["*"], Retention::new()).max_history_bytes(3 * 256));
    ["a", "b", "c", "d"].into_iter().for_each(|topic| publish(&bus, topic, [1]));
    assert_eq!(bus.stats().history.bytes, 3 * 256);
}

#[test]
fn z2_a_flood_of_topics_is_bounded() {
    let (bus, _) =
        bus_with(|builder| builder.retain(["*"], Retention::new()).max_history_topics(50).topic_cache(10));
    let mut all = bus.subscribe::<u32>("*").from(trolleybus::Start::Beginning).receiver().expect("subscribe");
    for number in 0..20_000_u32 {
        publish(&bus, &format!("t.{number}"), [number]);
        assert_eq!(*all.try_recv().expect("live"), number);
    }
    let stats = bus.stats().history;
    assert_eq!((stats.events, stats.topics, stats.evicted_topics), (50, 50, 19_950));
    assert_eq!(kept_numbers(&bus, "*").first(), Some(&19_950));
}

#[test]
fn tenants_see_their_own_and_what_is_kept_goes_with_them() {
    let (bus, _) = bus_with(|builder| builder.retain(["*"], Retention::new()).max_tenants(1));
    let acme = bus.tenant("acme").expect("a tenant");
    publish(&acme, "a", [1]);
    publish(&bus, "a", [2]);
    assert_eq!((kept_numbers(&acme, "*"), kept_numbers(&bus, "*")), (vec![1], vec![2]));
    let mut replay =
        acme.subscribe::<u32>("*").from(trolleybus::Start::Beginning).receiver().expect("subscribe");
    assert_eq!(replay.try_recv().map(|event| *event), Ok(1));
    drop((acme, replay));
    let _globex = bus.tenant("globex").expect("room");
    let stats = bus.stats().history;
    assert_eq!((stats.events, stats.topics), (1, 1));
}

#[test]
fn t6_numbers_go_on_when_nothing_is_left_of_a_topic_and_its_log_is_gone() {
    let (bus, clock) =
        bus_with(|builder| builder.retain(["*"], Retention::new().age(SECOND)).topic_cache(16));
    for topic in ["a", "b"] {
        publish(&bus, topic, 1..=3);
    }
    let mut follower =
        bus.subscribe::<u32>("b").from(trolleybus::Start::Sequence(4)).receiver().expect("next");
    // Too old, and pushed out of the tables by others.
    clock.advance(SECOND);
    for number in 0..3000 {
        publish(&bus, &format!("other.{number}"), [1]);
        clock.advance(SECOND);
    }
    let topics = bus.stats().history.topics;
    assert!(topics < 200, "{topics} topics");
    let begin = |start| bus.subscribe::<u32>("a").from(start).receiver();
    let refused = begin(trolleybus::Start::Sequence(5)).map(drop);
    assert!(matches!(refused, Err(SubscribeError::BeyondEnd { sequence: 5, next: 4 })), "{refused:?}");
    let mut late = begin(trolleybus::Start::Sequence(2)).expect("they were there");
    for topic in ["a", "b"] {
        publish(&bus, topic, [4]);
    }
    match late.try_recv_or_gap().expect("a gap") {
        Received::Gap(gap) => assert_eq!((gap.first, gap.last), (2, 3)),
        other => panic!("{other:?}"),
    }
    for receiver in [&mut late, &mut follower] {
        let event = receiver.try_recv().expect("the fourth");
        assert_eq!((*event, event.sequence()), (4, Some(4)));
    }
}

#[test]
fn t4_of_many_events_that_are_too_old_publishers_take_a_part_and_readers_see_none() {
    for looks in [false, true] {
        let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().age(SECOND)));
        publish(&bus, "a", 0..5_000);
        clock.advance(SECOND);
        publish(&bus, "a", [5_000]);
        assert_eq!(bus.stats().history.events, 5_001 - 1_024, "as many as in one step");
        if looks {
            assert_eq!(kept_numbers(&bus, "a"), [5_000]);
        } else {
            let mut replay = crate::replay(&bus, "a", trolleybus::Start::Beginning);
            assert!(matches!(replay.try_recv_or_gap(), Ok(Received::Event(event)) if *event == 5_000));
        }
        let stats = bus.stats().history;
        assert_eq!((stats.events, stats.bytes, stats.trimmed), (1, 256, 5_000));
    }
}

/// Counts its drops, and panics in each.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
        panic!("a payload's drop");
    }
}

#[test]
fn payloads_that_go_are_dropped_once_each_and_may_panic() {
    let drops = Arc::<AtomicUsize>::default();
    let bus = keeping(2);
    for _ in 0..5 {
        bus.publish_local("a", Bomb(Arc::clone(&drops))).expect("publish");
    }
    assert_eq!(drops.load(Ordering::Acquire), 3);
    drop(bus);
    assert_eq!(drops.load(Ordering::Acquire), 5);
}

#[test]
fn the_look_at_it_takes_what_is_asked_for_in_the_order_of_publication() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new()));
    let event = |topic: &str, key: &str, number: u32| {
        bus.event(topic, number).key(key).publish().expect("publish");
        clock.advance(SECOND);
    };
    for number in 0..200 {
        event(["a", "b"][number as usize % 2], ["x", "y", "z"][number as usize % 3], number);
    }
    let history = || bus.history("*").expect("kept");
    let numbers = |history: trolleybus::History| -> Vec<u32> {
        history.iter().map(|event| *event.payload::<u32>().expect("a number")).collect()
    };
    let all: Vec<u32> = (0..200).collect();
    assert_eq!(numbers(history()), all);
    assert_eq!(numbers(history().limit(3)), [0, 1, 2]);
    assert_eq!(numbers(history().from(99)), [196, 197, 198, 199]);
    assert_eq!(numbers(history().until(3)), [0, 1, 2, 3]);
    assert_eq!(numbers(history().key("y").limit(2)), [1, 4]);
    let time = |seconds: u32| std::time::SystemTime::UNIX_EPOCH + seconds * SECOND;
    assert_eq!(numbers(history().since(time(50)).before(time(52))), [50, 51]);
    // What is published meanwhile is not among them, and does not wait.
    let looking = history();
    let mut iter = looking.iter();
    assert!(iter.next().is_some());
    publish(&bus, "a", [1000]);
    assert_eq!(iter.count(), 199);
}

/// The original reads its TTL nowhere, and prunes once a day a history that nobody can read.
#[test]
fn d_mem_7_events_expire_and_what_is_kept_can_be_read() {
    let (bus, clock) = bus_with(|builder| {
        builder.ttl(SECOND).retain(["*"], Retention::new().age(2 * SECOND)).max_history_topics(2)
    });
    let mut live = bus.subscribe::<u32>("a").receiver().expect("subscribe");
    publish(&bus, "a", [1]);
    clock.advance(SECOND);
    assert!(live.try_recv().is_err() && live.subscription().stats().expired == 1);
    assert_eq!(kept_numbers(&bus, "a"), [1]);
    clock.advance(SECOND);
    assert_eq!(kept_numbers(&bus, "a"), [0_u32; 0]);
    // Topics go, too.
    ["b", "c", "d"].into_iter().for_each(|topic| publish(&bus, topic, [1]));
    assert_eq!(bus.stats().history.topics, 2);
}

/// The original's timer is replaced by several threads without a lock. There is none here: whoever comes trims.
#[test]
fn d_mem_9_several_threads_publish_look_and_trim_at_once() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().age(5 * SECOND)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| publish(&bus, "a", 0..2000));
            scope.spawn(|| {
                for _ in 0..200 {
                    clock.advance(SECOND);
                    assert!(kept_numbers(&bus, "a").len() <= 4000);
                }
            });
        }
    });
    clock.advance(5 * SECOND);
    assert_eq!(kept_numbers(&bus, "a"), [0_u32; 0]);
    let stats = bus.stats().history;
    assert_eq!((stats.events, stats.bytes, stats.topics, stats.trimmed), (0, 0, 0, 4000));
}
