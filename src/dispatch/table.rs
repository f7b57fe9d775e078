//! From a topic's name to the list of its subscribers.
//!
//! ```text
//! name --hash--> shard (snapshot of a table) --> TopicEntry --> SubscriberList (snapshot)
//! ```
//!
//! Publishers read snapshots and take no lock. Whoever changes subscriptions holds the one writer
//! lock. A literal subscription changes its topic's list at once; a pattern only raises the
//! generation, and each topic's list is resolved anew by the first publish that finds it outdated.
//! An unseen topic is resolved without a trace the first time, and gets an entry the second time, so
//! that a flood of names that never come again does not wash the table out.

mod changes;

use std::sync::Arc;

use super::chunks::Chunks;
use super::index::PatternIndex;
use super::list::SubscriberList;
use super::shards::{Place, Shard, Shards};
use super::slot::{Group, Slot};
use crate::pattern::TopicPattern;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sync::snapshot::{Loaded, Snapshot};
use crate::sync::{Line, Mutex, hash_keys};
use crate::topic::{Topic, TopicError};

/// Remembered hashes of topics that were published once and have no entry yet.
const SEEN: usize = if cfg!(loom) { 2 } else { 1024 };

/// A topic that is published or subscribed to.
#[derive(Debug)]
pub(crate) struct TopicEntry {
    pub(crate) topic: Topic,
    list: Snapshot<SubscriberList>,
    /// The literal subscriptions. Only touched under the writer lock.
    literal: Mutex<Literal>,
    /// Published since the last sweep: stays when room is made.
    used: AtomicBool,
    /// Publisher handles that hold on to this entry.
    pins: AtomicUsize,
}

#[derive(Debug, Default)]
struct Literal {
    plain: Chunks,
    grouped: Vec<Arc<Slot>>,
}

/// All topics of a bus and who subscribes to them.
#[derive(Debug)]
pub(crate) struct TopicTable {
    hasher: ahash::RandomState,
    shards: Shards,
    /// Raised when a pattern is added; lists of an older generation are resolved anew.
    generation: Line<AtomicU64>,
    seen: Box<[AtomicU32]>,
    writer: Mutex<Writer>,
    /// The most entries that no literal subscription and no publisher handle needs. Each shard has its
    /// share, rounded up.
    cap: usize,
    /// How often an entry was wanted and there was no room.
    refusals: AtomicU64,
}

#[derive(Debug, Default)]
struct Writer {
    patterns: PatternIndex<Vec<Arc<Slot>>>,
    groups: Vec<Arc<Group>>,
    /// Entries in all shards.
    entries: usize,
}

/// What a change leaves behind. Dropped outside the writer lock, for it may hold the last reference
/// to user code (R5).
#[derive(Default)]
struct Garbage {
    lists: Vec<Arc<SubscriberList>>,
    shards: Vec<Arc<Shard>>,
    slots: Vec<Arc<Slot>>,
    literals: Vec<Chunks>,
}

impl TopicTable {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            hasher: hash_keys(),
            shards: Shards::new(),
            generation: Line(AtomicU64::new(0)),
            seen: (0..SEEN).map(|_| AtomicU32::new(0)).collect(),
            writer: Mutex::new(Writer::default()),
            cap,
            refusals: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Finds a topic's entry and hands it to `visit`, under a guard that must not wait.
    #[inline]
    pub(crate) fn with_entry<R>(&self, name: &str, visit: impl FnOnce(&Arc<TopicEntry>) -> R) -> Option<R> {
        let hash = self.hash(name);
        let shard = self.shards.of(hash).load();
        Place::find(&shard, hash, name).map(visit)
    }

