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
/// pointer to follow instead of four. (Under loom one, so that models of two have rounds.)
const FEW: usize = if cfg!(loom) { 1 } else { 2 };

/// A part of a list, never changed and never empty.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The highest id: who looks for a slot need not fetch those on the way to it.
    last: SubscriptionId,
    slots: SmallVec<[Arc<Slot>; CHUNK]>,
    views: Views,
}

impl Chunk {
    /// `None` if there are no slots.
    fn of(slots: impl IntoIterator<Item = Arc<Slot>>) -> Option<Arc<Self>> {
        let slots: SmallVec<[_; CHUNK]> = slots.into_iter().collect();
        let last = slots.last()?.id;
        Some(Arc::new(Self { last, slots, views: Views::default() }))
    }
}

type Block = Arc<[Arc<Chunk>]>;

/// The highest id of a block.
fn last_of(block: &Block) -> Option<SubscriptionId> {
    block.last().map(|chunk| chunk.last)
}

/// Slots in the order of their ids. Cheap to clone.
/// The fields are in the order in which a publish reads them.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Chunks {
    few_views: Views,
    /// No block and no chunk is empty.
    blocks: Option<Arc<[Block]>>,
    len: usize,
    /// All of them while they are few, else none.
    few: SmallVec<[Arc<Slot>; FEW]>,
}

impl Chunks {
    /// `slots` must be in the order of their ids.
    pub(crate) fn from_sorted(slots: &[Arc<Slot>]) -> Self {
        let len = slots.len();
        if len <= FEW {
            return Self::of_few(slots.iter().cloned().collect());
        }
        let chunk = |slots: &[Arc<Slot>]| Chunk::of(slots.iter().cloned());
        let chunks: Vec<Arc<Chunk>> = slots.chunks(CHUNK).filter_map(chunk).collect();
        Self::of(chunks.chunks(BLOCK).map(Arc::from).collect(), len)
    }

    fn of_few(few: SmallVec<[Arc<Slot>; FEW]>) -> Self {
        Self { len: few.len(), few, few_views: Views::default(), blocks: None }
    }

    fn of(blocks: Arc<[Block]>, len: usize) -> Self {
        Self { few: SmallVec::new(), few_views: Views::default(), blocks: Some(blocks), len }
    }

    /// This list with one slot more. Its id is above all others, unless a subscription that was made at the
    /// same time got here first.
    #[must_use]
    pub(crate) fn with(&self, slot: Arc<Slot>) -> Self {
        let Some((blocks, block, chunk)) = self.blocks.as_ref().and_then(|blocks| {
            let block = blocks.last()?;
            let chunk = block.last().filter(|chunk| chunk.last < slot.id)?;
            Some((blocks, block, chunk))
        }) else {
            let mut slots: Vec<_> = self.iter().cloned().collect();
            slots.insert(slots.partition_point(|other| other.id < slot.id), slot);
            return Self::from_sorted(&slots);
        };
        let (mut full_blocks, mut full_chunks, mut slots) = (&**blocks, &**block, &[][..]);
        if chunk.slots.len() < CHUNK {
            (full_chunks, slots) = (&full_chunks[..full_chunks.len() - 1], &*chunk.slots);
        }
        if full_chunks.len() < BLOCK {
            full_blocks = &full_blocks[..full_blocks.len() - 1];
        } else {
            full_chunks = &[];
        }
        let chunk = Chunk::of(slots.iter().cloned().chain([slot]));
        let block: Block = full_chunks.iter().cloned().chain(chunk).collect();
        Self::of(full_blocks.iter().cloned().chain([block]).collect(), self.len + 1)
    }

    /// This list without one slot; `None` if it is not there.
    #[must_use]
    pub(crate) fn without(&self, slot: &Slot) -> Option<Self> {
        let is_it = |other: &Arc<Slot>| std::ptr::eq(Arc::as_ptr(other), slot);
        let Some(blocks) = &self.blocks else {
            let at = self.few.iter().position(is_it)?;
            let mut few = self.few.clone();
            few.remove(at);
            return Some(Self::of_few(few));
        };
        let (outer, middle) = Self::place(blocks, slot.id)?;
        let slots = &blocks[outer][middle].slots;
        let inner = slots.iter().position(is_it)?;
        if self.len <= FEW + 1 {
            let rest: SmallVec<[_; FEW]> = self.iter().filter(|slot| !is_it(slot)).cloned().collect();
            return Some(Self::from_sorted(&rest));
        }
        let chunk = Chunk::of(slots[..inner].iter().chain(&slots[inner + 1..]).cloned());
        let block = joined(&blocks[outer], middle, chunk, |one, other| {
            let few = one.slots.len() + other.slots.len() <= CHUNK / 2;
            few.then(|| Chunk::of(one.slots.iter().chain(&other.slots).cloned())).flatten()
        });
        let spine = joined(blocks, outer, (!block.is_empty()).then_some(block), |one, other| {
            let few = one.len() + other.len() <= BLOCK / 2;
            few.then(|| one.iter().chain(other.iter()).cloned().collect())
        });
        Some(Self::of(spine, self.len - 1))
    }

