//! Handlers may do with the bus whatever they like (R1 to R5): no lock is held while they run, and a wait
//! for oneself is refused instead of waited for.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use eventually::eventually;
use kinds::{KINDS, Kind};
use support::{PATIENCE, watchdog};
use threads::threads_named;
use trolleybus::{
    DeliveryMode, EventBus, HandledDelivery, Observer, PublishRefusal, Subscription, WeakEventBus,
};

const MODES: [DeliveryMode; 3] =
    [DeliveryMode::Drop, DeliveryMode::Block, DeliveryMode::Timeout(Duration::from_millis(5))];

fn named(workers: usize, name: &str) -> EventBus {
    EventBus::builder().workers(workers).thread_name(name).build().expect("build")
}

fn bus(workers: usize) -> EventBus {
    named(workers, "reentry")
}

/// What a handler gets to play with.
struct World {
    bus: WeakEventBus,
    /// Its own subscription, and another one.
    own: Mutex<Option<Subscription>>,
    other: Subscription,
    /// The application's handle of the bus, for the one who drops the last.
    last: Mutex<Option<EventBus>>,
}

type Action = fn(&World);

const ACTIONS: [(&str, Action); 7] = [
    ("publish on the same topic", |world| {
        let bus = world.bus.upgrade().expect("alive");
        // One place in the queue: the second finds it full, and would wait for this handler.
        for number in 1..=2_u32 {
            let receipt = bus.publish("n", number).expect("publish");
            assert_eq!(receipt.offered(), 1);
        }
    }),
    ("publish on another topic", |world| {
        let bus = world.bus.upgrade().expect("alive");
        assert_eq!(bus.publish("other", 1_u32).expect("publish").delivered(), 1);
    }),
    ("subscribe", |world| {
        let bus = world.bus.upgrade().expect("alive");
        let mut receiver = bus.subscribe::<u32>("new.*").receiver().expect("subscribe");
        bus.publish("new.one", 7_u32).expect("publish");
        assert_eq!(*receiver.try_recv().expect("the event"), 7);
    }),
    ("cancel itself", |world| {
        let own = world.own.lock().expect("lock").take().expect("own");
        assert!(own.cancel());
        own.cancel_and_wait().wait();
        assert!(own.drain(PATIENCE).wait().complete);
    }),
    ("cancel another", |world| {
        assert!(world.other.cancel());
        world.other.cancel_and_wait().wait();
    }),
    ("ask", |world| {
        let bus = world.bus.upgrade().expect("alive");
        assert_eq!(bus.stats().total.running, 1);
        assert_eq!(bus.topics().len(), 2);
        assert_eq!(bus.explain("n").expect("explain").matching.len(), 1);
        assert_eq!(bus.subscriber_count("other"), Ok(1));
        assert!(format!("{bus:?} {:?}", world.other).contains("EventBus"));
    }),
    ("shut down", |world| {
        let bus = world.bus.upgrade().expect("alive");
        let _ = bus.shutdown(PATIENCE).wait();
        assert!(bus.publish("n", 1_u32).is_err());
    }),
];

#[test]
fn r1_a_handler_may_do_anything_with_the_bus() {
    for (what, action) in ACTIONS.into_iter().chain([("drop the last handle", drop_last as Action)]) {
        for kind in KINDS {
            for mode in MODES {
                let _watchdog = watchdog("r1");
                play(what, action, kind, mode);
            }
        }
    }
}

fn drop_last(world: &World) {
    // Whoever publishes by a `Publisher` holds no handle of the bus.
    let last = world.last.lock().expect("lock").take().expect("the last");
    drop(last);
    assert!(world.bus.upgrade().is_none());
}