    /// The current list of a topic by its name, if the topic has an entry.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<Loaded<SubscriberList>> {
        self.with_entry(name, |entry| self.list(entry))
    }

    /// The current list of an entry.
    #[inline]
    pub(crate) fn list(&self, entry: &Arc<TopicEntry>) -> Loaded<SubscriberList> {
        let list = entry.list.load();
        // Acquire: the patterns behind a generation are registered when it shows (V1). A list that
        // is replaced after this look was current at the moment of the look.
        if list.generation == self.generation.load(Ordering::Acquire) {
            // Relaxed: a hint for the sweep; written only when it changes.
            if !entry.used.load(Ordering::Relaxed) {
                entry.used.store(true, Ordering::Relaxed);
            }
            return list;
        }
        drop(list);
        self.refresh(entry)
    }

    #[cold]
    fn refresh(&self, entry: &Arc<TopicEntry>) -> Loaded<SubscriberList> {
        let mut garbage = Garbage::default();
        {
            let writer = self.writer.lock();
            self.resolve(&writer, entry, &mut garbage);
        }
        entry.list.load()
    }

    /// Resolves an entry's list anew.
    fn resolve(&self, writer: &Writer, entry: &TopicEntry, garbage: &mut Garbage) {
        // Relaxed: only changed under the writer lock, which we hold.
        let generation = self.generation.load(Ordering::Relaxed);
        let mut slots = Vec::new();
        writer
            .patterns
            .for_each_match(entry.topic.as_str(), |matching| slots.extend(matching.iter().cloned()));
        let list = {
            let literal = entry.literal.lock();
            slots.extend(literal.grouped.iter().cloned());
            if slots.is_empty() {
                SubscriberList::of_literals(generation, entry.topic.clone(), literal.plain.clone())
            } else {
                slots.extend(literal.plain.iter().cloned());
                SubscriberList::resolve(generation, entry.topic.clone(), slots)
            }
        };
        Self::replace(entry, list, garbage);
    }

    /// Puts a list in an entry's place and keeps count of where each slot stands.
    fn replace(entry: &TopicEntry, list: SubscriberList, garbage: &mut Garbage) {
        for slot in list.all() {
            slot.listed.fetch_add(1, Ordering::Relaxed);
        }
        let old = entry.list.swap(Arc::new(list));
        for slot in old.all() {
            slot.listed.fetch_sub(1, Ordering::Relaxed);
        }
        garbage.lists.push(old);
    }

    /// Resolves a topic that has no entry: the subscribers that match, and an entry if the topic was
    /// seen before and there is room.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the name is no topic.
    pub(crate) fn resolve_unseen(&self, name: &str) -> Result<Unseen, TopicError> {
        let topic = Topic::new(name)?;
        let hash = self.hash(name);
        // Relaxed: a hint. The low half of a hash; zero stands for "nothing".
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let (mark, place) = ((hash as u32) | 1, &self.seen[(hash >> 40) as usize & (SEEN - 1)]);
        if place.swap(mark, Ordering::Relaxed) == mark
            && let Some(entry) = self.entry_or_refuse(&topic)
        {
            return Ok(Unseen::Entry(entry));
        }
        let mut slots = Vec::new();
        let generation = {
            let writer = self.writer.lock();
            // It may have moved to another shard, or been made, since the first look.
            if let Some(entry) = self.with_entry(name, Arc::clone) {
                return Ok(Unseen::Entry(entry));
            }
            writer.patterns.for_each_match(name, |matching| slots.extend(matching.iter().cloned()));
            self.generation.load(Ordering::Relaxed)
        };
        Ok(Unseen::Once(SubscriberList::resolve(generation, topic, slots)))
    }

    /// Who would get an event on this topic now.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the name is no topic.
    pub(crate) fn matching(&self, name: &str) -> Result<Vec<Arc<Slot>>, TopicError> {
        Topic::validate(name)?;
        let mut slots = Vec::new();
        {
            let writer = self.writer.lock();
            writer.patterns.for_each_match(name, |matching| slots.extend(matching.iter().cloned()));
            self.with_entry(name, |entry| {
                let literal = entry.literal.lock();
                slots.extend(literal.plain.iter().cloned());
                slots.extend(literal.grouped.iter().cloned());
            });
        }
        slots.sort_unstable_by_key(|slot| slot.id);
        slots.dedup_by_key(|slot| slot.id);
        Ok(slots)
    }

    /// The patterns that somebody subscribes to, with the number of subscriptions, sorted.
    pub(crate) fn subscribed(&self) -> Vec<(TopicPattern, usize)> {
        let writer = self.writer.lock();
        let mut all: Vec<(TopicPattern, usize)> =
            writer.patterns.iter().map(|(pattern, slots)| (pattern.clone(), slots.len())).collect();
        for snapshot in self.shards.iter() {
            for Place { entry, .. } in snapshot.load().iter() {
                let literal = entry.literal.lock();
                let count = literal.plain.len() + literal.grouped.len();
                if count > 0 {
                    all.push((TopicPattern::from(entry.topic.clone()), count));
                }
            }
        }
        all.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        all
    }

    /// Entries in the table now, and how often one was refused for want of room.
    pub(crate) fn usage(&self) -> (usize, u64) {
        let entries = self.shards.iter().map(|snapshot| snapshot.load().len()).sum();
        (entries, self.refusals.load(Ordering::Relaxed))
    }
}

impl TopicEntry {
    /// Says whether nothing but its use keeps the entry: no literal subscription, no handle.
    fn is_loose(&self) -> bool {
        let literal = self.literal.lock();
        // Relaxed: pins are raised only under the writer lock, which the caller holds.
        literal.plain.is_empty() && literal.grouped.is_empty() && self.pins.load(Ordering::Relaxed) == 0
    }
}

impl Drop for TopicEntry {
    fn drop(&mut self) {
        for slot in self.list.load().all() {
            slot.listed.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a publish to a topic without an entry finds.
#[derive(Debug)]
pub(crate) enum Unseen {
    /// It has an entry now.
    Entry(Arc<TopicEntry>),
    /// Its subscribers, for this once.
    Once(SubscriberList),
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn groups_without_members_are_forgotten() {
        let table = TopicTable::new(0);
        let kept = table.group("kept");
        for number in 0..100 {
            drop(table.group(&number.to_string()));
        }
        assert!(table.writer.lock().groups.len() <= 2);
        assert!(Arc::ptr_eq(&kept, &table.group("kept")));
    }
}
