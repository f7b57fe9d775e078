//! Where a replay begins, and what it brings.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use trolleybus::{Retention, Start};

use crate::support::{PATIENCE, watchdog};
use crate::{SECOND, bus_with, drain, keeping, publish, replay};

#[test]
fn t5_each_start_brings_what_it_says_and_then_what_is_published() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().count(100)));
    for number in 1..=6 {
        publish(&bus, "a", [number]);
        clock.advance(SECOND);
    }
    let at = |seconds: u32| Start::Time(SystemTime::UNIX_EPOCH + seconds * SECOND);
    let cases: [(Start, &[u32]); 10] = [
        (Start::Now, &[]),
        (Start::Beginning, &[1, 2, 3, 4, 5, 6]),
        (Start::LastN(2), &[5, 6]),
        (Start::LastN(usize::MAX), &[1, 2, 3, 4, 5, 6]),
        (Start::Sequence(5), &[5, 6]),
        (Start::Sequence(7), &[]),
        (at(4), &[5, 6]),
        (at(6), &[]),
        (Start::LastPerTopic, &[6]),
        (Start::LastPerKey, &[6]),
    ];
    let mut receivers = cases.map(|(start, expected)| (replay(&bus, "a", start), start, expected));
    publish(&bus, "a", 7..=8);
    for (receiver, start, expected) in &mut receivers {
        assert_eq!(drain(receiver), [expected, &[7, 8][..]].concat(), "{start:?}");
        publish(&bus, "other", [1]);
        assert!(receiver.subscription().stats().is_balanced());
    }
    publish(&bus, "a", [9]);
    for (receiver, start, _) in &mut receivers {
        assert_eq!(drain(receiver), [9], "{start:?}");
    }
}

#[test]
fn t5_a_replay_of_several_topics_comes_in_the_order_of_publication() {
    let bus = keeping(100);
    for number in 0..90 {
        publish(&bus, ["x.a", "x.b", "x.c"][number as usize * number as usize % 3], [number]);
    }
    publish(&bus, "y", [1000]);
    let all: Vec<u32> = (0..90).collect();
    let mut receivers =
        [Start::Beginning, Start::LastN(7), Start::LastPerTopic].map(|start| replay(&bus, "x.*", start));
    assert_eq!(drain(&mut receivers[0]), all);
    assert_eq!(drain(&mut receivers[1]), all[83..]);
    // x.c got nothing: squares leave 0 or 1.
    assert_eq!(drain(&mut receivers[2]), [87, 89]);
    publish(&bus, "x.d", [90]);
    receivers.iter_mut().for_each(|receiver| assert_eq!(drain(receiver), [90]));
}

#[test]
fn t5_a_replay_is_longer_than_the_queue_and_drops_nothing() {
    let bus = keeping(1000);
    publish(&bus, "a", 0..1000);
    let mut small =
        bus.subscribe::<u32>("a").from(Start::Beginning).capacity(3).receiver().expect("subscribe");
    for number in 0..1000 {
        assert_eq!(
            small.try_recv().map(|event| (*event, event.sequence())),
            Ok((number, Some(u64::from(number) + 1)))
        );
    }
    let ledger = small.subscription().stats();
    assert!(ledger.is_balanced() && ledger.dropped.total() == 0 && ledger.delivered == 1000, "{ledger:?}");
}

#[test]
fn the_last_of_each_key_comes_in_order_and_those_without_a_key_are_one() {
    let bus = keeping(100);
    for (number, key) in (0..).zip(["a", "b", "a", "c", "b"]) {
        bus.event("t", number as u32).key(key).publish().expect("publish");
    }
    publish(&bus, "t", 5..=6);
    let mut last = replay(&bus, "*", Start::LastPerKey);
    assert_eq!(drain(&mut last), [2, 3, 4, 6]);
}

#[test]
fn filters_and_types_are_judged_once_for_each_event() {
    let bus = keeping(100);
    publish(&bus, "a", 0..50);
    bus.publish("a", "text").expect("publish");
    let even = |event: &trolleybus::Event<u32>| event.is_multiple_of(2);
    let mut receiver =
        bus.subscribe::<u32>("a").from(Start::Beginning).filter(even).receiver().expect("subscribe");
    assert_eq!(drain(&mut receiver), (0..50).step_by(2).collect::<Vec<_>>());
    bus.publish("a", "text").expect("publish");
    let receipt = bus.publish("a", 51_u32).expect("publish");
    assert_eq!((receipt.filtered(), receipt.queued()), (1, 0));
    publish(&bus, "a", [52]);
    assert_eq!(drain(&mut receiver), [52]);
    let ledger = receiver.subscription().stats();
    assert_eq!((ledger.filtered, ledger.skipped, ledger.offered), (26, 2, 26));
}

#[test]
fn handlers_replay_too_in_order_and_with_several_lanes_each_event_once() {
    let _guard = watchdog("handlers_replay_too");
    let bus = keeping(2000);
    publish(&bus, "a", 0..1000);
    for (lanes, is_async) in [(1, false), (4, false), (1, true)] {
        let (send, heard) = mpsc::channel();
        let subscribe = bus.subscribe::<u32>("a").from(Start::Beginning).concurrency(lanes).capacity(8);
        let _subscription = if is_async {
            subscribe.handle_async(move |event| {
                let send = send.clone();
                async move { _ = send.send(*event) }
            })
        } else {
            subscribe.handle(move |event| _ = send.send(**event))
        };
        let mut numbers: Vec<u32> =
            (0..1000).map(|_| heard.recv_timeout(PATIENCE).expect("one more")).collect();
        if lanes > 1 {
            numbers.sort_unstable();
        }
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>(), "{lanes} lanes, async: {is_async}");
    }
}

