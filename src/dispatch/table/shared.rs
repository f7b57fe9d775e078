//! Trees of slots that several topics have in common.
//!
//! A thousand subscriptions to `*` match each topic, and a list of them takes tens of kilobytes: so topics with the same
//! subscriptions share one tree, with its views and its rounds. The writer remembers the trees that it has handed
//! out last, and hands them out again when it comes to the same slots in another topic: when a list is resolved, when
//! news are added to it, and when a slot is taken out. So what was shared once stays shared.
//!
//! A topic's own literal subscriptions are put on top: its list is a known tree of all others with these few inserted,
//! and shares all chunks but those that they came into.
//!
//! The trees keep their slots alive. So one that contains a subscription that leaves is forgotten, as soon as no list can
//! bring it back.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Garbage;
use crate::dispatch::chunks::{CHUNK, Chunks, Mark};
use crate::dispatch::slot::Slot;

/// So many trees are known. Who looks for one looks at all of their marks.
const KNOWN: usize = 32;

/// With more literal subscriptions than so many a topic has a tree of its own: each of them costs a copied path, and these
/// subscriptions take more memory themselves than most trees.
pub(super) const MOST_OWN: usize = 16;

/// The known trees.
#[derive(Debug, Default)]
pub(super) struct SharedTrees {
    /// None of them is of few slots. The one that was used last is the first.
    known: VecDeque<Chunks>,
}

impl SharedTrees {
    /// The tree of slots in the order of their ids.
    pub(super) fn of_sorted(&mut self, slots: &[&Arc<Slot>], garbage: &mut Garbage) -> Chunks {
        let is_it = |known: &Chunks| known.iter().zip(slots).all(|(one, other)| Arc::ptr_eq(one, other));
        match self.find(Mark::of(slots), slots.len()) {
            Some(known) if is_it(&known) => known,
            _ => {
                let chunks = Chunks::from_sorted(slots);
                self.remember(&chunks, garbage);
                chunks
            }
        }
    }

    /// This tree, or the known one of the same slots.
    fn unified(&mut self, chunks: Chunks, garbage: &mut Garbage) -> Chunks {
        match self.find(chunks.summary().mark, chunks.len()) {
            Some(known) if known.has_same(&chunks) => {
                garbage.trees.push(chunks);
                known
            }
            _ => {
                self.remember(&chunks, garbage);
                chunks
            }
        }
    }

    /// What the list of a topic is to be when it has these slots, with these literal subscriptions among them: a tree that
    /// shares as much as it can with the literal ones or with other topics' lists.
    pub(super) fn list_of(
        &mut self,
        topic: &str,
        literals: &Chunks,
        chunks: Chunks,
        garbage: &mut Garbage,
    ) -> Chunks {
        if chunks.are_few() {
            return chunks;
        }
        if literals.is_empty() {
            return self.unified(chunks, garbage);
        }
        if chunks.has_same(literals) {
            garbage.trees.push(chunks);
            return literals.clone();
        }
        if literals.len() > MOST_OWN {
            return chunks;
        }
        // A literal one of several topics enters the list later than the account of the literal ones.
        let is_own = |slot: &&Arc<Slot>| chunks.contains(slot.id) && !matches_wild(slot, topic);
        let own: SmallVec<[_; MOST_OWN]> = literals.iter().filter(is_own).collect();
        if own.is_empty() {
            return self.unified(chunks, garbage);
        }
        let others = chunks.len() - own.len();
        if !is_worth(own.len(), others) {
            return chunks;
        }
        let mark = own.iter().fold(chunks.summary().mark, |mark, slot| mark.without(slot));
        let base = self.find(mark, others).unwrap_or_else(|| {
            let without = |rest: Chunks, slot: &&Arc<Slot>| rest.without(slot).unwrap_or(rest);
            let base = own.iter().fold(chunks.clone(), without);
            self.remember(&base, garbage);
            base
        });
        let shared = on_top(base, &own);
        if shared.has_same(&chunks) {
            garbage.trees.push(chunks);
            shared
        } else {
            // The same mark by chance.
            garbage.trees.push(shared);
            chunks
        }
    }

    /// The known tree of so many slots with that mark.
    fn find(&mut self, mark: Mark, len: usize) -> Option<Chunks> {
        let is_it = |known: &Chunks| known.summary().mark == mark && known.len() == len;
        let at = self.known.iter().position(is_it)?;
        let found = self.known.remove(at)?;
        self.known.push_front(found.clone());
        Some(found)
    }

    /// Remembers a tree, if it is one.
    fn remember(&mut self, chunks: &Chunks, garbage: &mut Garbage) {
        if !chunks.are_few() {
            self.known.push_front(chunks.clone());
            if self.known.len() > KNOWN {
                garbage.trees.extend(self.known.pop_back());
            }
        }
    }

    /// Forgets the trees that contain a slot.
    pub(super) fn forget(&mut self, slot: &Slot, garbage: &mut Garbage) {
        while let Some(at) = self.known.iter().position(|known| known.contains(slot.id)) {
            garbage.trees.extend(self.known.remove(at));
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self, garbage: &mut Garbage) {
        garbage.trees.extend(self.known.drain(..));
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunks> {
        self.known.iter()
    }
}

/// Says whether a list of a topic's own slots and others can share chunks with lists of the others: with more of its own
/// than there are chunks there might be nothing left to share.
pub(super) fn is_worth(own: usize, others: usize) -> bool {
    own <= MOST_OWN && own * CHUNK <= others
}

/// A tree with a few slots more.
pub(super) fn on_top(base: Chunks, own: &[impl Borrow<Arc<Slot>>]) -> Chunks {
    own.iter().fold(base, |chunks, slot| chunks.with(Arc::clone(slot.borrow())))
}

/// Says whether a pattern with wildcards of this subscription matches the topic.
fn matches_wild(slot: &Slot, topic: &str) -> bool {
    let is_wild = |pattern: &&crate::pattern::TopicPattern| pattern.as_topic().is_none();
    slot.spec.patterns.iter().filter(is_wild).any(|pattern| pattern.matches_str(topic))
}
