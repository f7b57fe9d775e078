//! Everything that a handler may do with the bus, dropping its last handle included.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, Subscription, WeakEventBus};

use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::named;
use crate::support::{PATIENCE, watchdog};
use crate::threads::threads_named;

const MODES: [DeliveryMode; 3] =
    [DeliveryMode::Drop, DeliveryMode::Block, DeliveryMode::Timeout(Duration::from_millis(5))];

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
