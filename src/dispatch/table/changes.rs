//! Changes to the table: entries that come and go, subscriptions that enter and leave. All under the writer
//! lock; what they replace is dropped after it.

use std::sync::Arc;

use super::{Garbage, Literal, TopicEntry, TopicTable, Writer};
use crate::dispatch::list::SubscriberList;
use crate::dispatch::shards::{Place, Shard};
use crate::dispatch::slot::{Group, Slot};
use crate::event::SubscriptionId;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use crate::sync::snapshot::Snapshot;
use crate::topic::Topic;

impl TopicTable {
    /// The entry of a topic, made if there is room for it.
    pub(super) fn entry_or_refuse(&self, topic: &Topic) -> Option<Arc<TopicEntry>> {
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
        let snapshot = self.shards.of(hash);
        let old = snapshot.load();
        if let Some(entry) = Place::find(&old, hash, topic.as_str()) {
            return Some(Arc::clone(entry));
        }
        let mut shard = Shard::clone(&old);
        drop(old);
        if !must && self.is_crowded(&shard) {
            let before = shard.len();
            shard.retain(|place| !place.entry.is_loose() || place.entry.used.swap(false, Ordering::Relaxed));
            let gone = before - shard.len();
            if self.is_crowded(&shard) {
                // Relaxed: a statistic.
                self.refusals.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            // The entries that went are in the old shard, and go with it.
            writer.entries -= gone;
        }
        let name = Arc::from(topic.as_str());
        let topic = topic.clone().intern();
        let entry = Arc::new(TopicEntry {
            list: Snapshot::new(Arc::new(SubscriberList::resolve(u64::MAX, topic.clone(), Vec::new()))),
            topic,
            literal: Mutex::new(Literal::default()),
            used: AtomicBool::new(true),
            pins: AtomicUsize::new(0),
        });
        self.resolve(writer, &entry, garbage);
        let place = Place { hash, name, entry: Arc::clone(&entry) };
        shard.insert_unique(hash, place, |place| place.hash);
        garbage.shards.push(snapshot.swap(Arc::new(shard)));
        writer.entries += 1;
        self.shards.grow(writer.entries, &mut garbage.shards);
        Some(entry)
    }

    /// Says whether a shard has its share of the entries that nothing needs.
    fn is_crowded(&self, shard: &Shard) -> bool {
        shard.iter().filter(|place| place.entry.is_loose()).count() >= self.cap.div_ceil(self.shards.count())
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
        let shard = self.shards.of(hash).load();
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
        for snapshot in self.shards.iter() {
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
}
