//! Changes to the table: entries that come and go, subscriptions that enter and leave. All under the writer
//! lock; what they replace is dropped after it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Garbage, Needs, TopicEntry, TopicTable, Writer, count_one, discount_listed, discount_one};
use crate::dispatch::buckets::{Bucket, Place};
use crate::dispatch::carriers::Carriage;
use crate::dispatch::chunks::Chunks;
use crate::dispatch::index::PatternIndex;
use crate::dispatch::list::SubscriberList;
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::Group;
use crate::lifecycle::{LifecycleEvent, types};
use crate::pattern::TopicPattern;
use crate::sync::atomic::Ordering;
use crate::sync::snapshot::Snapshot;
use crate::sync::{Mutex, unlock_fair};
use crate::topic::Topic;

/// So many buckets does a sweep look at for an entry that can go. Each look takes the mark of use away, so that
/// the next sweeps find more.
const SWEEP: usize = 64;

/// After so many lists from which a slot was taken out, a microsecond or three each, or so many buckets in which it was
/// looked for, others may have the writer lock.
const STEP_LISTS: usize = if cfg!(loom) { 1 } else { 32 };
const STEP_BUCKETS: usize = 4096;

/// A list of nobody.
fn empty_list(generation: u64, topic: Topic) -> SubscriberList {
    let carriage = (Carriage::default(), None);
    SubscriberList::of(generation, topic, carriage, Chunks::default(), Box::default())
}

impl TopicTable {
    /// The entry of a topic, made if there is room for it.
    pub(super) fn entry_or_refuse(&self, topic: &Topic) -> Option<Arc<TopicEntry>> {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        if let Some(entry) = self.known(self.hash(topic.as_str()), topic.as_str()) {
            return Some(entry);
        }
        if writer.loose >= self.cap && !self.sweep(&mut writer, &mut garbage) {
            // Relaxed: a statistic.
            let refusals = self.refusals.fetch_add(1, Ordering::Relaxed) + 1;
            if refusals.is_power_of_two()
                && let Some(feed) = &self.feed
            {
                let event = LifecycleEvent::of_bus(types::TOPIC_REFUSED);
                let event = event.with("topic", topic.to_string()).with("refusals", refusals);
                feed.tell(event.of_tenant(self.tenant()));
            }
            return None;
        }
        Some(self.add_entry(&mut writer, topic, &mut garbage))
    }

    /// The entry of a topic, held in the table by a pin.
    pub(crate) fn pin(&self, topic: &Topic) -> Arc<TopicEntry> {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let entry = self.entry(&mut writer, topic, &mut garbage);
        Self::need(&mut writer, &entry, |needs| needs.pins += 1);
        entry
    }

    /// Pins an entry that is pinned already.
    pub(crate) fn pin_again(&self, entry: &TopicEntry) {
        Self::need(&mut self.writer.lock(), entry, |needs| needs.pins += 1);
    }

    /// Lets go of a pinned entry.
    pub(crate) fn unpin(&self, entry: &TopicEntry) {
        Self::need(&mut self.writer.lock(), entry, |needs| needs.pins -= 1);
    }

    /// Changes what an entry is needed for, and keeps count of those that nothing needs.
    fn need<R>(writer: &mut Writer, entry: &TopicEntry, change: impl FnOnce(&mut Needs) -> R) -> R {
        let mut needs = entry.needs.lock();
        let before = needs.is_none();
        let result = change(&mut needs);
        match (before, needs.is_none()) {
            // The account ended with the table.
            _ if writer.closed => {}
            (true, false) => writer.loose -= 1,
            (false, true) => writer.loose += 1,
            _ => {}
        }
        result
    }

    /// The entry of a topic, made if there is none.
    fn entry(&self, writer: &mut Writer, topic: &Topic, garbage: &mut Garbage) -> Arc<TopicEntry> {
        match self.known(self.hash(topic.as_str()), topic.as_str()) {
            Some(entry) => entry,
            None => self.add_entry(writer, topic, garbage),
        }
    }

    fn add_entry(&self, writer: &mut Writer, topic: &Topic, garbage: &mut Garbage) -> Arc<TopicEntry> {
        let hash = self.hash(topic.as_str());
        let topic = topic.clone().intern();
        let unresolved = Arc::new(empty_list(u64::MAX, topic.clone()));
        let (list, needs) = (Snapshot::new(unresolved), Mutex::new(Needs::default()));
        let entry = Arc::new(TopicEntry { list, topic, hash, needs });
        let list = Arc::new(self.resolve(writer, &entry, garbage));
        list.all().for_each(|slot| count_one(slot, hash));
        drop(entry.list.swap(Arc::clone(&list)));
        let snapshot = self.buckets.of(hash);
        let mut bucket = Bucket::clone(&snapshot.load());
        bucket.extend([Place { hash, list: SubscriberList::clone(&list), entry: Arc::clone(&entry) }]);
        garbage.buckets.push(snapshot.swap(Arc::new(bucket)));
        writer.entries += 1;
        writer.loose += 1;
        self.buckets.grow(writer.entries, &mut garbage.buckets);
        entry
    }

