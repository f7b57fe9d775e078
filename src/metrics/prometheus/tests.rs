//! The exact text for a bus with known traffic, and what a collector refuses.

use std::fmt;

use super::collector::NAMESPACE;
use super::*;
use crate::{DeliveryMode, EventBus, Receiver};

/// A bus with two engines, a full queue of one, and a failure.
fn busy() -> (EventBus, Receiver<crate::Event<u32>>, crate::Subscription) {
    let bus = EventBus::builder().memory_engine("audit").route("audit", ["auth.*"]).build().expect("valid");
    let orders = bus.subscribe::<u32>("order.*").name("orders \"new\"").capacity(1);
    let orders = orders.delivery(DeliveryMode::DropOldest).receiver().expect("subscribed");
    let logins = bus.subscribe_any("auth.*").handle_inline(|_| Err::<(), _>(fmt::Error)).expect("subscribed");
    for number in 0..3_u32 {
        bus.publish("order.placed", number).expect("published");
    }
    for number in 0..2_u32 {
        bus.publish("auth.login", number).expect("published");
    }
    (bus, orders, logins)
}

/// The samples of a text whose names begin so.
fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(name)).collect()
}

#[test]
fn a_bus_with_known_traffic_gives_this_text() {
    let (bus, orders, logins) = busy();
    let text = PrometheusCollector::new(&bus).encode(Format::Text);
    let engines = text.split("# HELP modular_eventbus_filtered_total").next().expect("a first part");
    let expected = r#"# HELP modular_eventbus_delivered_total Events whose handler ran to its end, failed ones included.
# TYPE modular_eventbus_delivered_total counter
modular_eventbus_delivered_total{engine="memory"} 0
modular_eventbus_delivered_total{engine="audit"} 2
# HELP modular_eventbus_dropped_total Events that subscriptions were offered and did not get.
# TYPE modular_eventbus_dropped_total counter
modular_eventbus_dropped_total{engine="memory"} 2
modular_eventbus_dropped_total{engine="audit"} 0
# HELP modular_eventbus_failed_total Delivered events whose handler failed.
# TYPE modular_eventbus_failed_total counter
modular_eventbus_failed_total{engine="memory"} 0
modular_eventbus_failed_total{engine="audit"} 2
# HELP modular_eventbus_offered_total Events that subscriptions were offered, each subscription counted.
# TYPE modular_eventbus_offered_total counter
modular_eventbus_offered_total{engine="memory"} 3
modular_eventbus_offered_total{engine="audit"} 2
# HELP modular_eventbus_expired_total Events that were too old when their handler would have started.
# TYPE modular_eventbus_expired_total counter
modular_eventbus_expired_total{engine="memory"} 0
modular_eventbus_expired_total{engine="audit"} 0
# HELP modular_eventbus_duplicate_total Events that had been handled before.
# TYPE modular_eventbus_duplicate_total counter
modular_eventbus_duplicate_total{engine="memory"} 0
modular_eventbus_duplicate_total{engine="audit"} 0
"#;
    assert_eq!(engines, expected);
    let dropped = r#"modular_eventbus_dropped_by_reason_total{engine="memory",reason="oldest"} 2"#;
    assert!(samples(&text, "modular_eventbus_dropped_by_reason").contains(&dropped), "{text}");
    let levels = r#"# HELP modular_eventbus_subscriptions Subscriptions that live.
# TYPE modular_eventbus_subscriptions gauge
modular_eventbus_subscriptions 2
# HELP modular_eventbus_subscriptions_paused Subscriptions that are paused or in quarantine.
# TYPE modular_eventbus_subscriptions_paused gauge
modular_eventbus_subscriptions_paused 0
# HELP modular_eventbus_subscriptions_circuit_open Subscriptions whose circuit is open or half-open.
# TYPE modular_eventbus_subscriptions_circuit_open gauge
modular_eventbus_subscriptions_circuit_open 0
# HELP modular_eventbus_subscription_queued Events that wait in the queue.
# TYPE modular_eventbus_subscription_queued gauge
modular_eventbus_subscription_queued{subscription="orders \"new\""} 1
# HELP modular_eventbus_subscription_capacity How many events the queue holds.
# TYPE modular_eventbus_subscription_capacity gauge
modular_eventbus_subscription_capacity{subscription="orders \"new\""} 1
# HELP modular_eventbus_subscription_oldest_age_seconds How old the oldest event in the queue is.
# TYPE modular_eventbus_subscription_oldest_age_seconds gauge
"#;
    assert!(text.contains(levels), "{text}");
    drop((orders, logins));
}

