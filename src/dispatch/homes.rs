//! The threads that count the inline handlers of a chunk, each in [`Rounds`] of its own.
//!
//! A chunk may stand in the lists of thousands of topics, and then threads that never publish to the same topic meet
//! in it. The first of them that come are at home there, and touch no line that another one writes; those that come
//! later count at each subscription.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::rounds::{Round, Rounds};
use super::views::Seen;
use crate::sync::OnceLock;

/// So many threads have rounds of their own. Each costs every subscription of the chunk a seat, and a thread that has none a
/// look.
const MOST: usize = if cfg!(loom) { 2 } else { 8 };

/// The rounds of one thread, and what leads to those of the next.
///
/// All publishers read this, so it does not stand beside what its thread writes.
#[derive(Debug)]
pub(super) struct Home {
    /// The thread that counts, as for `Slot::is_home`, if one has come.
    thread: OnceLock<NonZeroU32>,
    rounds: Arc<Rounds>,
    /// Where each subscription of the chunk has its seat in these rounds.
    seats: Box<[usize]>,
    next: OnceLock<Box<Self>>,
}

impl Home {
    /// A home for whatever thread comes first. All subscriptions run inline.
    pub(super) fn new<T>(seen: &[Seen<T>]) -> Self {
        Self::of(OnceLock::new(), seen)
    }

    fn of<T>(thread: OnceLock<NonZeroU32>, seen: &[Seen<T>]) -> Self {
        let rounds = Rounds::new(seen.len());
        let attendances = seen.iter().filter_map(|seen| seen.slot.attendance()).enumerate();
        let seats = attendances.map(|(number, attendance)| attendance.join(&rounds, number)).collect();
        if seen.iter().any(|seen| !seen.slot.is_open()) {
            // Who closed it may not have found it here.
            rounds.stop();
        }
        Self { thread, rounds, seats, next: OnceLock::new() }
    }

    /// Begins a round, if this thread counts here or in one of the next, and is not in the middle of one.
    #[inline]
    pub(super) fn begin<T>(&self, thread: NonZeroU32, seen: &[Seen<T>]) -> Option<Round<'_>> {
        if self.is_of(thread) { self.rounds.begin() } else { self.further(thread, seen)?.rounds.begin() }
    }

    #[inline]
    fn is_of(&self, thread: NonZeroU32) -> bool {
        *self.thread.get_or_init(|| thread) == thread
    }

    /// The home of a thread among the next, made if there is room for one more.
    #[inline(never)]
    fn further<T>(&self, thread: NonZeroU32, seen: &[Seen<T>]) -> Option<&Self> {
        let mut home = self;
        for _ in 1..MOST {
            home = match home.next.get() {
                Some(next) => next,
                None => home.lead_to(thread, seen)?,
            };
            if home.is_of(thread) {
                return Some(home);
            }
        }
        None
    }

    /// Makes a home after this one. The next one may be that of a thread which came at the same time.
    #[cold]
    fn lead_to<T>(&self, thread: NonZeroU32, seen: &[Seen<T>]) -> Option<&Self> {
        let home = Box::new(Self::of(thread.into(), seen));
        if let Err(late) = self.next.set(home) {
            late.leave(seen);
        }
        self.next.get().map(|next| &**next)
    }

    /// Ends these rounds and the next: each subscription keeps what it counted there.
    pub(super) fn leave<T>(&self, seen: &[Seen<T>]) {
        for home in std::iter::successors(Some(self), |home| home.next.get().map(|next| &**next)) {
            for (seen, seat) in seen.iter().zip(&home.seats) {
                if let Some(attendance) = seen.slot.attendance() {
                    attendance.leave(*seat);
                }
            }
        }
    }
}
