//! Events that come again: a subscription with an idempotency window handles each once.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/kinds.rs"]
mod kinds;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use trolleybus::{
    Event, EventBus, EventId, HandlerError, IdempotencyWindow, Ledger, Observer, Outcome, Receipt, Receiver,
    Retry, Subscribe, Subscription, SubscriptionId, TestClock, Topic,
};

use eventually::eventually;
use gate::gate;
use kinds::{KINDS, Kind};
use support::watchdog;

const MS: Duration = Duration::from_millis(1);

fn id(number: u32) -> EventId {
    EventId::from_u128(u128::from(number))
}

/// Publishes a number whose id is the same number.
fn send(bus: &EventBus, number: u32) -> Receipt {
    bus.event("n", number).id(id(number)).publish().expect("open")
}

fn window(bus: &EventBus, events: usize) -> Subscribe<Event<u32>> {
    bus.subscribe::<u32>("n").idempotent(IdempotencyWindow::new(events))
}

/// What is offered comes to rest.
fn settled(subscription: &Subscription, ended: u64) -> Ledger {
    eventually("all have come to their end", || {
        let ledger = subscription.stats();
        ledger.queued + ledger.running == 0 && ledger.offered == ended
    });
    let ledger = subscription.stats();
    assert!(ledger.is_balanced(), "{ledger:?}");
    ledger
}

/// The outcomes of events, as their completions tell them.
#[derive(Clone, Default)]
struct Outcomes(Arc<Mutex<Vec<(u32, Outcome)>>>);

impl Outcomes {
    /// Publishes an event whose outcome goes here under a name.
    fn publish(&self, bus: &EventBus, number: u32, name: u32) -> Receipt {
        let told = self.clone();
        let event = bus.event("n", number).id(id(number));
        event
            .on_complete(move |outcome| told.0.lock().expect("lock").push((name, outcome)))
            .publish()
            .expect("open")
    }

    fn names(&self) -> Vec<u32> {
        let mut names: Vec<u32> = self.0.lock().expect("lock").iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }

    fn of(&self, name: u32) -> Outcome {
        let outcomes = self.0.lock().expect("lock");
        let mut found = outcomes.iter().filter(|(other, _)| *other == name);
        let (_, outcome) = found.next().expect("it has come to its end");
        assert!(found.next().is_none(), "told twice");
        outcome.clone()
    }
}

#[test]
fn t7_every_kind_of_handler_handles_an_event_that_comes_again_once() {
    let _watchdog = watchdog("kinds");
    for kind in KINDS {
        let bus = EventBus::builder().workers(1).build().expect("valid");
        let handled = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&handled);
        let subscription =
            kind.handle(window(&bus, 8), move |number| notes.lock().expect("lock").push(number));
        for number in [1, 2, 1, 3, 3, 1, 2] {
            send(&bus, number);
        }
        let ledger = settled(&subscription, 7);
        assert_eq!(*handled.lock().expect("lock"), [1, 2, 3], "{kind:?}");
        assert_eq!((ledger.delivered, ledger.duplicate, ledger.failed), (3, 4, 0), "{kind:?}");
        assert_eq!(bus.stats().total.duplicate, 4);
    }
}

#[test]
fn t7_a_receiver_gets_an_event_that_comes_again_once() {
    let bus = EventBus::new();
    let mut receiver = window(&bus, 8).receiver().expect("subscribe");
    for number in [1, 1, 2, 1] {
        send(&bus, number);
    }
    assert_eq!(receiver.try_iter().map(|event| *event).collect::<Vec<_>>(), [1, 2]);
    send(&bus, 2);
    assert!(receiver.try_recv().is_err());
    let ledger = receiver.subscription().stats();
    assert!(ledger.is_balanced() && (ledger.delivered, ledger.duplicate) == (2, 3), "{ledger:?}");
}

#[test]
fn t7_a_failure_and_a_panic_are_forgotten_and_tried_again() {
    let _watchdog = watchdog("failures");
    for kind in KINDS {
        let bus = EventBus::builder().workers(1).build().expect("valid");
        let tries = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&tries);
        let subscription =
            kind.try_handle(window(&bus, 8), move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
                0 => Err(HandlerError::new("not yet")),
                1 => panic!("not yet"),
                _ => Ok(()),
            });
        for _ in 0..5 {
            send(&bus, 1);
        }
        let ledger = settled(&subscription, 5);
        assert_eq!((ledger.delivered, ledger.failed, ledger.duplicate), (3, 2, 2), "{kind:?}");
    }
}

