//! What Prometheus sees of an engine outside of the process.

use trolleybus::EventBus;
use trolleybus::metrics::prometheus::{Format, PrometheusCollector};

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
