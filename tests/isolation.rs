//! One subscription's trouble is its own: stuck handlers, floods, full queues, and who comes first. Judged by
//! counting and by sequence, never by time.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventually::eventually;
use gate::gate;
use support::{PATIENCE, watchdog};
use trolleybus::{DeliveryMode, EventBus, Subscription};

fn delivered(subscription: &Subscription) -> u64 {
    subscription.stats().delivered
}

#[test]
fn i1_one_stuck_subscriber_of_eight_in_drop_mode_does_not_stop_the_others() {
    const EVENTS: u64 = 5_000;
    let _guard = watchdog("i1");
    for stuck_is_async in [false, true] {
        // A stuck sync handler keeps its worker; a stuck async one keeps none.
        let workers = if stuck_is_async { 1 } else { 2 };
        let bus = EventBus::builder().workers(workers).delivery(DeliveryMode::Drop).build().expect("build");
        let (gate, _opens) = gate();
        let begun = bus.subscribe::<u64>("n").capacity(4);
        let stuck = if stuck_is_async {
            begun.handle_async(|_| std::future::pending::<()>())
        } else {
            let gate = Arc::clone(&gate);
            begun.handle(move |_| gate.pass())
        };
        let stuck = stuck.expect("subscribe");
        let others: Vec<_> = (0..7)
            .map(|number| {
                let begun = bus.subscribe::<u64>("n").capacity(64);
                if number % 2 == 0 { begun.handle(|_| ()) } else { begun.handle_async(|_| async {}) }
            })
            .map(|made| made.expect("subscribe"))
            .collect();
        for number in 1..=EVENTS {
            bus.publish("n", number).expect("publish");
            if number % 64 == 0 || number == EVENTS {
                eventually("the others get everything", || {
                    others.iter().all(|other| delivered(other) == number)
                });
            }
        }
        let ledger = stuck.stats();
        assert_eq!((ledger.offered, ledger.delivered, ledger.running), (EVENTS, 0, 1), "{ledger:?}");
        assert_eq!(ledger.dropped.full, EVENTS - 1 - ledger.queued, "{ledger:?}");
        assert!(others.iter().all(|other| other.stats().dropped.total() == 0));
        if !stuck_is_async {
            gate.open();
            eventually("the stuck one goes on", || stuck.stats().queued == 0 && stuck.stats().running == 0);
        }
    }
}

/// How many events of a flood are handled between the publish of a quiet event and its handler's start, for
/// some hundred quiet events, sorted.
fn waits_beside_a_flood(workers: usize) -> Vec<usize> {
    const FLOOD: usize = 60_000;
    const EACH: usize = 200;
    let bus = EventBus::builder().workers(workers).build().expect("build");
    let handled = Arc::new(AtomicUsize::new(0));
    let waits = Arc::new(Mutex::new(Vec::new()));
    let (count, noted) = (Arc::clone(&handled), Arc::clone(&waits));
    let quiet = bus
        .subscribe::<usize>("quiet")
        .handle(move |published| {
            let now = count.load(Ordering::Acquire);
            noted.lock().expect("lock").push(now - **published);
        })
        .expect("subscribe");
    let (count, weak) = (Arc::clone(&handled), bus.downgrade());
    let flood = bus
        .subscribe::<usize>("flood")
        .delivery(DeliveryMode::Block)
        .capacity(1024)
        .concurrency(workers)
        .handle(move |number| {
            let now = count.fetch_add(1, Ordering::AcqRel) + 1;
            if number.is_multiple_of(EACH)
                && let Some(bus) = weak.upgrade()
            {
                // On the worker itself: what comes between this and the quiet handler is the pool's choice.
                bus.publish("quiet", now).expect("publish");
            }
        })
        .expect("subscribe");
    for number in 0..FLOOD {
        bus.publish("flood", number).expect("publish");
    }
    eventually("both have handled everything", || {
        delivered(&flood) == FLOOD as u64 && delivered(&quiet) == (FLOOD / EACH) as u64
    });
    let mut waits = std::mem::take(&mut *waits.lock().expect("lock"));
    waits.sort_unstable();
    waits
}

#[test]
fn an_event_that_comes_while_a_handler_runs_starts_another_one() {
    let _guard = watchdog("concurrency");
    // All handlers of a subscription meet: each event comes when the handlers of those before have begun.
    for asynchronous in [false, true] {
        let bus = EventBus::builder().workers(3).build().expect("built");
        let running = Arc::new(AtomicUsize::new(0));
        let subscribe = || bus.subscribe::<usize>("n").concurrency(3);
        let begun = Arc::clone(&running);
        let meet = move || {
            begun.fetch_add(1, Ordering::AcqRel);
            eventually("three handlers run at once", || begun.load(Ordering::Acquire) == 3);
        };
        let subscription = if asynchronous {
            let meet = Arc::new(meet);
            subscribe().handle_async(move |_| {
                let meet = Arc::clone(&meet);
                async move { meet() }
            })
        } else {
            subscribe().handle(move |_| meet())
        };
        let subscription = subscription.expect("subscribe");
        for number in 0..3_usize {
            bus.publish("n", number).expect("publish");
            eventually("its handler has begun", || running.load(Ordering::Acquire) > number);
        }
        eventually("all have ended", || delivered(&subscription) == 3);
    }
}

