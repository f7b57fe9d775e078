//! Mode `Block`: a publisher waits for room and for nothing else, and nothing is dropped for want of it.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/random.rs"]
mod random;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventually::eventually;
use random::{Rng, seed};
use support::{PATIENCE, watchdog};
use trolleybus::{DeliveryMode, DropReason, EventBus, Observer, Receipt};
use yield_once::YieldOnce;

/// Keeps the failures that are meant to happen out of the output.
struct Silent;

impl Observer for Silent {}

fn blocking(workers: usize) -> EventBus {
    EventBus::builder()
        .workers(workers)
        .delivery(DeliveryMode::Block)
        .capacity(1)
        .observer(Silent)
        .build()
        .expect("build")
}

/// Fills the queue of one event, lets a thread publish a second one, and does `what` at some moment before,
/// while or after that thread comes to wait.
fn while_a_publisher_waits(bus: &EventBus, rng: &mut Rng, what: impl FnOnce()) -> Receipt {
    bus.publish("n", 1_u32).expect("publish");
    let publisher = {
        let bus = bus.clone();
        let with_future = rng.one_in(2);
        std::thread::spawn(move || {
            if with_future { smol::block_on(bus.publish_async("n", 2_u32)) } else { bus.publish("n", 2_u32) }
        })
    };
    for _ in 0..rng.pick(&[0, 1, 2, 5, 10, 30]) {
        std::thread::yield_now();
    }
    what();
    eventually("the publisher returns", || publisher.is_finished());
    publisher.join().expect("join").expect("publish")
}

/// The subscription ended before the event was accepted, or before the publisher looked.
fn assert_told(receipt: &Receipt) {
    assert_eq!((receipt.queued(), receipt.delivered()), (0, 0), "{receipt:?}");
    assert_eq!(receipt.matched(), receipt.dropped(), "{receipt:?}");
    assert_eq!(receipt.dropped_by().by(DropReason::Cancelled), receipt.dropped() as u64, "{receipt:?}");
}

#[test]
fn l3_d_mem_5_a_publisher_that_waits_for_a_cancelled_subscription_returns() {
    let _guard = watchdog("l3 cancelled");
    let mut rng = Rng::new(seed());
    for round in 0..300 {
        let bus = blocking(0);
        let receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
        let receipt = if round % 2 == 0 {
            while_a_publisher_waits(&bus, &mut rng, || assert!(receiver.subscription().cancel()))
        } else {
            while_a_publisher_waits(&bus, &mut rng, || drop(receiver))
        };
        assert_told(&receipt);
        assert_eq!(bus.publish("n", 3_u32).expect("publish").matched(), 0);
        let total = bus.stats().total;
        assert!(total.is_balanced() && total.queued + total.running + total.delivered == 0, "{total:?}");
    }
}

/// Keeps panics with this message out of the output, for the rest of the process.
fn silence(message: &'static str) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&message) {
            hook(info);
        }
    }));
}

#[test]
fn l3_a_publisher_goes_on_when_handlers_panic() {
    const EVENTS: u64 = 200;
    let _guard = watchdog("l3 panicked");
    let bus = blocking(1);
    let fails: [_; 2] = [
        bus.subscribe::<u64>("n").handle(|n| assert!(**n >= EVENTS, "on purpose")).expect("subscribe"),
        bus.subscribe::<u64>("n")
            .handle_async(|n| async move {
                YieldOnce::default().await;
                assert!(*n >= EVENTS, "on purpose");
            })
            .expect("subscribe"),
    ];
    silence("on purpose");
    let queued: usize = (0..EVENTS).map(|n| bus.publish("n", n).expect("publish").queued()).sum();
    eventually("all handlers have ended", || fails.iter().all(|one| one.stats().delivered == EVENTS));
    assert_eq!(queued as u64, 2 * EVENTS);
    for one in &fails {
        assert_eq!(one.stats().failed, EVENTS);
    }
    // They live: the next event is handled without a panic.
    bus.publish("n", EVENTS).expect("publish");
    eventually("the next event is handled", || fails.iter().all(|one| one.stats().delivered > EVENTS));
    assert!(fails.iter().all(|one| one.stats().failed == EVENTS));
}

#[test]
fn l3_a_publisher_returns_when_the_runtime_of_the_handlers_is_gone() {
    let _guard = watchdog("l3 runtime");
    let mut rng = Rng::new(seed());
    for _ in 0..30 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("runtime");
        let handle = runtime.handle().clone();
        let bus = EventBus::builder()
            .workers(0)
            .delivery(DeliveryMode::Block)
            .capacity(1)
            .observer(Silent)
            .spawn_with(move |lane| drop(handle.spawn(lane)))
            .build()
            .expect("build");
        let dead =
            bus.subscribe::<u32>("n").handle_async(|_| std::future::pending::<()>()).expect("subscribe");
        // The first one runs for ever, the second fills the queue, the third and fourth wait.
        bus.publish("n", 0_u32).expect("publish");
        eventually("the handler runs", || dead.stats().running == 1);
        let receipt = while_a_publisher_waits(&bus, &mut rng, || drop(runtime));
        assert_told(&receipt);
        assert!(dead.is_closed());
        let ledger = dead.stats();
        assert!(ledger.is_balanced() && ledger.queued + ledger.running == 0, "{ledger:?}");
        assert_eq!(
            (ledger.delivered, ledger.failed),
            (1, 1),
            "the pending handler counts as failed: {ledger:?}"
        );
    }
}

#[test]
fn l4_d_mem_4_block_mode_with_room_for_one_never_drops() {
    const EVENTS: u64 = 400;
    const PUBLISHERS: u64 = 3;
    let _guard = watchdog("l4");
    for workers in [1, 2] {
        let bus = blocking(workers);
        let sum = Arc::new(AtomicU64::new(0));
        let subscriptions: Vec<_> = (0..4)
            .map(|number| {
                let begun = bus.subscribe::<u64>("n").concurrency(1 + number / 2);
                let sum = Arc::clone(&sum);
                if number % 2 == 0 {
                    begun.handle(move |n| {
                        sum.fetch_add(**n, Ordering::AcqRel);
                    })
                } else {
                    begun.handle_async(move |n| {
                        let sum = Arc::clone(&sum);
                        async move {
                            YieldOnce::default().await;
                            sum.fetch_add(*n, Ordering::AcqRel);
                        }
                    })
                }
                .expect("subscribe")
            })
            .collect();
        std::thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let bus = &bus;
                scope.spawn(move || {
                    for n in 1..=EVENTS {
                        let receipt = if (n + publisher) % 2 == 0 {
                            bus.publish("n", n).expect("publish")
                        } else {
                            smol::block_on(bus.publish_async("n", n)).expect("publish")
                        };
                        assert_eq!(receipt.queued(), 4, "{receipt:?}");
                    }
                });
            }
        });
        let report = bus.shutdown(PATIENCE).wait();
        assert!(report.complete, "{report:?}");
        for subscription in &subscriptions {
            let ledger = subscription.stats();
            assert_eq!((ledger.delivered, ledger.dropped.total()), (EVENTS * PUBLISHERS, 0), "{ledger:?}");
        }
        assert_eq!(sum.load(Ordering::Acquire), EVENTS * (EVENTS + 1) / 2 * PUBLISHERS * 4);
    }
}
