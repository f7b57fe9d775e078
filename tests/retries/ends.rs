//! What comes between two attempts: the end of the subscription, of the bus or of the event, and a pause.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use trolleybus::{
    DeadLetter, DeathCause, DropReason, EventBus, HandlerError, Outcome, Retry, SubscriptionKind, TestClock,
};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::{KINDS, MS, bus, calls, publish, retry, subscribe};

#[test]
fn v3_a_cancelled_subscription_makes_no_further_attempt() {
    let _watchdog = watchdog("cancel");
    for kind in KINDS {
        let (bus, clock) = bus();
        let (subscription, seen) = subscribe(&bus, &clock, kind, retry(2).let_others_pass(), |_, _| true);
        let (send, outcomes) = mpsc::channel::<Outcome>();
        for number in 0..3_u32 {
            let send = send.clone();
            bus.event("n", number).on_complete(move |it| _ = send.send(it.clone())).publish().expect("open");
        }
        eventually("they wait", || subscription.stats().retried == 3);
        subscription.cancel_and_wait().wait();
        clock.advance(1000 * MS);
        for _ in 0..3 {
            let outcome = outcomes.recv_timeout(PATIENCE).expect("complete");
            assert_eq!(outcome.dropped, [(subscription.id(), DropReason::Cancelled)]);
        }
        let ledger = subscription.stats();
        assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
        assert_eq!((ledger.dropped.cancelled, calls(&seen).len()), (3, 3));
    }
}

#[test]
fn an_attempt_that_fails_after_the_cancellation_was_the_last() {
    let _watchdog = watchdog("late failure");
    let (bus, _clock) = bus();
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let subscription = bus
        .subscribe::<u32>("n")
        .retry(retry(5))
        .handle_with(move |_, delivery| {
            started.send(()).expect("send");
            released.lock().expect("lock").recv_timeout(PATIENCE).expect("released");
            assert!(delivery.is_cancelled());
            Err::<(), _>(HandlerError::new("cancelled"))
        })
        .expect("subscribe");
    publish(&bus, [1]);
    starts.recv_timeout(PATIENCE).expect("it starts");
    subscription.cancel();
    release.send(()).expect("send");
    subscription.cancel_and_wait().wait();
    let ledger = subscription.stats();
    assert!(ledger.is_balanced());
    assert_eq!((ledger.failed, ledger.retried, ledger.queued), (1, 0, 0));
}

#[test]
fn s1_a_shutdown_waits_for_retries_until_its_deadline_and_counts_the_rest() {
    let _watchdog = watchdog("shutdown");
    // On the system's clock: the shutdown waits for something that happens by itself.
    let bus = EventBus::builder().workers(1).build().expect("valid");
    let subscription = bus
        .subscribe::<u32>("n")
        .retry(Retry::new(3).backoff(MS))
        .handle_with(|_, delivery| match delivery.attempt() {
            1 | 2 => Err(HandlerError::new("not yet")),
            _ => Ok(()),
        })
        .expect("subscribe");
    publish(&bus, 0..10);
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete, "{report:?}");
    assert_eq!((subscription.stats().delivered, subscription.stats().failed), (10, 0));

    let (bus, clock) = self::bus();
    let (subscription, _) = subscribe(&bus, &clock, SubscriptionKind::Pooled, retry(2), |_, _| true);
    publish(&bus, [1]);
    eventually("it waits", || subscription.stats().retried == 1);
    let report = bus.shutdown(MS).wait();
    assert!(!report.complete);
    assert_eq!((report.discarded, report.unfinished.len(), report.unfinished[0].discarded), (1, 1, 1));
    assert_eq!(subscription.stats().dropped.shutdown, 1);
}

#[test]
fn t1_an_event_may_expire_while_it_waits() {
    let _watchdog = watchdog("expiry");
    let clock = TestClock::new();
    let bus = EventBus::builder()
        .workers(1)
        .clock(clock.clone())
        .dead_letters(["n"], "dead")
        .build()
        .expect("valid");
    let mut dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    let (subscription, seen) = subscribe(&bus, &clock, SubscriptionKind::Pooled, retry(9), |_, _| true);
    bus.event("n", 1_u32).ttl(250 * MS).publish().expect("open");
    publish(&bus, [2]);
    eventually("it waits", || clock.next_alarm() == Some(100 * MS));
    clock.advance(100 * MS);
    eventually("it waits again", || subscription.stats().retried == 2);
    clock.advance(200 * MS);
    let letter = dead.recv_timeout(PATIENCE).expect("a letter");
    assert_eq!((letter.cause(), letter.attempts()), (&DeathCause::Expired(300 * MS), 2));
    eventually("the next one starts", || calls(&seen) == [(1, 1), (1, 2), (2, 1)]);
    assert_eq!(subscription.stats().expired, 1);
}

#[test]
fn a_pause_holds_up_attempts_that_are_due() {
    let _watchdog = watchdog("pause");
    for kind in KINDS {
        let (bus, clock) = bus();
        let (subscription, seen) = subscribe(&bus, &clock, kind, retry(2), |_, attempt| attempt == 1);
        publish(&bus, [1]);
        eventually("it waits", || clock.next_alarm() == Some(100 * MS));
        subscription.pause();
        clock.advance(100 * MS);
        let other = bus.subscribe::<u32>("other").handle(|_| ()).expect("subscribe");
        bus.publish("other", 1_u32).expect("open");
        eventually("the worker has looked", || other.stats().delivered == 1);
        assert_eq!((calls(&seen).len(), subscription.stats().queued), (1, 1));
        subscription.resume();
        eventually("it is done", || subscription.stats().delivered == 1);
    }
}

#[test]
fn the_events_that_a_subscription_takes_are_tried_as_often_as_others() {
    let _watchdog = watchdog("take");
    let (bus, clock) = bus();
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let subscription = bus
        .subscribe::<u32>("n")
        .take(2)
        .retry(retry(3))
        .handle_with(move |_, delivery| {
            count.fetch_add(1, Ordering::AcqRel);
            if delivery.attempt() < 3 { Err(HandlerError::new("not yet")) } else { Ok(()) }
        })
        .expect("subscribe");
    publish(&bus, 0..5);
    eventually("its last event waits", || {
        if let Some(next) = clock.next_alarm() {
            clock.advance(next);
        }
        subscription.stats().delivered == 2
    });
    assert_eq!(calls.load(Ordering::Acquire), 6);
    let ledger = subscription.stats();
    assert!(ledger.is_balanced());
    assert_eq!((ledger.failed, ledger.queued), (0, 0));
}
