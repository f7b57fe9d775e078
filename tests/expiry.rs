//! Events that are too old to be delivered, exact to the millisecond, by a clock that the tests move.

#[path = "support/eventually.rs"]
mod eventually;
mod support;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use trolleybus::{
    BusBuilder, DeliveryMode, EventBus, Observer, Outcome, Problem, Receiver, Subscription, SubscriptionId,
    TestClock, Topic,
};

use eventually::eventually;
use support::watchdog;

const MS: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn bus_of(builder: BusBuilder) -> (EventBus, TestClock) {
    let clock = TestClock::new();
    // Ages come out right wherever the clock stands, and when its milliseconds wrap.
    clock.advance(Duration::from_millis(u64::from(u32::MAX) - 5));
    (builder.clock(clock.clone()).build().expect("valid"), clock)
}

fn numbers(bus: &EventBus) -> Receiver<trolleybus::Event<u32>> {
    bus.subscribe::<u32>("n").receiver().expect("subscribe")
}

/// How many expired and how many were delivered.
fn account(receiver: &Receiver<trolleybus::Event<u32>>) -> (u64, u64) {
    let ledger = receiver.subscription().stats();
    assert!(ledger.is_balanced(), "{ledger:?}");
    (ledger.expired, ledger.delivered)
}

#[test]
fn t1_no_handler_gets_an_event_that_is_as_old_as_its_time_to_live() {
    let (bus, clock) = bus_of(EventBus::builder());
    let mut receiver = numbers(&bus);
    for age in [0_u32, 9, 10, 11, 1000] {
        bus.event("n", age).ttl(10 * MS).publish().expect("open");
        clock.advance(age * MS);
        assert_eq!(receiver.try_recv().is_ok(), age < 10, "{age} ms");
    }
    assert_eq!(account(&receiver), (3, 2));
    assert_eq!(bus.stats().total.expired, 3);
}

#[test]
fn t1_the_young_ones_behind_an_old_one_are_delivered() {
    let (bus, clock) = bus_of(EventBus::builder());
    let mut receiver = numbers(&bus);
    for number in 0..100_u32 {
        let event = bus.event("n", number);
        let event = if number % 3 == 0 { event } else { event.ttl(5 * MS) };
        event.publish().expect("open");
    }
    clock.advance(5 * MS);
    bus.event("n", 100_u32).ttl(5 * MS).publish().expect("open");
    let got: Vec<u32> = receiver.try_iter().map(|event| *event).collect();
    assert_eq!(got, (0..=100).filter(|number| number % 3 == 0 || *number == 100).collect::<Vec<_>>());
    assert_eq!(account(&receiver), (66, 35));
}

/// Handlers of every kind, and what each has handled.
struct Kinds {
    handled: Arc<Mutex<Vec<(&'static str, u32)>>>,
    subscriptions: Vec<Subscription>,
}

fn every_kind(bus: &EventBus) -> Kinds {
    let handled = Arc::new(Mutex::new(Vec::new()));
    let note = |kind: &'static str| {
        let handled = Arc::clone(&handled);
        move |number: u32| handled.lock().expect("lock").push((kind, number))
    };
    let (inline, pooled, polled) = (note("inline"), note("pooled"), Arc::new(note("async")));
    let call = move |event: trolleybus::Event<u32>| {
        let polled = Arc::clone(&polled);
        async move { polled(*event) }
    };
    let subscriptions = vec![
        bus.subscribe::<u32>("n").handle_inline(move |number| inline(**number)).expect("subscribe"),
        bus.subscribe::<u32>("n").handle(move |number| pooled(**number)).expect("subscribe"),
        bus.subscribe::<u32>("n").handle_async(call).expect("subscribe"),
    ];
    Kinds { handled, subscriptions }
}

#[test]
fn t1_events_that_wait_for_a_handler_of_any_kind_expire() {
    let _watchdog = watchdog("kinds");
    let (bus, clock) = bus_of(EventBus::builder().workers(1));
    let Kinds { handled, subscriptions } = every_kind(&bus);
    let queued = &subscriptions[1..];
    queued.iter().for_each(Subscription::pause);
    bus.event("n", 1_u32).ttl(10 * MS).publish().expect("open");
    bus.event("n", 2_u32).ttl(11 * MS).publish().expect("open");
    bus.publish("n", 3_u32).expect("open");
    clock.advance(10 * MS);
    queued.iter().for_each(Subscription::resume);
    eventually("those that are left", || queued.iter().all(|one| one.stats().delivered == 2));
    for subscription in queued {
        let ledger = subscription.stats();
        assert!(ledger.is_balanced() && ledger.expired == 1, "{ledger:?}");
    }
    let mut handled = handled.lock().expect("lock").clone();
    handled.sort_unstable();
    let expected = [
        ("async", 2),
        ("async", 3),
        ("inline", 1),
        ("inline", 2),
        ("inline", 3),
        ("pooled", 2),
        ("pooled", 3),
    ];
    assert_eq!(handled, expected);
}

