//! Batches: what goes through a handle in runs comes to the same as one publish after the other.

mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use support::{PATIENCE, watchdog};
use trolleybus::{AnyEvent, DeliveryMode, Event, EventBus, Ledger, PublishRefusal, Raw, Receipt, Receiver};

/// Longer than two runs, and not a multiple of one.
const EVENTS: u64 = 75;

/// A bus with subscriptions of all kinds that have queues, and what their consumers need not wait for.
struct World {
    bus: EventBus,
    typed: Vec<Receiver<Event<u64>>>,
    any: Receiver<AnyEvent>,
    texts: Receiver<Event<String>>,
}

impl World {
    fn new() -> Self {
        let bus = EventBus::new();
        let subscribe = |capacity, mode| bus.subscribe::<u64>("n").capacity(capacity).delivery(mode);
        let no_time = DeliveryMode::Timeout(Duration::from_nanos(1));
        let typed = vec![
            subscribe(1000, DeliveryMode::Drop).receiver(),
            subscribe(7, DeliveryMode::Drop).receiver(),
            subscribe(7, DeliveryMode::DropOldest).receiver(),
            subscribe(40, no_time).receiver(),
            subscribe(7, DeliveryMode::Drop).filter(|event| event.payload() % 3 == 0).receiver(),
            subscribe(1000, DeliveryMode::Drop).take(5).receiver(),
            subscribe(40, DeliveryMode::Drop).receiver(),
        ];
        let typed = typed.into_iter().map(|receiver| receiver.expect("subscribe")).collect();
        let any = bus.subscribe_any("*").capacity(50).receiver().expect("subscribe");
        let texts = bus.subscribe::<String>("n").receiver().expect("subscribe");
        Self { bus, typed, any, texts }
    }

    /// What every subscription got, and its ledger.
    fn end(mut self) -> (Vec<Vec<u64>>, Vec<Ledger>) {
        let mut ledgers: Vec<_> = self.typed.iter().map(|receiver| receiver.subscription().stats()).collect();
        ledgers.push(self.any.subscription().stats());
        ledgers.push(self.texts.subscription().stats());
        let mut got: Vec<Vec<u64>> =
            self.typed.iter_mut().map(|receiver| receiver.try_iter().map(|event| *event).collect()).collect();
        got.push(
            self.any.try_iter().map(|event| *event.downcast::<u64>().expect("a number").payload()).collect(),
        );
        assert!(self.texts.try_recv().is_err());
        assert!(self.bus.stats().total.is_balanced());
        (got, ledgers)
    }
}

/// What a receipt says, in numbers: the drops by reason first.
fn figures(receipt: &Receipt) -> Vec<u64> {
    let counts = [receipt.delivered(), receipt.queued(), receipt.filtered(), receipt.skipped()];
    let dropped = receipt.dropped_by();
    dropped.iter().map(|(_, count)| count).chain(counts.map(|count| count as u64)).collect()
}

#[test]
fn c3_a_batch_comes_to_the_same_as_its_events_one_by_one() {
    let _watchdog = watchdog("c3_a_batch_comes_to_the_same_as_its_events_one_by_one");
    for events in [0, 1, 2, 7, 31, 32, 33, 64, EVENTS] {
        let (ones, batch) = (World::new(), World::new());
        let handle = ones.bus.publisher::<u64>("n").expect("a topic");
        let mut expected = figures(&Receipt::default());
        for number in 0..events {
            let figures = figures(&handle.publish(number).expect("publish"));
            expected.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        }
        let handle = batch.bus.publisher::<u64>("n").expect("a topic");
        let receipt = handle.publish_batch(0..events).expect("publish");
        assert_eq!(figures(&receipt), expected, "{events} events");
        assert_eq!(batch.end(), ones.end(), "{events} events");
    }
}

#[test]
fn o1_l4_a_batch_waits_for_room_and_keeps_its_order() {
    let _watchdog = watchdog("o1_l4_a_batch_waits_for_room_and_keeps_its_order");
    let bus = EventBus::builder().workers(2).build().expect("build");
    let (send, receive) = mpsc::channel();
    let mut subscriptions = Vec::new();
    for (who, capacity) in [(0, 1), (1, 5), (2, 200)] {
        let send = send.clone();
        let handle = move |n: &Event<u64>| send.send((who, **n)).expect("send");
        let subscribe = bus.subscribe::<u64>("n").delivery(DeliveryMode::Block).capacity(capacity);
        subscriptions.push(subscribe.handle(handle).expect("subscribe"));
    }
    let receipt = bus.publisher("n").expect("a topic").publish_batch(0..EVENTS).expect("publish");
    assert_eq!((receipt.queued(), receipt.dropped()), (3 * 75, 0));
    let mut next = [0; 3];
    for _ in 0..3 * EVENTS {
        let (who, number) = receive.recv_timeout(PATIENCE).expect("an event");
        assert_eq!(number, next[who], "of subscription {who}");
        next[who] += 1;
    }
    assert_eq!(next, [EVENTS; 3]);
}

