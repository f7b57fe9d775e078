//! Handlers that are tried again: when, in which order, and what is counted; by a clock that the tests move.
//!
//! | file | idea |
//! |---|---|
//! | here | attempts and their order |
//! | `retries/ends.rs` | what comes between two attempts: the end of the subscription, of the bus, of the event; a pause |
//! | `retries/limits.rs` | the time of an attempt; bad input |

#[path = "retries/ends.rs"]
mod ends;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "retries/limits.rs"]
mod limits;
mod support;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trolleybus::{
    Clock, DeadLetter, DeathCause, DeliveryMode, EventBus, HandledDelivery, HandlerError, Observer, Outcome,
    Retry, Subscription, SubscriptionKind, TestClock,
};

use eventually::eventually;
use support::{PATIENCE, watchdog};

const MS: Duration = Duration::from_millis(1);

fn bus() -> (EventBus, TestClock) {
    let clock = TestClock::new();
    (EventBus::builder().workers(1).clock(clock.clone()).build().expect("valid"), clock)
}

/// 100 ms, 200 ms, 300 ms, 300 ms, ...
fn retry(attempts: u32) -> Retry {
    Retry::new(attempts).backoff(100 * MS).max_delay(300 * MS).jitter(0.0)
}

/// What handlers have been called with: the event, the number of the attempt, and the time.
type Calls = Arc<Mutex<Vec<(u32, u32, u64)>>>;

/// Subscribes to "n" in one of the ways that workers run. Attempts fail as `fails` says of event and attempt.
fn subscribe(
    bus: &EventBus,
    clock: &TestClock,
    kind: SubscriptionKind,
    retry: Retry,
    fails: fn(u32, u32) -> bool,
) -> (Subscription, Calls) {
    let calls = Calls::default();
    let seen = (Arc::clone(&calls), clock.clone());
    let call = move |number: u32, attempt: u32| {
        let now = u64::try_from(seen.1.monotonic().as_millis()).expect("short");
        seen.0.lock().expect("lock").push((number, attempt, now));
        if fails(number, attempt) { Err(HandlerError::new("not yet")) } else { Ok(()) }
    };
    let subscribing = bus.subscribe::<u32>("n").retry(retry);
    let subscription = match kind {
        SubscriptionKind::Pooled => {
            subscribing.handle_with(move |event, delivery| call(**event, delivery.attempt()))
        }
        _ => subscribing.handle_async_with(move |event, delivery| {
            let result = call(*event, delivery.attempt());
            async move { result }
        }),
    };
    (subscription.expect("subscribe"), calls)
}

const KINDS: [SubscriptionKind; 2] = [SubscriptionKind::Pooled, SubscriptionKind::Async];

fn publish(bus: &EventBus, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        bus.publish("n", number).expect("open");
    }
}

fn calls(calls: &Calls) -> Vec<(u32, u32)> {
    calls.lock().expect("lock").iter().map(|(number, attempt, _)| (*number, *attempt)).collect()
}

/// Moves the clock until nothing is queued, to each alarm in turn.
fn run(clock: &TestClock, subscription: &Subscription) {
    eventually("everything is handled", || {
        let ledger = subscription.stats();
        if ledger.queued + ledger.running == 0 {
            return true;
        }
        if ledger.running == 0
            && let Some(next) = clock.next_alarm()
        {
            clock.advance(next);
        }
        false
    });
}

#[test]
fn attempts_are_made_when_their_time_has_come_and_not_before() {
    let _watchdog = watchdog("delays");
    for kind in KINDS {
        let (bus, clock) = bus();
        let (subscription, calls) = subscribe(&bus, &clock, kind, retry(5), |_, _| true);
        publish(&bus, [7]);
        for (attempts, delay) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
            eventually("an attempt is put off", || subscription.stats().retried == attempts);
            eventually("the alarm is set", || clock.next_alarm() == Some(delay * MS));
            assert_eq!((subscription.stats().queued, subscription.stats().running), (1, 0));
            clock.advance((delay - 1) * MS);
            clock.advance(MS);
        }
        eventually("the last has failed", || subscription.stats().failed == 1);
        let seen = calls.lock().expect("lock").clone();
        assert_eq!(seen, [(7, 1, 0), (7, 2, 100), (7, 3, 300), (7, 4, 600), (7, 5, 900)], "{kind}");
        let ledger = subscription.stats();
        assert!(ledger.is_balanced());
        assert_eq!((ledger.offered, ledger.delivered, ledger.queued, ledger.retried), (1, 1, 0, 4));
        assert_eq!(bus.stats().total.retried, 4);
    }
}