#[test]
fn t1_an_inline_handler_that_would_start_too_late_does_not() {
    let (bus, clock) = bus_of(EventBus::builder());
    let slow = clock.clone();
    let _first = bus.subscribe_any("n").handle_inline(move |_| slow.advance(10 * MS)).expect("subscribe");
    let late = bus
        .subscribe_any("n")
        .handle_inline(|event| assert!(event.is::<String>(), "it is too late"))
        .expect("subscribe");
    let mut another = bus.subscribe::<String>("n").receiver().expect("subscribe");
    let receipt = bus.event("n", 1_u32).ttl(10 * MS).publish().expect("open");
    assert!(matches!(receipt.problems(), [Problem::Expired { subscription }] if *subscription == late.id()));
    assert_eq!((receipt.delivered(), receipt.expired(), receipt.offered()), (1, 1, 2));
    assert_eq!(receipt.problems()[0].to_string(), format!("{}: expired", late.id()));
    assert!(receipt.all_delivered().is_err());
    let ledger = late.stats();
    assert!(
        ledger.is_balanced() && (ledger.offered, ledger.expired, ledger.failed) == (1, 1, 0),
        "{ledger:?}"
    );
    assert_eq!((another.try_recv().is_err(), another.subscription().stats().expired), (true, 0));
}

#[test]
fn t1_what_a_publisher_waits_to_hand_in_grows_old_meanwhile() {
    let _watchdog = watchdog("waits");
    let (bus, clock) = bus_of(EventBus::builder());
    let mut receiver =
        bus.subscribe::<u32>("n").capacity(1).delivery(DeliveryMode::Block).receiver().expect("subscribe");
    bus.publish("n", 1_u32).expect("open");
    let mut waits = std::pin::pin!(bus.event("n", 2_u32).ttl(10 * MS).publish_async());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while waits.as_mut().poll(&mut cx).is_ready() || receiver.subscription().stats().queued != 1 {}
    clock.advance(10 * MS);
    assert_eq!(*receiver.try_recv().expect("the first"), 1);
    assert_eq!(smol::block_on(waits).expect("there is room").queued(), 1);
    assert!(receiver.try_recv().is_err());
    assert_eq!(account(&receiver), (1, 1));
}

#[test]
fn t2_the_wall_clock_may_jump_by_years() {
    let (bus, clock) = bus_of(EventBus::builder().ttl(Duration::from_secs(1)));
    let mut receiver = numbers(&bus);
    for (number, wall) in
        [SystemTime::UNIX_EPOCH + 50 * YEAR, SystemTime::UNIX_EPOCH + YEAR].iter().enumerate()
    {
        bus.publish("n", u32::try_from(number).expect("small")).expect("open");
        clock.set_wall(*wall);
        clock.advance(Duration::from_millis(999));
        assert!(receiver.try_recv().is_ok(), "{wall:?}");
        bus.publish("n", 9_u32).expect("open");
        clock.set_wall(SystemTime::UNIX_EPOCH);
        clock.advance(Duration::from_secs(1));
        assert!(receiver.try_recv().is_err(), "{wall:?}");
    }
    assert_eq!(account(&receiver), (2, 2));
}