#[test]
fn i2_a_flooding_subscription_does_not_starve_the_others() {
    let _guard = watchdog("i2");
    // With one worker the pool alone decides: at most the rest of one batch of the flood comes before.
    let waits = waits_beside_a_flood(1);
    assert!(waits[waits.len() - 1] <= 64, "the longest waits: {:?}", &waits[waits.len() - 10..]);
    // With two the system may take the processor from the one that has the quiet handler in hand, while the
    // other goes on; hardly at every tenth. Each looks at the other's queue after 32 batches of 64.
    let waits = waits_beside_a_flood(2);
    let most = waits[waits.len() * 9 / 10];
    assert!(most <= 34 * 64, "the longest waits: {:?}", &waits[waits.len() - 10..]);
}

#[test]
fn i3_a_full_queue_does_not_hold_back_the_others() {
    let _guard = watchdog("i3");
    for with_future in [false, true] {
        let bus = EventBus::builder().workers(1).delivery(DeliveryMode::Block).build().expect("build");
        let receiver = |capacity| bus.subscribe::<u32>("n").capacity(capacity).receiver().expect("subscribe");
        // Registered first and full: whoever goes through the list one by one stops here.
        let mut full = receiver(1);
        let mut second_full = receiver(1);
        bus.publish("n", 1_u32).expect("publish");
        let mut roomy = receiver(16);
        let pooled = bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe");
        let inline = bus.subscribe::<u32>("n").handle_inline(|_| ()).expect("subscribe");
        let publisher = {
            let bus = bus.clone();
            std::thread::spawn(move || {
                if with_future {
                    smol::block_on(bus.publish_async("n", 2_u32))
                } else {
                    bus.publish("n", 2_u32)
                }
            })
        };
        assert_eq!(*roomy.recv_timeout(PATIENCE).expect("an event"), 2);
        eventually("the handlers get the event", || delivered(&pooled) == 1 && delivered(&inline) == 1);
        // One full queue does not hold back the other: it gets its event as soon as it has room.
        assert_eq!(*second_full.recv_timeout(PATIENCE).expect("an event"), 1);
        assert_eq!(*second_full.recv_timeout(PATIENCE).expect("an event"), 2);
        assert!(!publisher.is_finished(), "the first queue is full, and its mode is to wait");
        assert_eq!(full.subscription().stats().offered, 1);
        assert_eq!(*full.recv_timeout(PATIENCE).expect("an event"), 1);
        assert_eq!(*full.recv_timeout(PATIENCE).expect("an event"), 2);
        let receipt = publisher.join().expect("join").expect("publish");
        assert_eq!((receipt.queued(), receipt.delivered(), receipt.dropped()), (4, 1, 0));
    }
}

#[test]
fn o4_with_rotation_each_subscriber_is_first_equally_often() {
    const SUBSCRIBERS: usize = 5;
    const TURNS: usize = 40;
    let _guard = watchdog("o4");
    let bus = EventBus::builder().rotate_order().build().expect("build");
    let firsts: Arc<[AtomicUsize; SUBSCRIBERS]> = Arc::default();
    // The payload is the flag of who is first.
    let subscriptions: Vec<_> = (0..SUBSCRIBERS)
        .map(|number| {
            let firsts = Arc::clone(&firsts);
            bus.subscribe_local::<AtomicBool>("n")
                .handle_inline(move |taken| {
                    if !taken.swap(true, Ordering::AcqRel) {
                        firsts[number].fetch_add(1, Ordering::AcqRel);
                    }
                })
                .expect("subscribe")
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..SUBSCRIBERS * TURNS / 2 {
                    let receipt = bus.publish_local("n", AtomicBool::new(false)).expect("publish");
                    assert_eq!(receipt.delivered(), SUBSCRIBERS);
                }
            });
        }
    });
    let firsts: Vec<_> = firsts.iter().map(|count| count.load(Ordering::Acquire)).collect();
    assert_eq!(firsts, [TURNS; SUBSCRIBERS]);
    drop(subscriptions);
}

