//! A persistent list of slots in the order of their ids.
//!
//! A tree of three levels: chunks of references, blocks of chunks, and the spine. A change copies one chunk,
//! one block and the spine, and shares the rest, so that a topic with a hundred thousand subscriptions can gain
//! or lose one in microseconds, while a pass over the list is still a walk over contiguous memory.

use std::sync::Arc;

use smallvec::SmallVec;

use super::slot::Slot;
use super::views::Views;
use crate::event::SubscriptionId;

/// The most references in a chunk, and the most chunks in a block. Copying costs a reference count each, most
/// of them in lines that are not at hand: 16 and 16 make 36 copies of a list of 1,000, and 420 of 100,000.
const CHUNK: usize = 16;
const BLOCK: usize = 16;

/// So many stand in the list itself: on the way to the first subscriber of most topics there is one
/// pointer to follow instead of four.
const FEW: usize = if cfg!(loom) { 1 } else { 2 };

/// A part of a list, never changed.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) slots: SmallVec<[Arc<Slot>; CHUNK]>,
    pub(super) views: Views,
}

impl Chunk {
    fn last(&self) -> SubscriptionId {
        self.slots[self.slots.len() - 1].id
    }
}

impl FromIterator<Arc<Slot>> for Chunk {
    fn from_iter<I: IntoIterator<Item = Arc<Slot>>>(slots: I) -> Self {
        Self { slots: slots.into_iter().collect(), views: Views::default() }
    }
}

type Block = Arc<[Arc<Chunk>]>;

/// Slots in the order of their ids. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    /// All of them while they are few, else none.
    few: SmallVec<[Arc<Slot>; FEW]>,
    /// No block and no chunk is empty.
    blocks: Option<Arc<[Block]>>,
    len: usize,
}

impl Chunks {
    /// `slots` must be in the order of their ids.
    pub(crate) fn from_sorted(slots: &[Arc<Slot>]) -> Self {
        let len = slots.len();
        if len <= FEW {
            return Self { few: slots.iter().cloned().collect(), blocks: None, len };
        }
        let chunk = |slots: &[Arc<Slot>]| Arc::new(slots.iter().cloned().collect());
        let chunks: Vec<Arc<Chunk>> = slots.chunks(CHUNK).map(chunk).collect();
        Self::of(chunks.chunks(BLOCK).map(Arc::from).collect(), len)
    }

    fn of(blocks: Vec<Block>, len: usize) -> Self {
        Self { few: SmallVec::new(), blocks: Some(blocks.into()), len }
    }

    /// This list with one slot more. Its id is above all others, unless a subscription that was made at the
    /// same time got here first.
    #[must_use]
    pub(crate) fn with(&self, slot: Arc<Slot>) -> Self {
        let last = self.iter().next_back().map(|last| last.id);
        let (Some(blocks), true) = (&self.blocks, last < Some(slot.id)) else {
            let mut slots: Vec<_> = self.iter().cloned().collect();
            slots.insert(slots.partition_point(|other| other.id < slot.id), slot);
            return Self::from_sorted(&slots);
        };
        let mut spine = blocks.to_vec();
        let mut block = spine.pop().map(|block| block.to_vec()).unwrap_or_default();
        match block.pop() {
            Some(chunk) if chunk.slots.len() < CHUNK => {
                block.push(Arc::new(chunk.slots.iter().cloned().chain([slot]).collect()));
            }
            full => {
                block.extend(full);
                if block.len() == BLOCK {
                    spine.push(std::mem::take(&mut block).into());
                }
                block.push(Arc::new(Chunk::from_iter([slot])));
            }
        }
        spine.push(block.into());
        Self::of(spine, self.len + 1)
    }

    /// This list without one slot; `None` if it is not there.
    #[must_use]
    pub(crate) fn without(&self, id: SubscriptionId) -> Option<Self> {
        let Some(blocks) = &self.blocks else {
            let at = self.few.iter().position(|slot| slot.id == id)?;
            let mut few = self.few.clone();
            few.remove(at);
            return Some(Self { few, blocks: None, len: self.len - 1 });
        };
        let (outer, middle, inner) = Self::place(blocks, id)?;
        if self.len <= FEW + 1 {
            let rest: SmallVec<[_; FEW]> = self.iter().filter(|slot| slot.id != id).cloned().collect();
            return Some(Self::from_sorted(&rest));
        }
        let left = |(at, slot): (usize, &Arc<Slot>)| (at != inner).then(|| Arc::clone(slot));
        let chunk: Chunk = blocks[outer][middle].slots.iter().enumerate().filter_map(left).collect();
        let chunk = (!chunk.slots.is_empty()).then(|| Arc::new(chunk));
        let block = joined(&blocks[outer], middle, chunk, |one, other| {
            let few = one.slots.len() + other.slots.len() <= CHUNK / 2;
            few.then(|| Arc::new(one.slots.iter().chain(&other.slots).cloned().collect()))
        });
        let block = (!block.is_empty()).then(|| Block::from(block));
        let spine = joined(blocks, outer, block, |one, other| {
            let few = one.len() + other.len() <= BLOCK / 2;
            few.then(|| one.iter().chain(other.iter()).cloned().collect())
        });
        Some(Self::of(spine, self.len - 1))
    }

