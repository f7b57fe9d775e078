//! The memory engine that never drops, which the original calls durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use trolleybus::{
    Config, DeliveryMode, EventBus, Format, Ledger, MemoryEngine, SubscribeError, Subscription,
};

use crate::eventually::eventually;
use crate::gate::gate;
use crate::support::{PATIENCE, watchdog};

/// A bus whose topics `order.*` go by an engine that never drops, though the bus does.
fn bus(depth: usize, workers: usize) -> EventBus {
    let orders = MemoryEngine::new("orders").lossless().capacity(depth);
    let builder = EventBus::builder().workers(workers).memory_engine(orders).route("orders", ["order.*"]);
    builder.build().expect("valid")
}

fn account(subscription: &Subscription) -> Ledger {
    let ledger = subscription.stats();
    assert!(ledger.is_balanced(), "{ledger:?}");
    ledger
}

#[test]
fn d_dur_1_publishers_that_wait_for_room_all_get_it() {
    let _watchdog = watchdog("d_dur_1");
    const EACH: u64 = 2_000;
    for depth in [1, 2, 3, 10] {
        let bus = bus(depth, 1);
        let (sum, theirs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let added = Arc::clone(&sum);
        // Relaxed: read when all have been joined, or the subscription is at rest.
        let handled = bus.subscribe::<u64>("order.*").handle(move |number| {
            added.fetch_add(**number, Ordering::Relaxed);
        });
        let handled = handled.expect("subscribe");
        std::thread::scope(|scope| {
            for publisher in 0..4_u64 {
                let (bus, theirs) = (&bus, Arc::clone(&theirs));
                scope.spawn(move || {
                    for number in 0..EACH {
                        let number = publisher * EACH + number;
                        let receipt = bus.publish("order.placed", number).expect("open");
                        assert_eq!(receipt.dropped(), 0);
                        theirs.fetch_add(number, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(handled.drain(PATIENCE).wait().complete);
        let ledger = account(&handled);
        assert_eq!((ledger.offered, ledger.delivered), (4 * EACH, 4 * EACH), "a depth of {depth}");
        assert_eq!(sum.load(Ordering::Relaxed), theirs.load(Ordering::Relaxed));
    }
}

#[test]
fn d_dur_2_a_handler_that_panics_a_cancel_and_a_shutdown_release_publishers() {
    let _watchdog = watchdog("d_dur_2");
    let panics = bus(2, 1);
    let handled = panics.subscribe::<u64>("order.*").handle(|number| assert_ne!(**number % 2, 0, "even"));
    let handled = handled.expect("subscribe");
    for number in 0..100_u64 {
        panics.publish("order.placed", number).expect("open");
    }
    assert!(handled.drain(PATIENCE).wait().complete);
    assert_eq!((account(&handled).delivered, account(&handled).failed), (100, 50));

    for shuts_down in [false, true] {
        let bus = bus(1, 1);
        let (gate, _opens) = gate();
        let held = Arc::clone(&gate);
        let stuck = bus.subscribe::<u64>("order.*").handle(move |_| held.pass()).expect("subscribe");
        bus.publish("order.placed", 1_u64).expect("open");
        eventually("the handler runs", || stuck.stats().running == 1);
        bus.publish("order.placed", 2_u64).expect("there is room");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| bus.publish("order.placed", 3_u64));
            eventually("the third was offered", || stuck.stats().offered >= 2 && !waits.is_finished());
            let shutdown = shuts_down.then(|| bus.shutdown(PATIENCE));
            if !shuts_down {
                stuck.cancel();
            }
            let receipt = waits.join().expect("no panic");
            // Either it was waiting, and was let go; or it came after the end.
            let taken = receipt.map_or(0, |receipt| receipt.delivered() + receipt.queued());
            assert_eq!(taken, 0, "shut down: {shuts_down}");
            gate.open();
            assert!(shutdown.is_none_or(|shutdown| shutdown.wait().complete));
        });
        account(&stuck);
    }
}

#[test]
fn d_dur_3_whatever_way_an_event_is_lost_it_is_counted() {
    let _watchdog = watchdog("d_dur_3");
    let bus = bus(10, 1);
    let (gate, _opens) = gate();
    let held = Arc::clone(&gate);
    let handled = bus.subscribe::<u64>("order.*").handle(move |_| held.pass()).expect("subscribe");
    for number in 0..6_u64 {
        bus.publish("order.placed", number).expect("open");
    }
    eventually("the handler runs", || handled.stats().running == 1);
    for _ in 0..5 {
        bus.try_publish("order.placed", 6_u64).expect("open");
    }
    let refused = bus.try_publish("order.placed", 7_u64).expect("open");
    assert_eq!(refused.dropped_by().full, 1, "who does not wait is told");
    let late = bus.event("order.placed", 8_u64).deadline(Duration::from_millis(1)).publish().expect("open");
    assert_eq!(late.dropped_by().timeout, 1);
    handled.cancel();
    gate.open();
    eventually("the handler ended", || handled.stats().running == 0);
    let ledger = account(&handled);
    assert_eq!((ledger.delivered, ledger.dropped.cancelled, ledger.offered), (1, 10, 13));
}

#[test]
fn d_dur_3_a_stop_drains_what_is_queued() {
    let _watchdog = watchdog("d_dur_3");
    let bus = bus(100, 1);
    let (gate, _opens) = gate();
    let held = Arc::clone(&gate);
    let handled = bus.subscribe::<u64>("order.*").handle(move |_| held.pass()).expect("subscribe");
    for number in 0..100_u64 {
        bus.publish("order.placed", number).expect("open");
    }
    let shutdown = bus.shutdown(PATIENCE);
    gate.open();
    let report = shutdown.wait();
    assert_eq!((report.complete, report.discarded), (true, 0));
    assert_eq!(account(&handled).delivered, 100);
}

#[test]
fn d_dur_4_a_slow_subscriber_does_not_hold_up_the_others() {
    let _watchdog = watchdog("d_dur_4");
    let bus = bus(1, 2);
    let (gate, _opens) = gate();
    let held = Arc::clone(&gate);
    let slow = bus.subscribe::<u64>("order.*").handle(move |_| held.pass()).expect("subscribe");
    let quick = bus.subscribe::<u64>("order.*").capacity(10).handle(|_| ()).expect("subscribe");
    bus.publish("order.placed", 1_u64).expect("open");
    eventually("the slow one is busy", || slow.stats().running == 1);
    bus.publish("order.placed", 2_u64).expect("there is room");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| bus.publish("order.placed", 3_u64).expect("open"));
        eventually("the quick one has all", || quick.stats().delivered == 3);
        assert!(!waits.is_finished(), "there is no room at the slow one");
        gate.open();
        assert_eq!(waits.join().expect("no panic").dropped(), 0);
    });
    assert!(slow.drain(PATIENCE).wait().complete);
    assert_eq!(account(&slow).delivered, 3);
}

#[test]
fn d_dur_4_it_has_statistics_of_the_same_shape_and_its_settings_are_reached() {
    let capacities = |text: &str| {
        let config = Config::from_str(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        let bus = config.into_builder().expect("a builder").start().wait().expect("it starts");
        let mut events = bus.subscribe::<u64>("order.*").receiver().expect("subscribe");
        bus.publish("order.placed", 1_u64).expect("open");
        events.try_recv().expect("there is one");
        let engines = bus.stats().engines;
        let of_kind = engines.iter().find(|engine| engine.kind == "durable-memory").expect("it is listed");
        assert_eq!((of_kind.offered, of_kind.delivered, of_kind.dropped, of_kind.in_flight), (1, 1, 0, 0));
        let stats = bus.stats().subscriptions.pop().expect("there is one");
        assert_eq!(stats.delivery, DeliveryMode::Block);
        stats.capacity
    };
    // As the only engine, and as one of several.
    assert_eq!(capacities("engine: durable-memory\ndefaultEventBufferSize: 7\n"), 7);
    let several = "
engines:
  - {name: near, type: memory}
  - {name: orders, type: durable-memory, config: {maxDurableQueueDepth: 5, maxEventQueueSize: 6}}
routing: [{topics: ['order.*'], engine: orders}]
";
    assert_eq!(capacities(several), 5);
}

#[test]
fn settings_that_contradict_it_are_refused() {
    let refused = |text: &str| {
        let config = Config::from_str(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        config.into_builder().expect_err("refused").to_string()
    };
    let drops = refused("engine: durable-memory\ndeliveryMode: drop\n");
    assert!(drops.ends_with("deliveryMode is another than block, and this engine never drops"), "{drops}");
    let engine = |settings: &str| {
        refused(&format!("engines: [{{name: a, type: durable-memory, config: {{{settings}}}}}]"))
    };
    let zero = engine("maxDurableQueueDepth: 0");
    assert!(zero.ends_with("maxDurableQueueDepth is 0: it must be from 1 to 16777216"), "{zero}");
    assert!(engine("defaultEventBufferSize: 5").contains("unknown key"));
    assert!(
        Config::from_str("engine: durable-memory\ndeliveryMode: block\n", Format::Yaml)
            .and_then(Config::into_builder)
            .is_ok()
    );

    let bus = bus(1, 1);
    for mode in [DeliveryMode::Drop, DeliveryMode::DropOldest, DeliveryMode::Timeout(PATIENCE)] {
        let refused = bus.subscribe::<u64>("*.placed").delivery(mode).receiver().expect_err("it drops");
        assert!(matches!(refused, SubscribeError::NeverDrops { mode: said } if said == mode), "{refused}");
        // A handler without a queue drops nothing; and elsewhere the mode is free.
        assert!(bus.subscribe::<u64>("order.*").delivery(mode).handle_inline(|_| ()).is_ok());
        assert!(bus.subscribe::<u64>("user.*").delivery(mode).receiver().is_ok());
    }
    assert!(bus.subscribe::<u64>("*").delivery(DeliveryMode::Block).receiver().is_ok());
}
