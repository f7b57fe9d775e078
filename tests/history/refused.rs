//! What is no history.

use std::time::{Duration, SystemTime};

use trolleybus::{BuildError, EventBus, HistoryError, Retention, Start, SubscribeError};

use crate::{bus_with, keeping, publish};

#[test]
fn a_start_that_makes_no_sense_is_refused_at_the_call() {
    let bus = keeping(10);
    publish(&bus, "a", 1..=3);
    let now = SystemTime::UNIX_EPOCH;
    for (pattern, start) in [
        ("a", Start::LastN(0)),
        ("a", Start::Sequence(0)),
        ("a.*", Start::Sequence(1)),
        ("a", Start::Time(now + Duration::from_secs(3600))),
    ] {
        let error = bus.subscribe::<u32>(pattern).from(start).receiver().expect_err("refused");
        assert!(matches!(error, SubscribeError::InvalidStart { .. }), "{start:?}: {error}");
    }
    for (topic, sequence, next) in [("a", 5, 4), ("a", u64::MAX, 4), ("never", 2, 1)] {
        let error =
            bus.subscribe::<u32>(topic).from(Start::Sequence(sequence)).receiver().expect_err("refused");
        assert!(
            matches!(error, SubscribeError::BeyondEnd { sequence: said, next: is } if (said, is) == (sequence, next)),
            "{error}"
        );
    }
    let inline = bus.subscribe::<u32>("a").from(Start::Beginning).handle_inline(|_| ());
    assert!(matches!(inline, Err(SubscribeError::InvalidStart { .. })));
    let member = bus.subscribe::<u32>("a").group("g").from(Start::Beginning).receiver();
    assert!(matches!(member, Err(SubscribeError::InvalidStart { .. })));
    assert_eq!(bus.stats().subscriptions.len(), 0);
    assert_eq!(bus.publish("a", 4_u32).expect("publish").matched(), 0);
}

#[test]
fn a_topic_that_is_not_kept_is_neither_replayed_nor_looked_at() {
    let (bus, _) = bus_with(|builder| builder.retain(["a.*"], Retention::new()));
    for bus in [&bus, &EventBus::new()] {
        let error = bus.subscribe::<u32>("b").from(Start::Beginning).receiver().expect_err("refused");
        assert!(matches!(error, SubscribeError::NoHistory), "{error}");
        assert!(matches!(bus.history("b"), Err(HistoryError::NotKept)));
    }
    assert!(matches!(bus.history("a..b"), Err(HistoryError::InvalidPattern(_))));
    assert_eq!(bus.history("a.b").expect("a rule is about it").iter().count(), 0);
    // A pattern may reach topics of both sorts: those that are not kept come from now on.
    publish(&bus, "a.b", [1]);
    publish(&bus, "b", [2]);
    let mut both = crate::replay(&bus, "*", Start::Beginning);
    publish(&bus, "b", [3]);
    publish(&bus, "a.b", [4]);
    let mut numbers = crate::drain(&mut both);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3, 4]);
}

#[test]
fn rules_and_limits_out_of_their_range_are_refused() {
    let build = |retention| EventBus::builder().retain(["*"], retention).build();
    for wrong in [
        Retention::new().count(0),
        Retention::new().bytes(0),
        Retention::new().age(Duration::ZERO),
        Retention::new().age(Duration::MAX),
    ] {
        assert!(matches!(build(wrong), Err(BuildError::InvalidRetention { .. })), "{wrong:?}");
    }
    let limits = [
        EventBus::builder().max_history_events(0),
        EventBus::builder().max_history_bytes(0),
        EventBus::builder().max_history_topics(0),
    ];
    for builder in limits {
        assert!(matches!(builder.build(), Err(BuildError::InvalidRetention { .. })));
    }
    assert!(matches!(
        EventBus::builder().retain(["a..b"], Retention::new()).build(),
        Err(BuildError::InvalidRule(_))
    ));
}
