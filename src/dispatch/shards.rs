//! The topics of a bus by name, in shards.
//!
//! Publishers read a snapshot of one shard; a change copies one shard. Few topics stand in few shards, so
//! that looking them up touches little memory; with more topics there are more shards, so that a change
//! stays cheap.
//!
//! # Growing
//!
//! The number of shards is doubled under the writer lock: the upper half is filled first, then the number is
//! raised, and then what has moved is taken out of the lower half. A publisher that read the old number may
//! miss a topic that has moved; it comes to `TopicTable::resolve_unseen`, which looks again under the lock.

use std::sync::Arc;

use hashbrown::HashTable;

use super::table::TopicEntry;
use crate::sync::Line;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::snapshot::Snapshot;

/// How many shards there are at first, and at the most.
const FIRST: usize = if cfg!(loom) { 1 } else { 16 };
const MOST: usize = if cfg!(loom) { 2 } else { 1024 };

/// So many topics in a shard, on average, double the number of shards.
const FULL: usize = 16;

/// A table of topics.
pub(super) type Shard = HashTable<Place>;

/// Where a topic stands in a shard. Its name is here too: to compare it by way of the entry would be
/// three more pointers to follow at each publish.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) hash: u64,
    pub(super) name: Arc<str>,
    pub(super) entry: Arc<TopicEntry>,
}

impl Place {
    #[inline]
    pub(super) fn find<'a>(shard: &'a Shard, hash: u64, name: &str) -> Option<&'a Arc<TopicEntry>> {
        shard.find(hash, |place| place.hash == hash && *place.name == *name).map(|place| &place.entry)
    }
}

/// All shards.
#[derive(Debug)]
pub(super) struct Shards {
    /// The number in use less one: the bits of a hash that choose the shard. Only grows.
    mask: Line<AtomicUsize>,
    all: Box<[Snapshot<Shard>]>,
}

impl Shards {
    pub(super) fn new() -> Self {
        let empty = Arc::new(Shard::new());
        Self {
            mask: Line(AtomicUsize::new(FIRST - 1)),
            all: (0..MOST).map(|_| Snapshot::new(Arc::clone(&empty))).collect(),
        }
    }

    /// The shard of a hash.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> &Snapshot<Shard> {
        // Acquire: the shards that a new number opens are filled.
        &self.all[place(hash, self.mask.load(Ordering::Acquire))]
    }

    /// How many shards are in use.
    pub(super) fn count(&self) -> usize {
        self.mask.load(Ordering::Acquire) + 1
    }

    /// The shards in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Snapshot<Shard>> {
        self.all[..self.count()].iter()
    }

    /// Doubles the number of shards if so many topics crowd them. Under the writer lock. What it replaces
    /// goes to `garbage`.
    pub(super) fn grow(&self, topics: usize, garbage: &mut Vec<Arc<Shard>>) {
        let count = self.count();
        if topics <= count * FULL || count == MOST {
            return;
        }
        let mask = 2 * count - 1;
        for (lower, upper) in self.all[..count].iter().zip(&self.all[count..2 * count]) {
            let moved = belonging(&lower.load(), |hash| place(hash, mask) >= count);
            garbage.push(upper.swap(Arc::new(moved)));
        }
        // Release: with the upper half.
        self.mask.store(mask, Ordering::Release);
        for lower in &self.all[..count] {
            let stays = belonging(&lower.load(), |hash| place(hash, mask) < count);
            garbage.push(lower.swap(Arc::new(stays)));
        }
    }
}

/// The bits of a hash that the table inside a shard does not use: it takes the low ones and the top seven.
#[inline]
fn place(hash: u64, mask: usize) -> usize {
    (hash >> 32) as usize & mask
}

fn belonging(shard: &Shard, belongs: impl Fn(u64) -> bool) -> Shard {
    let mut part = Shard::new();
    for place in shard.iter().filter(|place| belongs(place.hash)) {
        part.insert_unique(place.hash, place.clone(), |place| place.hash);
    }
    part
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::EventBus;

    #[test]
    fn v1_topics_are_found_while_the_shards_grow() {
        let bus = EventBus::new();
        let names: Vec<String> = (0..3_000).map(|number| format!("topic.{number}")).collect();
        let mut kept = Vec::new();
        for (number, name) in names.iter().enumerate() {
            kept.push(bus.subscribe_any(name.as_str()).handle_inline(|_| ()).expect("subscribe"));
            for earlier in [0, number / 2, number] {
                let receipt = bus.publish(&names[earlier], 1_u8).expect("publish");
                assert_eq!(receipt.delivered(), 1, "{} after {number}", names[earlier]);
            }
        }
        assert_eq!(bus.stats().topics_known, names.len());
        assert_eq!(bus.topics().len(), names.len());
        drop(kept);
        assert!(bus.topics().is_empty());
    }
}