#[test]
fn a_run_is_only_as_long_as_the_iterator_promises() {
    let bus = EventBus::new();
    let receiver = bus.subscribe::<u64>("n").receiver().expect("subscribe");
    let handle = bus.publisher::<u64>("n").expect("a topic");
    let queued = || receiver.subscription().stats().queued;
    // One that knows nothing of what is to come: each event is published before the next is asked for.
    let mut number = 0;
    let waits = std::iter::from_fn(|| {
        assert_eq!(queued(), number);
        number += 1;
        (number <= 5).then_some(number)
    });
    assert_eq!(handle.publish_batch(waits).expect("publish").queued(), 5);
    // One that promises some of what it has.
    let pulled = Cell::new(0);
    let promises = (0..50_u64).inspect(|_| {
        assert_eq!(queued(), 5 + pulled.get() / 32 * 32);
        pulled.set(pulled.get() + 1);
    });
    assert_eq!(handle.publish_batch(promises).expect("publish").queued(), 50);
    assert_eq!(queued(), 55);
}

#[test]
fn an_iterator_that_promises_too_much_or_goes_on_after_its_end_is_taken_at_its_word() {
    struct Odd(u64);
    impl Iterator for Odd {
        type Item = u64;

        fn next(&mut self) -> Option<u64> {
            self.0 += 1;
            (!self.0.is_multiple_of(4)).then_some(self.0)
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    let bus = EventBus::new();
    let mut receiver = bus.subscribe::<u64>("n").receiver().expect("subscribe");
    let handle = bus.publisher::<u64>("n").expect("a topic");
    assert_eq!(handle.publish_batch(Odd(0)).expect("publish").queued(), 3);
    assert_eq!(receiver.try_iter().map(|event| *event).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn z3_what_comes_before_a_payload_that_is_refused_is_published() {
    let bus = EventBus::builder().max_raw_payload(4).build().expect("build");
    let mut receiver = bus.subscribe_raw("raw").receiver().expect("subscribe");
    let handle = bus.publisher_local::<Raw>("raw").expect("a topic");
    let payloads = ["a", "b", "too long", "c"].map(Raw::from);
    let error = handle.publish_batch(payloads).expect_err("one is too large");
    assert_eq!(*error.refusal(), PublishRefusal::TooLarge { size: 8, limit: 4 });
    assert_eq!(&error.payload()[..], b"too long");
    let got: Vec<_> = receiver.try_iter().map(|event| event.to_vec()).collect();
    assert_eq!(got, [b"a", b"b"]);
    assert!(bus.shutdown(Duration::ZERO).wait().unfinished.is_empty());
    let error = handle.publish_batch(["d", "e"].map(Raw::from)).expect_err("it is shut down");
    assert_eq!((error.refusal(), &error.payload()[..]), (&PublishRefusal::ShutDown, &b"d"[..]));
}

#[test]
fn c4_p2_payloads_whose_drop_panics_are_dropped_each() {
    struct Fragile(Arc<AtomicUsize>);
    impl Drop for Fragile {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
    }
    let bus = EventBus::new();
    let drops = Arc::new(AtomicUsize::new(0));
    // Nobody takes them: the events end with the publisher.
    let receiver = bus.subscribe_local::<Fragile>("n").filter(|_| false).receiver().expect("subscribe");
    let handle = bus.publisher_local::<Fragile>("n").expect("a topic");
    let payloads = (0..12).map(|_| Fragile(Arc::clone(&drops)));
    let receipt = handle.publish_batch(payloads).expect("publish");
    assert_eq!((receipt.filtered(), drops.load(Ordering::Relaxed)), (12, 12));
    assert!(receiver.subscription().stats().is_balanced());
}

#[test]
fn batches_of_literals_and_of_a_bus_that_rotates_go_one_by_one() {
    let bus = EventBus::builder().rotate_order().build().expect("build");
    let mut texts = bus.subscribe::<String>("t").receiver().expect("subscribe");
    let mut numbers: Vec<_> =
        (0..3).map(|_| bus.subscribe::<u64>("n").receiver().expect("subscribe")).collect();
    let receipt = bus.publisher("t").expect("a topic").publish_batch(["a", "b"]).expect("publish");
    assert_eq!(receipt.queued(), 2);
    assert_eq!(texts.try_iter().map(|text| text.to_string()).collect::<Vec<_>>(), ["a", "b"]);
    let receipt = bus.publisher("n").expect("a topic").publish_batch(0..40_u64).expect("publish");
    assert_eq!(receipt.queued(), 120);
    for receiver in &mut numbers {
        assert!(receiver.try_iter().map(|number| *number).eq(0..40));
    }
}