fn play(what: &str, action: Action, kind: Kind, mode: DeliveryMode) {
    let bus = named(1, "r1-world");
    let other = bus.subscribe::<u32>("other").handle_inline(|_| ()).expect("subscribe");
    let world =
        Arc::new(World { bus: bus.downgrade(), own: Mutex::new(None), other, last: Mutex::new(None) });
    let (done, told) = mpsc::channel();
    let publisher = bus.publisher::<u32>("n").expect("publisher");
    let seen = Arc::clone(&world);
    let subscription = kind.handle(bus.subscribe::<u32>("n").capacity(1).delivery(mode), move |number| {
        if number == 0 {
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| action(&seen))).is_err();
            done.send(failed).expect("send");
        }
    });
    *world.own.lock().expect("lock") = Some(subscription);
    *world.last.lock().expect("lock") = Some(bus);
    publisher.publish(0).expect("publish");
    let failed = told.recv_timeout(PATIENCE);
    assert_eq!(failed, Ok(false), "{what}, {kind:?}, {mode:?}");
    // World, subscription and bus hold one another's handles: take them apart.
    let last = world.last.lock().expect("lock").take();
    drop(world.own.lock().expect("lock").take());
    drop(last);
    eventually("the threads end", || threads_named("r1-world") == 0);
}

#[test]
fn r2_publishing_into_ones_own_full_queue_is_refused_and_counted() {
    let _watchdog = watchdog("r2 self");
    for mode in [DeliveryMode::Block, DeliveryMode::Timeout(PATIENCE)] {
        for awaited in [false, true] {
            let bus = bus(2);
            let weak = bus.downgrade();
            let (send, receipts) = mpsc::channel();
            let builder = bus.subscribe::<u32>("n").capacity(1).delivery(mode);
            let subscription = if awaited {
                builder.handle_async(move |number| {
                    let (weak, send) = (weak.clone(), send.clone());
                    async move {
                        for next in 1..=if *number == 0 { 2_u32 } else { 0 } {
                            let bus = weak.upgrade().expect("alive");
                            let receipt = bus.publish_async("n", next).await.expect("publish");
                            send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
                        }
                    }
                })
            } else {
                builder.handle(move |number| {
                    for next in 1..=if **number == 0 { 2_u32 } else { 0 } {
                        let bus = weak.upgrade().expect("alive");
                        let receipt = bus.publish("n", next).expect("publish");
                        send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
                    }
                })
            }
            .expect("subscribe");
            bus.publish("n", 0_u32).expect("publish");
            assert_eq!(receipts.recv_timeout(PATIENCE), Ok((1, 0)));
            assert_eq!(receipts.recv_timeout(PATIENCE), Ok((0, 1)), "{mode:?} awaited: {awaited}");
            eventually("both are handled", || subscription.stats().delivered == 2);
            assert_eq!(subscription.stats().dropped.deadlock, 1);
        }
    }
}

#[test]
fn r2_the_only_worker_does_not_wait_for_itself() {
    let _watchdog = watchdog("r2 one worker");
    let bus = bus(1);
    let weak = bus.downgrade();
    let b = Kind::Pooled.handle(bus.subscribe::<u32>("b").capacity(1).delivery(DeliveryMode::Block), |_| ());
    let (send, receipts) = mpsc::channel();
    let a = Kind::Pooled.handle(bus.subscribe::<u32>("a"), move |_| {
        let bus = weak.upgrade().expect("alive");
        for number in 0..2_u32 {
            let receipt = bus.publish("b", number).expect("publish");
            send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
        }
    });
    bus.publish("a", 1_u32).expect("publish");
    assert_eq!(receipts.recv_timeout(PATIENCE), Ok((1, 0)));
    assert_eq!(receipts.recv_timeout(PATIENCE), Ok((0, 1)));
    eventually("both are handled", || a.stats().delivered + b.stats().delivered == 2);
}