#[test]
fn o4_topics_that_are_published_in_turn_rotate_each() {
    const TURNS: usize = 200;
    let _guard = watchdog("o4 topics");
    let bus = EventBus::builder().rotate_order().build().expect("build");
    let topics = ["a", "b"];
    let firsts: Arc<[[AtomicUsize; 2]; 2]> = Arc::default();
    let subscriptions: Vec<_> = (0..4)
        .map(|number| {
            let (topic, member) = (number / 2, number % 2);
            let firsts = Arc::clone(&firsts);
            bus.subscribe_local::<AtomicBool>(topics[topic])
                .handle_inline(move |taken| {
                    if !taken.swap(true, Ordering::AcqRel) {
                        firsts[topic][member].fetch_add(1, Ordering::AcqRel);
                    }
                })
                .expect("subscribe")
        })
        .collect();
    for turn in 0..2 * TURNS {
        bus.publish_local(topics[turn % 2], AtomicBool::new(false)).expect("publish");
    }
    for of_topic in firsts.iter() {
        let of_topic = [&of_topic[0], &of_topic[1]].map(|count| count.load(Ordering::Acquire));
        assert!(of_topic.iter().all(|count| *count > TURNS / 4), "{of_topic:?}");
    }
    drop(subscriptions);
}

/// Uses everything that a bus offers; none of it may wait for the stuck subscription.
fn use_the_bus(bus: &EventBus, events: u64) {
    let pooled = bus.subscribe::<u64>("n").capacity(1024).handle(|_| ()).expect("subscribe");
    let polled = bus.subscribe::<u64>("+").capacity(1024).handle_async(|_| async {}).expect("subscribe");
    let inline = bus.subscribe::<u64>("**").handle_inline(|_| ()).expect("subscribe");
    let mut pulled = bus.subscribe::<u64>("n").capacity(1024).receiver().expect("subscribe");
    let handle = bus.publisher::<u64>("n").expect("a topic");
    for number in 0..events {
        let receipt = if number % 2 == 0 { bus.publish("n", number) } else { handle.publish(number) };
        assert!(receipt.expect("publish").offered() >= 4);
        assert_eq!(*pulled.recv_timeout(PATIENCE).expect("an event"), number);
    }
    eventually("the others handle everything", || {
        [&pooled, &polled, &inline].iter().all(|other| delivered(other) == events)
    });
    assert!(bus.stats().total.is_balanced());
    assert!(bus.explain("n").expect("a topic").matching.len() >= 4);
    pooled.cancel_and_wait().wait();
    assert!(polled.drain(PATIENCE).wait().complete);
    assert!(inline.cancel());
}

#[test]
fn l8_a_thread_stuck_in_a_handler_blocks_only_its_subscription() {
    let _guard = watchdog("l8 pooled");
    let bus = EventBus::builder().workers(2).build().expect("build");
    let (gate, _opens) = gate();
    let inside = Arc::clone(&gate);
    let stuck = bus.subscribe::<u64>("n").capacity(2).handle(move |_| inside.pass()).expect("subscribe");
    bus.publish("n", 0_u64).expect("publish");
    eventually("the handler is stuck", || gate.inside() == 1);
    use_the_bus(&bus, 500);
    assert!(stuck.cancel(), "cancelling does not wait for the handler");
    use_the_bus(&bus, 100);
    let report = bus.shutdown(Duration::from_millis(1)).wait();
    assert!(!report.complete);
    assert_eq!((report.unfinished.len(), report.threads_running), (1, 1), "{report:?}");
    assert_eq!(report.unfinished[0].subscription, stuck.id());
    gate.open();
    stuck.cancel_and_wait().wait();
    assert_eq!(gate.inside(), 1, "V3: no handler starts after the cancellation");
}

#[test]
fn l8_a_thread_stuck_in_an_inline_handler_blocks_only_itself() {
    let _guard = watchdog("l8 inline");
    let bus = EventBus::builder().workers(1).build().expect("build");
    let (gate, _opens) = gate();
    let inside = Arc::clone(&gate);
    let stuck = bus
        .subscribe::<u64>("n")
        .filter(|number| **number == u64::MAX)
        .handle_inline(move |_| inside.pass())
        .expect("subscribe");
    let publisher = {
        let bus = bus.clone();
        std::thread::spawn(move || bus.publish("n", u64::MAX).expect("publish"))
    };
    eventually("the publisher is stuck", || gate.inside() == 1);
    use_the_bus(&bus, 500);
    assert!(stuck.cancel(), "cancelling does not wait for the handler");
    use_the_bus(&bus, 100);
    assert_eq!(stuck.stats().running, 1);
    assert!(!publisher.is_finished());
    gate.open();
    assert_eq!(publisher.join().expect("join").delivered(), 1);
    stuck.cancel_and_wait().wait();
    assert!(bus.shutdown(PATIENCE).wait().complete);
}
