//! Rounds by themselves, and as applications see them.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex as StdMutex, OnceLock};

use super::*;
use crate::error::HandlerError;
use crate::{EventBus, Subscription};

#[test]
fn one_position_says_for_each_handler_what_counting_it_would_have() {
    for handlers in 1..=5 {
        let rounds = Rounds::new(handlers);
        let mut expected = vec![Counts::default(); handlers];
        let check = |expected: &[Counts]| {
            for (number, counts) in expected.iter().enumerate() {
                assert_eq!(rounds.counts(number as u64), *counts, "{number} of {handlers}");
            }
        };
        for _ in 0..3 {
            let mut round = rounds.begin().expect("between two rounds");
            for number in 0..handlers {
                round.start();
                expected[number].started += 1;
                check(&expected);
                assert!(rounds.begin().is_none(), "a publish from within a handler");
                round.end();
                expected[number].ended += 1;
                check(&expected);
                assert!(rounds.begin().is_none(), "in the middle");
            }
            round.complete();
        }
        rounds.stop();
        assert!(rounds.begin().is_none(), "over");
    }
}

#[test]
fn what_was_counted_in_rounds_that_are_gone_stays_and_their_place_is_used_again() {
    let attendance = Attendance::default();
    for turn in 1..=3_u64 {
        let rounds = Rounds::new(1);
        assert_eq!(attendance.join(&rounds, 0), 0);
        let mut round = rounds.begin().expect("a round");
        round.start();
        assert_eq!(attendance.counts(), Counts { started: turn, ended: turn - 1 });
        round.end();
        attendance.leave(0);
        assert_eq!(attendance.counts(), Counts { started: turn, ended: turn });
        assert_eq!(Arc::strong_count(&rounds), 1);
    }
    let rounds = [Rounds::new(1), Rounds::new(1)];
    assert_eq!(rounds.each_ref().map(|rounds| attendance.join(rounds, 0)), [0, 1]);
    attendance.stop();
    assert!(rounds.iter().all(|rounds| rounds.begin().is_none()));
}

/// A topic with so many inline handlers that they are called in rounds. Each does what it is told, by its number.
struct Topic {
    bus: EventBus,
    subscriptions: Vec<Subscription>,
    handled: Arc<Vec<AtomicUsize>>,
}

const HANDLERS: usize = 40;

impl Topic {
    fn new(
        act: impl Fn(&EventBus, usize, u64) -> Result<(), HandlerError> + Clone + Send + Sync + 'static,
    ) -> Self {
        let bus = EventBus::new();
        let handled: Arc<Vec<_>> = Arc::new((0..HANDLERS).map(|_| AtomicUsize::new(0)).collect());
        let subscribe = |number: usize| {
            let (act, weak, handled) = (act.clone(), bus.downgrade(), Arc::clone(&handled));
            let handler = move |event: &crate::Event<u64>| {
                handled[number].fetch_add(1, Ordering::Relaxed);
                act(&weak.upgrade().expect("the bus is there"), number, **event)
            };
            bus.subscribe::<u64>("a.b").handle_inline(handler).expect("subscribe")
        };
        let subscriptions = (0..HANDLERS).map(subscribe).collect();
        Self { bus, subscriptions, handled }
    }

    fn publish(&self, number: u64) -> crate::Receipt {
        self.bus.publish("a.b", number).expect("publish")
    }

    /// The account of each subscription agrees with what its handler has counted.
    fn check(&self) {
        for (subscription, handled) in self.subscriptions.iter().zip(&*self.handled) {
            let ledger = subscription.stats();
            let handled = handled.load(Ordering::Relaxed) as u64;
            assert_eq!((ledger.offered, ledger.delivered, ledger.running), (handled, handled, 0));
            assert!(ledger.is_balanced());
        }
        let total = self.bus.stats().total;
        let handled: usize = self.handled.iter().map(|handled| handled.load(Ordering::Relaxed)).sum();
        assert_eq!((total.delivered, total.running), (handled as u64, 0));
    }
}

#[test]
fn c1_handlers_that_fail_and_panic_are_counted_as_the_others_are() {
    let topic = Topic::new(|_, number, event| match (number % 7, event % 3) {
        (3, 0) => Err(HandlerError::new("as asked")),
        (5, 1) => panic!("as asked"),
        _ => Ok(()),
    });
    let mut failed = 0;
    for event in 0..9 {
        let receipt = topic.publish(event);
        assert_eq!(receipt.delivered(), HANDLERS);
        failed += receipt.failed();
        topic.check();
    }
    assert_eq!(failed, 3 * 6 + 3 * 5);
    assert_eq!(topic.bus.stats().total.failed, failed as u64);
}

