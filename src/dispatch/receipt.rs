//! What a publish call tells about each subscription.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::carriers::Position;
use super::tally::Dropped;
use super::wait::{PutAside, Waiting};
use crate::error::HandlerError;
use crate::event::{DropReason, SubscriptionId};
use crate::trace::Sending;

/// What became of one published event: how many subscriptions it was offered to, and what each of
/// them did with it.
///
/// The receipt tells of the moment when the publish call returned: `queued` means accepted by a
/// queue, not handled.
///
/// A receipt need not be looked at. Those who want an error for anything but success ask
/// [`all_delivered`](Self::all_delivered).
#[derive(Default)]
pub struct Receipt {
    counts: Counts,
    more: Option<Box<More>>,
}

/// Four counts of 16 bits in a word. A receipt is handed through several calls, and in two words it
/// travels in registers; by way of memory it would cost as much as a handler.
#[derive(Clone, Copy, Default)]
struct Counts(u64);

/// What few receipts have.
#[derive(Default)]
struct More {
    /// Counts that did not fit into 16 bits, by lane.
    wide: [u32; 4],
    problems: Vec<Problem>,
    duplicates: u32,
    accepted: Option<Accepted>,
    /// The queues that were full and are still to be waited for. Empty in the hands of users.
    aside: PutAside,
    /// The span of the publish call, while it waits.
    sending: Sending,
}

/// What an engine says of an event that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The engine's name.
    pub engine: Arc<str>,
    /// Where the event stands.
    pub position: Position,
}

/// The lanes of [`Counts`].
const COUNTS: [Count; 4] = [Count::Delivered, Count::Queued, Count::Filtered, Count::Skipped];

/// What is counted in a lane of [`Counts`].
#[derive(Clone, Copy)]
pub(super) enum Count {
    Delivered,
    Queued,
    Filtered,
    Skipped,
}

// There is a receipt to drop after each publish: what few of them have is out of its way.
impl Drop for Receipt {
    #[inline]
    fn drop(&mut self) {
        if let Some(more) = self.more.take() {
            drop_more(more);
        }
    }
}

#[cold]
#[inline(never)]
fn drop_more(more: Box<More>) {
    drop(more);
}

// What is put aside is empty in the hands of users, and whole at any time.
impl UnwindSafe for Receipt {}
impl RefUnwindSafe for Receipt {}

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
    /// The event was too old for an inline handler: its [time to live](crate::BusBuilder::ttl) was over.
    Expired {
        /// Whose handler did not get it.
        subscription: SubscriptionId,
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
            Self::Dropped { subscription, .. }
            | Self::Expired { subscription }
            | Self::Failed { subscription, .. } => *subscription,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped { subscription, reason } => write!(f, "{subscription}: dropped ({reason})"),
            Self::Expired { subscription } => write!(f, "{subscription}: expired"),
            Self::Failed { subscription, error } => write!(f, "{subscription}: {error}"),
        }
    }
}

impl Receipt {
    /// The receipt of an event that an engine has taken.
    pub(crate) fn accepted_by(accepted: Accepted) -> Self {
        let more = More { accepted: Some(accepted), ..More::default() };
        Self { counts: Counts::default(), more: Some(Box::new(more)) }
    }

    /// Which engine has taken the event, and where it stands there; `None` if it went straight to the subscriptions.
    /// Then the counts tell of them; of an event that an engine carries they are zero, for it has yet to arrive.
    #[must_use]
    pub fn accepted(&self) -> Option<&Accepted> {
        self.more.as_ref()?.accepted.as_ref()
    }

    /// Subscriptions whose pattern matches the topic, a group counted once: those that were offered
    /// the event, and those that filtered or skipped it.
    #[must_use]
    pub fn matched(&self) -> usize {
        self.offered() + self.filtered() + self.skipped()
    }

