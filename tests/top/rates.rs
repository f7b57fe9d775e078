//! Rates from two samples.

use std::time::{Duration, Instant};

use trolleybus::{DropReason, EventBus, Subscription};

use super::model::{Counter, Model, Published, Sample, difference};

fn bus() -> (EventBus, Vec<Subscription>) {
    let bus = EventBus::builder().memory_engine("audit").route("audit", ["auth.*"]).build().expect("a bus");
    let first = bus.subscribe_any("a.*").name("first").handle_inline(|_| ()).expect("a subscription");
    let second = bus.subscribe_any("b.*").capacity(16).handle(|_| ()).expect("a subscription");
    (bus, vec![first, second])
}

fn sample(bus: &EventBus, at: Instant) -> Sample {
    Sample { at, stats: bus.stats(), published: None }
}

/// Two samples of a bus at rest, so many milliseconds apart.
fn samples(bus: &EventBus, millis: u64) -> (Sample, Sample) {
    let at = Instant::now();
    (sample(bus, at), sample(bus, at + Duration::from_millis(millis)))
}

#[test]
fn a_rate_is_what_was_added_over_the_time_that_has_passed() {
    let (bus, _subscriptions) = bus();
    let (mut before, mut after) = samples(&bus, 500);
    (before.stats.total.offered, after.stats.total.offered) = (1000, 1250);
    (before.stats.total.dropped.full, after.stats.total.dropped.full) = (3, 3);
    let ledger = &mut after.stats.subscriptions[1].ledger;
    (ledger.offered, ledger.delivered, ledger.failed, ledger.queued, ledger.running) = (60, 50, 5, 7, 2);
    (ledger.dropped.full, ledger.dropped.timeout) = (1, 0);
    after.stats.subscriptions[1].oldest_age = Some(Duration::from_millis(12));
    after.stats.engines[1].delivered = 4;

    let model = Model::between(&before, &after);
    assert_eq!(model.interval, Duration::from_millis(500));
    assert_eq!(model.bus.offered, Counter { total: 1250, tenths: 5000 });
    assert_eq!(model.bus.dropped, Counter { total: 3, tenths: 0 });
    assert_eq!(model.engines[1].delivered, Counter { total: 4, tenths: 80 });
    let [first, second] = &model.subscriptions[..] else { panic!("two subscriptions") };
    assert_eq!((first.name.as_str(), first.patterns.as_str(), first.has_queue()), ("first", "a.*", false));
    assert_eq!(second.name, format!("#{}", after.stats.subscriptions[1].id.as_u64()));
    assert_eq!(second.offered, Counter { total: 60, tenths: 1200 });
    assert_eq!(second.failed, Counter { total: 5, tenths: 100 });
    assert_eq!(second.dropped, [(DropReason::Full, Counter { total: 1, tenths: 20 })]);
    assert_eq!((second.queued, second.capacity, second.running), (7, 16, 2));
    assert_eq!((second.oldest, second.paused), (Some(Duration::from_millis(12)), false));
}

#[test]
fn one_sample_gives_no_rates() {
    let (bus, _subscriptions) = bus();
    let (mut only, _) = samples(&bus, 0);
    only.stats.total.offered = 9;
    let model = Model::first(&only);
    assert_eq!(model.interval, Duration::ZERO);
    assert_eq!(model.bus.offered, Counter { total: 9, tenths: 0 });
}

#[test]
fn samples_in_the_wrong_order_give_no_rates() {
    let (bus, _subscriptions) = bus();
    let (mut before, after) = samples(&bus, 100);
    before.stats.total.offered = 1;
    assert_eq!(Model::between(&after, &before).bus.offered, Counter { total: 1, tenths: 0 });
}

#[test]
fn a_counter_that_wraps_has_grown_and_one_that_goes_back_has_not() {
    const LAST: u64 = (1 << 56) - 1;
    assert_eq!(difference(LAST, 0), 1);
    assert_eq!(difference(LAST - 4, 5), 10);
    // The sum of several counters does not wrap where they do.
    assert_eq!(difference(LAST, LAST + 2), 2);
    assert_eq!(difference(u64::MAX, 1), 2);
    assert_eq!(difference(10, 7), 0);
    assert_eq!(difference(7, 7), 0);
    assert_eq!(difference(0, LAST / 2), LAST / 2);
}

#[test]
fn a_subscription_that_is_gone_is_not_shown_and_a_new_one_began_with_nothing() {
    let (bus, mut subscriptions) = bus();
    let at = Instant::now();
    let before = sample(&bus, at);
    drop(subscriptions.remove(0));
    let _late = bus.subscribe_any("c.*").name("late").handle_inline(|_| ()).expect("a subscription");
    for number in 0..30_u32 {
        bus.publish("c.d", number).expect("it is taken");
    }
    let after = sample(&bus, at + Duration::from_secs(3));
    let model = Model::between(&before, &after);
    let names: Vec<&str> = model.subscriptions.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(!names.contains(&"first"), "{names:?}");
    let late = model.subscriptions.iter().find(|row| row.name == "late").expect("it is shown");
    assert_eq!(late.offered, Counter { total: 30, tenths: 100 });
    assert_eq!(late.delivered, late.offered);
}

#[test]
fn a_subscription_of_the_same_name_is_another() {
    let (bus, mut subscriptions) = bus();
    bus.publish("a.b", 1_u32).expect("it is taken");
    let at = Instant::now();
    let before = sample(&bus, at);
    drop(subscriptions.remove(0));
    let _again = bus.subscribe_any("a.*").name("first").handle_inline(|_| ()).expect("a subscription");
    bus.publish("a.b", 2_u32).expect("it is taken");
    let model = Model::between(&before, &sample(&bus, at + Duration::from_secs(1)));
    let again = model.subscriptions.iter().find(|row| row.name == "first").expect("it is shown");
    assert_eq!(again.offered, Counter { total: 1, tenths: 10 });
}

#[test]
fn publishers_that_begin_to_count_have_no_rate_yet() {
    let (bus, _subscriptions) = bus();
    let (mut before, mut after) = samples(&bus, 1000);
    assert_eq!(Model::between(&before, &after).bus.published, None);
    after.published = Some(Published { events: 50, unmatched: 4, refused: 1 });
    let model = Model::between(&before, &after);
    assert_eq!(model.bus.published, Some(Counter { total: 50, tenths: 0 }));
    before.published = Some(Published { events: 20, unmatched: 4, refused: 0 });
    let model = Model::between(&before, &after);
    assert_eq!(model.bus.published, Some(Counter { total: 50, tenths: 300 }));
    assert_eq!(model.bus.unmatched, Some(Counter { total: 4, tenths: 0 }));
    assert_eq!(model.bus.refused, Some(Counter { total: 1, tenths: 10 }));
}
