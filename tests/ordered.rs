//! Order by key: handlers of one key start and end one after the other, and the keys do not wait for one another.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, HandlerError, Retry, Subscribe};

use eventually::eventually;
use gate::gate;
use support::{PATIENCE, watchdog};
use yield_once::YieldOnce;

/// A key, a publisher, and the number of the event of that publisher and key.
type Load = (u32, u32, u32);

fn bus() -> EventBus {
    EventBus::builder().workers(4).build().expect("valid")
}

fn publish(bus: &EventBus, load: Load) {
    bus.publish("n", load).expect("open");
}

#[test]
fn o4_a_key_that_is_held_up_holds_up_no_other() {
    let _watchdog = watchdog("held up");
    let bus = bus();
    let (held, _opens) = gate();
    let (inside, (done, ends)) = (Arc::clone(&held), mpsc::channel());
    let subscription = bus
        .subscribe::<Load>("n")
        .ordered_by(2, |load| load.0)
        .handle(move |load| {
            if load.0 == 0 {
                inside.pass();
            }
            done.send(**load).expect("send");
        })
        .expect("subscribe");
    for number in 0..100 {
        publish(&bus, (0, 0, number));
        publish(&bus, (1, 0, number));
    }
    for number in 0..100 {
        assert_eq!(ends.recv_timeout(PATIENCE), Ok((1, 0, number)));
    }
    assert_eq!((held.inside(), subscription.stats().queued), (1, 99));
    held.open();
    for number in 0..100 {
        assert_eq!(ends.recv_timeout(PATIENCE), Ok((0, 0, number)));
    }
}

#[test]
fn events_without_a_key_are_in_order_with_no_other() {
    let _watchdog = watchdog("no key");
    let bus = bus();
    let (held, _opens) = gate();
    let inside = Arc::clone(&held);
    let subscription =
        bus.subscribe::<u32>("n").ordered_by_key(3).handle(move |_| inside.pass()).expect("subscribe");
    for number in 0..10_u32 {
        bus.publish("n", number).expect("open");
    }
    eventually("three at a time", || held.inside() == 3);
    assert_eq!((subscription.stats().running, subscription.stats().queued), (3, 7));
    held.open();
    eventually("all are handled", || subscription.stats().delivered == 10);
    let again = bus.subscribe::<u32>("m").ordered_by_key(3).handle(|_| ()).expect("subscribe");
    for number in 0..10_u32 {
        bus.event("m", number).key("one").publish().expect("open");
    }
    eventually("all are handled", || again.stats().delivered == 10);
}

#[test]
fn p2_a_key_that_cannot_be_found_is_one_key() {
    let _watchdog = watchdog("panic in the key");
    let bus = bus();
    let (done, ends) = mpsc::channel();
    let subscription = bus
        .subscribe::<u32>("n")
        .ordered_by(4, |number| {
            assert!(**number < 100, "no key");
            **number
        })
        .handle(move |number| done.send(**number).expect("send"))
        .expect("subscribe");
    for number in 100..150_u32 {
        bus.publish("n", number).expect("open");
    }
    assert!((100..150).eq(ends.iter().take(50)), "in order with one another");
    assert_eq!(subscription.stats().failed, 0);
}

/// Checks that the events of each key and publisher come in order, and those of a key one after the other.
#[derive(Default)]
struct Checks {
    /// Of each key and publisher the number that comes next.
    next: Mutex<HashMap<(u32, u32), u32>>,
    /// The keys whose handler runs.
    running: Mutex<Vec<u32>>,
}

impl Checks {
    fn start(&self, load: Load) {
        let mut running = self.running.lock().expect("lock");
        assert!(!running.contains(&load.0), "two handlers of one key");
        running.push(load.0);
        drop(running);
        let mut next = self.next.lock().expect("lock");
        let next = next.entry((load.0, load.1)).or_default();
        assert_eq!(load.2, *next, "out of order");
        *next += 1;
    }

    fn end(&self, load: Load) {
        self.running.lock().expect("lock").retain(|key| *key != load.0);
    }
}

/// Once more, at once; but what the checks find is final.
fn at_once() -> Retry {
    Retry::new(2).backoff(Duration::ZERO).only_if(|error| !error.is_panic())
}

const KEYS: u32 = 7;
const PUBLISHERS: u32 = 3;
const ROUNDS: u32 = 500;

