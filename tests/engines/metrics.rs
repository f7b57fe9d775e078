//! What Prometheus sees of an engine outside of the process.

use trolleybus::EventBus;
use trolleybus::engine::custom::{CustomEngine, CustomSettings};
use trolleybus::metrics::prometheus::{Format, PrometheusCollector};

use crate::eventually::eventually;
use crate::faulty_engine::{Does, Remote};
use crate::support::watchdog;

#[test]
fn an_engine_outside_of_the_process_shows_what_passes_between() {
    let _watchdog = watchdog("transport");
    let remote = Remote::default();
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["far.*"]);
    let bus = builder.start().wait().expect("it starts");
    bus.publish("far.a", 1_u32).expect("taken");
    remote.change(|plan| plan.publish = Does::Fails);
    bus.publish("far.a", 2_u32).expect_err("refused");
    remote.change(|plan| plan.publish = Does::Unknown);
    bus.publish("far.a", 3_u32).expect_err("nobody knows");
    let text = PrometheusCollector::new(&bus).encode(Format::Text);
    let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("modular_eventbus_engine_")).collect();
    let expected = [
        "engine_state{engine=\"memory\",state=\"connecting\"} 0",
        "engine_state{engine=\"memory\",state=\"connected\"} 1",
        "engine_state{engine=\"memory\",state=\"degraded\"} 0",
        "engine_state{engine=\"memory\",state=\"stopped\"} 0",
        "engine_state{engine=\"far\",state=\"connecting\"} 0",
        "engine_state{engine=\"far\",state=\"connected\"} 1",
        "engine_state{engine=\"far\",state=\"degraded\"} 0",
        "engine_state{engine=\"far\",state=\"stopped\"} 0",
        "engine_published_total{engine=\"far\"} 1",
        "engine_refused_total{engine=\"far\"} 1",
        "engine_unknown_total{engine=\"far\"} 1",
        "engine_rejected_total{engine=\"far\"} 0",
        "engine_arrivals_in_flight{engine=\"far\"} 0",
        "engine_members{engine=\"far\"} 0",
    ];
    assert_eq!(shown, expected.map(|line| format!("modular_eventbus_{line}")));
}

#[test]
fn what_an_engine_has_and_has_not_brought_is_its_lag() {
    let _watchdog = watchdog("lag");
    let engine = CustomEngine::new(CustomSettings::default()).expect("valid");
    let builder = EventBus::builder().engine("own", engine).default_engine("own").in_flight(1);
    let bus = builder.start().wait().expect("it starts");
    let mut receiver = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    for number in 0..5_u32 {
        bus.publish("n", number).expect("taken");
    }
    let lag = || bus.stats().engines[0].transport.as_ref().and_then(|own| own.lag);
    let shown = || PrometheusCollector::new(&bus).encode(Format::Text);
    // One is in flight, and with one the engine waits for room.
    eventually("the rest waits", || lag() == Some(3));
    assert!(shown().contains("modular_eventbus_engine_lag{engine=\"own\"} 3\n"), "{}", shown());
    for number in 0..5 {
        assert_eq!(*receiver.recv().expect("it arrives"), number);
    }
    eventually("all have arrived", || lag() == Some(0));
}
