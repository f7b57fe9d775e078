//! Counters that several publishers raise at once, striped by thread.
//!
//! One shared counter costs two publishers 8 to 14 ns an event, more than a push; a stripe of its own
//! costs each 2. A stripe is one cache line with all that a publisher counts about one subscription.
//!
//! Inline handlers run in any number of publishers at a time, so their hand-shake with `cancel` is
//! striped as well: the closed mark stands in the very word by which a publisher enters, so that a
//! publisher either entered before the mark or sees it (invariant V3), and no fence is needed.

use std::sync::OnceLock;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Line, thread};

/// What the publishers of one stripe counted.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    /// Inline handlers entered, shifted by one; bit 0: closed, nobody enters any more.
    entered: AtomicU64,
    /// Inline handlers left again, shifted by one; bit 0: somebody waits for the last to leave.
    left: AtomicU64,
    /// Publishers that came to enter after the mark: offered, and dropped as cancelled.
    late: AtomicU64,
    failed: AtomicU64,
    filtered: AtomicU64,
    skipped: AtomicU64,
}

/// The sums over all stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StripeSums {
    pub(crate) entered: u64,
    pub(crate) left: u64,
    pub(crate) late: u64,
    pub(crate) failed: u64,
    pub(crate) filtered: u64,
    pub(crate) skipped: u64,
}

/// One line of counters for each group of publishing threads, allocated when first needed.
#[derive(Debug)]
pub(crate) struct Stripes {
    lines: OnceLock<Box<[Line<Stripe>]>>,
}

impl Default for Stripes {
    fn default() -> Self {
        let lines = OnceLock::new();
        // loom does not see that the lock orders the making of its atomics before their use: there
        // they are made with the slot.
        #[cfg(loom)]
        let _ = lines.set(new_lines());
        Self { lines }
    }
}

fn new_lines() -> Box<[Line<Stripe>]> {
    (0..stripe_count()).map(|_| Line::default()).collect()
}

impl Stripe {
    /// Enters an inline handler; false if the subscription is closed, and then the event is counted
    /// as dropped.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        // AcqRel: in the total order of this word the entry stands before the closing mark, or sees
        // it and what the closer did before.
        if self.entered.fetch_add(2, Ordering::AcqRel) & 1 == 0 {
            return true;
        }
        // Release: whoever sees this end sees the entry.
        self.late.fetch_add(1, Ordering::Release);
        false
    }

    /// Leaves an inline handler; true if somebody waits for that.
    #[inline]
    pub(crate) fn leave(&self, failed: bool) -> bool {
        if failed {
            // Relaxed: a part of what `left` publishes next.
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        // Release: the handler's work is visible to who waits for it. Acquire: sees the mark.
        self.left.fetch_add(2, Ordering::AcqRel) & 1 != 0
    }

    pub(crate) fn count_filtered(&self) {
        // Relaxed: a count beside the ledger, it orders nothing.
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_skipped(&self) -> u64 {
        // Relaxed: as above.
        self.skipped.fetch_add(1, Ordering::Relaxed)
    }
}

impl Stripes {
    /// The stripe of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &Stripe {
        let lines = self.lines.get_or_init(new_lines);
        &lines[thread::number() & (lines.len() - 1)]
    }

    /// Nobody enters after this.
    pub(crate) fn close(&self) {
        // The stripes must exist, or one allocated later would lack the mark.
        let _ = self.mine();
        for line in self.lines() {
            line.entered.fetch_or(1, Ordering::AcqRel);
        }
    }

    /// Whoever leaves after this tells those who wait for the last.
    pub(crate) fn watch(&self) {
        let _ = self.mine();
        for line in self.lines() {
            line.left.fetch_or(1, Ordering::AcqRel);
        }
    }

    /// Adds the stripes up: what has left first, what has entered last, so that a reader never sees
    /// more leave than enter (invariant C2).
    pub(crate) fn sums(&self) -> StripeSums {
        let mut sums = StripeSums::default();
        for line in self.lines() {
            // Acquire: whoever left had entered before, in any stripe's view.
            sums.left += line.left.load(Ordering::Acquire) >> 1;
            sums.late += line.late.load(Ordering::Acquire);
            sums.failed += line.failed.load(Ordering::Relaxed);
        }
        sums.failed = sums.failed.min(sums.left);
        for line in self.lines() {
            sums.entered += line.entered.load(Ordering::Acquire) >> 1;
            sums.filtered += line.filtered.load(Ordering::Relaxed);
            sums.skipped += line.skipped.load(Ordering::Relaxed);
        }
        sums
    }

    fn lines(&self) -> &[Line<Stripe>] {
        self.lines.get().map_or(&[], |lines| lines)
    }
}

/// A power of two, at least the number of cores, at most 16.
fn stripe_count() -> usize {
    #[cfg(loom)]
    return 2;
    #[cfg(not(loom))]
    {
        static COUNT: OnceLock<usize> = OnceLock::new();
        *COUNT.get_or_init(|| {
            thread::available_parallelism().map_or(4, usize::from).next_power_of_two().clamp(2, 16)
        })
    }
}
