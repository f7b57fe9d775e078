//! The events of one topic, in their order, and who follows them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::keeper::{Keeper, Why, drop_all};
use super::place::Place;
use crate::event::SubscriptionId;
use crate::guard::drop_guarded;
use crate::history::{Kept, MemoryStore, Retention, Shelf};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::topic::Topic;

/// The most events that are taken out in one step, while publishers wait: of those that have become too old, there may be many.
const MOST_TRIMMED: u64 = 1024;

/// What is kept of a topic, and how far its followers have come.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) topic: Topic,
    pub(super) keeper: Arc<Keeper>,
    /// The number of the last event. Written under the lock.
    last: AtomicU64,
    pub(super) state: Mutex<LogState>,
}

/// What the lock of a log protects. Nothing of the application's runs under it: what goes is handed out.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) shelf: Shelf,
    pub(super) places: Vec<Place>,
    /// It stands in the keeper's order, or is about to.
    ranked: bool,
}

/// What an append has come to, beside the sequence number.
pub(super) struct Appended {
    pub(super) number: u64,
    pub(super) sequence: u64,
    /// The log is to be entered in the keeper's order.
    pub(super) rank: bool,
}

impl Log {
    /// Of a topic whose last event had that sequence number: 0 if there was none.
    pub(super) fn new(topic: Topic, keeper: &Arc<Keeper>, rule: Retention, last: u64) -> Self {
        let shelf = Shelf::new(Box::new(MemoryStore::after(last)), rule);
        Self {
            topic,
            keeper: Arc::clone(keeper),
            last: AtomicU64::new(0),
            state: Mutex::new(LogState { shelf, places: Vec::new(), ranked: false }),
        }
    }

    /// The number of the last event.
    pub(super) fn last_number(&self) -> u64 {
        // Relaxed: who needs it exact holds the lock.
        self.last.load(Ordering::Relaxed)
    }

    /// Keeps an event, and hands out what goes for it. Under the lock.
    pub(super) fn append(
        &self,
        state: &mut LogState,
        event: crate::event::AnyEvent,
        at: u64,
        gone: &mut Vec<Kept>,
    ) -> Appended {
        let (number, sequence) = (self.keeper.next_number(), state.shelf.store().next());
        event.head().set_sequence(sequence);
        let kept = Kept { event, number, at };
        let first = state.shelf.len() == 0;
        self.keeper.note_kept(kept.bytes(), first);
        state.shelf.append(kept);
        self.last.store(number, Ordering::Relaxed);
        self.trim_locked(state, at, gone);
        let rank = !std::mem::replace(&mut state.ranked, true);
        Appended { number, sequence, rank }
    }

    /// Takes out what is too old, or some of it. Under no lock.
    pub(super) fn trim(&self, now: u64) -> Vec<Kept> {
        self.take_out(Why::Trimmed, |shelf, gone| _ = shelf.trim(now, MOST_TRIMMED, gone))
    }

    /// Takes the lock for somebody who reads: nothing is too old. What goes is dropped between two steps.
    pub(super) fn lock_to_read(&self, now: u64) -> MutexGuard<'_, LogState> {
        loop {
            let mut gone = Vec::new();
            let mut state = self.state.lock();
            let more = self.trim_locked(&mut state, now, &mut gone);
            if gone.is_empty() {
                return state;
            }
            drop(state);
            drop_all(gone);
            if !more {
                // What has become too old meanwhile is so by less than the time that this took.
                return self.state.lock();
            }
        }
    }

    /// The same; and says whether nothing is left, so that the log is to be taken out of the keeper's order.
    pub(super) fn trim_out_of_order(&self, now: u64) -> (Vec<Kept>, bool) {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        self.trim_locked(&mut state, now, &mut gone);
        let is_empty = state.shelf.len() == 0;
        state.ranked &= !is_empty;
        (gone, is_empty)
    }

    /// The same under the lock. True if there is more.
    pub(super) fn trim_locked(&self, state: &mut LogState, now: u64, gone: &mut Vec<Kept>) -> bool {
        let before = gone.len();
        let more = state.shelf.trim(now, MOST_TRIMMED, gone);
        self.keeper.note_gone(&gone[before..], state.shelf.len() == 0, Why::Trimmed);
        more
    }

    /// Takes everything out: it was taken out of the keeper's order.
    pub(super) fn evict(&self) -> Vec<Kept> {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        state.ranked = false;
        state.shelf.clear(&mut gone);
        self.keeper.note_gone(&gone, true, Why::Evicted);
        gone
    }

    /// Takes everything out because the bus ends.
    pub(super) fn close(&self) -> Vec<Kept> {
        self.take_out(Why::Gone, Shelf::clear)
    }

    /// Takes out the oldest event.
    pub(super) fn shorten(&self) -> Vec<Kept> {
        self.take_out(Why::Evicted, Shelf::shorten)
    }

    fn take_out(&self, why: Why, change: impl FnOnce(&mut Shelf, &mut Vec<Kept>)) -> Vec<Kept> {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        change(&mut state.shelf, &mut gone);
        self.keeper.note_gone(&gone, state.shelf.len() == 0, why);
        gone
    }

    /// Says whether nothing is kept, so that nothing is lost with it but the next number.
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().shelf.len() == 0
    }

    /// Takes a follower out. Its place is handed out, for it may hold the last reference to a handler.
    pub(super) fn leave(&self, id: SubscriptionId) -> Option<Place> {
        let mut state = self.state.lock();
        let at = state.places.iter().position(|place| place.slot.id == id)?;
        Some(state.places.swap_remove(at))
    }

    /// Takes all followers out.
    pub(super) fn leave_all(&self) -> Vec<Place> {
        std::mem::take(&mut self.state.lock().places)
    }

    /// Reads up to `most` events with a sequence number from `from` on and before `until`, after what is too old has gone.
    /// Returns them, and where to read on.
    pub(crate) fn read(&self, from: u64, until: u64, most: usize) -> (SmallVec<[(u64, Kept); 8]>, u64) {
        let mut read = SmallVec::new();
        let state = self.lock_to_read(self.keeper.now());
        let mut next = until;
        state.shelf.store().read(from, &mut |sequence, kept| {
            if sequence >= until {
                return false;
            }
            if read.len() == most {
                next = sequence;
                return false;
            }
            read.push((sequence, kept.clone()));
            true
        });
        (read, next)
    }

    /// The number that the next event will have.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.state.lock().shelf.store().next()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Nobody else has it: the lock is a formality.
        for kept in self.take_out(Why::Gone, Shelf::clear) {
            drop_guarded(kept.event);
        }
    }
}
