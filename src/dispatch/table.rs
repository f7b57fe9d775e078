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

use std::sync::Arc;

use hashbrown::HashTable;

use super::index::PatternIndex;
use super::list::{Chunks, SubscriberList};
use super::slot::{Group, Slot};
use crate::event::SubscriptionId;
use crate::pattern::TopicPattern;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sync::snapshot::{Loaded, Snapshot};
use crate::sync::{Line, Mutex, hash_keys};
use crate::topic::{Topic, TopicError};

/// How many shards the table of topics has: a change copies one shard, so with 100,000 topics about
/// a hundred references.
const SHARDS: usize = if cfg!(loom) { 2 } else { 1024 };

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

type Shard = HashTable<Place>;

/// Where a topic stands in a shard. Its name is here too: to compare it by way of the entry would be
/// three more pointers to follow at each publish.
#[derive(Clone, Debug)]
struct Place {
    hash: u64,
    name: Arc<str>,
    entry: Arc<TopicEntry>,
}

impl Place {
    #[inline]
    fn find<'a>(shard: &'a Shard, hash: u64, name: &str) -> Option<&'a Arc<TopicEntry>> {
        shard.find(hash, |place| place.hash == hash && *place.name == *name).map(|place| &place.entry)
    }
}

/// All topics of a bus and who subscribes to them.
#[derive(Debug)]
pub(crate) struct TopicTable {
    hasher: ahash::RandomState,
    shards: Box<[Snapshot<Shard>]>,
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
        let empty = Arc::new(Shard::new());
        Self {
            hasher: hash_keys(),
            shards: (0..SHARDS).map(|_| Snapshot::new(Arc::clone(&empty))).collect(),
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

    fn shard(&self, hash: u64) -> &Snapshot<Shard> {
        // The table inside a shard uses the low bits and the top seven.
        &self.shards[(hash >> 32) as usize & (SHARDS - 1)]
    }

    /// Finds a topic's entry and hands it to `visit`, under a guard that must not wait.
    #[inline]
    pub(crate) fn with_entry<R>(&self, name: &str, visit: impl FnOnce(&Arc<TopicEntry>) -> R) -> Option<R> {
        let hash = self.hash(name);
        let shard = self.shard(hash).load();
        Place::find(&shard, hash, name).map(visit)
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
                SubscriberList::of_literals(generation, literal.plain.clone())
            } else {
                slots.extend(literal.plain.iter().cloned());
                SubscriberList::resolve(generation, slots)
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
            writer.patterns.for_each_match(name, |matching| slots.extend(matching.iter().cloned()));
            self.generation.load(Ordering::Relaxed)
        };
        Ok(Unseen::Once(topic, SubscriberList::resolve(generation, slots)))
    }

    /// The entry of a topic, made if there is room for it.
    fn entry_or_refuse(&self, topic: &Topic) -> Option<Arc<TopicEntry>> {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        self.entry(&mut writer, topic, false, &mut garbage)
    }

    /// The entry of a topic, held in the table by a pin.
    pub(crate) fn pin(&self, topic: &Topic) -> Arc<TopicEntry> {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let entry = self.entry_always(&mut writer, topic, &mut garbage);
        // Relaxed: only judged under the writer lock, which we hold; see `unpin`.
        entry.pins.fetch_add(1, Ordering::Relaxed);
        entry
    }