#[test]
fn t3_zero_is_too_old_at_once_and_what_is_absurd_is_for_ever() {
    let (bus, clock) = bus_of(EventBus::builder());
    let mut receiver = numbers(&bus);
    let inline = bus.subscribe_any("n").handle_inline(|_| ()).expect("subscribe");
    bus.event("n", 1_u32).ttl(Duration::ZERO).publish().expect("open");
    bus.event("n", 2_u32).ttl(Duration::MAX).publish().expect("open");
    clock.advance(Duration::from_secs(20 * 24 * 3600));
    assert_eq!(*receiver.try_recv().expect("for ever"), 2);
    assert_eq!((account(&receiver), inline.stats().expired, inline.stats().delivered), ((1, 1), 1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn t3_an_event_s_own_goes_before_the_topic_s_and_that_before_the_bus_s(
        own in prop::option::of(0_u32..40),
        rule in prop::option::of(0_u32..40),
        default in prop::option::of(0_u32..40),
        age in 0_u32..40,
    ) {
        let mut builder = EventBus::builder().ttl_of(["other.*"], Duration::ZERO);
        if let Some(rule) = rule {
            builder = builder.ttl_of(["n", "m"], rule * MS);
        }
        if let Some(default) = default {
            builder = builder.ttl(default * MS);
        }
        let (bus, clock) = bus_of(builder);
        let mut receiver = numbers(&bus);
        let event = bus.event("n", 1_u32);
        let event = match own {
            Some(own) => event.ttl(own * MS),
            None => event,
        };
        event.publish().expect("open");
        clock.advance(age * MS);
        let expected = own.or(rule).or(default).is_none_or(|ttl| age < ttl);
        prop_assert_eq!(receiver.try_recv().is_ok(), expected);
        prop_assert_eq!(account(&receiver), if expected { (0, 1) } else { (1, 0) });
    }
}

/// Who hears of what expired.
#[derive(Clone, Default)]
struct Hears(Arc<Mutex<Vec<(SubscriptionId, String, Duration)>>>);

impl Observer for Hears {
    fn expired(&self, subscription: SubscriptionId, topic: &Topic, age: Duration) {
        self.0.lock().expect("lock").push((subscription, topic.to_string(), age));
    }
}

#[test]
fn observers_completions_and_the_accounts_of_engines_and_tenants_tell_of_it() {
    let hears = Hears::default();
    let (bus, clock) =
        bus_of(EventBus::builder().observer(hears.clone()).memory_engine("b").route("b", ["n"]));
    let acme = bus.tenant("acme").expect("a tenant");
    let mut receiver = numbers(&acme);
    let _inline = acme.subscribe_any("n").handle_inline(|_| ()).expect("subscribe");
    let outcome = Arc::new(Mutex::new(None));
    let told = Arc::clone(&outcome);
    let event = acme.event("n", 1_u32).ttl(7 * MS);
    event
        .on_complete(move |outcome: Outcome| *told.lock().expect("lock") = Some(outcome))
        .publish()
        .expect("open");
    clock.advance(8 * MS);
    assert!(receiver.try_recv().is_err());
    let id = receiver.subscription().id();
    assert_eq!(*hears.0.lock().expect("lock"), [(id, "n".to_owned(), 8 * MS)]);
    let outcome = outcome.lock().expect("lock").take().expect("all are done");
    assert_eq!((outcome.done, outcome.expired.as_slice(), outcome.is_ok()), (1, &[id][..], false));
    let stats = bus.stats();
    assert_eq!((stats.tenants[0].total.expired, stats.total.expired), (1, 1));
    let engines: Vec<_> =
        stats.engines.iter().map(|one| (one.offered, one.delivered, one.expired, one.in_flight)).collect();
    assert_eq!(engines, [(0, 0, 0, 0), (2, 1, 1, 0)]);
}

#[test]
fn a_pattern_that_is_none_is_refused_and_ages_in_queues_go_by_the_clock() {
    let refused = EventBus::builder().ttl_of(["a..b"], MS).build().expect_err("no pattern");
    assert!(refused.to_string().starts_with("invalid pattern in a rule"), "{refused}");
    let (bus, clock) = bus_of(EventBus::builder());
    let receiver = numbers(&bus);
    bus.publish("n", 1_u32).expect("open");
    clock.advance(123 * MS);
    assert_eq!(receiver.subscription().oldest_age(), Some(123 * MS));
}

#[test]
fn what_expires_is_none_of_the_events_that_a_subscription_takes() {
    let (bus, clock) = bus_of(EventBus::builder());
    let mut one = bus.subscribe::<u32>("n").once().receiver().expect("subscribe");
    let mut two = bus.subscribe::<u32>("n").take(2).receiver().expect("subscribe");
    for number in 0..4_u32 {
        let event = bus.event("n", number);
        let event = if number % 2 == 0 { event.ttl(5 * MS) } else { event };
        event.publish().expect("open");
    }
    clock.advance(5 * MS);
    assert_eq!(*one.try_recv().expect("the first that is young"), 1);
    assert_eq!([two.try_recv(), two.try_recv()].map(|event| *event.expect("young")), [1, 3]);
    for receiver in [one, two] {
        let mut receiver = receiver;
        assert!(receiver.try_recv().is_err());
        assert!(receiver.subscription().is_closed());
    }
    let inline = bus.subscribe::<u32>("n").once().handle_inline(|_| ()).expect("subscribe");
    bus.event("n", 1_u32).ttl(Duration::ZERO).publish().expect("open");
    assert!(!inline.is_closed());
    bus.publish("n", 2_u32).expect("open");
    assert_eq!((inline.stats().expired, inline.stats().delivered, inline.is_closed()), (1, 1, true));
}
