//! What a scrape shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use trolleybus::metrics::prometheus::{Format, PrometheusCollector};
use trolleybus::{BuildError, DeliveryMode, EventBus};

use crate::support::watchdog;

/// The samples of a text, by name and labels.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        (series.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

fn scrape(collector: &PrometheusCollector) -> BTreeMap<String, f64> {
    samples(&collector.encode(Format::Text))
}

/// The sum over the label `engine`.
fn sum(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let name = format!("modular_eventbus_{name}_total{{engine=");
    samples.iter().filter(|(series, _)| series.starts_with(&name)).map(|(_, value)| value).sum()
}

/// A bus with three memory engines.
fn three_engines() -> EventBus {
    EventBus::builder()
        .workers(2)
        .memory_engine("a")
        .memory_engine("b")
        .route("a", ["a.*"])
        .route("b", ["b.*"])
        .build()
        .expect("valid")
}

#[test]
fn d_exporters_the_sum_over_engines_is_the_total_and_all_is_shown_only_when_asked_for() {
    let _watchdog = watchdog("sum over engines");
    let bus = three_engines();
    let slow = bus
        .subscribe::<u32>("*")
        .capacity(2)
        .handle(|number| if number.is_multiple_of(3) { Err(std::fmt::Error) } else { Ok(()) });
    let slow = slow.expect("subscribed");
    let _even = bus.subscribe::<u32>("*").filter(|number| number.is_multiple_of(2)).handle_inline(|_| ());
    thread::scope(|scope| {
        for topic in ["a.t", "b.t", "c.t"] {
            let bus = &bus;
            scope.spawn(move || (0..500_u32).for_each(|number| drop(bus.publish(topic, number))));
        }
    });
    assert!(slow.drain(Duration::from_secs(20)).wait().complete);
    let total = bus.stats().total;
    let plain = scrape(&PrometheusCollector::new(&bus));
    assert!(plain.keys().all(|series| !series.contains("_all")), "{plain:?}");
    let expected = [
        ("delivered", total.delivered),
        ("dropped", total.dropped.total()),
        ("dropped_by_reason", total.dropped.total()),
        ("failed", total.failed),
        ("offered", total.offered),
        ("filtered", total.filtered),
    ];
    for (name, expected) in expected {
        assert_eq!(sum(&plain, name), expected as f64, "{name}");
    }

    let with_all = scrape(&PrometheusCollector::new(&bus).with_all());
    assert_eq!(with_all["modular_eventbus_delivered_total{engine=\"_all\"}"], total.delivered as f64);
    assert_eq!(with_all["modular_eventbus_dropped_total{engine=\"_all\"}"], total.dropped.total() as f64);
    assert_eq!(with_all.len(), plain.len() + 2);
}

#[test]
fn d_exporters_no_engine_can_be_called_all() {
    let error = EventBus::builder().memory_engine("_all").build().expect_err("refused");
    assert!(matches!(error, BuildError::InvalidEngineName { .. }), "{error}");
}

#[test]
fn ten_thousand_subscriptions_have_a_hundred_and_one_labels() {
    let _watchdog = watchdog("labels");
    let bus = EventBus::new();
    let receivers: Vec<_> = (0..10_000)
        .map(|number| bus.subscribe_any("t").name(format!("s{number}")).capacity(1).receiver())
        .collect::<Result<_, _>>()
        .expect("subscribed");
    bus.publish("t", 1_u32).expect("published");
    let collector = PrometheusCollector::new(&bus);
    let text = collector.encode(Format::Text);
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    let shown = samples(&text);
    let queued = "modular_eventbus_subscription_queued{subscription=";
    let labels = shown.keys().filter(|series| series.starts_with(queued)).count();
    assert_eq!(labels, 101);
    assert_eq!(shown[&format!("{queued}\"s99\"}}")], 1.0);
    assert_eq!(shown[&format!("{queued}\"other\"}}")], 9_900.0);
    assert_eq!(shown["modular_eventbus_subscriptions"], 10_000.0);
    let fewer = scrape(&collector.subscription_labels(0));
    assert_eq!(fewer[&format!("{queued}\"other\"}}")], 10_000.0);
    drop(receivers);
}

#[test]
fn counters_never_go_back_while_subscriptions_come_and_go() {
    let _watchdog = watchdog("monotone");
    let bus = three_engines();
    let collector = PrometheusCollector::new(&bus).with_all();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for topic in ["a.t", "b.t", "c.t"] {
            let (bus, done) = (&bus, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let _ = bus.publish(topic, 1_u32);
                }
            });
        }
        let (bus_ref, done_ref) = (&bus, &done);
        scope.spawn(move || {
            while !done_ref.load(Ordering::Relaxed) {
                let inline = bus_ref.subscribe::<u32>("*").handle_inline(|_| thread::yield_now());
                let queued = bus_ref
                    .subscribe::<u32>("*")
                    .capacity(2)
                    .delivery(DeliveryMode::DropOldest)
                    .handle(|_| ());
                drop((inline, queued));
            }
        });
        let mut before: BTreeMap<String, f64> = BTreeMap::new();
        for _ in 0..300 {
            let now = scrape(&collector);
            for (series, value) in now.iter().filter(|(series, _)| series.contains("_total")) {
                let before = before.get(series).copied().unwrap_or(0.0);
                if *value < before {
                    done.store(true, Ordering::Relaxed);
                }
                assert!(*value >= before, "{series} went from {before} to {value}");
            }
            assert!(before.keys().all(|series| now.contains_key(series) || !series.contains("_total")));
            before = now;
        }
        done.store(true, Ordering::Relaxed);
    });
}