    /// Pins an entry that is pinned already.
    pub(crate) fn pin_again(&self, entry: &TopicEntry) {
        let _writer = self.writer.lock();
        // Relaxed: under the writer lock, as in `pin`.
        entry.pins.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets go of a pinned entry.
    pub(crate) fn unpin(entry: &TopicEntry) {
        // Relaxed: the sweep may see it late, and keeps the entry a little longer.
        entry.pins.fetch_sub(1, Ordering::Relaxed);
    }

    fn entry_always(&self, writer: &mut Writer, topic: &Topic, garbage: &mut Garbage) -> Arc<TopicEntry> {
        self.entry(writer, topic, true, garbage)
            .unwrap_or_else(|| unreachable!("an entry that must be is made"))
    }

    fn entry(
        &self,
        writer: &mut Writer,
        topic: &Topic,
        must: bool,
        garbage: &mut Garbage,
    ) -> Option<Arc<TopicEntry>> {
        let hash = self.hash(topic.as_str());
        let snapshot = self.shard(hash);
        let old = snapshot.load();
        if let Some(entry) = Place::find(&old, hash, topic.as_str()) {
            return Some(Arc::clone(entry));
        }
        let mut shard = Shard::clone(&old);
        drop(old);
        if !must && self.is_crowded(&shard) {
            shard.retain(|place| !place.entry.is_loose() || place.entry.used.swap(false, Ordering::Relaxed));
            if self.is_crowded(&shard) {
                // Relaxed: a statistic.
                self.refusals.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            // The entries that went are in the old shard, and go with it.
        }
        let entry = Arc::new(TopicEntry {
            topic: topic.clone().intern(),
            list: Snapshot::new(Arc::new(SubscriberList::resolve(u64::MAX, Vec::new()))),
            literal: Mutex::new(Literal::default()),
            used: AtomicBool::new(true),
            pins: AtomicUsize::new(0),
        });
        self.resolve(writer, &entry, garbage);
        let place = Place { hash, name: Arc::from(topic.as_str()), entry: Arc::clone(&entry) };
        shard.insert_unique(hash, place, |place| place.hash);
        garbage.shards.push(snapshot.swap(Arc::new(shard)));
        Some(entry)
    }

    /// Says whether a shard has its share of the entries that nothing needs.
    fn is_crowded(&self, shard: &Shard) -> bool {
        shard.iter().filter(|place| place.entry.is_loose()).count() >= self.cap.div_ceil(SHARDS)
    }

    /// Enters a subscription: from the moment this returns, every publish that begins sees it (V1),
    /// all of its patterns at once (V5).
    pub(crate) fn insert(&self, slot: &Arc<Slot>) {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        let patterns = &slot.spec.patterns;
        if let [pattern] = &**patterns
            && let Some(name) = pattern.as_literal()
            && slot.spec.group.is_none()
        {
            let entry = self.literal_entry(writer, name, &mut garbage);
            let list = entry.list.load();
            // Mostly the list is that of the literal subscriptions, and grows together with it.
            let (shared, literals) = {
                let mut literal = entry.literal.lock();
                let shared = list.chunks.is_same(&literal.plain);
                let grown = literal.plain.with(Arc::clone(slot));
                garbage.literals.push(std::mem::replace(&mut literal.plain, grown.clone()));
                (shared, grown)
            };
            if list.generation == self.generation.load(Ordering::Relaxed) {
                let chunks = if shared { literals } else { list.chunks.with(Arc::clone(slot)) };
                let grown = list.grown(chunks, slot);
                drop(list);
                slot.listed.fetch_add(1, Ordering::Relaxed);
                garbage.lists.push(entry.list.swap(Arc::new(grown)));
            } else {
                drop(list);
                self.resolve(writer, &entry, &mut garbage);
            }
            return;
        }
        for pattern in patterns {
            match pattern.as_literal() {
                Some(name) => {
                    let entry = self.literal_entry(writer, name, &mut garbage);
                    let mut literal = entry.literal.lock();
                    if slot.spec.group.is_some() {
                        literal.grouped.push(Arc::clone(slot));
                    } else {
                        let grown = literal.plain.with(Arc::clone(slot));
                        garbage.literals.push(std::mem::replace(&mut literal.plain, grown));
                    }
                }
                None => writer.patterns.insert_with(pattern, Vec::new).push(Arc::clone(slot)),
            }
        }
        // One step makes all of them visible. Release: with everything above.
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn literal_entry(&self, writer: &mut Writer, name: &str, garbage: &mut Garbage) -> Arc<TopicEntry> {
        let topic = Topic::new(name).unwrap_or_else(|_| unreachable!("a literal pattern is a topic"));
        self.entry_always(writer, &topic, garbage)
    }

    /// Takes a subscription out.
    pub(crate) fn remove(&self, slot: &Slot) {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        let mut wild = false;
        for pattern in &slot.spec.patterns {
            match pattern.as_literal() {
                Some(name) => self.remove_literal(name, slot.id, &mut garbage),
                None => {
                    wild = true;
                    let Some(slots) = writer.patterns.get_mut(pattern) else { continue };
                    if let Some(at) = slots.iter().position(|other| other.id == slot.id) {
                        garbage.slots.push(slots.remove(at));
                    }
                    if slots.is_empty() {
                        writer.patterns.remove(pattern);
                    }
                }
            }
        }
        if wild || slot.spec.patterns.len() > 1 {
            self.sweep_out(slot, &mut garbage);
        }
    }

    fn remove_literal(&self, name: &str, id: SubscriptionId, garbage: &mut Garbage) {
        let hash = self.hash(name);
        let shard = self.shard(hash).load();
        let Some(entry) = Place::find(&shard, hash, name) else { return };
        let list = entry.list.load();
        let mut shared = None;
        {
            let mut literal = entry.literal.lock();
            if let Some(rest) = literal.plain.without(id) {
                shared = list.chunks.is_same(&literal.plain).then(|| rest.clone());
                garbage.literals.push(std::mem::replace(&mut literal.plain, rest));
            }
            if let Some(at) = literal.grouped.iter().position(|slot| slot.id == id) {
                garbage.slots.push(literal.grouped.remove(at));
            }
        }
        let rest = match shared {
            Some(chunks) => Some(list.shrunk(chunks)),
            None => list.without(id),
        };
        drop(list);
        if let Some(rest) = rest {
            Self::unlist(entry, rest, id, garbage);
        }
    }

    /// Puts a list in an entry's place that lacks one slot, whatever its generation.
    fn unlist(entry: &TopicEntry, rest: SubscriberList, id: SubscriptionId, garbage: &mut Garbage) {
        let old = entry.list.swap(Arc::new(rest));
        if let Some(slot) = old.find(id) {
            slot.listed.fetch_sub(1, Ordering::Relaxed);
        }
        garbage.lists.push(old);
    }

    /// Takes a slot with wildcards out of every list that it was resolved into, so that nothing keeps
    /// its handler alive. Ends as soon as the last of them is found.
    fn sweep_out(&self, slot: &Slot, garbage: &mut Garbage) {
        for snapshot in &self.shards {
            // Relaxed: lists change only under the writer lock, which the caller holds.
            if slot.listed.load(Ordering::Relaxed) == 0 {
                return;
            }
            for Place { entry, .. } in snapshot.load().iter() {
                let rest = entry.list.load().without(slot.id);
                if let Some(rest) = rest {
                    Self::unlist(entry, rest, slot.id, garbage);
                }
            }
        }
    }

    /// The group of that name, for the members that are about to join it.
    pub(crate) fn group(&self, name: &str) -> Arc<Group> {
        let mut writer = self.writer.lock();
        if let Some(group) = writer.groups.iter().find(|group| &*group.name == name) {
            return Arc::clone(group);
        }
        // Forgets those that nobody is in any more. Not when the last member leaves: then the lists that it
        // stood in still refer to the group. Only this hands out what the table alone holds.
        writer.groups.retain(|known| Arc::strong_count(known) > 1);
        let group = Arc::new(Group { name: name.into(), turn: AtomicU32::new(0) });
        writer.groups.push(Arc::clone(&group));
        group
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
        for snapshot in &self.shards {
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
    Once(Topic, SubscriberList),
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
