//! The list of all subscriptions that match one topic, in registration order.
//!
//! A persistent list in chunks: a change copies one chunk of at most [`CHUNK`] references and the
//! spine, so that a topic with a hundred thousand subscriptions can gain or lose one in
//! microseconds, while a pass over the list is still a walk over contiguous memory.

use std::sync::Arc;

use smallvec::SmallVec;

use super::slot::{Group, Slot};
use crate::event::SubscriptionId;
use crate::sync::atomic::Ordering;
use crate::topic::Topic;

/// The most references in one chunk. Copying costs an `Arc` bump each, so the best size for n
/// subscriptions is about the square root of n; 64 keeps 1,000 and 100,000 cheap alike.
const CHUNK: usize = 64;

type Chunk = Arc<[Arc<Slot>]>;

/// Members of a group that match the topic: one entry of a list.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    group: Arc<Group>,
    members: Arc<[Arc<Slot>]>,
}

impl Target {
    /// Whose turn it is.
    pub(super) fn next_turn(&self) -> usize {
        // Relaxed: turns need not be in step with anything.
        self.group.turn.fetch_add(1, Ordering::Relaxed) as usize % self.members.len()
    }

    pub(super) fn members_from(&self, first: usize) -> impl Iterator<Item = &Arc<Slot>> {
        self.members[first..].iter().chain(&self.members[..first])
    }
}

/// So many stand in the list itself: on the way to the first subscriber of most topics there is one
/// pointer to follow instead of three.
const FEW: usize = 2;

/// Subscriptions in registration order, in chunks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    /// All of them while they are few, else none.
    few: SmallVec<[Arc<Slot>; FEW]>,
    chunks: Option<Arc<[Chunk]>>,
    len: usize,
}

impl Chunks {
    /// `slots` must be in the order of their ids.
    pub(crate) fn from_sorted(slots: &[Arc<Slot>]) -> Self {
        let len = slots.len();
        if len <= FEW {
            return Self { few: slots.iter().cloned().collect(), chunks: None, len };
        }
        Self { few: SmallVec::new(), chunks: Some(slots.chunks(CHUNK).map(Arc::from).collect()), len }
    }

    /// This list with one slot more. Its id is above all others, unless a subscription that was made at the
    /// same time got here first.
    #[must_use]
    pub(crate) fn with(&self, slot: Arc<Slot>) -> Self {
        let len = self.len + 1;
        let Some(chunks) = &self.chunks else {
            let mut slots: SmallVec<[_; FEW + 1]> = self.few.iter().cloned().collect();
            slots.insert(slots.partition_point(|other: &Arc<Slot>| other.id < slot.id), slot);
            return Self::from_sorted(&slots);
        };
        let chunks = match chunks.split_last() {
            Some((last, _)) if last[last.len() - 1].id > slot.id => Self::with_late(chunks, slot),
            Some((last, front)) if last.len() < CHUNK => {
                let grown: Chunk = last.iter().cloned().chain([slot]).collect();
                front.iter().cloned().chain([grown]).collect()
            }
            _ => chunks.iter().cloned().chain([Arc::from([slot])]).collect(),
        };
        Self { few: SmallVec::new(), chunks: Some(chunks), len }
    }

    /// The chunks with a slot that belongs before the last one.
    #[cold]
    fn with_late(chunks: &[Chunk], slot: Arc<Slot>) -> Arc<[Chunk]> {
        let outer = chunks.partition_point(|chunk| chunk[chunk.len() - 1].id < slot.id);
        let mut grown = chunks[outer].to_vec();
        grown.insert(grown.partition_point(|other| other.id < slot.id), slot);
        let (front, back) = (&chunks[..outer], &chunks[outer + 1..]);
        front
            .iter()
            .cloned()
            .chain(grown.chunks(CHUNK).map(Chunk::from))
            .chain(back.iter().cloned())
            .collect()
    }

