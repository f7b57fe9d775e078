//! How often, and when, a handler that has failed is tried again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::error::HandlerError;

/// The longest time that a policy may wait for something: a year.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Says which errors are worth another attempt.
type WorthIt = Arc<dyn Fn(&HandlerError) -> bool + Send + Sync>;

/// What happens to an event whose handler fails: how often it is tried, and when.
///
/// The time before each attempt is twice the one before, from [`backoff`](Self::backoff) to
/// [`max_delay`](Self::max_delay), less a part drawn by chance ([`jitter`](Self::jitter)), so that those which failed together
/// do not come back together. Meanwhile the event counts as queued, and no worker waits with it. After the last attempt, or
/// an error that is not worth another, it has failed: it is counted, told, and may become a
/// [dead letter](crate::BusBuilder::dead_letters).
///
/// ```
/// use std::time::Duration;
/// use trolleybus::{EventBus, HandlerError, Retry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let (done, attempts) = std::sync::mpsc::channel();
/// let _billing = bus
///     .subscribe::<u32>("order.placed")
///     .retry(Retry::new(3).backoff(Duration::from_millis(1)))
///     .handle_with(move |_, delivery| {
///         if delivery.attempt() < 3 {
///             return Err(HandlerError::new("the database is away"));
///         }
///         let _ = done.send(delivery.attempt());
///         Ok(())
///     })?;
/// bus.publish("order.placed", 7_u32)?;
/// assert_eq!(attempts.recv()?, 3);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a policy is to be given to a subscription"]
pub struct Retry {
    attempts: u32,
    first: Duration,
    factor: f64,
    longest: Duration,
    jitter: f64,
    worth_it: Option<WorthIt>,
    pub(super) lets_others_pass: bool,
}

/// What is wrong with a [`Retry`].
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RetryError {
    /// An event must be tried at least once.
    #[error("no attempts")]
    NoAttempts,
    /// The time to wait must not become shorter, nor anything that is no number.
    #[error("a factor of {factor}: it must be a number from 1")]
    InvalidFactor {
        /// What was asked for.
        factor: f64,
    },
    /// Chance takes from nothing to all of the time.
    #[error("a jitter of {jitter}: it must be a number from 0 to 1")]
    InvalidJitter {
        /// What was asked for.
        jitter: f64,
    },
    /// Nobody waits so long.
    #[error("a delay of {delay:?} is over the limit of {limit:?}")]
    DelayTooLong {
        /// What was asked for.
        delay: Duration,
        /// The longest.
        limit: Duration,
    },
}

