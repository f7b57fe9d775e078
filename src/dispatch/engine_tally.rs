//! What is counted for each engine of a bus but the first, whose account is the rest.
//!
//! Events know which engine brings them, so these are raised at the same places as the counters of the subscriptions, for
//! events of other engines than the first only: a bus with one engine counts nothing twice. Striped by thread, for
//! publishers and workers raise them at once.

use super::receipt::{Problem, Receipt};
use crate::event::DropReason;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Line, thread};

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Offered,
    Delivered,
    /// Offered and delivered within a publish call: mostly both are raised at once, and in one step.
    Passed,
    Failed,
    Filtered,
    Skipped,
    Expired,
    Duplicate,
    Dropped(DropReason),
}

/// So many counters has a stripe.
const FIGURES: usize = 8 + DropReason::ALL.len();

impl Figure {
    fn index(self) -> usize {
        match self {
            Self::Offered => 0,
            Self::Delivered => 1,
            Self::Passed => 2,
            Self::Failed => 3,
            Self::Filtered => 4,
            Self::Skipped => 5,
            Self::Expired => 6,
            Self::Duplicate => 7,
            Self::Dropped(reason) => 8 + reason as usize,
        }
    }
}

/// Threads that count at once have lines of their own, up to so many.
const STRIPES: usize = if cfg!(loom) { 1 } else { 8 };

/// The counters of one engine.
#[derive(Debug)]
pub(crate) struct EngineTally {
    stripes: Box<[Line<Stripe>; STRIPES]>,
}

/// Written by the threads of its number.
type Stripe = [AtomicU64; FIGURES];

impl EngineTally {
    pub(crate) fn new() -> Self {
        let line = |_| Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { stripes: Box::new(std::array::from_fn(line)) }
    }

    fn mine(&self) -> &Stripe {
        &self.stripes[thread::number() % STRIPES].0
    }

    pub(crate) fn add(&self, figure: Figure, count: u64) {
        // Relaxed, here and below: each is a statistic of its own; who compares them does so at rest.
        self.mine()[figure.index()].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, figure: Figure) -> u64 {
        let passed = match figure {
            Figure::Offered | Figure::Delivered => self.sum(Figure::Passed),
            _ => 0,
        };
        passed + self.sum(figure)
    }

    fn sum(&self, figure: Figure) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0[figure.index()].load(Ordering::Relaxed)).sum()
    }

    /// Counts what a pass has come to so far.
    pub(super) fn passed(&self, receipt: &Receipt) {
        let mine = self.mine();
        let count = |figure: Figure, count: usize| {
            if count > 0 {
                mine[figure.index()].fetch_add(count as u64, Ordering::Relaxed);
            }
        };
        let (offered, passed) = (receipt.offered(), receipt.delivered());
        count(Figure::Passed, passed);
        count(Figure::Offered, offered - passed);
        count(Figure::Filtered, receipt.filtered());
        count(Figure::Skipped, receipt.skipped());
        for problem in receipt.problems() {
            count(
                match problem {
                    Problem::Dropped { reason, .. } => Figure::Dropped(*reason),
                    // Counted where it was found.
                    Problem::Expired { .. } => continue,
                    Problem::Failed { .. } => Figure::Failed,
                },
                1,
            );
        }
    }
}
