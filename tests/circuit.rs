//! Circuit breakers: when handlers start and when not, by a clock that the tests move.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{
    CircuitBreaker, CircuitBreakerError, CircuitState, EventBus, HandlerError, Observer, Retry,
    SubscribeError, Subscription, SubscriptionId, TestClock,
};

use eventually::eventually;
use gate::gate;
use support::{PATIENCE, watchdog};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<CircuitState>>>);

impl Observer for Heard {
    fn circuit(&self, _: SubscriptionId, state: CircuitState) {
        self.0.lock().expect("lock").push(state);
    }
}

struct Ground {
    bus: EventBus,
    clock: TestClock,
    heard: Heard,
    /// Handlers fail while it is set.
    away: Arc<AtomicBool>,
}

fn ground() -> Ground {
    let (clock, heard) = (TestClock::new(), Heard::default());
    let bus =
        EventBus::builder().workers(2).clock(clock.clone()).observer(heard.clone()).build().expect("valid");
    Ground { bus, clock, heard, away: Arc::new(AtomicBool::new(true)) }
}

impl Ground {
    fn handler(&self) -> impl Fn(&trolleybus::Event<u32>) -> Result<(), HandlerError> + use<> {
        let away = Arc::clone(&self.away);
        move |_| if away.load(Ordering::Acquire) { Err(HandlerError::new("away")) } else { Ok(()) }
    }

    fn publish(&self, events: u32) {
        for event in 0..events {
            self.bus.publish("n", event).expect("open");
        }
    }

    fn state(&self) -> Option<CircuitState> {
        self.bus.stats().subscriptions[0].circuit
    }

    fn heard(&self) -> Vec<CircuitState> {
        self.heard.0.lock().expect("lock").clone()
    }
}

fn account(subscription: &Subscription) -> (u64, u64, u64) {
    let ledger = subscription.stats();
    assert!(ledger.is_balanced(), "{ledger:?}");
    (ledger.delivered, ledger.failed, ledger.queued)
}

#[test]
fn an_open_circuit_lets_events_wait_until_a_trial_succeeds() {
    let _watchdog = watchdog("trial");
    for concurrency in [1, 3] {
        let ground = ground();
        let subscription = ground
            .bus
            .subscribe::<u32>("n")
            .concurrency(concurrency)
            .circuit_breaker(CircuitBreaker::new(3, SECOND))
            .handle(ground.handler())
            .expect("subscribe");
        assert_eq!(ground.state(), Some(CircuitState::Closed));
        ground.publish(20);
        eventually("it is open", || ground.state() == Some(CircuitState::Open));
        eventually("nothing runs", || subscription.stats().running == 0);
        // Those that had started when it opened have failed, too.
        let failed = subscription.stats().failed;
        assert!((3..3 + concurrency as u64).contains(&failed), "{failed}");
        eventually("the alarm is set", || ground.clock.next_alarm() == Some(SECOND));
        ground.clock.advance(SECOND - Duration::from_millis(1));
        assert_eq!(subscription.stats().failed, failed);
        ground.clock.advance(Duration::from_millis(1));
        eventually("one is tried", || subscription.stats().failed == failed + 1);
        eventually("it is open again", || ground.state() == Some(CircuitState::Open));
        ground.away.store(false, Ordering::Release);
        eventually("the alarm is set", || ground.clock.next_alarm() == Some(SECOND));
        ground.clock.advance(SECOND);
        eventually("all are handled", || account(&subscription) == (20, failed + 1, 0));
        let expected = ["open", "half-open", "open", "half-open", "closed"];
        assert_eq!(
            ground.heard().iter().map(|state| state.as_str()).collect::<Vec<_>>(),
            expected,
            "{concurrency}"
        );
        assert_eq!(ground.state(), Some(CircuitState::Closed));
    }
}

#[test]
fn one_handler_is_tried_at_a_time() {
    let _watchdog = watchdog("one at a time");
    let ground = ground();
    let (held, _opens) = gate();
    let (inside, handler) = (Arc::clone(&held), ground.handler());
    let subscription = ground
        .bus
        .subscribe::<u32>("n")
        .concurrency(4)
        .circuit_breaker(CircuitBreaker::new(1, SECOND))
        .handle(move |event| {
            let result = handler(event);
            if result.is_ok() {
                inside.pass();
            }
            result
        })
        .expect("subscribe");
    ground.publish(1);
    eventually("it is open", || subscription.stats().failed == 1 && ground.clock.next_alarm().is_some());
    ground.publish(9);
    ground.away.store(false, Ordering::Release);
    ground.clock.advance(SECOND);
    eventually("one is tried", || held.inside() == 1);
    assert_eq!(ground.state(), Some(CircuitState::HalfOpen));
    // The other worker has nothing to do but this.
    let other = ground.bus.subscribe::<u32>("other").handle(|_| ()).expect("subscribe");
    ground.bus.publish("other", 1_u32).expect("open");
    eventually("the other worker has looked", || other.stats().delivered == 1);
    assert_eq!((held.inside(), subscription.stats().running), (1, 1));
    held.open();
    eventually("all are handled", || account(&subscription) == (10, 1, 0));
}