/// A handler of `a` and one of `b` each fill the other's queue while the other runs.
fn cycle(workers: usize, awaited: bool, deadline: Option<Duration>) {
    let bus = bus(workers);
    let subscribe = |own: &'static str, other: &'static str| {
        let weak = bus.downgrade();
        let builder = bus.subscribe::<u32>(own).capacity(1).delivery(DeliveryMode::Block);
        let event = move |bus: &EventBus| {
            let event = bus.event(other, 1_u32);
            if let Some(deadline) = deadline { event.deadline(deadline) } else { event }
        };
        if awaited {
            builder.handle_async(move |number| {
                let (weak, event) = (weak.clone(), event);
                async move {
                    for _ in 0..if *number == 0 { 3 } else { 0 } {
                        let bus = weak.upgrade().expect("alive");
                        event(&bus).publish_async().await.expect("publish");
                    }
                }
            })
        } else {
            builder.handle(move |number| {
                for _ in 0..if **number == 0 { 3 } else { 0 } {
                    let bus = weak.upgrade().expect("alive");
                    event(&bus).publish().expect("publish");
                }
            })
        }
        .expect("subscribe")
    };
    let (a, b) = (subscribe("a", "b"), subscribe("b", "a"));
    bus.publish("a", 0_u32).expect("publish");
    bus.publish("b", 0_u32).expect("publish");
    eventually("the cycle ends", || {
        [&a, &b].iter().all(|one| {
            let ledger = one.stats();
            ledger.offered == 4 && ledger.queued + ledger.running == 0
        })
    });
    let (a, b) = (a.stats(), b.stats());
    assert!(a.is_balanced() && b.is_balanced());
    let lost = a.dropped.deadlock + b.dropped.deadlock + a.dropped.timeout + b.dropped.timeout;
    assert_eq!(a.delivered + b.delivered + lost, 8, "{a:?} {b:?}");
    if deadline.is_none() {
        assert_eq!(a.dropped.timeout + b.dropped.timeout, 0);
    }
}

#[test]
fn r2_a_cycle_of_waiting_handlers_ends() {
    let _watchdog = watchdog("r2 cycle");
    for round in 0..30 {
        cycle([2, 4][round % 2], false, None);
    }
}

#[test]
fn r2_a_cycle_of_awaiting_handlers_ends() {
    let _watchdog = watchdog("r2 async cycle");
    for round in 0..30 {
        cycle([1, 4][round % 2], true, None);
    }
}

#[test]
fn r2_an_events_deadline_ends_a_cycle() {
    let _watchdog = watchdog("r2 deadline");
    for awaited in [false, true] {
        cycle(4, awaited, Some(Duration::from_millis(20)));
    }
}

#[test]
fn r3_recursion_stops_at_the_limit_with_the_payload_back() {
    let _watchdog = watchdog("r3");
    for limit in [1, 64, 128] {
        let bus = EventBus::builder().inline_depth(limit).build().expect("build");
        let (weak, deepest) = (bus.downgrade(), Arc::new(AtomicUsize::new(0)));
        let refused = Arc::new(AtomicUsize::new(0));
        let (deep, count) = (Arc::clone(&deepest), Arc::clone(&refused));
        let _recursive = bus
            .subscribe::<u32>("n")
            .handle_inline(move |depth| {
                deep.fetch_max(**depth as usize, SeqCst);
                if let Err(error) = weak.upgrade().expect("alive").publish("n", **depth + 1) {
                    assert!(matches!(error.refusal(), PublishRefusal::TooDeep { limit: at } if *at == limit));
                    assert_eq!(error.into_payload(), **depth + 1);
                    count.fetch_add(1, SeqCst);
                }
            })
            .expect("subscribe");
        let rounds = 1_000_000 / limit / 10;
        for _ in 0..rounds {
            assert_eq!(bus.publish("n", 1_u32).expect("publish").delivered(), 1);
        }
        assert_eq!((deepest.load(SeqCst), refused.load(SeqCst)), (limit, rounds));
    }
}

#[test]
fn r4_the_last_handle_may_go_in_any_handler() {
    let _watchdog = watchdog("r4");
    for round in 0..150 {
        let kind = KINDS[round % 3];
        let bus = EventBus::builder().workers(1 + round % 3).thread_name("r4-last").build().expect("build");
        let publisher = bus.publisher::<u32>("n").expect("publisher");
        let last = Arc::new(Mutex::new(None));
        let taken = Arc::clone(&last);
        let subscription = kind.handle(bus.subscribe::<u32>("n"), move |_| {
            let last: Option<EventBus> = taken.lock().expect("lock").take();
            drop(last);
        });
        *last.lock().expect("lock") = Some(bus);
        publisher.publish(1).expect("publish");
        eventually("it is handled", || subscription.stats().delivered == 1);
        assert_eq!(subscription.stats().failed, 0, "{kind:?}");
        assert!(publisher.publish(2).unwrap_err().is_shut_down());
        eventually("its threads end", || threads_named("r4-last") == 0);
    }
}

