//! What one subscription counts, and the consistent reading of it.

use crate::event::DropReason;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Counters of what became of accepted events, raised by the consumers; and those of the inline handlers in the
/// one thread whose counters these are (see [`Slot::is_home`](super::slot::Slot)).
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Inline handlers that have started.
    started: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    oldest: AtomicU64,
    cancelled: AtomicU64,
    shutdown: AtomicU64,
    expired: AtomicU64,
    duplicate: AtomicU64,
}

/// Counters of events that were offered and not accepted, raised by the publishers.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    full: AtomicU64,
    timeout: AtomicU64,
    cancelled: AtomicU64,
    shutdown: AtomicU64,
    deadlock: AtomicU64,
    /// Events that were too old for an inline handler.
    expired: AtomicU64,
    /// Events that an inline handler had handled before.
    duplicate: AtomicU64,
}

impl Ended {
    /// Counts the start of an inline handler. One thread alone does: a load and a store will do.
    #[inline]
    pub(crate) fn start(&self) {
        self.started.store(self.started.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Inline handlers that have started: to be read after the ends.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    /// Counts a handler that failed and whose end is counted in a round.
    #[cold]
    pub(crate) fn fail(&self) {
        // Relaxed: a part of what the count of the end publishes.
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a handler's end. `alone`: only one thread at a time counts here, so that a load and a
    /// store do (0.3 ns instead of 2).
    #[inline]
    pub(crate) fn deliver(&self, failed: bool, alone: bool) {
        if failed {
            // Relaxed: a part of what the next line publishes.
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        // Release: whoever reads this count also sees the taking and the booking of that event, and
        // what the handler did (C2, cancel_and_wait).
        if alone {
            self.delivered.store(self.delivered.load(Ordering::Relaxed) + 1, Ordering::Release);
        } else {
            self.delivered.fetch_add(1, Ordering::Release);
        }
    }

    /// Counts an accepted event that no handler got.
    pub(crate) fn drop(&self, reason: DropReason) {
        let counter = match reason {
            DropReason::Oldest => &self.oldest,
            DropReason::Shutdown => &self.shutdown,
            _ => &self.cancelled,
        };
        // Release: as above.
        counter.fetch_add(1, Ordering::Release);
    }

    /// Counts an accepted event that was too old when its handler would have started.
    pub(crate) fn expire(&self) {
        // Release: as above.
        self.expired.fetch_add(1, Ordering::Release);
    }

    /// Counts an accepted event that had been handled before, or is being handled.
    pub(crate) fn repeat(&self) {
        // Release: as above.
        self.duplicate.fetch_add(1, Ordering::Release);
    }

    /// How many were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        // Acquire: as in `Sinks::read`.
        [&self.oldest, &self.cancelled, &self.shutdown]
            .map(|counter| counter.load(Ordering::Acquire))
            .iter()
            .sum()
    }
}

impl Refused {
    /// Counts an event that was offered and was too old.
    pub(crate) fn expire(&self) {
        // Relaxed: offered and expired are raised by this one step.
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an event that was offered and had been handled before, or is being handled.
    pub(crate) fn repeat(&self) {
        // Relaxed: as above.
        self.duplicate.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an event that was offered and found no room.
    pub(crate) fn drop(&self, reason: DropReason) {
        let counter = match reason {
            DropReason::Timeout => &self.timeout,
            DropReason::Cancelled => &self.cancelled,
            DropReason::Shutdown => &self.shutdown,
            DropReason::Deadlock => &self.deadlock,
            _ => &self.full,
        };
        // Relaxed: offered and dropped are raised by this one step.
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A reading of the sinks of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sinks {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) expired: u64,
    pub(crate) duplicate: u64,
    /// Too old at the offer.
    pub(crate) expired_at_once: u64,
    /// Handled before, at the offer.
    pub(crate) duplicate_at_once: u64,
    /// Dropped after they were accepted.
    pub(crate) ended: Dropped,
    /// Dropped at the offer.
    pub(crate) refused: Dropped,
}

impl Sinks {
    /// Reads the sinks: everything but what the words count. Some deliveries were counted in `rounds`, and read before.
    pub(crate) fn read(ended_counters: &Ended, refused_counters: &Refused, rounds: u64) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let ended = Dropped {
            oldest: read(&ended_counters.oldest),
            cancelled: read(&ended_counters.cancelled),
            shutdown: read(&ended_counters.shutdown),
            ..Dropped::default()
        };
        let refused = Dropped {
            full: read(&refused_counters.full),
            timeout: read(&refused_counters.timeout),
            cancelled: read(&refused_counters.cancelled),
            shutdown: read(&refused_counters.shutdown),
            deadlock: read(&refused_counters.deadlock),
            ..Dropped::default()
        };
        let delivered = read(&ended_counters.delivered) + rounds;
        Self {
            delivered,
            failed: ended_counters.failed.load(Ordering::Relaxed).min(delivered),
            expired: read(&ended_counters.expired),
            expired_at_once: read(&refused_counters.expired),
            duplicate: read(&ended_counters.duplicate),
            duplicate_at_once: read(&refused_counters.duplicate),
            ended,
            refused,
        }
    }

    /// How many accepted events have come to their end.
    pub(crate) fn ended_total(&self) -> u64 {
        self.delivered + self.expired + self.duplicate + self.ended.total()
    }
}

/// Events that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The queue was full and the mode says to drop the newest.
    pub full: u64,
    /// Displaced from a full queue by a newer event.
    pub oldest: u64,
    /// The queue was still full when the time to wait was over.
    pub timeout: u64,
    /// The subscription was cancelled while the event was queued, or waited for room.
    pub cancelled: u64,
    /// The bus was shut down while the event was queued, or waited for room.
    pub shutdown: u64,
    /// Waiting for room would have been waiting for oneself.
    pub deadlock: u64,
}

impl Dropped {
    /// As many for each reason as the function says.
    pub(crate) fn of(count: impl Fn(DropReason) -> u64) -> Self {
        Self {
            full: count(DropReason::Full),
            oldest: count(DropReason::Oldest),
            timeout: count(DropReason::Timeout),
            cancelled: count(DropReason::Cancelled),
            shutdown: count(DropReason::Shutdown),
            deadlock: count(DropReason::Deadlock),
        }
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full + self.oldest + self.timeout + self.cancelled + self.shutdown + self.deadlock
    }

    /// How many for one reason.
    #[must_use]
    pub fn by(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::Full => self.full,
            DropReason::Oldest => self.oldest,
            DropReason::Timeout => self.timeout,
            DropReason::Cancelled => self.cancelled,
            DropReason::Shutdown => self.shutdown,
            DropReason::Deadlock => self.deadlock,
        }
    }

    /// The reasons with their counts, in a fixed order, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|reason| (*reason, self.by(*reason)))
    }

    pub(super) fn count(&mut self, reason: DropReason) {
        match reason {
            DropReason::Full => self.full += 1,
            DropReason::Oldest => self.oldest += 1,
            DropReason::Timeout => self.timeout += 1,
            DropReason::Cancelled => self.cancelled += 1,
            DropReason::Shutdown => self.shutdown += 1,
            DropReason::Deadlock => self.deadlock += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.full += other.full;
        self.oldest += other.oldest;
        self.timeout += other.timeout;
        self.cancelled += other.cancelled;
        self.shutdown += other.shutdown;
        self.deadlock += other.deadlock;
    }
}

/// The account of every event that a subscription, or a whole bus, was offered.
///
/// At any time `offered = delivered + dropped + expired + duplicate + queued + running`: the reading
/// takes the ends first and the offers last. `queued` and `running` are what the two words of a
/// subscription say, so a lost event would show as one that is queued or running for ever.
///
/// Counters are monotonic. They count to 2^56, and then wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Events that matched, passed the filter, and were offered.
    pub offered: u64,
    /// Events whose handler ran to its end, or which a receiver took: with success, error or panic.
    pub delivered: u64,
    /// The part of `delivered` whose handler returned an error or panicked.
    pub failed: u64,
    /// Events that were dropped, by reason.
    pub dropped: Dropped,
    /// Events that were too old when their handler would have started.
    pub expired: u64,
    /// Events that had been handled before, or were being handled, by a subscription that is
    /// [idempotent](crate::Subscribe::idempotent).
    pub duplicate: u64,
    /// Events that wait in the queue, or for their next attempt.
    pub queued: u64,
    /// Events whose handler runs now.
    pub running: u64,
    /// Attempts that failed and were followed by [another](crate::Retry). Beside the ledger.
    pub retried: u64,
    /// Events that the filter turned away, before they were offered. Beside the ledger.
    pub filtered: u64,
    /// Events of another type, or that came while an inline subscription was paused, before they
    /// were offered. Beside the ledger.
    pub skipped: u64,
}

impl Ledger {
    /// The reading of one subscription, from its sinks, its stripes and its two counts.
    pub(crate) fn read(sinks: &Sinks, stripes: super::stripe::StripeSums, taken: u64, accepted: u64) -> Self {
        let refused = sinks.refused.total() + sinks.expired_at_once + sinks.duplicate_at_once;
        let mut dropped = sinks.ended;
        dropped.add(&sinks.refused);
        Self {
            offered: stripes.entered + accepted + refused,
            delivered: stripes.left + sinks.delivered,
            failed: stripes.failed + sinks.failed,
            dropped,
            expired: sinks.expired + sinks.expired_at_once,
            duplicate: sinks.duplicate + sinks.duplicate_at_once,
            queued: accepted - taken,
            running: taken - sinks.ended_total() + stripes.entered - stripes.left,
            retried: 0,
            filtered: stripes.filtered,
            skipped: stripes.skipped,
        }
    }

    /// Says whether every offered event is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.offered == self.accounted()
    }

    /// The right-hand side of the ledger.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.delivered + self.dropped.total() + self.expired + self.duplicate + self.queued + self.running
    }

    /// Adds another account to this one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dropped.add(&other.dropped);
        self.expired += other.expired;
        self.duplicate += other.duplicate;
        self.queued += other.queued;
        self.running += other.running;
        self.retried += other.retried;
        self.filtered += other.filtered;
        self.skipped += other.skipped;
    }
}