#[test]
fn the_event_that_opened_it_is_tried_again_when_it_closes() {
    let _watchdog = watchdog("with retries");
    let ground = ground();
    let subscription = ground
        .bus
        .subscribe::<u32>("n")
        .circuit_breaker(CircuitBreaker::new(2, 10 * SECOND))
        .retry(Retry::new(9).backoff(SECOND).max_delay(SECOND).jitter(0.0))
        .handle(ground.handler())
        .expect("subscribe");
    ground.publish(5);
    eventually("it is put off", || ground.clock.next_alarm() == Some(SECOND));
    ground.clock.advance(SECOND);
    // The second failure in a row: now the circuit says when.
    eventually("it is open", || ground.state() == Some(CircuitState::Open));
    eventually("the alarm is set", || ground.clock.next_alarm() == Some(10 * SECOND));
    assert_eq!((account(&subscription), subscription.stats().retried), ((0, 0, 5), 2));
    ground.away.store(false, Ordering::Release);
    ground.clock.advance(10 * SECOND);
    eventually("all are handled", || account(&subscription) == (5, 0, 0));
}

#[test]
fn an_event_that_is_too_old_is_no_trial() {
    let _watchdog = watchdog("too old");
    let ground = ground();
    let subscription = ground
        .bus
        .subscribe::<u32>("n")
        .circuit_breaker(CircuitBreaker::new(1, 10 * SECOND))
        .retry(Retry::new(2).backoff(SECOND))
        .handle(ground.handler())
        .expect("subscribe");
    ground.bus.event("n", 1_u32).ttl(5 * SECOND).publish().expect("open");
    ground.publish(1);
    eventually("it is open", || ground.clock.next_alarm() == Some(10 * SECOND));
    ground.away.store(false, Ordering::Release);
    ground.clock.advance(10 * SECOND);
    eventually("the second is handled", || account(&subscription) == (1, 0, 0));
    assert_eq!((subscription.stats().expired, ground.state()), (1, Some(CircuitState::Closed)));
}

#[test]
fn an_open_circuit_does_not_hold_up_the_end() {
    let _watchdog = watchdog("the end");
    for discards in [true, false] {
        let ground = ground();
        let subscription = ground
            .bus
            .subscribe::<u32>("n")
            .circuit_breaker(CircuitBreaker::new(1, SECOND))
            .handle(ground.handler())
            .expect("subscribe");
        ground.publish(3);
        eventually("it is open", || ground.clock.next_alarm() == Some(SECOND));
        if discards {
            subscription.cancel_and_wait().wait();
            assert_eq!(subscription.stats().dropped.cancelled, 2);
        } else {
            let report = ground.bus.shutdown(Duration::from_millis(1)).wait();
            assert_eq!((report.complete, report.discarded), (false, 2));
        }
        assert_eq!(account(&subscription), (1, 1, 0));
    }
    // With nothing queued there is nothing to wait for.
    let ground = ground();
    let _subscription = ground
        .bus
        .subscribe::<u32>("n")
        .circuit_breaker(CircuitBreaker::new(1, SECOND))
        .handle(ground.handler())
        .expect("subscribe");
    ground.publish(1);
    eventually("it is open", || ground.clock.next_alarm() == Some(SECOND));
    assert!(ground.bus.shutdown(PATIENCE).wait().complete);
}

#[test]
fn bad_input_is_refused_where_it_is_given() {
    let ground = ground();
    let subscribe = |breaker| ground.bus.subscribe::<u32>("n").circuit_breaker(breaker);
    assert!(matches!(
        subscribe(CircuitBreaker::new(0, SECOND)).handle(|_| ()),
        Err(SubscribeError::CircuitBreaker(CircuitBreakerError::NoFailures))
    ));
    for time in [Duration::ZERO, Duration::MAX] {
        assert!(matches!(
            subscribe(CircuitBreaker::new(1, time)).handle_async(|_| async {}),
            Err(SubscribeError::CircuitBreaker(CircuitBreakerError::InvalidTime { .. }))
        ));
    }
    assert!(matches!(
        subscribe(CircuitBreaker::new(1, SECOND)).handle_inline(|_| ()),
        Err(SubscribeError::NotForKind { option: "circuit_breaker", .. })
    ));
}
