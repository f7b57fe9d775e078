//! The time that an attempt may take, and what is refused.

use std::sync::mpsc;
use std::time::Duration;

use trolleybus::{DeadLetter, EventBus, HandlerError, Retry, RetryError, SubscribeError, Subscription};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::{MS, bus, publish, retry};

#[test]
fn an_attempt_that_takes_too_long_has_failed() {
    let _watchdog = watchdog("timeout");
    let (bus, clock) = bus();
    let (dropped, drops) = mpsc::channel::<()>();
    let subscription = bus
        .subscribe::<u32>("n")
        .attempt_timeout(50 * MS)
        .retry(retry(3).only_if(HandlerError::is_timeout))
        .handle_async_with(move |_, delivery| {
            let held = dropped.clone();
            async move {
                let _held = held;
                if delivery.attempt() < 3 {
                    std::future::pending::<()>().await;
                }
            }
        })
        .expect("subscribe");
    publish(&bus, [1]);
    for attempt in 1..=2 {
        eventually("it is pending", || clock.next_alarm() == Some(50 * MS));
        assert_eq!(subscription.stats().running, 1);
        clock.advance(49 * MS);
        assert_eq!(clock.next_alarm(), Some(MS));
        clock.advance(MS);
        eventually("it is given up", || subscription.stats().retried == attempt);
        eventually("the next one is put off", || clock.next_alarm().is_some());
        clock.advance(Duration::from_millis(100 * attempt));
    }
    eventually("the third one is quick", || subscription.stats().delivered == 1);
    assert_eq!(subscription.stats().failed, 0);
    drop(bus);
    drop(subscription);
    assert_eq!(
        drops.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected),
        "the futures are dropped"
    );
}

#[test]
fn without_a_retry_an_attempt_that_takes_too_long_is_a_failure() {
    let _watchdog = watchdog("timeout alone");
    // On the system's clock.
    let bus = EventBus::builder().workers(1).dead_letters(["n"], "dead").build().expect("valid");
    let mut dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    let _subscription = bus
        .subscribe::<u32>("n")
        .attempt_timeout(MS)
        .handle_async(|_| std::future::pending::<()>())
        .expect("subscribe");
    publish(&bus, [1]);
    let letter = dead.recv_timeout(PATIENCE).expect("a letter");
    assert_eq!(letter.cause().to_string(), "the handler failed: the handler was still pending after 1ms");
}

#[test]
fn bad_input_is_refused_where_it_is_given() {
    let (bus, _clock) = bus();
    let subscribe = || bus.subscribe::<u32>("n");
    let refused = |result: Result<Subscription, SubscribeError>| result.expect_err("refused");
    assert!(matches!(
        refused(subscribe().retry(Retry::new(0)).handle(|_| ())),
        SubscribeError::Retry(RetryError::NoAttempts)
    ));
    assert!(matches!(
        refused(subscribe().retry(Retry::new(2).backoff(Duration::MAX)).handle_async(|_| async {})),
        SubscribeError::Retry(RetryError::DelayTooLong { .. })
    ));
    for timeout in [Duration::ZERO, Duration::MAX] {
        let result = subscribe().attempt_timeout(timeout).handle_async(|_| async {});
        assert!(matches!(refused(result), SubscribeError::InvalidAttemptTimeout { .. }));
    }
    for result in [
        subscribe().retry(retry(2)).handle_inline(|_| ()),
        subscribe().ordered_by_key(2).handle_inline(|_| ()),
        subscribe().attempt_timeout(MS).handle_inline(|_| ()),
        subscribe().attempt_timeout(MS).handle(|_| ()),
        subscribe().retry(retry(2)).receiver().map(|_| panic!("refused")),
    ] {
        assert!(matches!(refused(result), SubscribeError::NotForKind { .. }));
    }
    assert!(matches!(
        refused(subscribe().ordered_by_key(0).handle(|_| ())),
        SubscribeError::InvalidConcurrency { concurrency: 0, .. }
    ));
    assert_eq!(bus.stats().subscriptions.len(), 0);
    let error = refused(subscribe().retry(retry(2)).handle_inline(|_| ()));
    assert_eq!(error.to_string(), "retry is not for a subscription of the kind inline");
}
