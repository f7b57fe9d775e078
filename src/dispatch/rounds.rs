//! The inline handlers of a chunk, counted together.
//!
//! A publisher runs them in the order of the chunk, over and over. So one number says how often each of them has run,
//! and whether it runs now: how many handlers of the chunk have come to their end. One thread counts here, with loads
//! and stores, and touches no line of the subscriptions; a few others have rounds of their own beside it (`homes.rs`).
//! Further threads, and publishes from within a handler, count at each subscription (`Stage::run_plain`), and so does
//! everybody once a gate has changed, when the round is *over*.
//!
//! The subscription knows the rounds that it takes part in, for its account and to end them: its [`Attendance`].
//!
//! # Orderings
//!
//! Whoever changes the gate of an inline subscription then marks its rounds, and only then goes on as `frames.rs` says:
//! with the heavy fence, and a look at the words. A publisher stores to its word, and behind the light fence looks at the
//! mark, where it would have looked at two gates: that of the handler that it leaves, and that of the one that it
//! enters. A subscription that joins late finds its gate changed, or is found by who changes it: both take the lock of
//! its attendance between their two steps.
//!
//! The count of a handler's end is stored before the word that shows that it was left: who no longer finds a handler
//! finds it in the account.

use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often the handlers of a chunk have run in the thread that is at home there.
///
/// The padding keeps what that thread writes off the lines of its neighbours, which all publishers read. (To align it
/// would do so, too, but the allocator is slower for all where blocks are aligned.)
#[derive(Debug)]
#[repr(C)]
pub(super) struct Rounds {
    before: [u8; 48],

    /// Twice the number of handlers that have come to their end, and one more while one runs.
    position: AtomicU64,
    /// The position at the end of the last whole round. The thread is in the middle of one if it is elsewhere.
    rest: AtomicU64,
    /// Subscriptions have to be asked one by one.
    over: AtomicBool,
    handlers: u64,
    after: [u8; 48],
}

impl Rounds {
    pub(super) fn new(handlers: usize) -> Arc<Self> {
        Arc::new(Self {
            position: AtomicU64::new(0),
            rest: AtomicU64::new(0),
            over: AtomicBool::new(false),
            handlers: handlers as u64,
            before: [0; 48],
            after: [0; 48],
        })
    }

    /// Begins a round, if the thread that counts here, the caller's, is not in the middle of one.
    #[inline]
    pub(super) fn begin(&self) -> Option<Round<'_>> {
        // Relaxed: what only this thread writes, and a mark that is looked at again before each handler.
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let position = self.position.load(Ordering::Relaxed);
        (position == self.rest.load(Ordering::Relaxed)).then_some(Round { rounds: self, position })
    }

    /// No handler is entered without a look at its gate any more.
    pub(super) fn stop(&self) {
        // Release: who finds the mark finds the gate that was changed before.
        self.over.store(true, Ordering::Release);
    }

    /// How often the handler with that number in the chunk has been started and has ended.
    fn counts(&self, number: u64) -> Counts {
        // Acquire: with what the handlers did. Both counts come from one word, so they belong together.
        let position = self.position.load(Ordering::Acquire);
        let (all, runs) = (position / 2, position % 2 == 1);
        let (rounds, next) = (all / self.handlers, all % self.handlers);
        let ended = rounds + u64::from(number < next);
        Counts { started: ended + u64::from(runs && number == next), ended }
    }
}

/// A round that a publisher is in.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    rounds: &'a Rounds,
    position: u64,
}

impl Round<'_> {
    /// Says whether the next handler has to be asked. To be called behind the light fence.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        // Acquire: see `Rounds::stop`.
        self.rounds.over.load(Ordering::Acquire)
    }

    /// The next handler starts.
    #[inline(always)]
    pub(super) fn start(&self) {
        // Release: who finds the handler running finds what the publisher did before.
        self.rounds.position.store(self.position + 1, Ordering::Release);
    }

    /// The handler has ended.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        self.position += 2;
        // Release: with what the handler did.
        self.rounds.position.store(self.position, Ordering::Release);
    }

    /// Goes on where a copy of this round came to. Returns how many handlers have ended meanwhile.
    #[inline(always)]
    pub(super) fn catch_up(&mut self) -> usize {
        // Relaxed: only this thread writes it in a round.
        let ended = (self.rounds.position.load(Ordering::Relaxed) - self.position) / 2;
        self.position += 2 * ended;
        // A chunk has a few handlers.
        usize::try_from(ended).unwrap_or(usize::MAX)
    }

    /// All handlers have been called.
    #[inline(always)]
    pub(super) fn complete(self) {
        // Relaxed: read by this thread only, or by the one that gets its number.
        self.rounds.rest.store(self.position, Ordering::Relaxed);
    }
}

/// How often an inline handler has been started, and has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) started: u64,
    pub(super) ended: u64,
}

/// The rounds that a subscription takes part in, and what it counted in those that are gone.
#[derive(Debug, Default)]
pub(crate) struct Attendance(Mutex<Option<Box<Seats>>>);

#[derive(Debug, Default)]
struct Seats {
    past: u64,
    /// Left ones are `None`.
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Seat {
    rounds: Arc<Rounds>,
    /// The number of the subscription in the chunk.
    number: u64,
}

impl Attendance {
    /// Takes part in rounds, as the handler with that number; returns by what it is to be left.
    pub(super) fn join(&self, rounds: &Arc<Rounds>, number: usize) -> usize {
        let seat = Seat { rounds: Arc::clone(rounds), number: number as u64 };
        let mut seats = self.0.lock();
        let seats = seats.get_or_insert_default();
        if let Some(place) = seats.free.pop() {
            seats.seats[place] = Some(seat);
            place
        } else {
            seats.seats.push(Some(seat));
            seats.seats.len() - 1
        }
    }

    /// Keeps the account of rounds that nobody will be in again.
    pub(super) fn leave(&self, place: usize) {
        let mut seats = self.0.lock();
        let Some(seats) = &mut *seats else { return };
        if let Some(seat) = seats.seats[place].take() {
            seats.past += seat.rounds.counts(seat.number).ended;
            seats.free.push(place);
        }
    }

    /// Ends all rounds, for the gate has been changed.
    pub(super) fn stop(&self) {
        if let Some(seats) = &*self.0.lock() {
            seats.seats.iter().flatten().for_each(|seat| seat.rounds.stop());
        }
    }

    /// What was counted in all rounds.
    pub(super) fn counts(&self) -> Counts {
        let seats = self.0.lock();
        let Some(seats) = &*seats else { return Counts::default() };
        let mut sum = Counts { started: seats.past, ended: seats.past };
        for seat in seats.seats.iter().flatten() {
            let counts = seat.rounds.counts(seat.number);
            sum.started += counts.started;
            sum.ended += counts.ended;
        }
        sum
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
