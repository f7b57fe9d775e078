//! What a publish call tells about each subscription.

use std::fmt;

use crate::error::HandlerError;
use crate::event::{DropReason, SubscriptionId};

use super::tally::Dropped;

/// What became of one published event: how many subscriptions it was offered to, and what each of
/// them did with it.
///
/// The receipt tells of the moment when the publish call returned: `queued` means accepted by a
/// queue, not handled.
///
/// A receipt need not be looked at. Those who want an error for anything but success ask
/// [`all_delivered`](Self::all_delivered).
#[derive(Debug, Default)]
pub struct Receipt {
    pub(super) matched: u32,
    pub(super) delivered: u32,
    pub(super) queued: u32,
    pub(super) failed: u32,
    pub(super) filtered: u32,
    pub(super) skipped: u32,
    pub(super) dropped: u32,
    /// Rare, and a receipt is handed through several calls: one word instead of three.
    #[expect(clippy::box_collection, reason = "a word")]
    pub(super) problems: Option<Box<Vec<Problem>>>,
}

/// One subscription that did not take the event, or whose inline handler failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The event was dropped at the offer.
    Dropped {
        /// Who did not get it.
        subscription: SubscriptionId,
        /// Why.
        reason: DropReason,
    },
    /// An inline handler returned an error or panicked.
    Failed {
        /// Whose handler.
        subscription: SubscriptionId,
        /// What it said.
        error: HandlerError,
    },
}

impl Problem {
    /// The subscription that this is about.
    #[must_use]
    pub fn subscription(&self) -> SubscriptionId {
        match self {
            Self::Dropped { subscription, .. } | Self::Failed { subscription, .. } => *subscription,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped { subscription, reason } => write!(f, "{subscription}: dropped ({reason})"),
            Self::Failed { subscription, error } => write!(f, "{subscription}: {error}"),
        }
    }
}

impl Receipt {
    /// Subscriptions whose pattern matches the topic, a group counted once: those that were offered
    /// the event, and those that filtered or skipped it.
    #[must_use]
    pub fn matched(&self) -> usize {
        self.matched as usize
    }

    /// Subscriptions that were offered the event: `matched` less `filtered` and `skipped`.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.delivered() + self.queued() + self.dropped()
    }

    /// Inline handlers that ran, the failed ones included.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.delivered as usize
    }

    /// Queues that accepted the event.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued as usize
    }

    /// Inline handlers that returned an error or panicked.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed as usize
    }

    /// Subscriptions whose filter turned the event away.
    #[must_use]
    pub fn filtered(&self) -> usize {
        self.filtered as usize
    }

    /// Subscriptions that asked for another type, or were passed by.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped as usize
    }

    /// Subscriptions that were offered the event and did not take it.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped as usize
    }

    /// The drops by reason.
    #[must_use]
    pub fn dropped_by(&self) -> Dropped {
        let mut dropped = Dropped::default();
        for problem in self.problems() {
            if let Problem::Dropped { reason, .. } = problem {
                dropped.count(*reason);
            }
        }
        dropped
    }

    /// Every drop and every failure, one by one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        self.problems.as_ref().map_or(&[], |problems| problems)
    }

    /// The receipt itself, or an error if any subscription dropped the event or failed.
    ///
    /// # Errors
    ///
    /// [`NotDelivered`], which holds the receipt.
    pub fn all_delivered(self) -> Result<Self, NotDelivered> {
        if self.problems.is_none() { Ok(self) } else { Err(NotDelivered { receipt: self }) }
    }

    pub(super) fn drop_one(&mut self, subscription: SubscriptionId, reason: DropReason) {
        self.dropped += 1;
        self.problems.get_or_insert_default().push(Problem::Dropped { subscription, reason });
    }

    pub(super) fn fail_one(&mut self, subscription: SubscriptionId, error: HandlerError) {
        self.failed += 1;
        self.problems.get_or_insert_default().push(Problem::Failed { subscription, error });
    }

    /// Adds what another event of the same batch came to.
    pub(crate) fn add(&mut self, other: Self) {
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.queued += other.queued;
        self.failed += other.failed;
        self.filtered += other.filtered;
        self.skipped += other.skipped;
        self.dropped += other.dropped;
        if let Some(mut problems) = other.problems {
            self.problems.get_or_insert_default().append(&mut problems);
        }
    }
}

/// Some subscription dropped the event or failed; the receipt says which and why.
#[derive(Debug)]
pub struct NotDelivered {
    receipt: Receipt,
}

impl NotDelivered {
    /// What became of the event.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

impl fmt::Display for NotDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dropped and {} failed", self.receipt.dropped, self.receipt.failed)?;
        for (number, problem) in self.receipt.problems().iter().enumerate() {
            write!(f, "{} {problem}", if number == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for NotDelivered {}
