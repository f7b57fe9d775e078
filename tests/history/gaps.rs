//! What a subscription that replays has missed.

use std::sync::mpsc;

use trolleybus::{DeliveryMode, Event, Received, Receiver, Retention, Start};

use crate::support::{PATIENCE, watchdog};
use crate::{SECOND, bus_with, keeping, publish, replay};

/// What a receiver has now: events as they are, gaps as their first and last number.
fn all(receiver: &mut Receiver<Event<u32>>) -> Vec<Result<u32, (u64, u64)>> {
    let next = || receiver.try_recv_or_gap().ok();
    std::iter::from_fn(next)
        .map(|received| match received {
            Received::Event(event) => Ok(*event),
            Received::Gap(gap) => Err((gap.first, gap.last)),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_full_queue_that_drops_shows_as_a_gap_where_the_events_are_missing() {
    let bus = keeping(100);
    let subscribe =
        |mode| bus.subscribe::<u32>("a").from(Start::Beginning).capacity(3).delivery(mode).receiver();
    let mut newest = subscribe(DeliveryMode::Drop).expect("subscribe");
    let mut oldest = subscribe(DeliveryMode::DropOldest).expect("subscribe");
    publish(&bus, "a", 1..=6);
    assert_eq!(all(&mut newest), [Ok(1), Ok(2), Ok(3), Err((4, 6))]);
    assert_eq!(all(&mut oldest), [Err((1, 3)), Ok(4), Ok(5), Ok(6)]);
    publish(&bus, "a", 7..=7);
    assert_eq!(all(&mut newest), [Ok(7)]);
    publish(&bus, "a", 8..=11);
    publish(&bus, "b", 1..=1);
    assert_eq!(newest.try_recv().map(|event| *event), Ok(8));
    publish(&bus, "a", 12..=12);
    assert_eq!(all(&mut newest), [Ok(9), Ok(10), Err((11, 11)), Ok(12)]);
    let (newest, oldest) = (newest.subscription().stats(), oldest.subscription().stats());
    assert_eq!((newest.dropped.full, oldest.dropped.oldest), (4, 6));
    assert!(newest.is_balanced() && oldest.is_balanced());
}

#[test]
fn what_was_trimmed_before_it_was_read_is_a_gap() {
    let (bus, clock) = bus_with(|builder| builder.retain(["*"], Retention::new().count(3).age(10 * SECOND)));
    publish(&bus, "a", 1..=5);
    let mut late = replay(&bus, "a", Start::Sequence(1));
    assert_eq!(all(&mut late), [Err((1, 2)), Ok(3), Ok(4), Ok(5)]);
    let mut slow =
        bus.subscribe::<u32>("a").from(Start::Beginning).capacity(1).receiver().expect("subscribe");
    assert_eq!(*slow.try_recv().expect("the first"), 3);
    publish(&bus, "a", 6..=9);
    assert_eq!(all(&mut slow), [Err((4, 6)), Ok(7), Ok(8), Ok(9)]);
    let mut old = replay(&bus, "a", Start::Beginning);
    clock.advance(10 * SECOND);
    assert_eq!(all(&mut old), [Err((7, 9))]);
    publish(&bus, "a", 10..=10);
    assert_eq!(all(&mut old), [Ok(10)]);
}

#[test]
fn events_that_are_not_wanted_are_no_gap_and_plain_calls_skip_gaps() {
    let bus = keeping(2);
    let odd = |event: &Event<u32>| **event % 2 == 1;
    let mut receiver =
        bus.subscribe::<u32>("a").from(Start::Beginning).filter(odd).receiver().expect("subscribe");
    publish(&bus, "a", 1..=3);
    bus.publish("a", "text").expect("publish");
    assert_eq!(all(&mut receiver), [Ok(1), Ok(3)]);
    let mut late = replay(&bus, "a", Start::Sequence(1));
    assert_eq!(late.try_recv().map(|event| event.sequence()), Ok(Some(3)));
    assert!(late.try_recv_or_gap().is_err(), "the gap was before the event");
}

#[test]
fn a_gap_is_waited_for_like_an_event_and_the_event_stays_for_any_call() {
    let _guard = watchdog("a_gap_is_waited_for_like_an_event");
    let bus = keeping(1);
    publish(&bus, "a", 1..=2);
    let mut receiver = replay(&bus, "a", Start::Sequence(1));
    assert!(matches!(receiver.recv_or_gap(), Ok(Received::Gap(gap)) if (gap.first, gap.last) == (1, 1)));
    assert_eq!(receiver.recv().map(|event| *event), Ok(2));
    let publisher = bus.clone();
    let thread = std::thread::spawn(move || publish(&publisher, "a", [3]));
    assert!(matches!(receiver.recv_or_gap(), Ok(Received::Event(event)) if *event == 3));
    thread.join().expect("a publisher");
    drop(bus);
    assert!(receiver.recv_or_gap().is_err());
}

#[test]
fn handlers_see_what_is_missing_before_their_event() {
    let _guard = watchdog("handlers_see_what_is_missing_before_their_event");
    let bus = keeping(2);
    publish(&bus, "a", 1..=5);
    let (send, heard) = mpsc::channel();
    let _subscription = bus
        .subscribe::<u32>("a")
        .from(Start::Sequence(2))
        .handle_with(move |event, delivery| {
            let _ = send.send((**event, delivery.gap().map(|gap| (gap.first, gap.last))));
        })
        .expect("subscribe");
    assert_eq!(heard.recv_timeout(PATIENCE), Ok((4, Some((2, 3)))));
    assert_eq!(heard.recv_timeout(PATIENCE), Ok((5, None)));
}
