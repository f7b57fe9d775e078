//! A persistent list of slots in the order of their ids.
//!
//! A tree of three levels: chunks of references, blocks of chunks, and the spine. A change copies one chunk,
//! one block and the spine, and shares the rest, so that a topic with a hundred thousand subscriptions can gain
//! or lose one in microseconds, while a pass over the list is still a walk over contiguous memory.
//!
//! Lists of the same slots may be chunked differently. Their [`Mark`] tells quickly of
//! most that they are not the same.

mod summary;

use std::borrow::Borrow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::slot::Slot;
use super::views::Views;
use crate::event::SubscriptionId;

pub(super) use summary::{Mark, Summary};

/// The most references in a chunk, and the most chunks in a block. Copying costs a reference count each, most
/// of them in lines that are not at hand: 16 and 16 make 36 copies of a list of 1,000, and 420 of 100,000.
pub(super) const CHUNK: usize = 16;
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
    summary: Summary,
}

impl Chunks {
    /// `slots` must be in the order of their ids.
    pub(crate) fn from_sorted(slots: &[impl Borrow<Arc<Slot>>]) -> Self {
        let (len, summary) = (slots.len(), Summary::of(slots));
        if len <= FEW {
            return Self::of_few(cloned(slots).collect(), summary);
        }
        let chunks: Vec<_> = slots.chunks(CHUNK).filter_map(|slots| Chunk::of(cloned(slots))).collect();
        Self::of(chunks.chunks(BLOCK).map(Arc::from).collect(), len, summary)
    }

    fn of_few(few: SmallVec<[Arc<Slot>; FEW]>, summary: Summary) -> Self {
        Self { len: few.len(), few, few_views: Views::default(), blocks: None, summary }
    }

    fn of(blocks: Arc<[Block]>, len: usize, summary: Summary) -> Self {
        Self { few: SmallVec::new(), few_views: Views::default(), blocks: Some(blocks), len, summary }
    }

    /// This list with one slot more, which is not in it.
    #[must_use]
    pub(crate) fn with(&self, slot: Arc<Slot>) -> Self {
        let summary = self.summary.with(&slot);
        let Some(blocks) = &self.blocks else {
            let mut slots: SmallVec<[_; FEW + 1]> = self.few.iter().cloned().collect();
            slots.insert(slots.partition_point(|other| other.id < slot.id), slot);
            return Self::from_sorted(&slots);
        };
        // Mostly its id is above all others.
        let spine = match Self::place(blocks, slot.id) {
            Some((outer, middle)) => inserted(blocks, outer, middle, slot),
            None => appended(blocks, slot),
        };
        Self::of(spine, self.len + 1, summary)
    }