/// Holds the handler of an event up, and lets the same event come again meanwhile; then it ends as told.
fn twice_at_once(kind: Kind, well: bool) -> (Outcomes, Ledger, SubscriptionId) {
    let bus = EventBus::builder().workers(2).build().expect("valid");
    let (gate, opens) = gate();
    let held = Arc::clone(&gate);
    let subscription = kind.try_handle(window(&bus, 8).concurrency(2), move |_, _| {
        held.pass();
        if well { Ok(()) } else { Err(HandlerError::new("as told")) }
    });
    let outcomes = Outcomes::default();
    let publish = |name| {
        let (bus, outcomes) = (bus.clone(), outcomes.clone());
        std::thread::spawn(move || outcomes.publish(&bus, 1, name))
    };
    let first = publish(1);
    eventually("the first is held up", || gate.inside() == 1);
    let again = [publish(2), publish(3)];
    eventually("both are duplicates", || subscription.stats().duplicate == 2);
    let receipts = again.map(|thread| thread.join().expect("no panic"));
    if kind == Kind::Inline {
        for receipt in receipts {
            assert_eq!((receipt.duplicates(), receipt.offered(), receipt.delivered()), (1, 1, 0));
            assert!(receipt.all_delivered().is_ok());
        }
    }
    assert!(outcomes.names().is_empty(), "settled before the first: {:?}", outcomes.names());
    drop(opens);
    first.join().expect("no panic");
    eventually("all are settled", || outcomes.names() == [1, 2, 3]);
    let ledger = settled(&subscription, 3);
    (outcomes, ledger, subscription.id())
}

#[test]
fn t7_what_comes_while_the_first_runs_settles_as_that_ends() {
    let _watchdog = watchdog("at once");
    for kind in KINDS {
        let (outcomes, ledger, _) = twice_at_once(kind, true);
        assert_eq!((ledger.delivered, ledger.failed, ledger.duplicate), (1, 0, 2), "{kind:?}");
        for name in 1..=3 {
            let outcome = outcomes.of(name);
            assert!(outcome.is_ok() && outcome.done == 1, "{kind:?}: {outcome:?}");
        }
        let (outcomes, ledger, id) = twice_at_once(kind, false);
        assert_eq!((ledger.delivered, ledger.failed, ledger.duplicate), (1, 1, 2), "{kind:?}");
        for name in 1..=3 {
            let outcome = outcomes.of(name);
            assert!(!outcome.is_kept() && outcome.done == 0, "{kind:?}: {outcome:?}");
            assert_eq!(outcome.failed, [id], "{kind:?}");
        }
    }
}

#[test]
fn t7_a_handler_that_publishes_its_own_event_once_more_is_not_called_again() {
    let bus = EventBus::new();
    let (weak, outcomes) = (bus.downgrade(), Outcomes::default());
    let tells = outcomes.clone();
    let subscription = window(&bus, 8)
        .handle_inline(move |event| {
            let receipt = tells.publish(&weak.upgrade().expect("it lives"), **event, 2);
            assert_eq!((receipt.duplicates(), receipt.problems().len()), (1, 0));
            assert!(tells.names().is_empty());
        })
        .expect("subscribe");
    outcomes.publish(&bus, 1, 1);
    assert_eq!((outcomes.of(1).done, outcomes.of(2).done), (1, 1));
    assert_eq!((subscription.stats().delivered, subscription.stats().duplicate), (1, 1));
}

#[test]
fn duplicates_are_none_of_the_events_that_a_subscription_takes() {
    let _watchdog = watchdog("budget");
    for kind in KINDS {
        let bus = EventBus::builder().workers(1).build().expect("valid");
        let subscription = kind.handle(window(&bus, 8).take(2), |_| ());
        for number in [1, 1, 1, 2, 2, 3] {
            send(&bus, number);
        }
        eventually("it ends", || subscription.is_closed() && subscription.stats().running == 0);
        let ledger = subscription.stats();
        assert!(ledger.is_balanced() && (ledger.delivered, ledger.duplicate) == (2, 2), "{ledger:?}");
    }
}