    /// Subscriptions that were offered the event.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.delivered() + self.queued() + self.dropped() + self.expired() + self.duplicates()
    }

    /// Inline handlers that ran, the failed ones included.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.get(Count::Delivered)
    }

    /// Queues that accepted the event.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.get(Count::Queued)
    }

    /// Inline handlers that returned an error or panicked.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.problems().iter().filter(|problem| matches!(problem, Problem::Failed { .. })).count()
    }

    /// Subscriptions whose filter turned the event away.
    #[must_use]
    pub fn filtered(&self) -> usize {
        self.get(Count::Filtered)
    }

    /// Subscriptions that asked for another type, or were passed by.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.get(Count::Skipped)
    }

    /// Subscriptions that were offered the event and did not take it.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.problems().iter().filter(|problem| matches!(problem, Problem::Dropped { .. })).count()
    }

    /// Inline subscriptions for which the event was too old.
    #[must_use]
    pub fn expired(&self) -> usize {
        self.problems().iter().filter(|problem| matches!(problem, Problem::Expired { .. })).count()
    }

    /// Inline subscriptions that have [handled the event before](crate::Subscribe::idempotent), or do so at this moment in
    /// another thread. That is no problem: [`all_delivered`](Self::all_delivered) says nothing of it.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.duplicates as usize)
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

    fn get(&self, count: Count) -> usize {
        let wide = self.more.as_ref().map_or(0, |more| more.wide[count as usize] as usize);
        usize::from(self.counts.lane(count)) + wide
    }

    /// Counts one.
    #[inline]
    pub(super) fn count(&mut self, count: Count) {
        self.count_several(count, 1);
    }

    /// Counts several.
    #[inline]
    pub(super) fn count_several(&mut self, count: Count, several: u16) {
        if self.counts.lane(count).checked_add(several).is_none() {
            self.widen();
        }
        self.counts.0 += u64::from(several) << (16 * count as u32);
    }

    /// A lane is full: all of them are emptied into the wide counts.
    #[cold]
    fn widen(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let more = self.more.get_or_insert_default();
        for (count, wide) in COUNTS.iter().zip(&mut more.wide) {
            *wide = wide.saturating_add(u32::from(counts.lane(*count)));
        }
    }

    /// Every drop and every failure, one by one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        self.more.as_ref().map_or(&[], |more| &more.problems)
    }

    /// The receipt itself, or an error if any subscription dropped the event or failed.
    ///
    /// # Errors
    ///
    /// [`NotDelivered`], which holds the receipt.
    pub fn all_delivered(self) -> Result<Self, NotDelivered> {
        if self.problems().is_empty() { Ok(self) } else { Err(NotDelivered { receipt: self }) }
    }

    #[cold]
    pub(super) fn drop_one(&mut self, subscription: SubscriptionId, reason: DropReason) {
        self.more.get_or_insert_default().problems.push(Problem::Dropped { subscription, reason });
    }

    #[cold]
    pub(super) fn expire_one(&mut self, subscription: SubscriptionId) {
        self.more.get_or_insert_default().problems.push(Problem::Expired { subscription });
    }

    #[cold]
    pub(super) fn repeat_one(&mut self) {
        let duplicates = &mut self.more.get_or_insert_default().duplicates;
        *duplicates = duplicates.saturating_add(1);
    }

    #[cold]
    pub(super) fn fail_one(&mut self, subscription: SubscriptionId, error: HandlerError) {
        self.more.get_or_insert_default().problems.push(Problem::Failed { subscription, error });
    }

    /// Puts a full queue aside, to be waited for.
    #[cold]
    pub(super) fn put_aside(&mut self, waiting: Waiting) {
        self.more.get_or_insert_default().aside.push(waiting);
    }

    /// Says whether no queue is to be waited for.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.more.as_ref().is_none_or(|more| more.aside.is_empty())
    }

    /// Hands over the span of the publish call: it ends here, or when nothing is to be waited for any more.
    pub(crate) fn sent_by(mut self, sending: Sending) -> Self {
        match &mut self.more {
            Some(more) if !more.aside.is_empty() => more.sending = sending,
            _ => sending.taken(&self),
        }
        self
    }

    /// Takes out the span of a publish call that waits.
    pub(super) fn take_sending(&mut self) -> Sending {
        self.more.as_mut().map(|more| std::mem::take(&mut more.sending)).unwrap_or_default()
    }

    /// Takes out the queues that are to be waited for.
    pub(super) fn take_aside(&mut self) -> PutAside {
        self.more.as_mut().map(|more| std::mem::take(&mut more.aside)).unwrap_or_default()
    }

    /// The same, with those that are still to be waited for.
    pub(crate) fn with(mut self, mut other: Self) -> Self {
        let mut aside = other.take_aside();
        self.add(other);
        if !aside.is_empty() {
            self.more.get_or_insert_default().aside.append(&mut aside);
        }
        self
    }

    /// Adds what another event of the same batch came to.
    pub(crate) fn add(&mut self, mut other: Self) {
        if COUNTS
            .iter()
            .any(|count| self.counts.lane(*count).checked_add(other.counts.lane(*count)).is_none())
        {
            self.widen();
        }
        self.counts.0 += other.counts.0;
        if let Some(mut theirs) = other.more.take() {
            let mine = self.more.get_or_insert_default();
            for (mine, theirs) in mine.wide.iter_mut().zip(theirs.wide) {
                *mine = mine.saturating_add(theirs);
            }
            mine.problems.append(&mut theirs.problems);
            mine.duplicates = mine.duplicates.saturating_add(theirs.duplicates);
            if theirs.accepted.is_some() {
                // The last one tells how far the engine has come.
                mine.accepted = theirs.accepted.take();
            }
        }
    }
}

impl Counts {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a lane has 16 bits")]
    fn lane(self, count: Count) -> u16 {
        (self.0 >> (16 * count as u32)) as u16
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("delivered", &self.delivered())
            .field("queued", &self.queued())
            .field("filtered", &self.filtered())
            .field("skipped", &self.skipped())
            .field("duplicates", &self.duplicates())
            .field("problems", &self.problems())
            .field("accepted", &self.accepted())
            .finish()
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
        write!(f, "{} dropped and {} failed", self.receipt.dropped(), self.receipt.failed())?;
        for (number, problem) in self.receipt.problems().iter().enumerate() {
            write!(f, "{} {problem}", if number == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for NotDelivered {}
