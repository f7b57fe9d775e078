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
//! first, then the number of buckets is raised, and then what has moved is taken out of the old one. A bucket that moves
//! as a whole, as most of those with one topic do, is handed on as it is, views and all. A publisher
//! that read the old number may miss a topic that has moved; it comes to the writers' side, which looks again
//! under the lock.

use std::sync::Arc;

use super::list::SubscriberList;
use super::table::TopicEntry;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::snapshot::Snapshot;
use crate::sync::{Line, OnceLock};

/// How many buckets there are at first. A power of two.
const FIRST: usize = if cfg!(loom) { 1 } else { 64 };

/// Each segment but the second is twice as long as the one before; with all of them there are 2^31 buckets.
const SEGMENTS: usize = if cfg!(loom) { 4 } else { 26 };

/// A topic and who subscribes to it.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Place {
    pub(super) hash: u64,
    /// A copy of the entry's.
    pub(super) list: SubscriberList,
    pub(super) entry: Arc<TopicEntry>,
}

/// The topics of one bucket: one, seldom two.
///
/// The first is where a publisher has come to, without a look at how many there are.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Bucket {
    first: Option<Place>,
    rest: Vec<Place>,
}

impl Bucket {
    /// The topic of that name and hash, if it is in this bucket.
    #[inline]
    pub(super) fn find(&self, hash: u64, name: &str) -> Option<&Place> {
        let is_it = |place: &&Place| place.hash == hash && place.list.is_named(name);
        match &self.first {
            Some(first) if is_it(&first) => Some(first),
            _ => self.rest.iter().find(is_it),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.first.iter().chain(&self.rest)
    }
}

impl Extend<Place> for Bucket {
    fn extend<I: IntoIterator<Item = Place>>(&mut self, places: I) {
        let mut places = places.into_iter();
        if self.first.is_none() {
            self.first = places.next();
        }
        self.rest.extend(places);
    }
}

impl FromIterator<Place> for Bucket {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut bucket = Self::default();
        bucket.extend(places);
        bucket
    }
}

/// How many buckets are in use.
#[derive(Clone, Copy, Debug)]
struct Extent {
    count: usize,
    /// The highest number that as many buckets can have, if it were a power of two: computed once, not with each
    /// look.
    mask: usize,
}

impl Extent {
    fn new(count: usize) -> Self {
        Self { count, mask: count.next_power_of_two() - 1 }
    }

    /// The number of the bucket of a hash.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are all that counts")]
    fn place(self, hash: u64) -> usize {
        let number = hash as usize & self.mask;
        // Not there yet: what belongs there still stands in the bucket that will be split for it.
        if number < self.count { number } else { number & (self.mask >> 1) }
    }

    /// Both in one word, so that they go together. Neither is above 2^31.
    fn pack(self) -> u64 {
        (self.mask as u64) << 32 | self.count as u64
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "two halves of a word")]
    fn unpack(word: u64) -> Self {
        Self { count: word as u32 as usize, mask: (word >> 32) as usize }
    }
}

/// All buckets.
#[derive(Debug)]
pub(super) struct Buckets {
    /// The [`Extent`]. Only grows.
    extent: Line<AtomicU64>,
    /// What stands where no topic is.
    empty: Arc<Bucket>,
    /// The buckets do not move when there are more of them.
    segments: [OnceLock<Box<[Snapshot<Bucket>]>>; SEGMENTS],
}

impl Buckets {
    pub(super) fn new() -> Self {
        let extent = Line(AtomicU64::new(Extent::new(FIRST).pack()));
        let segments = std::array::from_fn(|_| OnceLock::new());
        let buckets = Self { extent, empty: Arc::default(), segments };
        // loom does not see that the lock orders the making of its atomics before their use.
        for segment in 0..if cfg!(loom) { SEGMENTS } else { 1 } {
            buckets.segment(segment);
        }
        buckets
    }

    fn segment(&self, segment: usize) -> &[Snapshot<Bucket>] {
        self.segments[segment].get_or_init(|| {
            let len = FIRST << segment.saturating_sub(1);
            (0..len).map(|_| Snapshot::new(Arc::clone(&self.empty))).collect()
        })
    }

    /// The bucket with this number, below [`count`](Self::count).
    #[inline]
    pub(super) fn at(&self, number: usize) -> &Snapshot<Bucket> {
        // The bits that a number has above those of the first segment.
        let segment = self.segment(((number / FIRST * 2) | 1).ilog2() as usize);
        // A segment begins at the number that is its length, but for the first, which begins at 0.
        &segment[number & (segment.len() - 1)]
    }

    #[inline]
    fn extent(&self) -> Extent {
        // Acquire: the buckets that a new number opens are filled.
        Extent::unpack(self.extent.load(Ordering::Acquire))
    }

    /// The bucket of a hash.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> &Snapshot<Bucket> {
        self.at(self.extent().place(hash))
    }

    /// How many buckets there are.
    pub(super) fn count(&self) -> usize {
        self.extent().count
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

    /// Takes all topics out. Under the writer lock. They go to `garbage`.
    pub(super) fn clear(&self, garbage: &mut impl Extend<Arc<Bucket>>) {
        garbage.extend(self.iter().map(|snapshot| snapshot.swap(Arc::clone(&self.empty))));
    }

    /// Makes buckets until there are twice as many as topics. Under the writer lock. What it replaces goes to
    /// `garbage`.
    pub(super) fn grow(&self, topics: usize, garbage: &mut impl Extend<Arc<Bucket>>) {
        let most = FIRST << (SEGMENTS - 1);
        while self.count() < (2 * topics).min(most) {
            let (new, grown) = (self.count(), Extent::new(self.count() + 1));
            let lower = self.at(new - (1 << new.ilog2()));
            let old = lower.load_full();
            let moves = |place: &&Place| grown.place(place.hash) == new;
            let (upper, rest) = match old.iter().filter(moves).count() {
                0 => (None, None),
                // As it is: mostly a bucket has one topic, and nothing of it has to be made anew.
                all if all == old.iter().count() => (Some(old), Some(Arc::clone(&self.empty))),
                _ => {
                    let (moved, stays): (Bucket, Bucket) =
                        old.iter().cloned().partition(|place| moves(&place));
                    (Some(Arc::new(moved)), Some(Arc::new(stays)))
                }
            };
            garbage.extend(upper.map(|upper| self.at(new).swap(upper)));
            // Release: with what has moved.
            self.extent.store(grown.pack(), Ordering::Release);
            garbage.extend(rest.map(|rest| lower.swap(rest)));
        }
    }
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
                let place = |count| Extent::unpack(Extent::new(count).pack()).place(*hash);
                let (before, after) = (place(count), place(count + 1));
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