#[test]
fn what_is_discarded_from_a_queue_was_not_handled() {
    let bus = EventBus::new();
    let receiver = window(&bus, 8).group("g").receiver().expect("subscribe");
    let outcomes = Outcomes::default();
    outcomes.publish(&bus, 1, 1);
    outcomes.publish(&bus, 1, 2);
    let mut other = window(&bus, 8).group("g").receiver().expect("subscribe");
    drop(receiver);
    assert_eq!((outcomes.of(1).dropped.len(), outcomes.of(2).dropped.len()), (1, 1));
    outcomes.publish(&bus, 1, 3);
    assert_eq!(*other.try_recv().expect("nobody has handled it"), 1);
}

#[test]
fn what_is_too_old_is_not_remembered_and_filters_come_before() {
    let clock = TestClock::new();
    let bus = EventBus::builder().clock(clock.clone()).build().expect("valid");
    let mut receiver = window(&bus, 8).filter(|event| event.topic().as_str() == "n").receiver().expect("it");
    bus.event("n", 1_u32).id(id(1)).ttl(5 * MS).publish().expect("open");
    clock.advance(5 * MS);
    assert!(receiver.try_recv().is_err());
    send(&bus, 1);
    assert!(receiver.try_recv().is_ok());
    let ledger = receiver.subscription().stats();
    assert_eq!((ledger.expired, ledger.delivered, ledger.duplicate), (1, 1, 0));
}

/// A bus whose first event, 1, has failed and waits for its next attempt, a minute later, and three more come with its id.
/// It lives for a time, the others for ever.
fn waits_for_its_next_attempt(ttl: Option<Duration>) -> (EventBus, TestClock, Subscription, Outcomes) {
    let clock = TestClock::new();
    let bus = EventBus::builder().workers(1).clock(clock.clone()).build().expect("valid");
    let subscription = window(&bus, 10)
        .retry(Retry::new(2).backoff(Duration::from_secs(60)).max_delay(Duration::from_secs(60)).jitter(0.0))
        .ordered_by_key(2)
        .handle_with(|_, delivery| match delivery.attempt() {
            1 => Err(HandlerError::new("not yet")),
            _ => Ok(()),
        })
        .expect("subscribe");
    let outcomes = Outcomes::default();
    let told = outcomes.clone();
    let mut event = bus
        .event("n", 1_u32)
        .key("k")
        .id(id(1))
        .on_complete(move |outcome| told.0.lock().expect("lock").push((0, outcome)));
    if let Some(ttl) = ttl {
        event = event.ttl(ttl);
    }
    event.publish().expect("open");
    eventually("it waits for its next attempt", || subscription.stats().retried == 1);
    for name in 1..=3 {
        outcomes.publish(&bus, 1, name);
    }
    eventually("the others are counted", || subscription.stats().duplicate == 3);
    assert_eq!(outcomes.names(), [0; 0], "they wait for the first");
    (bus, clock, subscription, outcomes)
}

#[test]
fn t7_what_is_tried_again_keeps_its_claim_until_it_has_succeeded() {
    let _watchdog = watchdog("claim and retry");
    let (bus, clock, subscription, outcomes) = waits_for_its_next_attempt(None);
    clock.advance(Duration::from_secs(60));
    eventually("all are told", || outcomes.names() == [0, 1, 2, 3]);
    assert!((0..=3).all(|name| outcomes.of(name).is_kept()));
    send(&bus, 1);
    let ledger = settled(&subscription, 5);
    assert_eq!((ledger.delivered, ledger.duplicate, ledger.retried), (1, 4, 1));
}

#[test]
fn t7_what_is_too_old_for_its_next_attempt_gives_up_its_claim() {
    let _watchdog = watchdog("claim and expiry");
    let (bus, clock, subscription, outcomes) = waits_for_its_next_attempt(Some(Duration::from_secs(30)));
    clock.advance(Duration::from_secs(60));
    eventually("all are told", || outcomes.names() == [0, 1, 2, 3]);
    for name in 0..=3 {
        assert_eq!(outcomes.of(name).expired, [subscription.id()], "{name}");
    }
    send(&bus, 1);
    eventually("it is handled anew", || subscription.stats().retried == 2);
    clock.advance(Duration::from_secs(60));
    let ledger = settled(&subscription, 5);
    assert_eq!((ledger.delivered, ledger.duplicate, ledger.expired), (1, 3, 1));
}

