//! What becomes of an event: the words that receipts, counters and completions share.

use std::fmt;

/// The number of a subscription, unique within its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    /// Wraps a number that the bus has given out.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Why a subscription did not get an event that it was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full and the mode says to drop the new event.
    Full,
    /// The queue was full and the mode says to drop the oldest event: this one.
    Oldest,
    /// The queue was still full when the time to wait had passed.
    Timeout,
    /// The subscription was cancelled.
    Cancelled,
    /// The bus was shut down.
    Shutdown,
    /// Waiting for room would have been waiting for oneself.
    Deadlock,
}

impl DropReason {
    /// Every reason, in the order in which counters list them.
    pub const ALL: [Self; 6] =
        [Self::Full, Self::Oldest, Self::Timeout, Self::Cancelled, Self::Shutdown, Self::Deadlock];

    /// Returns the lower-case word that metrics and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Oldest => "oldest",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
            Self::Deadlock => "deadlock",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How one subscription was done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Its handler succeeded, or its receiver took the event.
    Done,
    /// Its handler failed or panicked in its last attempt.
    Failed(SubscriptionId),
    /// It never got the event.
    Dropped(SubscriptionId, DropReason),
    /// The event was too old for it.
    Expired(SubscriptionId),
}

/// What became of an event at all the subscriptions that it was given to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How many subscriptions were done with it and did not fail: for those that [had handled it before](crate::Subscribe::idempotent),
    /// there was nothing to do.
    pub done: usize,
    /// The subscriptions whose handler failed or panicked, in the order in which they did.
    pub failed: Vec<SubscriptionId>,
    /// The subscriptions that never got it, and why.
    pub dropped: Vec<(SubscriptionId, DropReason)>,
    /// The subscriptions for which it was too old.
    pub expired: Vec<SubscriptionId>,
    /// Those of the subscriptions that failed, or for which it was too old, whose [dead letter](crate::DeadLetter) somebody
    /// has taken, or that is kept.
    pub dead_lettered: Vec<SubscriptionId>,
}

impl Outcome {
    /// Says whether nobody failed and nobody missed it. An event that nobody subscribes to is ok.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.dropped.is_empty() && self.expired.is_empty()
    }

    /// Says whether nothing is lost if the event does not come again: every subscription is done with it, or somebody has its
    /// dead letter. An engine may acknowledge such an event to its broker.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let kept = |id| self.dead_lettered.contains(id);
        self.dropped.is_empty() && self.failed.iter().all(kept) && self.expired.iter().all(kept)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_id_prints_as_s_and_its_number() {
        let id = SubscriptionId::new(12);
        assert_eq!(id.to_string(), "s12");
        assert_eq!(id.as_u64(), 12);
    }

    #[test]
    fn every_drop_reason_is_listed_once_and_prints_as_its_name_in_lower_case() {
        let words: Vec<_> = DropReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["full", "oldest", "timeout", "cancelled", "shutdown", "deadlock"]);
        for reason in DropReason::ALL {
            assert_eq!(reason.to_string(), format!("{reason:?}").to_lowercase());
        }
        assert_eq!(format!("{:>6}", DropReason::Full), "  full");
    }

    #[test]
    fn an_outcome_is_ok_until_somebody_failed_or_missed_the_event() {
        let id = SubscriptionId::new(1);
        assert!(Outcome::default().is_ok());
        assert!(Outcome { done: 3, ..Outcome::default() }.is_ok());
        assert!(!Outcome { failed: vec![id], ..Outcome::default() }.is_ok());
        assert!(!Outcome { dropped: vec![(id, DropReason::Full)], ..Outcome::default() }.is_ok());
    }
}
