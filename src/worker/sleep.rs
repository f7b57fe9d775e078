//! Who searches, who sleeps, whom to wake. The protocol is told in `README.md`.
//!
//! # Orderings
//!
//! Everything that decides about a sleep is a read-modify-write (`AcqRel`) of one word, so all of it is
//! totally ordered, and whoever comes later in that order sees what the earlier ones did before. No
//! fence, and nothing that loom could not check.

use super::run::Queue;
use crate::sync::Line;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::Deadline;
use crate::sync::parker::Parker;

/// Workers that share a word. Larger pools have several words; each alone is the whole protocol.
const GROUP: usize = 48;

/// One bit for each worker of the group that sleeps or is about to.
const ASLEEP: u64 = (1 << GROUP) - 1;
/// One worker that searches; their number is an 8-bit field.
const SEARCHER: u64 = 1 << GROUP;
/// The field of searching workers.
const SEARCHERS: u64 = 0xff << GROUP;
/// The pool stops: nobody goes to sleep any more.
const STOPPING: u64 = 1 << 56;
/// The last worker has left: whoever pushes a task must take it out again.
const GONE: u64 = 1 << 57;
/// Added by each schedule and read by nobody (wrapping off the top): it makes that a real
/// read-modify-write, which takes its place in the order, and not a mere load.
const TICK: u64 = 1 << 60;

/// The sleep protocol of one pool.
#[derive(Debug)]
pub(super) struct Sleep {
    /// Written by all: schedulers add TICK and wake, workers come and go.
    groups: Box<[Line<AtomicU64>]>,
    /// One for each worker; unparked only by whoever cleared that worker's bit.
    parkers: Box<[Parker]>,
    /// How many workers of a group may search of their own accord at a time.
    search_limit: u64,
    /// How often somebody was woken.
    wakes: AtomicU64,
}

impl Sleep {
    pub(super) fn new(threads: usize) -> Self {
        let groups = (0..threads.div_ceil(GROUP)).map(|_| Line(AtomicU64::new(0))).collect();
        let parkers = (0..threads).map(|_| Parker::new()).collect();
        // Half of them: more only get in each other's way, and all of them burn the power of a machine
        // that has nothing to do.
        let search_limit = (threads.min(GROUP) as u64).div_ceil(2);
        Self { groups, parkers, search_limit, wakes: AtomicU64::new(0) }
    }

    /// Tells that a task was pushed to the ready queue of `home`: sees to it that somebody will look.
    /// Returns whether the last worker has left.
    #[inline]
    pub(super) fn notify(&self, home: usize) -> bool {
        let first = home / GROUP;
        // AcqRel: the push comes before; see "Why nothing is lost" in the README.
        let old = self.groups[first].fetch_add(TICK, Ordering::AcqRel);
        if old & (SEARCHERS | GONE) != 0 {
            return old & GONE != 0;
        }
        if !(old & ASLEEP != 0 && self.wake_one(first, old, home)) && self.groups.len() > 1 {
            self.notify_others(first, home);
        }
        false
    }

    /// All workers of the home group are busy and will look in the end. Another group may look sooner.
    #[cold]
    fn notify_others(&self, first: usize, home: usize) {
        for step in 1..self.groups.len() {
            let group = (first + step) % self.groups.len();
            // AcqRel: as in `notify`.
            let old = self.groups[group].fetch_add(TICK, Ordering::AcqRel);
            if self.wake_one(group, old, home) {
                return;
            }
        }
    }