    /// Takes out an entry that nothing needs and nobody has published to since the last sweep passed by it, and
    /// with it all such of its bucket. False if none was found.
    fn sweep(&self, writer: &mut Writer, garbage: &mut Garbage) -> bool {
        let first = writer.hand;
        for (step, snapshot) in self.buckets.iter_from(first).take(SWEEP).enumerate() {
            writer.hand = (first + step + 1) % self.buckets.count();
            let old = snapshot.load();
            // The mark of use is that of the bucket's own list, not of a copy.
            let goes = |place: &&Place| place.entry.needs.lock().is_none() && !place.list.take_use();
            let (gone, stays): (SmallVec<[&Place; 2]>, SmallVec<[&Place; 2]>) = old.iter().partition(goes);
            if gone.is_empty() {
                continue;
            }
            writer.entries -= gone.len();
            writer.loose -= gone.len();
            gone.iter().for_each(|place| discount_listed(&place.list));
            let stays: Bucket = stays.into_iter().cloned().collect();
            // The lists of those that went are in the old bucket, and go with it.
            garbage.buckets.push(snapshot.swap(Arc::new(stays)));
            return true;
        }
        false
    }

    /// Takes everything out, for good. To take out one subscription after the other would be a search through all
    /// topics for each that has wildcards.
    pub(crate) fn close(&self) {
        self.close_writer();
        if let Some(logs) = &self.logs {
            logs.close();
        }
    }

    fn close_writer(&self) {
        let (mut garbage, mut patterns) = (Garbage::default(), PatternIndex::default());
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        writer.closed = true;
        // Relaxed: only changed under the writer lock, which we hold.
        let generation = self.generation.load(Ordering::Relaxed);
        self.buckets.clear(&mut garbage.buckets);
        for entry in garbage.buckets.iter().flat_map(|bucket| bucket.iter()).map(|place| &place.entry) {
            let mut needs = entry.needs.lock();
            if needs.pins > 0 {
                // Publisher handles keep it.
                garbage.trees.push(std::mem::take(&mut needs.plain));
                garbage.slots.extend(needs.grouped.drain(..));
                let nobody = empty_list(generation, entry.topic.clone());
                garbage.lists.push(entry.list.swap(Arc::new(nobody)));
            }
        }
        std::mem::swap(&mut patterns, &mut writer.patterns);
        garbage.slots.extend(writer.recent.drain(..).flatten());
        writer.shared.clear(&mut garbage);
        (writer.entries, writer.loose) = (0, 0);
    }

