//! From the replay to what is published meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, Retention, Start};

use crate::eventually::eventually;
use crate::gate::gate;
use crate::support::{PATIENCE, watchdog};
use crate::{drain, keeping, kept_numbers, publish, replay};

/// Publishes to these topics, from two threads each, until it is dropped.
struct Publishers {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Publishers {
    fn start(bus: &EventBus, topics: &[&'static str]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let publish = |topic: &'static str| {
            let (bus, stop) = (bus.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Acquire) {
                    publish(&bus, topic, [number]);
                    number += 1;
                }
            })
        };
        let threads = topics.iter().flat_map(|topic| [*topic, *topic]).map(publish).collect();
        Self { stop, threads }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a publisher"));
    }
}

#[test]
fn t5_no_gap_no_duplicate_and_in_order_while_others_publish() {
    let _guard = watchdog("t5_no_gap_no_duplicate_and_in_order_while_others_publish");
    let topics = ["x.a", "x.b"];
    for round in 0..20_usize {
        let bus = keeping(1 << 20);
        let publishers = Publishers::start(&bus, &topics);
        eventually("something is kept", || bus.stats().history.events > 100);
        let patterns: &[&str] = if round % 2 == 0 { &["x.*"] } else { &["x.a", "x.b"] };
        let mut receiver = bus
            .subscribe_many::<u32, _>(patterns.iter().copied())
            .from(Start::Beginning)
            .capacity([1, 7, 1 << 20][round % 3])
            .delivery(DeliveryMode::Block)
            .receiver()
            .expect("subscribe");
        let mut next = [1_u64; 2];
        let mut check = |event: &trolleybus::Event<u32>| {
            let of = topics.iter().position(|topic| event.topic().as_str() == *topic).expect("one of them");
            assert_eq!(event.sequence(), Some(next[of]), "of {}", topics[of]);
            next[of] += 1;
        };
        for _ in 0..2000 {
            check(&receiver.recv_timeout(PATIENCE).expect("one more"));
        }
        let over = Arc::<AtomicBool>::default();
        let is_over = Arc::clone(&over);
        // Publishers that wait for it go on until they have seen the mark.
        let reads = thread::spawn(move || {
            let mut read = Vec::new();
            while !is_over.load(Ordering::Acquire) {
                match receiver.try_recv() {
                    Ok(event) => read.push(event),
                    Err(_) => thread::yield_now(),
                }
            }
            (read, receiver)
        });
        publishers.stop();
        over.store(true, Ordering::Release);
        let (read, mut receiver) = reads.join().expect("a reader");
        read.iter().for_each(&mut check);
        while let Ok(event) = receiver.try_recv() {
            check(&event);
        }
        let last: u64 = bus.stats().history.events;
        assert_eq!(next[0] + next[1] - 2, last, "round {round}");
        assert!(receiver.subscription().stats().is_balanced());
    }
}

