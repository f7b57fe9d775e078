//! How far a follower has come in a log, and where it begins.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use smallvec::SmallVec;

use super::log::{Log, LogState};
use crate::dispatch::slot::Slot;
use crate::history::{Kept, Shelf};
use crate::sync::hash_keys;

/// A follower in a log. Under the log's lock.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    /// Publishers put events into its queue; else it reads them itself.
    pub(super) live: bool,
    /// The sequence number of the next event that it reads, when it is not live.
    cursor: u64,
    /// Before that: only these, ascending.
    only: VecDeque<u64>,
    /// The sequence number of the last event that came into its queue.
    pub(super) pushed: u64,
}

/// Where a follower begins in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// With the oldest event that is kept.
    Beginning,
    /// With the first event of this number of the bus, or a later one.
    Number(u64),
    /// With this sequence number.
    Sequence(u64),
    /// With the first event that was published at or after that time.
    Time(SystemTime),
    /// With the last event.
    Last,
    /// With the last event of each key.
    LastPerKey,
}

/// Why a follower cannot begin there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartError {
    /// The topic has not come so far.
    BeyondEnd {
        /// What was asked for.
        sequence: u64,
        /// What the next event will have.
        next: u64,
    },
}

impl Place {
    /// Of a follower that was there before the first event.
    pub(super) fn live(slot: Arc<Slot>) -> Self {
        Self { slot, live: true, cursor: 1, only: VecDeque::new(), pushed: 0 }
    }

    /// The follower reads on itself from that event on: there was no room for it.
    pub(super) fn fall_back(&mut self, sequence: u64) {
        self.live = false;
        self.cursor = sequence;
    }

    /// Says whether it has come past an event, or will get it in its turn.
    pub(super) fn is_past(&self, sequence: u64) -> bool {
        self.live || (self.cursor > sequence && self.only.is_empty())
    }

    /// The next event to read that is still kept, and its number; what is not kept any more is skipped, and `lost` is told of
    /// it. `None`: there is none.
    pub(super) fn next(&mut self, shelf: &Shelf, mut lost: impl FnMut(u64, u64)) -> Option<u64> {
        let store = shelf.store();
        let first = store.first();
        while let Some(sequence) = self.only.front().copied().filter(|sequence| *sequence < first) {
            lost(sequence, sequence);
            self.only.pop_front();
        }
        if self.only.is_empty() && self.cursor < first {
            lost(self.cursor, first - 1);
            self.cursor = first;
        }
        let wanted = self.only.front().copied().unwrap_or(self.cursor);
        let mut number = None;
        store.read(wanted, &mut |_, kept| {
            number = Some(kept.number);
            false
        });
        number
    }

    /// Reads up to `most` events whose number is at most `bound`, without going on.
    pub(super) fn read(&self, shelf: &Shelf, most: usize, bound: u64) -> SmallVec<[(u64, Kept); 32]> {
        let mut read = SmallVec::new();
        let mut take = |sequence: u64, kept: &Kept| {
            let wanted = read.len() < most && kept.number <= bound;
            if wanted {
                read.push((sequence, kept.clone()));
            }
            wanted
        };
        for sequence in &self.only {
            let mut more = false;
            shelf.store().read(*sequence, &mut |sequence, kept| {
                more = take(sequence, kept);
                false
            });
            if !more {
                return read;
            }
        }
        shelf.store().read(self.cursor, &mut take);
        read
    }

    /// It has read the event of that sequence number, and all before it.
    pub(super) fn advance(&mut self, sequence: u64) {
        while self.only.front().is_some_and(|only| *only <= sequence) {
            self.only.pop_front();
        }
        if sequence >= self.cursor {
            self.cursor = sequence + 1;
        }
    }

    /// Says whether nothing is left to read.
    pub(super) fn is_at_end(&self, next: u64) -> bool {
        self.only.is_empty() && self.cursor >= next
    }
}

/// Looks for where a follower begins in a log. A stretch at a time, so that publishers get in between.
pub(super) struct Search {
    origin: Origin,
    /// The sequence number of the next event to look at.
    next: u64,
    /// Where it begins, if that was found.
    found: Option<u64>,
    /// The last event of each key so far.
    last: HashMap<Option<Box<str>>, u64, ahash::RandomState>,
}

/// The most events that are looked at while publishers wait.
const STRETCH: usize = 1024;

impl Search {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, next: 0, found: None, last: HashMap::with_hasher(hash_keys()) }
    }

    /// Looks on, under the log's lock. True if it has come to its end, and what it found is [true](Self::place) until the lock is
    /// released.
    pub(super) fn look_on(&mut self, state: &LogState) -> bool {
        let Self { origin, next, found, last } = self;
        let store = state.shelf.store();
        let is_it = |kept: &Kept| match *origin {
            Origin::Number(number) => kept.number >= number,
            Origin::Time(time) => kept.event.time() >= time,
            _ => false,
        };
        if !matches!(origin, Origin::Number(_) | Origin::Time(_) | Origin::LastPerKey) {
            // There is nothing to look for.
            return true;
        }
        let mut left = STRETCH;
        store.read(*next, &mut |sequence, kept| {
            if left == 0 {
                return false;
            }
            left -= 1;
            *next = sequence + 1;
            if *origin == Origin::LastPerKey {
                last.insert(kept.event.key().map(Box::from), sequence);
            } else if is_it(kept) {
                *found = Some(sequence);
            }
            found.is_none()
        });
        found.is_some() || *next >= store.next() || store.first() == store.next()
    }

    /// The place that begins there. Live, if there is nothing to read. Under the log's lock.
    pub(super) fn place(self, slot: Arc<Slot>, state: &LogState) -> Result<Place, StartError> {
        let store = state.shelf.store();
        let (first, next) = (store.first(), store.next());
        let mut only = Vec::new();
        let cursor = match self.origin {
            Origin::Beginning => first,
            Origin::Number(_) | Origin::Time(_) => self.found.unwrap_or(next),
            Origin::Sequence(sequence) if sequence > next => {
                return Err(StartError::BeyondEnd { sequence, next });
            }
            Origin::Sequence(sequence) => sequence,
            Origin::Last => first.max(next - 1),
            Origin::LastPerKey => {
                // What went since it was looked at was not kept any more when it began.
                only.extend(self.last.into_values().filter(|sequence| *sequence >= first));
                only.sort_unstable();
                next
            }
        };
        let live = cursor == next && only.is_empty();
        Ok(Place { slot, live, cursor, only: only.into(), pushed: 0 })
    }
}

impl Log {
    /// The numbers of the last so many events.
    pub(super) fn last_numbers(&self, most: usize, into: &mut Vec<u64>) {
        let state = self.state.lock();
        let store = state.shelf.store();
        let from = store.next().saturating_sub(most as u64).max(store.first());
        store.read(from, &mut |_, kept| {
            into.push(kept.number);
            true
        });
    }
}