    /// Enters a subscription: from the moment this returns, every publish that begins sees it (V1),
    /// all of its patterns at once (V5). Nothing happens if the table was closed.
    pub(crate) fn insert(&self, slot: &Arc<Slot>) {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        if writer.closed {
            return;
        }
        let patterns = &slot.spec.patterns;
        if let [pattern] = &**patterns
            && let Some(topic) = pattern.as_topic()
            && slot.spec.group.is_none()
        {
            let entry = self.entry(writer, topic, &mut garbage);
            let list = self.up_to_date(writer, &entry, &mut garbage);
            // Mostly the list is that of the literal subscriptions, and grows together with it.
            let (shared, literals) = Self::need(writer, &entry, |needs| {
                self.tell_first(needs, pattern);
                let shared = list.chunks.is_same(&needs.plain);
                let grown = needs.plain.with(Arc::clone(slot));
                garbage.trees.push(std::mem::replace(&mut needs.plain, grown.clone()));
                (shared, grown)
            });
            let chunks = if shared { literals } else { list.chunks.with(Arc::clone(slot)) };
            count_one(slot, entry.hash);
            self.put(&entry, Arc::new(list.with_plain(chunks)), &mut garbage);
            return;
        }
        for topic in patterns.iter().filter_map(TopicPattern::as_topic) {
            let entry = self.entry(writer, topic, &mut garbage);
            Self::need(writer, &entry, |needs| {
                self.tell_first(needs, &TopicPattern::from(topic.clone()));
                if slot.spec.group.is_some() {
                    needs.grouped.push(Arc::clone(slot));
                } else {
                    let grown = needs.plain.with(Arc::clone(slot));
                    garbage.trees.push(std::mem::replace(&mut needs.plain, grown));
                }
            });
        }
        // After the entries: the list of a new one is resolved at once, and is one of before this subscription.
        for pattern in patterns.iter().filter(|pattern| pattern.as_topic().is_none()) {
            let slots = writer.patterns.insert_with(pattern, Vec::new);
            if slots.is_empty() {
                self.tell(types::TOPIC_CREATED, pattern);
            }
            slots.push(Arc::clone(slot));
        }
        writer.note_recent(slot, &mut garbage);
        // One step makes all of them visible. Release: with everything above.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Tells of a topic that nobody has subscribed to by name so far.
    fn tell_first(&self, needs: &Needs, pattern: &TopicPattern) {
        if needs.plain.is_empty() && needs.grouped.is_empty() {
            self.tell(types::TOPIC_CREATED, pattern);
        }
    }

    /// Takes a subscription out.
    pub(crate) fn remove(&self, slot: &Slot) {
        let mut next = self.remove_patterns(slot).then_some(0);
        while let Some(first) = next {
            next = self.sweep_out(slot, first);
        }
    }

    /// Takes the patterns of a subscription out, so that no list is resolved with it any more. True if it is to be
    /// looked for in those that were.
    fn remove_patterns(&self, slot: &Slot) -> bool {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        if writer.closed {
            return false;
        }
        let mut wild = false;
        for pattern in &slot.spec.patterns {
            match pattern.as_literal() {
                Some(name) => self.remove_literal(writer, name, slot, &mut garbage),
                None => {
                    wild = true;
                    let Some(slots) = writer.patterns.get_mut(pattern) else { continue };
                    if let Some(at) = slots.iter().position(|other| other.id == slot.id) {
                        garbage.slots.push(slots.remove(at));
                    }
                    if slots.is_empty() {
                        self.tell(types::TOPIC_DELETED, pattern);
                        writer.patterns.remove(pattern);
                    }
                }
            }
        }
        let wild = wild || slot.spec.patterns.len() > 1;
        if wild || slot.spec.group.is_some() {
            writer.forget_recent(slot, &mut garbage);
        }
        if wild {
            writer.shared.forget(slot, &mut garbage);
        }
        // Relaxed, here and below: lists change only under the writer lock, which we hold.
        let is_listed = || wild && slot.listed.load(Ordering::Relaxed) > 0;
        if is_listed() {
            // One that waited for a single event stands nowhere else.
            let bucket = self.buckets.of(slot.last_listed.load(Ordering::Relaxed));
            self.take_out(writer, bucket, slot, &mut garbage);
        }
        is_listed()
    }

    fn remove_literal(&self, writer: &mut Writer, name: &str, slot: &Slot, garbage: &mut Garbage) {
        let id = slot.id;
        let Some(entry) = self.known(self.hash(name), name) else { return };
        let list = entry.list.load_full();
        let shared = Self::need(writer, &entry, |needs| {
            let mut shared = None;
            let before = needs.plain.len() + needs.grouped.len();
            if let Some(rest) = needs.plain.without(slot) {
                shared = list.chunks.is_same(&needs.plain).then(|| rest.clone());
                garbage.trees.push(std::mem::replace(&mut needs.plain, rest));
            }
            if let Some(at) = needs.grouped.iter().position(|slot| slot.id == id) {
                garbage.slots.push(needs.grouped.remove(at));
            }
            if before > 0 && needs.plain.is_empty() && needs.grouped.is_empty() {
                self.tell(types::TOPIC_DELETED, &TopicPattern::from(entry.topic.clone()));
            }
            shared
        });
        let rest = match shared {
            Some(chunks) => Some(list.with_plain(chunks)),
            None => Self::without(writer, &entry, &list, slot, garbage),
        };
        if let Some(rest) = rest {
            discount_one(slot);
            self.put(&entry, Arc::new(rest), garbage);
        }
    }

    /// A list of an entry without a slot; `None` if it is not there.
    fn without(
        writer: &mut Writer,
        entry: &TopicEntry,
        list: &SubscriberList,
        slot: &Slot,
        garbage: &mut Garbage,
    ) -> Option<SubscriberList> {
        let Some(rest) = list.chunks.without(slot) else { return list.without_member(slot) };
        let literals = &entry.needs.lock().plain;
        let chunks = writer.shared.list_of(entry.topic.as_str(), literals, rest, garbage);
        Some(list.with_plain(chunks))
    }

    /// Takes a slot with wildcards out of lists that it was resolved into, so that nothing keeps its handler alive.
    /// Begins with the bucket of this number, and returns where to go on.
    ///
    /// In steps, for whoever else wants the writer lock: among them is a publish to a topic that has no entry. Meanwhile no
    /// list is resolved with this slot, and topics move only to buckets that are still to come.
    fn sweep_out(&self, slot: &Slot, first: usize) -> Option<usize> {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        let mut changed = 0;
        for number in first..self.buckets.count() {
            if writer.closed || slot.listed.load(Ordering::Relaxed) == 0 {
                break;
            }
            if changed >= STEP_LISTS || number >= first + STEP_BUCKETS {
                unlock_fair(writer);
                return Some(number);
            }
            changed += self.take_out(&mut writer, self.buckets.at(number), slot, &mut garbage);
        }
        // Once more: between two steps a list that still had it may have been brought up to date.
        writer.shared.forget(slot, &mut garbage);
        None
    }

    /// Takes a slot out of the lists of a bucket. Returns how many those were.
    fn take_out(
        &self,
        writer: &mut Writer,
        bucket: &Snapshot<Bucket>,
        slot: &Slot,
        garbage: &mut Garbage,
    ) -> usize {
        let mut changed = 0;
        for Place { list, entry, .. } in bucket.load().iter() {
            if let Some(rest) = Self::without(writer, entry, list, slot, garbage) {
                discount_one(slot);
                self.put(entry, Arc::new(rest), garbage);
                changed += 1;
            }
        }
        changed
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
        let group = Arc::new(Group::new(name, self.tenant()));
        writer.groups.push(Arc::clone(&group));
        group
    }
}