    /// Makes one sleeper of the group a searcher and wakes it, unless somebody searches already.
    /// Says whether somebody of the group searches now.
    fn wake_one(&self, group: usize, mut old: u64, home: usize) -> bool {
        let word = &self.groups[group];
        let home_bit = if home / GROUP == group { 1 << (home % GROUP) } else { 0 };
        loop {
            if old & SEARCHERS != 0 {
                return true;
            }
            let asleep = old & ASLEEP;
            if asleep == 0 {
                return false;
            }
            let bit = if asleep & home_bit != 0 { home_bit } else { asleep & asleep.wrapping_neg() };
            // AcqRel: the woken worker sees the push. A failure may be a mere load: the worker that it
            // shows searching leaves that state later in the order than the caller's own operation.
            match word.compare_exchange_weak(
                old,
                (old & !bit) + SEARCHER,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    // Relaxed: a figure for people.
                    self.wakes.fetch_add(1, Ordering::Relaxed);
                    self.parkers[group * GROUP + bit.trailing_zeros() as usize].unpark();
                    return true;
                }
                Err(now) => old = now,
            }
        }
    }

    /// The worker's thread is there and can be woken from now on.
    pub(super) fn attach(&self, me: usize) {
        self.parkers[me].attach();
    }

    /// BUSY to SEARCHING, if not too many search already.
    pub(super) fn try_search(&self, me: usize) -> bool {
        // AcqRel: the state changes in the order of the word. Failure: decides nothing that must hold.
        self.groups[me / GROUP]
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                ((word & SEARCHERS) >> GROUP < self.search_limit).then(|| word + SEARCHER)
            })
            .is_ok()
    }

    /// SEARCHING to BUSY. The last one to leave the search takes over its duty: schedulers that saw it
    /// searching woke nobody, so if more is queued, it wakes the next.
    pub(super) fn found(&self, me: usize, ready: &[Line<Queue>]) {
        // AcqRel: sees every push whose scheduler saw this worker searching.
        let old = self.groups[me / GROUP].fetch_sub(SEARCHER, Ordering::AcqRel);
        if old & SEARCHERS == SEARCHER
            && old & STOPPING == 0
            && let Some(home) = ready.iter().position(|queue| !queue.is_empty())
        {
            self.notify(home);
        }
    }

    /// BUSY or SEARCHING to ASLEEP: announces the sleep, and returns whether the pool stops. The caller
    /// then looks at all queues once more, and either [`retracts`](Self::retract) or
    /// [`parks`](Self::park): `stop` may have been through, and then nobody would wake it again.
    pub(super) fn announce(&self, me: usize, searching: bool) -> bool {
        let (bit, searcher) = (1_u64 << (me % GROUP), if searching { SEARCHER } else { 0 });
        // One step, so that no scheduler sees this worker in neither state. AcqRel: the look that
        // follows sees the push of every schedule that is earlier in the order; later ones see the bit.
        let old = self.groups[me / GROUP].fetch_add(bit.wrapping_sub(searcher), Ordering::AcqRel);
        old & STOPPING != 0
    }

    /// ASLEEP to SEARCHING by the worker itself, unless somebody woke it already: that made it a
    /// searcher, too.
    pub(super) fn retract(&self, me: usize) {
        let bit = 1 << (me % GROUP);
        // AcqRel: as in `wake_one`. Failure, Acquire: sees what the waker pushed.
        let _ = self.groups[me / GROUP].fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & bit != 0).then(|| (word & !bit) + SEARCHER)
        });
    }

    /// Sleeps until somebody clears this worker's bit. It counts as searching then.
    pub(super) fn park(&self, me: usize) {
        let bit = 1 << (me % GROUP);
        // Acquire: sees what the waker pushed.
        while self.groups[me / GROUP].load(Ordering::Acquire) & bit != 0 {
            self.parkers[me].park_until(Deadline::NEVER);
        }
    }

    /// Nobody goes to sleep after this, and whoever sleeps is woken (as a searcher).
    pub(super) fn stop(&self) {
        for (group, word) in self.groups.iter().enumerate() {
            // AcqRel: what was set before is visible to the woken. Failure: only the next try.
            let Ok(old) = word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                let asleep = word & ASLEEP;
                Some(((word & !asleep) + u64::from(asleep.count_ones()) * SEARCHER) | STOPPING)
            }) else {
                continue;
            };
            for worker in (0..GROUP).filter(|worker| old & (1 << worker) != 0) {
                self.parkers[group * GROUP + worker].unpark();
            }
        }
    }

    /// The last worker has left. Pushes that are earlier in the order are visible to the caller, later
    /// ones learn of it from [`notify`](Self::notify).
    pub(super) fn close(&self) {
        for word in &self.groups {
            word.fetch_or(GONE, Ordering::AcqRel);
        }
    }

    /// How often somebody was woken so far.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }
}