    /// This list without one slot; `None` if it is not there.
    #[must_use]
    pub(crate) fn without(&self, id: SubscriptionId) -> Option<Self> {
        let Some(chunks) = &self.chunks else {
            let at = self.few.iter().position(|slot| slot.id == id)?;
            let mut few = self.few.clone();
            few.remove(at);
            return Some(Self { few, chunks: None, len: self.len - 1 });
        };
        let (outer, inner) = Self::find(chunks, id)?;
        if self.len <= FEW + 1 {
            let rest: SmallVec<[_; FEW]> = self.iter().filter(|slot| slot.id != id).cloned().collect();
            return Some(Self::from_sorted(&rest));
        }
        let chunk = &chunks[outer];
        let rest: Option<Chunk> =
            (chunk.len() > 1).then(|| chunk[..inner].iter().chain(&chunk[inner + 1..]).cloned().collect());
        let front = chunks[..outer].iter().cloned();
        let back = chunks[outer + 1..].iter().cloned();
        let mut chunks: Vec<Chunk> = front.chain(rest).chain(back).collect();
        // Two chunks that fit into one become one, so that churn does not leave a list of crumbs.
        if outer < chunks.len() && outer > 0 && chunks[outer - 1].len() + chunks[outer].len() <= CHUNK / 2 {
            let second = chunks.remove(outer);
            let joined: Chunk = chunks[outer - 1].iter().chain(second.iter()).cloned().collect();
            chunks[outer - 1] = joined;
        }
        Some(Self { few: SmallVec::new(), chunks: Some(chunks.into()), len: self.len - 1 })
    }

    fn find(chunks: &[Chunk], id: SubscriptionId) -> Option<(usize, usize)> {
        // Chunks are never empty.
        let outer = chunks.partition_point(|chunk| chunk[chunk.len() - 1].id < id);
        let inner = chunks.get(outer)?.binary_search_by_key(&id, |slot| slot.id).ok()?;
        Some((outer, inner))
    }

    /// Says whether two lists are one and the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.chunks, &other.chunks) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            // Short lists are quicker copied than compared.
            _ => false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.few
            .iter()
            .chain(self.chunks.iter().flat_map(|chunks| chunks.iter()).flat_map(|chunk| chunk.iter()))
    }
}

/// What a topic's publishers walk over: everything that matches, resolved once.
#[derive(Debug)]
pub(crate) struct SubscriberList {
    /// The topic, interned if there is an entry for it: what its events carry.
    pub(crate) topic: Topic,
    /// The state of the patterns that it was resolved from.
    pub(super) generation: u64,
    /// All that are in no group.
    pub(super) chunks: Chunks,
    pub(super) targets: Box<[Target]>,
    queues: bool,
    inline: bool,
    timed: bool,
}

impl SubscriberList {
    /// A list of literal subscriptions alone, which shares their chunks.
    pub(crate) fn of_literals(generation: u64, topic: Topic, chunks: Chunks) -> Self {
        Self::of(generation, topic, chunks, Box::default())
    }