    /// The slot with this id, if it stands here.
    pub(crate) fn find(&self, id: SubscriptionId) -> Option<&Arc<Slot>> {
        match &self.blocks {
            Some(blocks) => {
                let (outer, middle, inner) = Self::place(blocks, id)?;
                Some(&blocks[outer][middle].slots[inner])
            }
            None => self.few.iter().find(|slot| slot.id == id),
        }
    }

    fn place(blocks: &[Block], id: SubscriptionId) -> Option<(usize, usize, usize)> {
        let outer = blocks.partition_point(|block| block[block.len() - 1].last() < id);
        let block = blocks.get(outer)?;
        let middle = block.partition_point(|chunk| chunk.last() < id);
        let inner = block.get(middle)?.slots.binary_search_by_key(&id, |slot| slot.id).ok()?;
        Some((outer, middle, inner))
    }

    /// Says whether two lists are one and the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.blocks, &other.blocks) {
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

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Slot>> {
        let blocks = self.blocks.iter().flat_map(|blocks| blocks.iter());
        self.few.iter().chain(blocks.flat_map(|block| block.iter()).flat_map(|chunk| chunk.slots.iter()))
    }

    /// Those that are in no chunk: all while they are few.
    #[inline]
    pub(super) fn few(&self) -> &[Arc<Slot>] {
        &self.few
    }

    /// The chunks, in order.
    #[inline]
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let blocks = self.blocks.iter().flat_map(|blocks| blocks.iter());
        blocks.flat_map(|block| block.iter()).map(|chunk| &**chunk)
    }
}

/// The parts with another one, or none, in one place. If that and the one before it are so few that `join` makes
/// one of them, they become one, so that churn does not leave a list of crumbs.
fn joined<T: Clone>(parts: &[T], at: usize, other: Option<T>, join: impl Fn(&T, &T) -> Option<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(parts.len());
    all.extend_from_slice(&parts[..at]);
    all.extend(other);
    all.extend_from_slice(&parts[at + 1..]);
    if at > 0
        && at < all.len()
        && let Some(one) = join(&all[at - 1], &all[at])
    {
        all[at - 1] = one;
        all.remove(at);
    }
    all
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::EventBus;

    /// Slots as a bus makes them, with what keeps them open.
    fn slots(count: usize) -> (Vec<Arc<Slot>>, Box<dyn std::any::Any>) {
        let bus = EventBus::new();
        let receivers: Vec<_> =
            (0..count).map(|_| bus.subscribe_any("a").receiver().expect("a receiver")).collect();
        let slots = receivers.iter().map(|receiver| Arc::clone(receiver.subscription().slot())).collect();
        (slots, Box::new((bus, receivers)))
    }

    fn check(chunks: &Chunks) {
        assert_eq!(chunks.iter().count(), chunks.len());
        assert!(chunks.iter().is_sorted_by(|one, next| one.id < next.id));
        let mut visited = Vec::new();
        chunks.few().iter().for_each(|slot| visited.push(slot.id));
        chunks.chunks().for_each(|chunk| visited.extend(chunk.slots.iter().map(|slot| slot.id)));
        assert!(visited.into_iter().eq(chunks.iter().map(|slot| slot.id)));
        for block in chunks.blocks.iter().flat_map(|blocks| blocks.iter()) {
            assert!((1..=BLOCK).contains(&block.len()));
            assert!(block.iter().all(|chunk| (1..=CHUNK).contains(&chunk.slots.len())));
        }
    }

    #[test]
    fn v4_slots_that_come_out_of_order_are_found_again() {
        let (slots, _kept) = slots(2 * CHUNK * BLOCK + 5);
        // Neighbours change places, as when two threads subscribe at the same time; and two are very late.
        let mut order: Vec<_> = (0..slots.len()).collect();
        order.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        order.rotate_left(2);
        let mut chunks = Chunks::default();
        for number in order {
            chunks = chunks.with(Arc::clone(&slots[number]));
        }
        check(&chunks);
        assert!(chunks.iter().map(|slot| slot.id).eq(slots.iter().map(|slot| slot.id)));
        for slot in &slots {
            assert!(chunks.find(slot.id).is_some());
            chunks = chunks.without(slot.id).expect("it is in the list");
            assert!(chunks.find(slot.id).is_none() && chunks.without(slot.id).is_none());
        }
        check(&chunks);
        assert!(chunks.is_empty());
    }

    #[test]
    fn any_order_of_leaving_keeps_the_rest_in_order() {
        let (slots, _kept) = slots(700);
        // Steps that have no divisor in common with the count: each visits every slot once.
        for step in [1, 257, 699] {
            let mut chunks = Chunks::from_sorted(&slots);
            for turn in 0..slots.len() {
                chunks = chunks.without(slots[turn * step % slots.len()].id).expect("it is in the list");
                if turn % 50 == 0 || chunks.len() < 5 {
                    check(&chunks);
                }
            }
            assert!(chunks.is_empty());
        }
    }
}
