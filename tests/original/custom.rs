//! The custom engine: what it measures, and how it ends.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use trolleybus::EventBus;
use trolleybus::engine::custom::{CustomEngine, CustomSettings, InvalidSettings};

use crate::eventually::eventually;
use crate::gate::gate;
use crate::on_each_engine;
use crate::support::{PATIENCE, watchdog};

/// In the original an interval of zero ends the process, and the last metrics are logged while they are written.
#[test]
fn d_cus_2_settings_are_checked_and_the_last_metrics_are_logged() {
    let _watchdog = watchdog("d_cus_2");
    let settings = CustomSettings::default;
    let refused = [
        settings().metrics_interval(Duration::ZERO),
        settings().max_event_queue_size(0),
        settings().default_event_buffer_size(0),
    ]
    .map(|settings| CustomEngine::new(settings).err());
    let expected =
        [InvalidSettings::MetricsInterval, InvalidSettings::QueueSize, InvalidSettings::BufferSize];
    assert_eq!(refused, expected.map(Some));

    let (send, logged) = mpsc::channel();
    let settings = settings()
        .metrics_interval(Duration::from_secs(3600))
        .max_topics(1)
        .log(move |metrics| drop(send.send(metrics.clone())));
    let engine = CustomEngine::new(settings).expect("fine");
    let metrics = engine.metrics_handle();
    let bus = EventBus::builder().engine("own", engine).default_engine("own").start().wait().expect("start");
    let _handler = bus.subscribe::<u32>("*").handle(|_| ()).expect("subscribe");
    for topic in ["a", "b", "a"] {
        bus.publish(topic, 1_u32).expect("publish");
    }
    assert!(bus.shutdown(PATIENCE).wait().complete);
    let last = logged.recv_timeout(PATIENCE).expect("once at the end");
    assert_eq!((last.total_events, last.processed_events, last.events_of_other_topics), (3, 3, 1));
    assert_eq!(last.events_per_topic, [("a".to_owned(), 2)].into());
    assert_eq!(last, metrics.read());
    assert!(logged.try_recv().is_err());
}

/// In the original its stop does not wait for handlers, what it drops is counted nowhere, and the statistics of the bus do
/// not know it.
#[test]
fn d_cus_3_its_end_waits_for_handlers_and_its_drops_are_counted() {
    const EVENTS: u64 = 5;
    let _watchdog = watchdog("d_cus_3");
    for bus in on_each_engine(|| EventBus::builder().workers(1)) {
        let (gate, opens) = gate();
        let held = Arc::clone(&gate);
        let handler = bus.subscribe::<u64>("n").handle(move |_| held.pass()).expect("subscribe");
        let full = bus.subscribe::<u64>("n").capacity(1).receiver().expect("subscribe");
        for number in 0..EVENTS {
            bus.publish("n", number).expect("publish");
        }
        eventually("one is handled, the rest is queued", || {
            gate.inside() == 1
                && [&handler, full.subscription()].iter().all(|one| one.stats().offered == EVENTS)
        });
        // Nobody will take what the receiver has.
        drop(full);
        let account = |bus: &EventBus| bus.stats().engines[0].clone();
        let carrier = account(&bus);
        assert_eq!((carrier.offered, carrier.delivered, carrier.in_flight), (2 * EVENTS, 0, EVENTS));
        assert_eq!((carrier.dropped_by.full, carrier.dropped_by.cancelled), (EVENTS - 1, 1), "{carrier:?}");
        let shutdown = bus.shutdown(PATIENCE);
        assert_eq!(handler.stats().delivered, 0);
        drop(opens);
        let report = shutdown.wait();
        assert!(report.complete && report.threads_running == 0 && report.engines.is_empty(), "{report:?}");
        let carrier = account(&bus);
        assert_eq!(
            (carrier.delivered, carrier.dropped, carrier.in_flight),
            (EVENTS, EVENTS, 0),
            "{carrier:?}"
        );
    }
}
