//! From the patterns to the list of a topic.

use std::sync::Arc;

use smallvec::SmallVec;

use super::shared::{MOST_OWN, is_worth, on_top};
use super::{Garbage, TopicEntry, TopicTable, Writer};
use crate::dispatch::chunks::Chunks;
use crate::dispatch::list::{SubscriberList, Target, targets};
use crate::dispatch::slot::Slot;
use crate::sync::atomic::Ordering;
use crate::topic::{Topic, TopicError};

impl TopicTable {
    /// Resolves an entry's list anew. Under the writer lock.
    pub(super) fn resolve(
        &self,
        writer: &mut Writer,
        entry: &TopicEntry,
        garbage: &mut Garbage,
    ) -> SubscriberList {
        // Relaxed: only changed under the writer lock, which we hold.
        let generation = self.generation.load(Ordering::Relaxed);
        let needs = entry.needs.lock();
        let (chunks, targets) = writer.resolve(entry.topic.as_str(), &needs.plain, &needs.grouped, garbage);
        let carriage = self.carriage(entry.topic.as_str(), garbage);
        SubscriberList::of(generation, entry.topic.clone(), carriage, chunks, targets)
    }

    /// The list of a topic that is not in its bucket, or is out of date. A topic that has no entry is resolved for
    /// this once, and gets an entry if it was seen before and there is room.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the name is no topic.
    #[cold]
    pub(crate) fn resolve_unseen(&self, name: &str) -> Result<Arc<SubscriberList>, TopicError> {
        let topic = Topic::new(name)?;
        let hash = self.hash(name);
        let known = {
            let _writer = self.writer.lock();
            self.known(hash, name)
        };
        if let Some(entry) = known {
            return Ok(self.refreshed(&entry));
        }
        // Relaxed: a hint. The low half of a hash; zero stands for "nothing".
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let (mark, place) = ((hash as u32) | 1, &self.seen[(hash >> 40) as usize & (super::SEEN - 1)]);
        if place.swap(mark, Ordering::Relaxed) == mark
            && let Some(entry) = self.entry_or_refuse(&topic)
        {
            return Ok(self.refreshed(&entry));
        }
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        // A literal subscription that was made meanwhile is in its entry.
        if let Some(entry) = self.known(hash, name) {
            drop(writer);
            return Ok(self.refreshed(&entry));
        }
        let generation = self.generation.load(Ordering::Relaxed);
        let (chunks, targets) = writer.resolve(name, &Chunks::default(), &[], &mut garbage);
        let carriage = self.carriage(name, &mut garbage);
        drop(writer);
        Ok(Arc::new(SubscriberList::of(generation, topic, carriage, chunks, targets)))
    }
}

impl Writer {
    /// Who gets the events of a topic that has these literal subscriptions, without and with a group.
    fn resolve(
        &mut self,
        topic: &str,
        literals: &Chunks,
        grouped: &[Arc<Slot>],
        garbage: &mut Garbage,
    ) -> (Chunks, Box<[Target]>) {
        let mut wild: Vec<&Arc<Slot>> = Vec::new();
        self.patterns.for_each_match(topic, |matching| wild.extend(matching));
        let mut members: Vec<&Arc<Slot>> = grouped.iter().collect();
        if !self.groups.is_empty() {
            members.extend(wild.extract_if(.., |slot| slot.spec.group.is_some()));
        }
        wild.sort_unstable_by_key(|slot| slot.id);
        wild.dedup_by_key(|slot| slot.id);
        let is_wild = |slot: &&Arc<Slot>| wild.binary_search_by_key(&slot.id, |other| other.id).is_ok();
        let both = if wild.is_empty() { 0 } else { literals.iter().filter(is_wild).count() };
        let (own, others) = (literals.len() - both, wild.len());
        let chunks = if others == both {
            // All of them are literal. One tree for both, which they grow with together.
            literals.clone()
        } else if own == 0 {
            self.shared.of_sorted(&wild, garbage)
        } else if is_worth(own, others) {
            let own: SmallVec<[_; MOST_OWN]> = literals.iter().filter(|slot| !is_wild(slot)).collect();
            on_top(self.shared.of_sorted(&wild, garbage), &own)
        } else {
            wild.extend(literals.iter());
            wild.sort_unstable_by_key(|slot| slot.id);
            wild.dedup_by_key(|slot| slot.id);
            Chunks::from_sorted(&wild)
        };
        (chunks, targets(members))
    }
}