#[test]
fn o1_one_at_a_time_waits_with_the_event_that_is_tried_again() {
    let _watchdog = watchdog("one at a time");
    for kind in KINDS {
        let (bus, clock) = bus();
        let fails = |number, attempt| number == 2 && attempt < 3;
        let (subscription, seen) = subscribe(&bus, &clock, kind, retry(3), fails);
        publish(&bus, 1..=4);
        run(&clock, &subscription);
        assert_eq!(calls(&seen), [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1)], "{kind}");
        assert_eq!((subscription.stats().delivered, subscription.stats().failed), (4, 0));
    }
}

#[test]
fn others_pass_if_that_was_asked_for() {
    let _watchdog = watchdog("others pass");
    for kind in KINDS {
        let (bus, clock) = bus();
        let fails = |number, attempt| number == 2 && attempt < 3;
        let (subscription, seen) = subscribe(&bus, &clock, kind, retry(3).let_others_pass(), fails);
        publish(&bus, 1..=4);
        eventually("the others are handled", || subscription.stats().delivered == 3);
        run(&clock, &subscription);
        assert_eq!(calls(&seen), [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (2, 3)], "{kind}");
    }
}

#[test]
fn o2_a_key_waits_with_its_event_and_the_other_keys_do_not() {
    let _watchdog = watchdog("keys");
    for passes in [false, true] {
        let (bus, clock) = bus();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&seen);
        let policy = if passes { retry(2).let_others_pass() } else { retry(2) };
        let subscription = bus
            .subscribe::<String>("n")
            .ordered_by(2, |word| word.as_bytes()[0])
            .retry(policy)
            .handle_with(move |word, delivery| {
                calls.lock().expect("lock").push(((**word).clone(), delivery.attempt()));
                let fails = **word == "a1" && delivery.attempt() == 1;
                if fails { Err(HandlerError::new("not yet")) } else { Ok(()) }
            })
            .expect("subscribe");
        for word in ["a1", "b1", "a2", "b2"] {
            bus.publish("n", word).expect("open");
        }
        let free = if passes { 3 } else { 2 };
        eventually("the others are handled", || subscription.stats().delivered == free);
        run(&clock, &subscription);
        let seen = seen.lock().expect("lock").clone();
        let of = |key: &str| -> Vec<_> {
            let of_key = seen.iter().filter(|(word, _)| word.starts_with(key));
            of_key.map(|(word, attempt)| format!("{word}:{attempt}")).collect()
        };
        assert_eq!(of("b"), ["b1:1", "b2:1"]);
        let expected = if passes { ["a1:1", "a2:1", "a1:2"] } else { ["a1:1", "a1:2", "a2:1"] };
        assert_eq!(of("a"), expected);
    }
}

/// Hears of attempts.
#[derive(Clone, Default)]
struct Heard {
    retried: Arc<Mutex<Vec<(u32, Duration, String)>>>,
    handled: Arc<Mutex<Vec<(u32, bool)>>>,
}

impl Observer for Heard {
    fn retried(&self, delivery: &HandledDelivery<'_>, delay: Duration) {
        let error = delivery.error.expect("it has failed").to_string();
        self.retried.lock().expect("lock").push((delivery.attempt, delay, error));
    }

    fn handled(&self, delivery: &HandledDelivery<'_>) {
        self.handled.lock().expect("lock").push((delivery.attempt, delivery.error.is_some()));
    }
}

#[test]
fn observers_hear_of_each_attempt_and_the_letter_tells_how_many_there_were() {
    let _watchdog = watchdog("observers");
    let (heard, clock) = (Heard::default(), TestClock::new());
    let bus = EventBus::builder()
        .workers(1)
        .clock(clock.clone())
        .observer(heard.clone())
        .dead_letters(["n"], "dead")
        .build()
        .expect("valid");
    let mut dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    let (subscription, _) =
        subscribe(&bus, &clock, SubscriptionKind::Pooled, retry(3), |number, _| number == 1);
    let (send, outcome) = mpsc::channel::<Outcome>();
    bus.event("n", 1_u32).on_complete(move |it| _ = send.send(it.clone())).publish().expect("open");
    publish(&bus, [2]);
    run(&clock, &subscription);
    let letter = dead.recv_timeout(PATIENCE).expect("a letter");
    assert_eq!((letter.attempts(), letter.event().payload::<u32>()), (3, Some(&1)));
    assert!(matches!(letter.cause(), DeathCause::Failed { error, .. } if error == "not yet"));
    let outcome = outcome.recv_timeout(PATIENCE).expect("complete");
    assert_eq!((outcome.failed, outcome.done), (vec![subscription.id()], 0));
    let not_yet = || "not yet".to_owned();
    let retried = heard.retried.lock().expect("lock").clone();
    assert_eq!(retried, [(1, 100 * MS, not_yet()), (2, 200 * MS, not_yet())]);
    let handled = heard.handled.lock().expect("lock").clone();
    // The receiver's letter is a delivery, too.
    assert_eq!(handled, [(3, true), (1, false), (1, false)]);
}