    /// This list without one slot; `None` if it is not there.
    #[must_use]
    pub(crate) fn without(&self, slot: &Slot) -> Option<Self> {
        let is_it = |other: &Arc<Slot>| std::ptr::eq(Arc::as_ptr(other), slot);
        let summary = self.summary.without(slot);
        let Some(blocks) = &self.blocks else {
            let at = self.few.iter().position(is_it)?;
            let mut few = self.few.clone();
            few.remove(at);
            let summary = if few.is_empty() { Summary::default() } else { summary };
            return Some(Self::of_few(few, summary));
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
        Some(Self::of(spine, self.len - 1, summary))
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

    /// Says whether the slots of two lists are the same.
    pub(super) fn has_same(&self, other: &Self) -> bool {
        if self.len != other.len || self.summary.mark != other.summary.mark {
            return false;
        }
        let (Some(mine), Some(theirs)) = (&self.blocks, &other.blocks) else { return self.is_same(other) };
        // What they share need not be looked into: blocks at the beginning, chunks after that.
        let shared =
            mine.iter().zip(theirs.iter()).take_while(|(mine, theirs)| Arc::ptr_eq(mine, theirs)).count();
        let mut mine = mine[shared..].iter().flat_map(|block| block.iter());
        let mut theirs = theirs[shared..].iter().flat_map(|block| block.iter());
        let (mut left, mut right) = (&[][..], &[][..]);
        loop {
            if left.is_empty() && right.is_empty() {
                match (mine.next(), theirs.next()) {
                    (Some(one), Some(other)) if Arc::ptr_eq(one, other) => {}
                    (Some(one), Some(other)) => (left, right) = (&one.slots, &other.slots),
                    (one, other) => return one.is_none() && other.is_none(),
                }
            } else if left.is_empty() {
                let Some(chunk) = mine.next() else { return false };
                left = &chunk.slots;
            } else if right.is_empty() {
                let Some(chunk) = theirs.next() else { return false };
                right = &chunk.slots;
            }
            let common = left.len().min(right.len());
            if !left[..common].iter().zip(&right[..common]).all(|(one, other)| Arc::ptr_eq(one, other)) {
                return false;
            }
            (left, right) = (&left[common..], &right[common..]);
        }
    }

    /// Says whether a slot with this id is in the list.
    pub(super) fn contains(&self, id: SubscriptionId) -> bool {
        let Some(blocks) = &self.blocks else { return self.few.iter().any(|slot| slot.id == id) };
        let place = Self::place(blocks, id);
        place.is_some_and(|(outer, middle)| {
            blocks[outer][middle].slots.binary_search_by_key(&id, |slot| slot.id).is_ok()
        })
    }

    /// Says whether they are so few that they stand in the list itself.
    pub(super) fn are_few(&self) -> bool {
        self.blocks.is_none()
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
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

fn cloned(slots: &[impl Borrow<Arc<Slot>>]) -> impl Iterator<Item = Arc<Slot>> {
    slots.iter().map(|slot| Arc::clone(slot.borrow()))
}

/// The spine with one slot more, whose id is above all others.
fn appended(blocks: &[Block], slot: Arc<Slot>) -> Arc<[Block]> {
    // No block and no chunk is empty.
    let last = blocks.last().map_or(&[][..], |block| block);
    let (mut full_blocks, mut full_chunks, mut slots) = (blocks, last, &[][..]);
    if let Some((chunk, before)) = last.split_last()
        && chunk.slots.len() < CHUNK
    {
        (full_chunks, slots) = (before, &*chunk.slots);
    }
    if full_chunks.len() < BLOCK {
        full_blocks = &blocks[..blocks.len() - 1];
    } else {
        full_chunks = &[];
    }
    let chunk = Chunk::of(slots.iter().cloned().chain([slot]));
    let block: Block = full_chunks.iter().cloned().chain(chunk).collect();
    full_blocks.iter().cloned().chain([block]).collect()
}

/// The spine with one slot more, in this block and chunk or just before it.
fn inserted(blocks: &[Block], outer: usize, middle: usize, slot: Arc<Slot>) -> Arc<[Block]> {
    let block = &blocks[outer];
    let slots = &block[middle].slots;
    let inner = slots.partition_point(|other| other.id < slot.id);
    let (below, above) = slots.split_at(inner);
    let chunk = |slots: &[Arc<Slot>]| Chunk::of(slots.iter().cloned());
    let changed: SmallVec<[Arc<Chunk>; 2]> = if slots.len() == CHUNK && inner == 0 {
        // Between two chunks: the full one stays as it is, for others may share it.
        Chunk::of([slot]).into_iter().chain([Arc::clone(&block[middle])]).collect()
    } else {
        let grown: SmallVec<[_; CHUNK + 1]> =
            below.iter().cloned().chain([slot]).chain(above.iter().cloned()).collect();
        let half = if grown.len() > CHUNK { grown.len() / 2 } else { 0 };
        [&grown[..half], &grown[half..]].into_iter().filter_map(chunk).collect()
    };
    let before = block[..middle].iter().cloned();
    let grown: SmallVec<[_; BLOCK + 1]> =
        before.chain(changed).chain(block[middle + 1..].iter().cloned()).collect();
    let half = if grown.len() > BLOCK { grown.len() / 2 } else { 0 };
    let changed =
        [&grown[..half], &grown[half..]].into_iter().filter(|chunks| !chunks.is_empty()).map(Block::from);
    blocks[..outer].iter().cloned().chain(changed).chain(blocks[outer + 1..].iter().cloned()).collect()
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
mod tests;
