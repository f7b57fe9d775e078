//! Counters that several publishers raise at once, striped by thread.
//!
//! One shared counter costs two publishers 8 to 14 ns an event, more than a push; a stripe of its own
//! costs each 2. A stripe is one cache line with all that a publisher counts about one subscription.
//!
//! Threads may share a stripe, so each count is a read-modify-write. The inline handlers of one thread, mostly
//! the only one, are counted without: see `Slot::is_home`.

use std::sync::OnceLock;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Line, thread};

/// What the publishers of one stripe counted.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    /// Inline handlers entered.
    entered: AtomicU64,
    /// Inline handlers left again.
    left: AtomicU64,
    failed: AtomicU64,
    filtered: AtomicU64,
    skipped: AtomicU64,
}

/// The sums over all stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StripeSums {
    pub(crate) entered: u64,
    pub(crate) left: u64,
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
    /// Counts the start of an inline handler.
    #[inline]
    pub(crate) fn enter(&self) {
        // Relaxed: published by what comes after it, at the latest by `leave`.
        self.entered.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of an inline handler.
    #[inline]
    pub(crate) fn leave(&self, failed: bool) {
        if failed {
            // Relaxed: a part of what `left` publishes next.
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        // Release: whoever reads this count also sees the entry (C2).
        self.left.fetch_add(1, Ordering::Release);
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

    /// Adds the stripes up: what has left first, what has entered last, so that a reader never sees
    /// more leave than enter (invariant C2).
    pub(crate) fn sums(&self) -> StripeSums {
        let mut sums = StripeSums::default();
        for line in self.lines() {
            // Acquire: whoever left had entered before, in any stripe's view.
            sums.left += line.left.load(Ordering::Acquire);
            sums.failed += line.failed.load(Ordering::Relaxed);
        }
        sums.failed = sums.failed.min(sums.left);
        for line in self.lines() {
            sums.entered += line.entered.load(Ordering::Acquire);
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