#[test]
fn what_is_not_worth_another_attempt_gets_none() {
    let _watchdog = watchdog("not worth it");
    let (bus, _clock) = bus();
    let only = bus
        .subscribe::<u32>("n")
        .retry(retry(9).only_if(|error| error.to_string() == "away"))
        .handle(|number| match **number {
            1 => Err(HandlerError::new("away").permanent()),
            2 => Err(HandlerError::new("wrong")),
            _ => Ok(()),
        })
        .expect("subscribe");
    publish(&bus, 1..=3);
    eventually("they are done", || only.stats().delivered == 3);
    assert_eq!((only.stats().failed, only.stats().retried), (2, 0));
}

#[test]
fn a_panic_is_tried_again_and_counts_for_the_quarantine() {
    let _watchdog = watchdog("panics");
    let clock = TestClock::new();
    let bus = EventBus::builder()
        .workers(1)
        .clock(clock.clone())
        .observer(Heard::default())
        .quarantine_after(NonZeroU32::new(2).expect("two"))
        .build()
        .expect("valid");
    let subscription = bus
        .subscribe::<u32>("n")
        .retry(retry(9))
        .handle_with(|_, delivery| assert!(delivery.attempt() > 2, "attempt {}", delivery.attempt()))
        .expect("subscribe");
    publish(&bus, [1]);
    eventually("it is in quarantine", || {
        if let Some(next) = clock.next_alarm() {
            clock.advance(next);
        }
        subscription.is_paused()
    });
    clock.advance(1000 * MS);
    assert_eq!((subscription.stats().queued, subscription.stats().running), (1, 0));
    subscription.resume();
    run(&clock, &subscription);
    assert_eq!((subscription.stats().delivered, subscription.stats().failed), (1, 0));
}

#[test]
fn no_worker_waits_with_an_event() {
    let _watchdog = watchdog("no worker waits");
    let (bus, clock) = bus();
    let waiting: Vec<_> = (0..20)
        .map(|_| subscribe(&bus, &clock, SubscriptionKind::Pooled, retry(2), |_, attempt| attempt == 1).0)
        .collect();
    let free = bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe");
    publish(&bus, 0..100);
    // The bus has one worker.
    eventually("the free one is done", || free.stats().delivered == 100);
    eventually("the others wait", || waiting.iter().all(|it| it.stats().retried == 1));
    assert!(waiting.iter().all(|it| it.stats().queued == 100 && it.stats().is_balanced()));
    assert_eq!(bus.stats().subscriptions[0].oldest_age, Some(Duration::ZERO));
    clock.advance(50 * MS);
    assert_eq!(bus.stats().subscriptions[0].oldest_age, Some(50 * MS));
    for it in &waiting {
        run(&clock, it);
    }
    assert_eq!(bus.stats().total.retried, 2000);
}

#[test]
fn as_many_events_as_the_queue_holds_may_wait_beside_it() {
    let _watchdog = watchdog("bounded");
    let (bus, clock) = bus();
    let subscription = bus
        .subscribe::<u32>("n")
        .capacity(4)
        .delivery(DeliveryMode::Drop)
        .retry(retry(2).let_others_pass())
        .handle_with(|_, delivery| match delivery.attempt() {
            1 => Err(HandlerError::new("not yet")),
            _ => Ok(()),
        })
        .expect("subscribe");
    for number in 0..4 {
        publish(&bus, [number]);
        eventually("it waits", || subscription.stats().retried == u64::from(number) + 1);
    }
    publish(&bus, 4..20);
    let ledger = subscription.stats();
    assert_eq!((ledger.queued, ledger.dropped.full, ledger.retried), (8, 12, 4));
    run(&clock, &subscription);
    assert_eq!(subscription.stats().delivered, 8);
}