#[test]
fn t7_what_is_discarded_before_its_next_attempt_gives_up_its_claim() {
    let _watchdog = watchdog("claim and cancellation");
    let (_bus, _clock, subscription, outcomes) = waits_for_its_next_attempt(None);
    subscription.cancel();
    eventually("all are told", || outcomes.names() == [0, 1, 2, 3]);
    for name in 0..=3 {
        let dropped: Vec<_> = outcomes.of(name).dropped.into_iter().map(|(id, _)| id).collect();
        assert_eq!(dropped, [subscription.id()], "{name}");
    }
    let ledger = settled(&subscription, 4);
    assert_eq!((ledger.dropped.total(), ledger.duplicate), (1, 3));
}

#[test]
fn t7_the_members_of_a_group_share_one_window() {
    let bus = EventBus::new();
    let member = || window(&bus, 8).group("g").receiver().expect("subscribe");
    let mut members = [member(), member()];
    // It does not share, and gets what is its turn.
    let mut forgetful = bus.subscribe::<u32>("n").group("g").receiver().expect("subscribe");
    let mut apart = window(&bus, 8).group("h").receiver().expect("subscribe");
    for _ in 0..6 {
        send(&bus, 1);
    }
    assert_eq!(members.each_mut().map(|member| member.try_iter().count()), [1, 0]);
    assert_eq!(members.each_ref().map(|member| member.subscription().stats().duplicate), [1, 2]);
    assert_eq!((forgetful.try_iter().count(), apart.try_iter().count()), (2, 1));
    let error = bus
        .subscribe::<u32>("n")
        .group("g")
        .idempotent(IdempotencyWindow::new(9))
        .receiver()
        .expect_err("another window");
    assert_eq!(error.to_string(), "group \"g\": its members share an idempotency window of 8 events");
    // With the last member it goes.
    let [one, two] = members;
    drop(one);
    let mut two = two;
    send(&bus, 1);
    send(&bus, 1);
    assert!(two.try_recv().is_err());
    drop(two);
    let mut new = window(&bus, 9).group("g").receiver().expect("it is the first again");
    drop(forgetful);
    send(&bus, 1);
    assert!(new.try_recv().is_ok());
}

/// Who hears of duplicates.
#[derive(Clone, Default)]
struct Hears(Arc<Mutex<Vec<(SubscriptionId, String, EventId)>>>);

impl Observer for Hears {
    fn duplicate(&self, subscription: SubscriptionId, topic: &Topic, event: EventId) {
        self.0.lock().expect("lock").push((subscription, topic.to_string(), event));
        panic!("it must go no further");
    }
}

#[test]
fn observers_receipts_and_the_accounts_of_engines_and_tenants_tell_of_it() {
    let hears = Hears::default();
    let builder = EventBus::builder().observer(hears.clone()).memory_engine("b").route("b", ["n"]);
    let bus = builder.build().expect("valid");
    let acme = bus.tenant("acme").expect("a tenant");
    let mut receiver = window(&acme, 8).receiver().expect("subscribe");
    let inline = window(&acme, 8).handle_inline(|_| ()).expect("subscribe");
    let receipts = [send(&acme, 1), send(&acme, 1)];
    let told = receipts.map(|one| (one.delivered(), one.duplicates(), one.queued(), one.matched()));
    assert_eq!(told, [(1, 0, 1, 2), (0, 1, 1, 2)]);
    assert_eq!(receiver.try_iter().count(), 1);
    let by = |subscription: &Subscription| (subscription.id(), "n".to_owned(), id(1));
    assert_eq!(*hears.0.lock().expect("lock"), [by(&inline), by(receiver.subscription())]);
    let stats = bus.stats();
    assert_eq!((stats.tenants[0].total.duplicate, stats.total.duplicate), (2, 2));
    assert!(stats.total.is_balanced());
    let engines: Vec<_> =
        stats.engines.iter().map(|one| (one.offered, one.delivered, one.duplicate, one.in_flight)).collect();
    assert_eq!(engines, [(0, 0, 0, 0), (4, 2, 2, 0)]);
}

