//! How long handlers take: a histogram for each subscription, if the bus was asked for it.
//!
//! A handler's time falls into one of 32 buckets, each twice as wide as the one before: to find it is a count of leading
//! zeros, and to count in it one addition. What costs more is to read the clock twice.

use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering};

/// How many buckets there are.
const BUCKETS: usize = 32;

/// The upper bound of the first bucket is 2 to this power, in nanoseconds: 256 ns. That of the last but one is 275 s.
const FIRST: u32 = 8;

/// Where the times of one subscription's handlers are counted.
#[derive(Debug, Default)]
pub(crate) struct Times {
    buckets: [AtomicU64; BUCKETS],
    /// All times together, in nanoseconds.
    sum: AtomicU64,
}

/// The bucket of a time.
fn bucket(nanos: u64) -> usize {
    // A bound belongs to its bucket.
    let bits = u64::BITS - nanos.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST) as usize).min(BUCKETS - 1)
}

/// The longest time of a bucket; the last one has none.
fn bound(bucket: usize) -> Option<Duration> {
    let power = FIRST + u32::try_from(bucket).ok()?;
    (bucket + 1 < BUCKETS).then(|| Duration::from_nanos(1 << power))
}

impl Times {
    /// Counts the end of a handler.
    pub(super) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed, all of them: figures for people, which need not be in step with anything.
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> HandlingTimes {
        let counts = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        HandlingTimes { counts, sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)) }
    }
}

/// How long handlers took that came to their end: a histogram, with buckets of which each is twice as wide as the one before.
///
/// See [`BusBuilder::time_handlers`](crate::BusBuilder::time_handlers).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlingTimes {
    counts: [u64; BUCKETS],
    sum: Duration,
}

impl HandlingTimes {
    /// Returns how many handlers there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns how long they took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns how long they took on average.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
        self.sum.checked_div(count)
    }

    /// Returns a time that so large a part of them did not exceed, from 0 to 1: the upper bound of its bucket, so at most
    /// twice as long as it was. `None` if there were none, or if it was longer than all bounds: 275 s.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank, good to one part in 2^52"
        )]
        let rank = ((self.count() as f64 * part.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.and_then(bound)
    }

    /// Returns the buckets: the longest time of each, which the last has none of, and how many handlers took so long and
    /// longer than those of the bucket before.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (Option<Duration>, u64)> {
        self.counts.iter().enumerate().map(|(number, count)| (bound(number), *count))
    }

    /// Adds others, of another subscription for example.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64]) -> HandlingTimes {
        let counted = Times::default();
        times.iter().for_each(|nanos| counted.record(Duration::from_nanos(*nanos)));
        counted.read()
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_next() {
        for number in 0..BUCKETS - 1 {
            let bound = u64::try_from(bound(number).expect("it has one").as_nanos()).expect("small");
            assert_eq!((bucket(bound), bucket(bound + 1)), (number, number + 1));
        }
        assert_eq!((bucket(0), bucket(u64::MAX), bound(BUCKETS - 1)), (0, BUCKETS - 1, None));
    }

    #[test]
    fn nothing_has_no_average_and_no_quantile() {
        let none = HandlingTimes::default();
        assert_eq!((none.count(), none.mean(), none.quantile(0.5)), (0, None, None));
        assert_eq!(of(&[u64::MAX]).quantile(1.0), None, "longer than all bounds");
    }

    proptest! {
        #[test]
        fn quantiles_are_right_to_a_factor_of_two(
            mut times in prop::collection::vec(257_u64..1 << 37, 1..50),
            part in 0.0_f64..=1.0,
        ) {
            let histogram = of(&times);
            times.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let exact = times[((times.len() as f64 * part).ceil() as usize).max(1) - 1];
            let found = u64::try_from(histogram.quantile(part).expect("short times").as_nanos()).expect("small");
            prop_assert!((exact..2 * exact).contains(&found), "{exact} {found}");
            prop_assert_eq!(histogram.count(), times.len() as u64);
            prop_assert_eq!(histogram.sum(), Duration::from_nanos(times.iter().sum()));
            let buckets: u64 = histogram.buckets().map(|(_, count)| count).sum();
            prop_assert_eq!(buckets, histogram.count());
            let mut twice = histogram.clone();
            twice.add(&histogram);
            prop_assert_eq!((twice.count(), twice.mean()), (2 * histogram.count(), histogram.mean()));
        }
    }
}