    /// Sorts slots into a list: by registration, groups apart.
    pub(crate) fn resolve(generation: u64, topic: Topic, mut slots: Vec<Arc<Slot>>) -> Self {
        slots.sort_unstable_by_key(|slot| slot.id);
        slots.dedup_by_key(|slot| slot.id);
        let (grouped, plain): (Vec<_>, Vec<_>) =
            slots.into_iter().partition(|slot| slot.spec.group.is_some());
        let mut targets: Vec<(Arc<Group>, Vec<Arc<Slot>>)> = Vec::new();
        for slot in grouped {
            let Some(group) = slot.spec.group.clone() else { continue };
            match targets.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &group)) {
                Some((_, members)) => members.push(slot),
                None => targets.push((group, vec![slot])),
            }
        }
        let targets =
            targets.into_iter().map(|(group, members)| Target { group, members: members.into() }).collect();
        Self::of(generation, topic, Chunks::from_sorted(&plain), targets)
    }

    fn of(generation: u64, topic: Topic, chunks: Chunks, targets: Box<[Target]>) -> Self {
        let queues = chunks.iter().any(|slot| !slot.is_inline());
        let inline = chunks.iter().any(|slot| slot.is_inline());
        let timed = chunks.iter().any(|slot| slot.has_timeout());
        Self { topic, generation, chunks, targets, queues, inline, timed }
    }

    /// This list with one slot more, which makes its chunks these: in no group, with the highest id.
    pub(crate) fn grown(&self, chunks: Chunks, slot: &Slot) -> Self {
        Self {
            topic: self.topic.clone(),
            generation: self.generation,
            chunks,
            targets: self.targets.clone(),
            queues: self.queues || !slot.is_inline(),
            inline: self.inline || slot.is_inline(),
            timed: self.timed || slot.has_timeout(),
        }
    }

    /// This list with one slot less, which makes its chunks these.
    pub(crate) fn shrunk(&self, chunks: Chunks) -> Self {
        // The flags may stay too wide: they only save a look.
        let filled = !chunks.is_empty();
        Self {
            topic: self.topic.clone(),
            generation: self.generation,
            chunks,
            targets: self.targets.clone(),
            queues: self.queues && filled,
            inline: self.inline && filled,
            timed: self.timed && filled,
        }
    }

    /// This list without one slot; `None` if it is not there.
    pub(crate) fn without(&self, id: SubscriptionId) -> Option<Self> {
        if let Some(chunks) = self.chunks.without(id) {
            return Some(self.shrunk(chunks));
        }
        let at = self.targets.iter().position(|target| target.members.iter().any(|slot| slot.id == id))?;
        let mut targets = self.targets.to_vec();
        let members: Arc<[_]> = targets[at].members.iter().filter(|slot| slot.id != id).cloned().collect();
        if members.is_empty() {
            targets.remove(at);
        } else {
            targets[at].members = members;
        }
        Some(Self {
            topic: self.topic.clone(),
            generation: self.generation,
            chunks: self.chunks.clone(),
            targets: targets.into(),
            queues: self.queues,
            inline: self.inline,
            timed: self.timed,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.targets.is_empty()
    }

    #[inline]
    pub(super) fn has_queues(&self) -> bool {
        self.queues
    }

    /// Says whether an inline handler may run (those of groups included).
    #[inline]
    pub(crate) fn has_inline(&self) -> bool {
        self.inline
    }

    /// Says whether the time of the call matters: a queue waits so long from there on, and inline handlers
    /// run in between.
    pub(super) fn needs_clock(&self) -> bool {
        self.timed && self.inline
    }

    /// Says whether some member of a group runs inline.
    pub(crate) fn has_inline_group(&self) -> bool {
        self.targets.iter().any(|target| target.members.iter().any(|slot| slot.is_inline()))
    }

    pub(super) fn groups(&self) -> &[Target] {
        &self.targets
    }

    /// How many are in no group.
    pub(crate) fn plain_len(&self) -> usize {
        self.chunks.len()
    }

    /// The slot with this id, if it stands here.
    pub(super) fn find(&self, id: SubscriptionId) -> Option<&Arc<Slot>> {
        let plain = match &self.chunks.chunks {
            Some(chunks) => Chunks::find(chunks, id).map(|(outer, inner)| &chunks[outer][inner]),
            None => self.chunks.few.iter().find(|slot| slot.id == id),
        };
        plain.or_else(|| {
            self.targets.iter().flat_map(|target| target.members.iter()).find(|slot| slot.id == id)
        })
    }

    /// Every slot, those of groups included.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.chunks.iter().chain(self.targets.iter().flat_map(|target| target.members.iter()))
    }

    /// Visits those in no group, beginning with number `start` and going round.
    #[inline]
    pub(super) fn for_each(&self, start: usize, mut visit: impl FnMut(&Arc<Slot>)) {
        if start == 0 {
            let Some(chunks) = &self.chunks.chunks else {
                for slot in &self.chunks.few {
                    visit(slot);
                }
                return;
            };
            for slot in chunks.iter().flat_map(|chunk| chunk.iter()) {
                visit(slot);
            }
        } else {
            for slot in self.chunks.iter().skip(start).chain(self.chunks.iter().take(start)) {
                visit(slot);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::EventBus;

    #[test]
    fn v4_slots_that_come_out_of_order_are_found_again() {
        let bus = EventBus::new();
        let receivers: Vec<_> =
            (0..3 * CHUNK + 5).map(|_| bus.subscribe_any("a").receiver().expect("a receiver")).collect();
        let slots: Vec<_> =
            receivers.iter().map(|receiver| Arc::clone(receiver.subscription().slot())).collect();
        // Neighbours change places, as when two threads subscribe at the same time; and two are very late.
        let mut order: Vec<_> = (0..slots.len()).collect();
        order.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        order.rotate_left(2);
        let mut chunks = Chunks::default();
        for number in order {
            chunks = chunks.with(Arc::clone(&slots[number]));
            assert!(chunks.chunks.iter().flat_map(|chunks| chunks.iter()).all(|chunk| chunk.len() <= CHUNK));
            let ids: Vec<_> = chunks.iter().map(|slot| slot.id).collect();
            assert!(ids.is_sorted(), "{ids:?}");
        }
        assert!(chunks.iter().map(|slot| slot.id).eq(slots.iter().map(|slot| slot.id)));
        for slot in &slots {
            chunks = chunks.without(slot.id).expect("it is in the list");
        }
        assert!(chunks.is_empty() && chunks.few.is_empty() && chunks.chunks.is_none());
    }
}
