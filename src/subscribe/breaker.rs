//! The circuit breaker of a subscription: while what its handler needs is away, the handler is not tried.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use super::retry::LONGEST;
use crate::dispatch::CircuitState;

/// When a subscription stops trying its handler, and for how long.
///
/// After so many failures in a row, of attempts of whatever event, the circuit is *open*: no handler starts, and events wait in
/// the queue, as its mode says. When the time is over it is *half-open*: one handler is tried; if it succeeds the circuit is
/// *closed* and everything goes on, and if it fails the circuit is open for as long again. Observers
/// [hear of it](crate::Observer::circuit).
///
/// It counts what the handler says, so it goes well with [`Retry`](crate::Retry): the event whose attempt has opened it is
/// tried again when it is half-open.
///
/// ```
/// use std::time::Duration;
/// use trolleybus::{CircuitBreaker, CircuitState, EventBus, HandlerError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let mailer = bus
///     .subscribe::<String>("mail.out")
///     .circuit_breaker(CircuitBreaker::new(2, Duration::from_secs(60)))
///     .handle(|_| Err::<(), _>(HandlerError::new("the server is away")))?;
/// for _ in 0..5 {
///     bus.publish("mail.out", "hello")?;
/// }
/// # let deadline = std::time::Instant::now() + Duration::from_secs(10);
/// # while bus.stats().subscriptions[0].circuit != Some(CircuitState::Open) && std::time::Instant::now() < deadline {
/// #     std::thread::yield_now();
/// # }
/// assert_eq!(bus.stats().subscriptions[0].circuit, Some(CircuitState::Open));
/// assert_eq!((mailer.stats().failed, mailer.stats().queued), (2, 3));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a breaker is to be given to a subscription"]
pub struct CircuitBreaker {
    failures: u32,
    open_for: Duration,
}

/// What is wrong with a [`CircuitBreaker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CircuitBreakerError {
    /// It would always be open.
    #[error("a circuit that opens after no failure")]
    NoFailures,
    /// It would never be open, or longer than anybody waits.
    #[error("a circuit that is open for {open_for:?}: it must be more than nothing and at most {limit:?}")]
    InvalidTime {
        /// What was asked for.
        open_for: Duration,
        /// The longest.
        limit: Duration,
    },
}

impl CircuitBreaker {
    /// Opens after so many failed attempts in a row, from 1, for that time: more than nothing, and at most a year.
    pub fn new(failures: u32, open_for: Duration) -> Self {
        Self { failures, open_for }
    }

    pub(super) fn checked(self) -> Result<Circuit, CircuitBreakerError> {
        let Some(limit) = NonZeroU32::new(self.failures) else { return Err(CircuitBreakerError::NoFailures) };
        let open_for = self.open_for;
        if open_for.is_zero() || open_for > LONGEST {
            return Err(CircuitBreakerError::InvalidTime { open_for, limit: LONGEST });
        }
        Ok(Circuit { limit, open_for, state: State::Closed { failures: 0 } })
    }
}

/// A circuit, and how it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circuit {
    limit: NonZeroU32,
    open_for: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many failures in a row.
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// A handler is being tried.
    HalfOpen,
}

impl Circuit {
    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen => CircuitState::HalfOpen,
        }
    }

    /// Says whether a handler may start.
    pub(super) fn admits(&self, now: Duration) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } => now >= until,
            State::HalfOpen => false,
        }
    }

    /// When it will be worth asking again.
    pub(super) fn next_change(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::HalfOpen => None,
        }
    }

    /// A handler starts, which was admitted. Returns the new state if it has changed: half-open, if this is the one that is tried.
    pub(super) fn start(&mut self) -> Option<CircuitState> {
        match self.state {
            State::Open { .. } => self.change(State::HalfOpen),
            State::Closed { .. } | State::HalfOpen => None,
        }
    }

    /// The handler that was to start does not: its event came too late.
    pub(super) fn start_over(&mut self, now: Duration) -> Option<CircuitState> {
        match self.state {
            State::HalfOpen => self.change(State::Open { until: now }),
            State::Closed { .. } | State::Open { .. } => None,
        }
    }

    /// A handler has ended, the one that was tried when the circuit was half-open, or another. Returns the new state if it has
    /// changed.
    pub(super) fn end(&mut self, trial: bool, succeeded: bool, now: Duration) -> Option<CircuitState> {
        match self.state {
            // It had started before the circuit opened.
            State::HalfOpen if !trial => None,
            State::Closed { .. } if succeeded => {
                self.state = State::Closed { failures: 0 };
                None
            }
            State::Closed { failures } if failures + 1 < self.limit.get() => {
                self.state = State::Closed { failures: failures + 1 };
                None
            }
            State::HalfOpen if succeeded => self.change(State::Closed { failures: 0 }),
            State::Closed { .. } | State::HalfOpen => {
                self.change(State::Open { until: now.saturating_add(self.open_for) })
            }
            // Likewise.
            State::Open { .. } => None,
        }
    }

    fn change(&mut self, state: State) -> Option<CircuitState> {
        self.state = state;
        Some(self.state())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_in_a_row_open_it_and_one_success_closes_it() {
        let mut circuit = CircuitBreaker::new(2, SECOND).checked().expect("it is well");
        let at = |seconds| Duration::from_secs(seconds);
        assert_eq!((circuit.end(false, false, at(0)), circuit.end(false, true, at(0))), (None, None));
        assert_eq!(circuit.end(false, false, at(0)), None, "not in a row");
        assert_eq!(circuit.end(false, false, at(5)), Some(CircuitState::Open));
        assert!(!circuit.admits(at(5)) && circuit.admits(at(6)));
        assert_eq!(circuit.next_change(), Some(at(6)));
        assert_eq!(circuit.end(false, true, at(5)), None, "it had started before");
        assert_eq!(circuit.start(), Some(CircuitState::HalfOpen));
        assert!(!circuit.admits(at(100)), "one at a time");
        assert_eq!(circuit.end(false, true, at(6)), None, "it had started before, too");
        assert_eq!(circuit.end(true, false, at(7)), Some(CircuitState::Open));
        assert_eq!((circuit.next_change(), circuit.start()), (Some(at(8)), Some(CircuitState::HalfOpen)));
        assert_eq!(circuit.start_over(at(9)), Some(CircuitState::Open));
        assert!(circuit.admits(at(9)), "the one that was too late is no trial");
        assert_eq!(circuit.start(), Some(CircuitState::HalfOpen));
        assert_eq!(circuit.end(true, true, at(9)), Some(CircuitState::Closed));
        assert!(circuit.admits(at(9)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |failures, open_for| CircuitBreaker::new(failures, open_for).checked().map(drop);
        assert_eq!(check(0, SECOND), Err(CircuitBreakerError::NoFailures));
        for open_for in [Duration::ZERO, Duration::MAX] {
            assert_eq!(
                check(1, open_for),
                Err(CircuitBreakerError::InvalidTime { open_for, limit: LONGEST })
            );
        }
    }
}