#[test]
fn c1_more_threads_than_have_rounds_of_their_own_lose_no_count() {
    const THREADS: u64 = 11;
    const EVENTS: u64 = 300;
    let topic = Topic::new(|_, number, event| match (number % 7, event % 3) {
        (3, 0) => Err(HandlerError::new("as asked")),
        _ => Ok(()),
    });
    let start = std::sync::Barrier::new(11);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                (0..EVENTS).for_each(|event| assert_eq!(topic.publish(event).delivered(), HANDLERS));
            });
        }
    });
    topic.check();
    assert_eq!(topic.handled[0].load(Ordering::Relaxed) as u64, THREADS * EVENTS);
    // A change of the chunk: everybody keeps what was counted in all of the rounds that are gone.
    let late = topic.bus.subscribe::<u64>("a.b").handle_inline(|_| ()).expect("subscribe");
    drop(late);
    topic.check();
}

#[test]
fn r1_a_publish_from_within_a_round_is_counted_beside_it() {
    let topic = Topic::new(|bus, number, event| {
        if event > 0 && number % 13 == 4 {
            let receipt = bus.publish("a.b", event - 1).expect("publish");
            assert_eq!(receipt.delivered(), HANDLERS);
        }
        Ok(())
    });
    for _ in 0..3 {
        topic.publish(2);
        topic.check();
    }
    // Each publish with a number above 0 begins three more: 4, 17, and 30.
    assert_eq!(topic.handled[0].load(Ordering::Relaxed), 3 * (1 + 3 + 9));
}

#[test]
fn v3_a_handler_that_cancels_others_of_its_round() {
    let kept: Arc<StdMutex<Vec<Option<Subscription>>>> = Arc::default();
    let act = {
        let kept = Arc::clone(&kept);
        move |_: &EventBus, number: usize, event: u64| {
            if number == 20 && event == 1 {
                let mut kept = kept.lock().expect("nobody panics");
                // One before, one after, one of another chunk, and itself.
                for number in [18_usize, 22, 39, 20] {
                    kept[number].take().expect("once").cancel();
                }
            }
            Ok(())
        }
    };
    let mut topic = Topic::new(act);
    *kept.lock().expect("nobody panics") = topic.subscriptions.drain(..).map(Some).collect();
    assert_eq!(topic.publish(0).delivered(), HANDLERS);
    assert_eq!(topic.publish(1).delivered(), HANDLERS - 2, "22 and 39 did not start");
    assert_eq!(topic.publish(2).delivered(), HANDLERS - 4);
    let handled = topic.handled.iter().map(|handled| handled.load(Ordering::Relaxed));
    let expected = (0..HANDLERS).map(|number| match number {
        18 | 20 => 2,
        22 | 39 => 1,
        _ => 3,
    });
    assert!(handled.eq(expected));
    topic.check();
}

#[test]
fn a_pause_in_a_round_is_heeded_and_its_end_too() {
    let paused: Arc<OnceLock<Subscription>> = Arc::default();
    let act = {
        let paused = Arc::clone(&paused);
        move |_: &EventBus, number: usize, event: u64| {
            match (number, event) {
                (2, 1) => paused.get().expect("set").pause(),
                (30, 2) => paused.get().expect("set").resume(),
                _ => {}
            }
            Ok(())
        }
    };
    let mut topic = Topic::new(act);
    assert!(paused.set(topic.subscriptions.remove(7)).is_ok());
    let delivered = [0, 1, 2, 3].map(|event| topic.publish(event).delivered());
    assert_eq!(delivered, [HANDLERS, HANDLERS - 1, HANDLERS - 1, HANDLERS]);
    let ledger = paused.get().expect("set").stats();
    assert_eq!((ledger.delivered, ledger.skipped), (2, 2));
}

#[test]
fn c2_an_account_read_in_a_round_shows_who_has_run_and_who_runs() {
    let subscriptions: Arc<OnceLock<Vec<Subscription>>> = Arc::default();
    let act = {
        let subscriptions = Arc::clone(&subscriptions);
        move |_: &EventBus, number: usize, event: u64| {
            let Some(subscriptions) = subscriptions.get() else { return Ok(()) };
            for (other, subscription) in subscriptions.iter().enumerate() {
                let ledger = subscription.stats();
                let expected = (event + u64::from(other < number), u64::from(other == number));
                assert_eq!((ledger.delivered, ledger.running), expected, "{other} in {number}");
                assert!(ledger.is_balanced());
            }
            Ok(())
        }
    };
    let mut topic = Topic::new(act);
    assert!(subscriptions.set(topic.subscriptions.drain(..).collect()).is_ok());
    for event in 0..3 {
        assert_eq!(topic.publish(event).failed(), 0);
    }
}
