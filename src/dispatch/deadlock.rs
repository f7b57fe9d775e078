//! Which handlers wait for room that only handlers can make which wait themselves (R2).
//!
//! A handler that waits for room in a full queue occupies its lane. A subscription whose lanes are all
//! occupied by handlers that wait for room in stuck queues takes nothing out of its own queue, so that is
//! stuck too: the largest set of subscriptions with that property is what cannot go on by itself. A
//! handler that is about to wait for one of the set is refused instead, and the others go on.
//!
//! # Why it neither misses a cycle nor sees one where there is none
//!
//! An entry counts only between the end of a poll that found all its queues full and the beginning of the
//! next poll, both under the lock here. So when a set is found, none of its handlers has got room without
//! having said so, all its queues are full at this moment, and nobody but these handlers empties them.
//! Each wait is judged when it begins, and again every [`LOOK_AGAIN`]: a queue that had room at the first
//! look can have been filled by a stranger since.
//!
//! Waits with a deadline end by themselves and are no part of it. All this is done only by handlers that
//! find a queue full; other publishers never come here.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::scope::{self, LaneKey};
use super::slot::Slot;
use crate::event::SubscriptionId;
use crate::sync::Mutex;
use crate::sync::clock::{Deadline, Instant, now};

/// How often a handler that waits is judged.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A wait that was not polled for so long was forgotten (`mem::forget`), and says nothing any more.
const FORGOTTEN: Duration = Duration::from_secs(1);

/// The handlers of one bus that wait for room without a deadline.
#[derive(Debug, Default)]
pub(crate) struct WaitGraph {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    waits: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    lane: LaneKey,
    wants: SmallVec<[Arc<Slot>; 1]>,
    since: Instant,
}

/// A wait's place in the graph. Dropping it takes it out.
#[derive(Debug)]
pub(super) struct Place {
    slot: Arc<Slot>,
    number: u64,
}

impl Place {
    /// Enters a handler's wait for these queues; `None` if this is no handler, or it waits for none.
    pub(super) fn enter(wants: SmallVec<[Arc<Slot>; 1]>) -> Option<Self> {
        let slot = Arc::clone(wants.first()?);
        let lane = scope::occupied_lane()?;
        let number = {
            let mut entries = slot.roster.waits.entries.lock();
            entries.next += 1;
            let number = entries.next;
            entries.waits.push(Entry { number, lane, wants, since: now() });
            number
        };
        Some(Self { slot, number })
    }

    /// Judges the wait: leaves the graph and names the queue, if one of those that it waits for will have no room
    /// unless somebody gives up. One step, or two that wait for each other would both give up.
    pub(super) fn leave_if_stuck(&self) -> Option<SubscriptionId> {
        let (stuck, entry) = {
            let mut entries = self.slot.roster.waits.entries.lock();
            let at = entries.waits.iter().position(|entry| entry.number == self.number)?;
            let stuck = entries.stuck();
            let mut wants = entries.waits[at].wants.iter().map(|slot| slot.id);
            let stuck = wants.find(|id| stuck.iter().any(|slot| slot.id == *id))?;
            (stuck, entries.waits.swap_remove(at))
        };
        // Outside the lock: it may hold the last reference to a handler.
        drop(entry);
        Some(stuck)
    }

    /// When to be judged again.
    pub(super) fn look_again() -> Deadline {
        if cfg!(loom) { Deadline::NEVER } else { Deadline::after(LOOK_AGAIN) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let entry = {
            let mut entries = self.slot.roster.waits.entries.lock();
            let at = entries.waits.iter().position(|entry| entry.number == self.number);
            at.map(|at| entries.waits.swap_remove(at))
        };
        // Outside the lock: it may hold the last reference to a handler.
        drop(entry);
    }
}

impl Entries {
    /// The subscriptions that cannot go on: the largest set in which every queue is full and every lane
    /// occupied by a handler that waits for one of the set.
    fn stuck(&self) -> Vec<&Slot> {
        let now = now();
        let waits: Vec<&Entry> = self
            .waits
            .iter()
            .filter(|entry| now.saturating_duration_since(entry.since) < FORGOTTEN)
            .collect();
        let mut stuck: Vec<&Slot> = Vec::new();
        for slot in waits.iter().flat_map(|entry| &entry.wants) {
            if slot.is_out_of_room() && !stuck.iter().any(|known| known.id == slot.id) {
                stuck.push(slot);
            }
        }
        loop {
            let before = stuck.len();
            let set: SmallVec<[_; 8]> = stuck.iter().map(|slot| slot.id).collect();
            stuck.retain(|slot| {
                let mut lanes: SmallVec<[usize; 8]> = waits
                    .iter()
                    .filter(|entry| entry.wants.iter().any(|wanted| set.contains(&wanted.id)))
                    .map(|entry| entry.lane)
                    .filter(|(key, _)| *key == slot.key())
                    .map(|(_, lane)| lane)
                    .collect();
                lanes.sort_unstable();
                lanes.dedup();
                lanes.len() >= slot.spec.concurrency
            });
            if stuck.len() == before {
                return stuck;
            }
        }
    }
}