    /// The block and the chunk where a slot with this id would stand.
    fn place(blocks: &[Block], id: SubscriptionId) -> Option<(usize, usize)> {
        let outer = blocks.partition_point(|block| last_of(block) < Some(id));
        let block = blocks.get(outer)?;
        Some((outer, block.partition_point(|chunk| chunk.last < id)))
    }

    /// Says whether two lists are one and the same. (If two that began as one were told apart while they are few, they
    /// would be changed one by one ever after.)
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.blocks, &other.blocks) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            (None, None) => {
                self.len == other.len
                    && self.few.iter().zip(&other.few).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
            }
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

    /// The last slot.
    #[inline]
    pub(super) fn last(&self) -> Option<&Arc<Slot>> {
        match &self.blocks {
            Some(blocks) => blocks.last()?.last()?.slots.last(),
            None => self.few.last(),
        }
    }

    /// All of them in order, part by part, with the views of each.
    #[inline(always)]
    pub(super) fn for_each_part<'a>(&'a self, mut visit: impl FnMut(PartSlots<'a>, &'a Views)) {
        let blocks = self.blocks.iter().flat_map(|blocks| blocks.iter());
        let mut chunks = blocks.flat_map(|block| block.iter());
        let mut next = match &self.blocks {
            // How few is not asked: mostly one, and the views know it.
            None => Some((PartSlots::Few(&self.few), &self.few_views)),
            Some(_) => chunks.next().map(|chunk| (PartSlots::Chunk(chunk), &chunk.views)),
        };
        while let Some((slots, views)) = next {
            visit(slots, views);
            next = chunks.next().map(|chunk| (PartSlots::Chunk(chunk), &chunk.views));
        }
    }
}

/// The slots of a part of a list. They are seldom asked for: the views of the part have what a publish needs.
#[derive(Clone, Copy)]
pub(super) enum PartSlots<'a> {
    Few(&'a SmallVec<[Arc<Slot>; FEW]>),
    Chunk(&'a Chunk),
}

impl<'a> PartSlots<'a> {
    pub(super) fn get(self) -> &'a [Arc<Slot>] {
        match self {
            Self::Few(few) => few,
            Self::Chunk(chunk) => &chunk.slots,
        }
    }
}

/// The parts with another one, or none, in one place. If that and the one before it are so few that `join` makes
/// one of them, they become one, so that churn does not leave a list of crumbs.
fn joined<T: Clone>(
    parts: &[T],
    at: usize,
    other: Option<T>,
    join: impl Fn(&T, &T) -> Option<T>,
) -> Arc<[T]> {
    let before = at.checked_sub(1).map(|before| &parts[before]);
    let one = before.zip(other.as_ref().or(parts.get(at + 1))).and_then(|(one, other)| join(one, other));
    let (before, after) = match (&one, &other) {
        (None, _) => (at, at + 1),
        (Some(_), Some(_)) => (at - 1, at + 1),
        // The next one moved up.
        (Some(_), None) => (at - 1, at + 2),
    };
    let changed = one.or(other);
    parts[..before].iter().cloned().chain(changed).chain(parts[after..].iter().cloned()).collect()
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
        chunks.for_each_part(|slots, _| visited.extend(slots.get().iter().map(|slot| slot.id)));
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
            chunks = chunks.without(slot).expect("it is in the list");
            assert!(chunks.iter().all(|other| other.id != slot.id) && chunks.without(slot).is_none());
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
                chunks = chunks.without(&slots[turn * step % slots.len()]).expect("it is in the list");
                if turn % 50 == 0 || chunks.len() < 5 {
                    check(&chunks);
                }
            }
            assert!(chunks.is_empty());
        }
    }
}