/// Publishers, handlers of both kinds, pauses, and queues so small that publishers wait.
fn stress(
    prepare: fn(Subscribe<trolleybus::Event<Load>>) -> Subscribe<trolleybus::Event<Load>>,
    fails: bool,
) {
    let bus = bus();
    let checks = [Arc::<Checks>::default(), Arc::default()];
    let subscribe = || {
        let subscribe = bus.subscribe::<Load>("n").capacity(16).delivery(DeliveryMode::Block);
        prepare(subscribe.ordered_by(3, |load| load.0))
    };
    let result = move |load: Load, attempt: u32| {
        let fails = fails && load.2.is_multiple_of(5) && attempt == 1;
        if fails { Err(HandlerError::new("not yet")) } else { Ok(()) }
    };
    let mine = Arc::clone(&checks[0]);
    let pooled = subscribe()
        .handle_with(move |load, delivery| {
            if delivery.attempt() == 1 {
                mine.start(**load);
            }
            let result = result(**load, delivery.attempt());
            if result.is_ok() {
                mine.end(**load);
            }
            result
        })
        .expect("subscribe");
    let mine = Arc::clone(&checks[1]);
    let asynchronous = subscribe()
        .handle_async_with(move |load, delivery| {
            let mine = Arc::clone(&mine);
            async move {
                if delivery.attempt() == 1 {
                    mine.start(*load);
                }
                YieldOnce::default().await;
                let result = result(*load, delivery.attempt());
                if result.is_ok() {
                    mine.end(*load);
                }
                result
            }
        })
        .expect("subscribe");
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let bus = &bus;
            scope.spawn(move || {
                for number in 0..ROUNDS {
                    // A hot key, and others.
                    for key in [0, number % KEYS] {
                        if key == 0 && number % KEYS == 0 {
                            continue;
                        }
                        let number = if key == 0 { number - number / KEYS - 1 } else { number / KEYS };
                        publish(bus, (key, publisher, number));
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..50 {
                pooled.pause();
                asynchronous.pause();
                thread::yield_now();
                pooled.resume();
                asynchronous.resume();
                thread::yield_now();
            }
        });
    });
    assert!(bus.shutdown(PATIENCE).wait().complete);
    for subscription in [pooled, asynchronous] {
        let ledger = subscription.stats();
        assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
        assert_eq!((ledger.failed, ledger.delivered), (0, ledger.offered));
        assert_eq!(ledger.retried > 0, fails);
    }
}

#[test]
fn o2_starts_and_ends_of_a_key_are_in_order_under_stress() {
    let _watchdog = watchdog("stress");
    stress(|subscribe| subscribe, false);
}

#[test]
fn o3_order_survives_retries_and_pauses_under_stress() {
    let _watchdog = watchdog("stress with retries");
    stress(|subscribe| subscribe.retry(at_once()), true);
}

#[test]
fn o2_lanes_on_the_runtime_of_the_application_keep_the_order_of_keys() {
    let _watchdog = watchdog("runtime");
    let executor = Arc::new(smol::Executor::new());
    let spawner = Arc::clone(&executor);
    let bus =
        EventBus::builder().spawn_with(move |lane| spawner.spawn(lane).detach()).build().expect("valid");
    let checks = Arc::<Checks>::default();
    let mine = Arc::clone(&checks);
    let subscription = bus
        .subscribe::<Load>("n")
        .ordered_by(3, |load| load.0)
        .retry(at_once())
        .handle_async_with(move |load, delivery| {
            let mine = Arc::clone(&mine);
            async move {
                if delivery.attempt() == 1 {
                    mine.start(*load);
                    YieldOnce::default().await;
                    return Err(HandlerError::new("not yet"));
                }
                mine.end(*load);
                Ok(())
            }
        })
        .expect("subscribe");
    for number in 0..100 {
        for key in 0..5 {
            publish(&bus, (key, 0, number));
        }
    }
    smol::block_on(executor.run(async {
        while subscription.stats().delivered < 500 {
            smol::future::yield_now().await;
        }
    }));
    assert_eq!((subscription.stats().failed, subscription.stats().retried), (0, 500));
    subscription.cancel();
    smol::block_on(executor.run(async {
        while !executor.is_empty() {
            smol::future::yield_now().await;
        }
    }));
}