#[test]
fn o3_a_paused_subscription_replays_when_it_is_resumed() {
    let _guard = watchdog("o3_a_paused_subscription_replays_when_it_is_resumed");
    let bus = keeping(100);
    publish(&bus, "a", 0..40);
    let mut receiver =
        bus.subscribe::<u32>("a").from(Start::Beginning).capacity(4).receiver().expect("subscribe");
    receiver.subscription().pause();
    publish(&bus, "a", 40..50);
    assert!(receiver.try_recv().is_err());
    receiver.subscription().resume();
    assert_eq!(*receiver.recv().expect("the first"), 0);
    receiver.subscription().pause();
    publish(&bus, "a", 50..60);
    assert!(receiver.try_recv().is_err());
    receiver.subscription().resume();
    assert_eq!(drain(&mut receiver), (1..60).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_to_be_delivered_expires_in_the_replay() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new()).ttl(10 * SECOND));
    publish(&bus, "a", 1..=2);
    clock.advance(10 * SECOND);
    publish(&bus, "a", 3..=3);
    let mut receiver = replay(&bus, "a", Start::Beginning);
    assert_eq!(drain(&mut receiver), [3]);
    assert_eq!(receiver.subscription().stats().expired, 2);
}

#[test]
fn a_budget_a_cancel_and_the_end_of_the_bus_end_a_replay() {
    let bus = keeping(100);
    publish(&bus, "a", 0..100);
    let subscribe = || bus.subscribe::<u32>("a").from(Start::Beginning).capacity(2);
    let mut three = subscribe().take(3).receiver().expect("subscribe");
    assert_eq!(drain(&mut three), [0, 1, 2]);
    assert!(three.recv().is_err());
    let mut cancelled = subscribe().receiver().expect("subscribe");
    assert_eq!(*cancelled.try_recv().expect("the first"), 0);
    cancelled.subscription().cancel();
    assert!(cancelled.recv().is_err());
    let mut drained = subscribe().receiver().expect("subscribe");
    assert_eq!(*drained.try_recv().expect("the first"), 0);
    let report = bus.shutdown(Duration::ZERO).wait();
    assert!(drained.try_recv().is_err(), "{report:?}");
    for receiver in [&three, &cancelled, &drained] {
        assert!(receiver.subscription().stats().is_balanced());
    }
}

#[test]
fn a_completion_is_called_once_and_a_later_replay_is_of_no_account() {
    let bus = keeping(10);
    let (done, outcomes) = mpsc::channel();
    let mut live = replay(&bus, "a", Start::Beginning);
    bus.event("a", 1_u32).on_complete(move |outcome| drop(done.send(outcome))).publish().expect("publish");
    assert_eq!(drain(&mut live), [1]);
    assert_eq!(outcomes.try_recv().expect("it was called").done, 1);
    let mut late = replay(&bus, "a", Start::Beginning);
    assert_eq!(drain(&mut late), [1]);
    assert!(outcomes.try_recv().is_err());
}

/// Where a replay begins is looked for a stretch at a time: the same comes out as in one step, also while others publish.
#[test]
fn t5_every_start_is_found_in_a_long_log_while_others_publish() {
    const EVENTS: u32 = 10_000;
    const KEYS: u32 = 3_000;
    let _guard = watchdog("t5_every_start_is_found_in_a_long_log_while_others_publish");
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new()));
    let send = |number: u32| {
        bus.event("a", number).key(format!("{}", number % KEYS)).publish().expect("publish");
    };
    for number in 0..EVENTS {
        send(number);
        clock.advance(SECOND / 1000);
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut next = EVENTS;
            while !stop.load(Ordering::Acquire) {
                send(next);
                next += 1;
            }
            next
        });
        let middle = SystemTime::UNIX_EPOCH + SECOND * 5;
        let starts = [Start::Time(middle), Start::LastN(4_000), Start::LastPerKey, Start::Sequence(9_001)];
        let mut replays: Vec<_> = starts.iter().map(|start| replay(&bus, "a", *start)).collect();
        stop.store(true, Ordering::Release);
        let end = publisher.join().expect("a publisher");
        let got: Vec<Vec<u32>> = replays.iter_mut().map(drain).collect();
        let up_to_the_end = |first: u32| (first..end).collect::<Vec<_>>();
        assert_eq!(got[0], up_to_the_end(5_000));
        // Of what there was at some moment, and all from then on. Keys come in turns, so their last events are the last ones.
        for (numbers, most) in [(&got[1], 4_000), (&got[2], KEYS)] {
            assert!(numbers[0] >= EVENTS - most, "begins with {}", numbers[0]);
            assert_eq!(*numbers, up_to_the_end(numbers[0]));
        }
        assert_eq!(got[3], up_to_the_end(9_000));
    });
}