#[test]
fn every_family_has_a_head_and_openmetrics_has_a_unit_and_an_end() {
    let (bus, _orders, _logins) = busy();
    let collector = PrometheusCollector::new(&bus).with_all();
    for format in [Format::Text, Format::OpenMetrics] {
        let text = collector.encode(format);
        let (mut help, mut kind) = ("", "");
        for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT")) {
            let name = |rest: &'static str| line.strip_prefix(rest).and_then(|rest| rest.split(' ').next());
            if let Some(name) = name("# HELP ") {
                help = name;
            } else if let Some(name) = name("# TYPE ") {
                assert_eq!(name, help);
                kind = name;
            } else {
                let sample = line.split(['{', ' ']).next().expect("a name");
                let family = if format == Format::Text { sample } else { sample.trim_end_matches("_total") };
                assert_eq!(family, kind, "{line}");
            }
        }
    }
    let open = collector.encode(Format::OpenMetrics);
    assert!(open.contains("\n# UNIT modular_eventbus_subscription_oldest_age_seconds seconds\n"), "{open}");
    assert!(open.ends_with("\n# EOF\n"));
}

#[test]
fn a_namespace_begins_every_name_and_must_be_one() {
    let bus = EventBus::new();
    let collector = PrometheusCollector::new(&bus).namespace("shop_2").expect("valid");
    let text = collector.encode(Format::Text);
    assert_eq!(samples(&text, "shop_2_delivered_total"), ["shop_2_delivered_total{engine=\"memory\"} 0"]);
    assert!(!text.contains(NAMESPACE));
    for namespace in ["", "2shop", "shop-2", "shop:2", "shöp", "a b"] {
        let error = PrometheusCollector::new(&bus).namespace(namespace).expect_err(namespace);
        assert_eq!(error.namespace, namespace);
    }
}

#[test]
fn a_collector_keeps_no_bus_alive() {
    let bus = EventBus::new();
    let collector = PrometheusCollector::new(&bus);
    let scraped_between = collector.clone();
    assert!(!scraped_between.encode(Format::Text).is_empty());
    drop(bus);
    assert_eq!(collector.encode(Format::Text), "");
    assert_eq!(collector.encode(Format::OpenMetrics), "# EOF\n");
}

#[test]
fn tenants_have_series_of_their_own_up_to_the_limit_and_keep_them() {
    let bus = EventBus::builder().max_tenants(3).build().expect("valid");
    let tenant = |name: &str| bus.tenant(name).expect("a tenant");
    let (b, c) = (tenant("b"), tenant("c"));
    let collector = PrometheusCollector::new(&bus).tenant_labels(2);
    let _received = b.subscribe_any("*").capacity(1).receiver().expect("subscribed");
    for number in 0..3_u32 {
        b.publish("n", number).expect("published");
    }
    let series = || {
        let text = collector.encode(Format::Text);
        samples(&text, "modular_eventbus_tenant").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = series();
    for expected in [
        "modular_eventbus_tenants 2",
        "modular_eventbus_tenant_offered_total{tenant=\"b\"} 3",
        "modular_eventbus_tenant_offered_total{tenant=\"c\"} 0",
        "modular_eventbus_tenant_dropped_total{tenant=\"b\"} 2",
        "modular_eventbus_tenant_in_flight{tenant=\"b\"} 1",
        "modular_eventbus_tenant_subscriptions{tenant=\"b\"} 1",
    ] {
        assert!(first.iter().any(|line| line == expected), "{expected}: {first:#?}");
    }
    let has = |series: &[String], name: &str| series.iter().any(|line| line.contains(&format!("\"{name}\"")));
    let a = tenant("a");
    assert!(has(&series(), "c") && !has(&series(), "a"), "a new one takes nobody's series away");
    drop(c);
    let _d = tenant("d");
    assert!(!has(&series(), "c") && has(&series(), "a"), "a forgotten one makes room");
    drop(a);
}

#[test]
fn handlers_have_a_histogram_if_that_is_counted() {
    let text = |bus: &EventBus| PrometheusCollector::new(bus).encode(Format::Text);
    assert!(!text(&EventBus::new()).contains("handling"));
    let bus = EventBus::builder().time_handlers().build().expect("valid");
    let handler = bus.subscribe_any("n").handle_inline(|_| ()).expect("subscribed");
    bus.publish("n", 1_u32).expect("published");
    drop(handler);
    let text = text(&bus);
    for expected in [
        "# HELP modular_eventbus_handling_seconds How long handlers took.",
        "# TYPE modular_eventbus_handling_seconds histogram",
        "modular_eventbus_handling_seconds_count 1",
        "modular_eventbus_handling_seconds_bucket{le=\"+Inf\"} 1",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
    // They rise, and so do the bounds.
    let buckets = samples(&text, "modular_eventbus_handling_seconds_bucket");
    let counts: Vec<u64> = buckets
        .iter()
        .map(|line| line.rsplit(' ').next().expect("a number").parse().expect("a count"))
        .collect();
    assert!(counts.is_sorted() && counts.len() == 32, "{counts:?}");
    assert!(
        buckets[0].contains("le=\"0.000000256\"") || buckets[0].contains("le=\"2.56e-7\""),
        "{}",
        buckets[0]
    );
}