#[test]
fn t5_many_subscriptions_begin_while_others_publish() {
    let _guard = watchdog("t5_many_subscriptions_begin_while_others_publish");
    let bus = keeping(300);
    let publishers = Publishers::start(&bus, &["a"]);
    eventually("something is kept", || bus.stats().history.events == 300);
    for _ in 0..200 {
        let mut receiver = replay(&bus, "a", Start::LastN(20));
        let mut last = None;
        for _ in 0..40 {
            match receiver.recv_or_gap().expect("one more") {
                trolleybus::Received::Event(event) => {
                    let sequence = event.sequence().expect("a number");
                    assert!(last.is_none_or(|last| sequence == last + 1), "{last:?}, {sequence}");
                    last = Some(sequence);
                }
                trolleybus::Received::Gap(gap) => {
                    assert!(last.is_none_or(|last| gap.first == last + 1), "{last:?}, {gap}");
                    last = Some(gap.last);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    publishers.stop();
}

#[test]
fn t6_a_slow_replay_holds_up_nobody_and_loses_what_is_trimmed() {
    let _guard = watchdog("t6_a_slow_replay_holds_up_nobody");
    let bus = keeping(10);
    publish(&bus, "a", 0..10);
    let (gate, _opens) = gate();
    let held = Arc::clone(&gate);
    let slow = bus
        .subscribe::<u32>("a")
        .from(Start::Beginning)
        .capacity(2)
        .delivery(DeliveryMode::Block)
        .handle(move |_| held.pass())
        .expect("subscribe");
    eventually("the first handler runs", || gate.inside() == 1);
    // It has not come to the end: nobody waits for it.
    publish(&bus, "a", 10..1000);
    gate.open();
    eventually("all that is kept was read", || slow.stats().delivered >= 12 && slow.stats().queued == 0);
    assert!(slow.stats().is_balanced());
}

#[test]
fn t6_a_publisher_waits_for_one_that_blocks_until_it_has_read_on() {
    let _guard = watchdog("t6_a_publisher_waits_for_one_that_blocks_until_it_has_read_on");
    let bus = keeping(100);
    let mut blocks = bus
        .subscribe::<u32>("a")
        .from(Start::Beginning)
        .capacity(2)
        .delivery(DeliveryMode::Block)
        .receiver()
        .expect("subscribe");
    publish(&bus, "a", 0..2);
    let publisher = bus.clone();
    let thread = thread::spawn(move || publisher.publish("a", 2_u32).expect("publish").queued());
    // A look takes the lock under which the event also meets the full queue; the figures do not.
    let is_kept = |events: usize| kept_numbers(&bus, "a").len() == events;
    eventually("it is kept", || is_kept(3));
    assert!(!thread.is_finished());
    // What others publish meanwhile is in the log, too, and is not lost.
    assert_eq!(bus.try_publish("a", 3_u32).expect("publish").queued(), 1);
    assert_eq!(*blocks.recv().expect("the first"), 0);
    assert_eq!(*blocks.recv().expect("the second"), 1);
    assert_eq!(*blocks.recv().expect("the third"), 2);
    assert_eq!(thread.join().expect("a publisher"), 1);
    assert_eq!(drain(&mut blocks), [3]);
    assert!(blocks.subscription().stats().is_balanced());
    // The end of the subscription ends a wait.
    publish(&bus, "a", 4..6);
    let publisher = bus.clone();
    let thread = thread::spawn(move || publisher.publish("a", 6_u32).expect("publish").queued());
    eventually("it is kept", || is_kept(7));
    blocks.subscription().cancel();
    assert_eq!(thread.join().expect("a publisher"), 1);
}

#[test]
fn t6_a_timeout_ends_the_wait_and_loses_nothing() {
    let _guard = watchdog("t6_a_timeout_ends_the_wait_and_loses_nothing");
    let bus = keeping(100);
    let mode = DeliveryMode::Timeout(Duration::from_millis(1));
    let subscribe = bus.subscribe::<u32>("a").from(Start::Beginning).capacity(1).delivery(mode);
    let mut receiver = subscribe.receiver().expect("subscribe");
    publish(&bus, "a", 0..4);
    assert_eq!(drain(&mut receiver), [0, 1, 2, 3]);
    assert_eq!(receiver.subscription().stats().dropped.total(), 0);
}

#[test]
fn a_handler_that_publishes_to_itself_waits_for_nothing() {
    let _guard = watchdog("a_handler_that_publishes_to_itself_waits_for_nothing");
    let bus = EventBus::builder().workers(1).retain(["*"], Retention::new()).build().expect("valid");
    let weak = bus.downgrade();
    let subscription = bus
        .subscribe::<u32>("a")
        .from(Start::Beginning)
        .capacity(1)
        .delivery(DeliveryMode::Block)
        .handle(move |number| {
            if let Some(bus) = weak.upgrade()
                && **number < 100
            {
                publish(&bus, "a", [**number + 50, **number + 60]);
            }
        })
        .expect("subscribe");
    publish(&bus, "a", [1]);
    eventually("all were handled", || subscription.stats().delivered == 7);
}