#[test]
fn a_batch_tells_of_all_its_duplicates() {
    let bus = EventBus::new();
    let inline = window(&bus, 8).handle_inline(|_| ()).expect("subscribe");
    let mut sum = (0, 0);
    for number in [1, 1, 2, 1] {
        let receipt = send(&bus, number);
        sum = (sum.0 + receipt.delivered(), sum.1 + receipt.duplicates());
    }
    // Events whose publisher says no id are all different.
    bus.publisher::<u32>("n").expect("a topic").publish_batch([1, 1, 1]).expect("open");
    assert_eq!(sum, (2, 2));
    assert_eq!((inline.stats().delivered, inline.stats().duplicate), (5, 2));
}

#[test]
fn an_age_is_exact_and_survives_months_of_silence() {
    let clock = TestClock::new();
    // The 32 bits of the milliseconds of an event wrap meanwhile.
    clock.advance(Duration::from_millis(u64::from(u32::MAX) - 5));
    let bus = EventBus::builder().clock(clock.clone()).build().expect("valid");
    let settings = IdempotencyWindow::new(8).max_age(10 * MS);
    let mut receiver = bus.subscribe::<u32>("n").idempotent(settings).receiver().expect("subscribe");
    let mut got = |wait: Duration| {
        clock.advance(wait);
        send(&bus, 1);
        receiver.try_recv().is_ok()
    };
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(
        [Duration::ZERO, 9 * MS, MS, 9 * MS, 30 * day].map(&mut got),
        [true, false, true, false, true]
    );
    assert_eq!([49 * day, 9 * MS, 365 * day].map(&mut got), [true, false, true]);
}

/// Keeps failures off standard error.
struct Silent;

impl Observer for Silent {}

/// What a subscription remembers, in a list.
struct Model {
    events: usize,
    age: Option<u64>,
    handled: Vec<(u32, u64)>,
}

impl Model {
    /// Says whether a handler is to start for the number, which succeeds or fails.
    fn handles(&mut self, number: u32, fails: bool, now: u64) -> bool {
        let age = self.age.unwrap_or(u64::MAX);
        if self.handled.iter().any(|(known, at)| *known == number && now - at < age) {
            return false;
        }
        if !fails {
            self.handled.retain(|(known, _)| *known != number);
            self.handled.push((number, now));
            if self.handled.len() > self.events {
                self.handled.remove(0);
            }
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn t7_any_sequence_of_events_is_handled_as_a_list_of_them_says(
        events in 1_usize..6,
        age in prop::option::of(1_u64..20),
        inline in any::<bool>(),
        steps in prop::collection::vec((0_u32..9, prop::bool::weighted(0.2), 0_u64..6), 1..80),
    ) {
        let clock = TestClock::new();
        let bus = EventBus::builder().clock(clock.clone()).observer(Silent).build().expect("valid");
        let settings = IdempotencyWindow::new(events);
        let settings = age.map_or(settings, |age| settings.max_age(Duration::from_millis(age)));
        let subscribe = || bus.subscribe::<u32>("n").idempotent(settings);
        let mut model = Model { events, age, handled: Vec::new() };
        let fails = Arc::new(Mutex::new(false));
        let told = Arc::clone(&fails);
        let handler = move |_: &Event<u32>| {
            if *told.lock().expect("lock") { Err(HandlerError::new("as told")) } else { Ok(()) }
        };
        let (mut receiver, subscription): (Option<Receiver<_>>, _) = if inline {
            (None, Some(subscribe().handle_inline(handler).expect("subscribe")))
        } else {
            (Some(subscribe().receiver().expect("subscribe")), None)
        };
        let (mut now, mut expected) = (0, (0, 0));
        for (number, failing, pass) in &steps {
            // What a receiver has taken out does not fail.
            let failing = *failing && inline;
            *fails.lock().expect("lock") = failing;
            let handles = model.handles(*number, failing, now);
            let receipt = send(&bus, *number);
            match &mut receiver {
                Some(receiver) => prop_assert_eq!(receiver.try_recv().is_ok(), handles),
                None => prop_assert_eq!(receipt.delivered() == 1, handles),
            }
            expected = (expected.0 + u64::from(handles), expected.1 + u64::from(!handles));
            now += pass;
            clock.advance(Duration::from_millis(*pass));
        }
        let ledger = match (&receiver, &subscription) {
            (Some(receiver), _) => receiver.subscription().stats(),
            (_, Some(subscription)) => subscription.stats(),
            _ => unreachable!("one of them is there"),
        };
        prop_assert!(ledger.is_balanced());
        prop_assert_eq!((ledger.delivered, ledger.duplicate), expected);
    }
}