impl Retry {
    /// At most so many attempts, the first included: 1 means that none follows it.
    ///
    /// 100 ms before the second attempt, at most 30 s before a later one, half of it by chance.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            first: Duration::from_millis(100),
            factor: 2.0,
            longest: Duration::from_secs(30),
            jitter: 0.5,
            worth_it: None,
            lets_others_pass: false,
        }
    }

    /// Sets the time before the second attempt: 100 ms if not set. Zero: at once, and so are all that follow.
    pub fn backoff(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets by how much each time is longer than the one before, from 1: 2 if not set.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest time before an attempt, at most a year: 30 s if not set.
    pub fn max_delay(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets which part of each time is left to chance, from 0 (none) to 1: a half if not set.
    ///
    /// With 0.5, a time of 100 ms is one from 50 to 100 ms.
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Sets which errors are worth another attempt. Without, all are that are not [permanent](HandlerError::permanent); with,
    /// those of them for which it holds. Panics are errors, too. If it panics itself, the error is not.
    pub fn only_if(mut self, worth_it: impl Fn(&HandlerError) -> bool + Send + Sync + 'static) -> Self {
        self.worth_it = Some(Arc::new(worth_it));
        self
    }

    /// Does not keep the order: other events are handled while one waits for its next attempt.
    ///
    /// Without this, a subscription that handles [one event at a time](crate::Subscribe::concurrency) waits with it, and one
    /// that is [ordered by key](crate::Subscribe::ordered_by_key) keeps the events of the same key waiting. One that handles
    /// several at a time and in no order has none to keep.
    pub fn let_others_pass(mut self) -> Self {
        self.lets_others_pass = true;
        self
    }

    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<(), RetryError> {
        if self.attempts == 0 {
            return Err(RetryError::NoAttempts);
        }
        if !(self.factor >= 1.0 && self.factor.is_finite()) {
            return Err(RetryError::InvalidFactor { factor: self.factor });
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(RetryError::InvalidJitter { jitter: self.jitter });
        }
        match [self.first, self.longest].into_iter().find(|delay| *delay > LONGEST) {
            Some(delay) => Err(RetryError::DelayTooLong { delay, limit: LONGEST }),
            None => Ok(()),
        }
    }

    /// Says whether an event is to be tried again that has failed with this error, in the attempt of that number.
    pub(super) fn is_worth_it(&self, attempt: u32, error: &HandlerError) -> bool {
        if attempt >= self.attempts || error.is_permanent() {
            return false;
        }
        let Some(worth_it) = &self.worth_it else { return true };
        // The application's code.
        let mut answer = false;
        crate::guard::guarded(|| answer = worth_it(error));
        answer
    }

    /// How long to wait after the attempt of that number. `chance` is from 0 to 1.
    pub(super) fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.longest.as_secs_f64();
        // The product of zero and infinity is no number: zero stays zero.
        let full = if self.first.is_zero() {
            0.0
        } else {
            (self.first.as_secs_f64() * self.factor.powi(power)).min(longest)
        };
        Duration::try_from_secs_f64(full * (1.0 - self.jitter * chance)).unwrap_or(self.longest)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("backoff", &self.first)
            .field("factor", &self.factor)
            .field("max_delay", &self.longest)
            .field("jitter", &self.jitter)
            .field("only_if", &self.worth_it.as_ref().map(|_| format_args!("<closure>")))
            .field("lets_others_pass", &self.lets_others_pass)
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_double_up_to_the_longest() {
        let retry = Retry::new(9).backoff(10 * MS).max_delay(60 * MS);
        let delays: Vec<_> = (1..6).map(|attempt| retry.delay(attempt, 0.0)).collect();
        assert_eq!(delays, [10 * MS, 20 * MS, 40 * MS, 60 * MS, 60 * MS]);
        assert_eq!(retry.delay(1, 1.0), 5 * MS, "half of it is chance");
        assert_eq!(retry.delay(u32::MAX, 0.0), 60 * MS);
        assert_eq!(Retry::new(2).backoff(Duration::ZERO).delay(u32::MAX, 0.5), Duration::ZERO);
    }

    #[test]
    fn the_last_attempt_and_a_permanent_error_are_final() {
        let error = || HandlerError::new("x");
        let retry = Retry::new(3);
        assert!(retry.is_worth_it(1, &error()) && retry.is_worth_it(2, &error()));
        assert!(!retry.is_worth_it(3, &error()) && !retry.is_worth_it(1, &error().permanent()));
        let picky = Retry::new(3).only_if(|error| error.to_string() == "x");
        assert!(picky.is_worth_it(1, &error()) && !picky.is_worth_it(1, &HandlerError::new("y")));
        assert!(!picky.is_worth_it(1, &error().permanent()));
        assert!(!Retry::new(3).only_if(|_| panic!("no idea")).is_worth_it(1, &error()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |retry: Retry| retry.check().expect_err("refused");
        assert_eq!(check(Retry::new(0)), RetryError::NoAttempts);
        assert_eq!(check(Retry::new(2).factor(0.5)), RetryError::InvalidFactor { factor: 0.5 });
        assert!(matches!(check(Retry::new(2).factor(f64::NAN)), RetryError::InvalidFactor { .. }));
        assert!(matches!(check(Retry::new(2).factor(f64::INFINITY)), RetryError::InvalidFactor { .. }));
        assert_eq!(check(Retry::new(2).jitter(-0.1)), RetryError::InvalidJitter { jitter: -0.1 });
        assert!(matches!(check(Retry::new(2).jitter(f64::NAN)), RetryError::InvalidJitter { .. }));
        let too_long = RetryError::DelayTooLong { delay: Duration::MAX, limit: LONGEST };
        assert_eq!(check(Retry::new(2).backoff(Duration::MAX)), too_long);
        assert_eq!(check(Retry::new(2).max_delay(Duration::MAX)), too_long);
        assert_eq!(Retry::new(1).check(), Ok(()));
    }

    proptest! {
        #[test]
        fn a_delay_is_between_its_bounds(
            first in 0_u64..10_000, factor in 1.0_f64..10.0, longest in 0_u64..1_000_000,
            jitter in 0.0_f64..=1.0, attempt: u32, chance in 0.0_f64..=1.0,
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let retry = Retry::new(u32::MAX).backoff(first).factor(factor).max_delay(longest).jitter(jitter);
            prop_assert_eq!(retry.check(), Ok(()));
            let (delay, full) = (retry.delay(attempt, chance), retry.delay(attempt, 0.0));
            prop_assert!(delay <= full && full <= longest + Duration::from_nanos(1));
            let least = full.mul_f64(1.0 - jitter).saturating_sub(Duration::from_nanos(2));
            prop_assert!(delay >= least, "{:?} {:?}", delay, least);
        }
    }
}