/// Calls something when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// Uses about everything that takes a lock.
fn use_all(weak: &WeakEventBus, calls: &AtomicUsize) {
    if let Some(bus) = weak.upgrade() {
        let topic = format!("used.{}", calls.load(SeqCst));
        let receiver = bus.subscribe::<u32>(topic.as_str()).receiver();
        let wild = bus.subscribe::<u32>("used.*").receiver();
        let _ = bus.publish(&topic, 1_u32);
        let _ = (bus.stats(), bus.topics(), bus.explain(&topic), format!("{bus:?}"));
        let _ = receiver.map(|receiver| receiver.subscription().cancel());
        drop(wild);
    }
    calls.fetch_add(1, SeqCst);
}

#[test]
fn r5_no_lock_is_held_while_user_code_runs() {
    struct Uses(Mutex<WeakEventBus>, Arc<AtomicUsize>);
    impl Observer for Uses {
        fn handled(&self, delivery: &HandledDelivery<'_>) {
            // Not for what it publishes itself.
            if delivery.topic.as_str() == "observed" {
                use_all(&self.0.lock().expect("lock").clone(), &self.1);
            }
        }
        fn warning(&self, _: &str) {
            use_all(&self.0.lock().expect("lock").clone(), &self.1);
        }
    }
    let _watchdog = watchdog("r5");
    let calls = Arc::new(AtomicUsize::new(0));
    let observer = Arc::new(Uses(Mutex::new(EventBus::new().downgrade()), Arc::clone(&calls)));
    struct Shared(Arc<Uses>);
    impl Observer for Shared {
        fn handled(&self, delivery: &HandledDelivery<'_>) {
            self.0.handled(delivery);
        }
        fn warning(&self, message: &str) {
            self.0.warning(message);
        }
    }
    let bus = EventBus::builder().workers(1).observer(Shared(Arc::clone(&observer))).build().expect("build");
    *observer.0.lock().expect("lock") = bus.downgrade();
    let (weak, count) = (bus.downgrade(), Arc::clone(&calls));
    let on_drop = move || {
        let (weak, count) = (weak.clone(), Arc::clone(&count));
        OnDrop(Some(Box::new(move || use_all(&weak, &count))))
    };
    let called = |what: &str, at_least: usize| {
        eventually(what, || calls.load(SeqCst) >= at_least);
        calls.store(0, SeqCst);
    };

    for pattern in ["p", "*", "p.*"] {
        let topic = if pattern == "p.*" { "p.q" } else { "p" };
        for mode in [DeliveryMode::Drop, DeliveryMode::DropOldest] {
            let receiver = bus
                .subscribe_local::<OnDrop>(pattern)
                .capacity(1)
                .delivery(mode)
                .receiver()
                .expect("subscribe");
            bus.publish_local(topic, on_drop()).expect("publish");
            bus.publish_local(topic, on_drop()).expect("publish");
            called("a payload was dropped for want of room", 1);
            drop(receiver);
            called("a payload was dropped by cancel", 1);
        }
        for kind in KINDS {
            let captured = on_drop();
            let subscription = kind.handle(bus.subscribe::<u32>(pattern), move |_| {
                let _ = &captured;
            });
            bus.publish(topic, 1_u32).expect("publish");
            eventually("it is handled", || subscription.stats().delivered == 1);
            drop(subscription);
            bus.publish(topic, 1_u32).expect("publish");
            called("a handler was dropped", 1);
        }
    }
    let (weak, count) = (bus.downgrade(), Arc::clone(&calls));
    let filtered = bus
        .subscribe::<u32>("filtered")
        .filter(move |_| {
            use_all(&weak, &count);
            true
        })
        .receiver()
        .expect("subscribe");
    bus.publish("filtered", 1_u32).expect("publish");
    called("the filter", 1);
    bus.publish("filtered", "another type").expect("publish");
    called("the warning of a mismatch", 1);
    for kind in KINDS {
        let _subscription = kind.handle(bus.subscribe::<u32>("observed"), |_| ());
        let last = on_drop();
        let event = bus.event("observed", 1_u32).on_complete(move |_| drop(last));
        event.publish().expect("publish");
        called("the observer and the completion", 2);
    }
    drop(filtered);
    let queued = bus.subscribe_local::<OnDrop>("end").receiver().expect("subscribe");
    bus.publish_local("end", on_drop()).expect("publish");
    drop(bus.shutdown(Duration::ZERO).wait());
    called("a payload was dropped by the shutdown", 1);
    drop(queued);
}
