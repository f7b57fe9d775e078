//! The topics of a bus by name: a hash table whose buckets are snapshots.
//!
//! A publisher loads one bucket, and has the list of the topic's subscribers in it: by value, for each pointer to
//! follow is a line of memory to wait for. Whoever changes a list copies its bucket, which holds one topic, seldom
//! two. So a change among a hundred thousand topics costs what it costs among ten.
//!
//! # Growing
//!
//! By linear hashing (Litwin, 1980): two buckets more for each topic more, and with each one of the old ones is
//! split. So no change ever waits for a table to be built anew. Under the writer lock: the new bucket is filled
//! first, then the number of buckets is raised, and then what has moved is taken out of the old one. A publisher
//! that read the old number may miss a topic that has moved; it comes to the writers' side, which looks again
//! under the lock.

use std::sync::Arc;

use smallvec::SmallVec;

use super::list::SubscriberList;
use super::table::TopicEntry;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::snapshot::Snapshot;
use crate::sync::{Line, OnceLock};

/// How many buckets there are at first. A power of two.
const FIRST: usize = if cfg!(loom) { 1 } else { 64 };

/// Each segment but the second is twice as long as the one before; with all of them there are 2^31 buckets.
const SEGMENTS: usize = if cfg!(loom) { 2 } else { 26 };

/// A topic and who subscribes to it.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Place {
    pub(super) hash: u64,
    /// A copy of the entry's.
    pub(super) list: SubscriberList,
    pub(super) entry: Arc<TopicEntry>,
}

/// The topics of one bucket.
pub(crate) type Bucket = SmallVec<[Place; 2]>;

/// All buckets.
#[derive(Debug)]
pub(super) struct Buckets {
    /// How many are in use. Only grows.
    count: Line<AtomicUsize>,
    /// The buckets do not move when there are more of them.
    segments: [OnceLock<Box<[Snapshot<Bucket>]>>; SEGMENTS],
}

impl Buckets {
    pub(super) fn new() -> Self {
        let buckets =
            Self { count: Line(AtomicUsize::new(FIRST)), segments: std::array::from_fn(|_| OnceLock::new()) };
        // loom does not see that the lock orders the making of its atomics before their use.
        for segment in 0..if cfg!(loom) { SEGMENTS } else { 1 } {
            buckets.segment(segment);
        }
        buckets
    }

    fn segment(&self, segment: usize) -> &[Snapshot<Bucket>] {
        self.segments[segment].get_or_init(|| {
            let empty = Arc::new(Bucket::new());
            let len = FIRST << segment.saturating_sub(1);
            (0..len).map(|_| Snapshot::new(Arc::clone(&empty))).collect()
        })
    }

    #[inline]
    fn at(&self, number: usize) -> &Snapshot<Bucket> {
        let segment = if number < FIRST { 0 } else { (number / FIRST).ilog2() as usize + 1 };
        let first = if segment == 0 { 0 } else { FIRST << (segment - 1) };
        &self.segment(segment)[number - first]
    }

    /// The bucket of a hash.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> &Snapshot<Bucket> {
        // Acquire: the buckets that a new number opens are filled.
        self.at(place(hash, self.count.load(Ordering::Acquire)))
    }

    /// How many buckets there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// All buckets, beginning with that number and going round.
    pub(super) fn iter_from(&self, first: usize) -> impl Iterator<Item = &Snapshot<Bucket>> {
        let count = self.count();
        (0..count).map(move |step| self.at((first + step) % count))
    }

    /// All buckets.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Snapshot<Bucket>> {
        self.iter_from(0)
    }

    /// Makes buckets until there are twice as many as topics. Under the writer lock. What it replaces goes to
    /// `garbage`.
    pub(super) fn grow(&self, topics: usize, garbage: &mut impl Extend<Arc<Bucket>>) {
        let most = FIRST << (SEGMENTS - 1);
        while self.count() < (2 * topics).min(most) {
            let new = self.count();
            let lower = self.at(new - (1 << new.ilog2()));
            let (moved, stays): (Bucket, Bucket) =
                lower.load().iter().cloned().partition(|known| place(known.hash, new + 1) == new);
            garbage.extend([self.at(new).swap(Arc::new(moved))]);
            // Release: with what has moved.
            self.count.store(new + 1, Ordering::Release);
            garbage.extend([lower.swap(Arc::new(stays))]);
        }
    }
}

/// The number of the bucket of a hash, when there are so many.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are all that counts")]
fn place(hash: u64, count: usize) -> usize {
    let mask = count.next_power_of_two() - 1;
    let number = hash as usize & mask;
    // Not there yet: what belongs there still stands in the bucket that will be split for it.
    if number < count { number } else { number & (mask >> 1) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::EventBus;

    #[test]
    fn every_hash_has_a_bucket_and_a_split_moves_only_what_belongs_to_the_new_one() {
        let hashes: Vec<u64> = (1_u64..2_000).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7).collect();
        for count in FIRST..FIRST * 9 {
            for hash in &hashes {
                let (before, after) = (place(*hash, count), place(*hash, count + 1));
                assert!(before < count);
                assert!(after == before || (after == count && before == count - (1 << count.ilog2())));
            }
        }
    }

    #[test]
    fn v1_topics_are_found_while_the_buckets_grow() {
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
