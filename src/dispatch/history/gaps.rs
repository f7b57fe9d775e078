//! What a follower has missed.

use std::collections::VecDeque;
use std::fmt;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::topic::Topic;

/// The most gaps that are remembered: of a queue that is longer, as many as it holds.
const MOST: usize = 1024;

/// Events of a topic that a subscription which [replays](crate::Subscribe::from) has missed: its queue was full, or they were no
/// longer kept when it came to them.
///
/// Events that its filter turned away, that are of another type, that were [too old](crate::BusBuilder::ttl), or that were
/// discarded at its end are not missed: the [account](crate::Ledger) tells of them. Between the first and the last there
/// may be such events, too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The topic.
    pub topic: Topic,
    /// The [number](crate::AnyEvent::sequence) of the first event that is missing.
    pub first: u64,
    /// That of the last one.
    pub last: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events {} to {} on \"{}\" are missing", self.first, self.last, self.topic)
    }
}

/// Gaps that the consumer has not been told of, in the order in which they came to be.
#[derive(Debug)]
pub(super) struct Gaps {
    list: Mutex<VecDeque<Gap>>,
    /// How many there are. Written under the lock. A look that is too early misses one that comes after the event which
    /// the consumer holds: what is before it was there when it was put into the queue.
    count: AtomicUsize,
    most: usize,
}

impl Gaps {
    pub(super) fn new(capacity: usize) -> Self {
        Self { list: Mutex::new(VecDeque::new()), count: AtomicUsize::new(0), most: capacity.max(MOST) }
    }

    fn is_empty(&self) -> bool {
        // Relaxed: see `count`.
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Events are missing that would have come after the last one that came into the queue, `pushed`.
    pub(super) fn behind(&self, topic: &Topic, first: u64, last: u64, pushed: u64) {
        self.change(|list| match list.iter_mut().rev().find(|gap| gap.topic == *topic) {
            // Nothing was put into the queue between the two.
            Some(gap) if gap.last > pushed => gap.last = gap.last.max(last),
            _ => list.push_back(Gap { topic: topic.clone(), first, last }),
        });
    }

    /// The oldest event in the queue was displaced.
    pub(super) fn displaced(&self, topic: &Topic, sequence: u64) {
        self.change(|list| match list.iter_mut().find(|gap| gap.topic == *topic) {
            // Before it nothing of this topic is left in the queue.
            Some(gap) if gap.first <= sequence => gap.last = gap.last.max(sequence),
            _ => list.push_front(Gap { topic: topic.clone(), first: sequence, last: sequence }),
        });
    }

    fn change(&self, change: impl FnOnce(&mut VecDeque<Gap>)) {
        let mut list = self.list.lock();
        change(&mut list);
        if list.len() > self.most {
            list.pop_front();
        }
        self.count.store(list.len(), Ordering::Relaxed);
    }

    /// Takes out what is missing of a topic before this event.
    pub(super) fn before(&self, topic: &Topic, sequence: u64) -> Option<Gap> {
        if self.is_empty() {
            return None;
        }
        let mut found: Option<Gap> = None;
        self.change(|list| {
            list.retain(|gap| {
                let is_before = gap.first < sequence && gap.topic == *topic;
                if is_before {
                    let (first, last) = found.as_ref().map_or((gap.first, gap.last), |found| {
                        (found.first.min(gap.first), found.last.max(gap.last))
                    });
                    found = Some(Gap { topic: gap.topic.clone(), first, last });
                }
                !is_before
            });
        });
        found
    }

    /// Takes out the oldest.
    pub(super) fn next(&self) -> Option<Gap> {
        if self.is_empty() {
            return None;
        }
        let mut found = None;
        self.change(|list| found = list.pop_front());
        found
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn gap(first: u64, last: u64) -> Option<Gap> {
        Some(Gap { topic: topic("a"), first, last })
    }

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    #[test]
    fn events_that_are_missing_in_a_row_are_one_gap_and_those_around_an_event_are_two() {
        let (gaps, a) = (Gaps::new(4), topic("a"));
        // 1 is queued, 2 and 3 are lost, 5 is queued (4 was filtered), 6 is lost.
        gaps.behind(&a, 2, 2, 1);
        gaps.behind(&a, 3, 3, 1);
        gaps.behind(&a, 6, 6, 5);
        assert_eq!(gaps.before(&a, 1), None);
        assert_eq!(gaps.before(&a, 5), gap(2, 3));
        assert_eq!(gaps.before(&a, 5), None);
        assert_eq!(gaps.next(), gap(6, 6));
        assert_eq!(gaps.next(), None);
    }

    #[test]
    fn what_is_displaced_joins_what_was_displaced_before_it_and_nothing_behind() {
        let (gaps, a, b) = (Gaps::new(4), topic("a"), topic("b"));
        // The queue holds 3 and 5 of a; 7 is lost behind them, and one of b.
        gaps.behind(&a, 7, 7, 5);
        gaps.behind(&b, 1, 1, 0);
        gaps.displaced(&a, 3);
        gaps.displaced(&a, 5);
        assert_eq!(gaps.before(&a, 6), gap(3, 5));
        assert_eq!(gaps.before(&a, 8), gap(7, 7));
        assert_eq!(gaps.before(&a, 9), None);
        assert_eq!(gaps.before(&b, 2).map(|gap| gap.first), Some(1));
    }

    #[test]
    fn they_are_bounded_and_the_oldest_goes() {
        let gaps = Gaps::new(1);
        for number in 0..2 * MOST as u64 {
            gaps.behind(&topic(&format!("t{number}")), 1, 1, 0);
        }
        assert_eq!(gaps.list.lock().len(), MOST);
        assert_eq!(gaps.next().map(|gap| gap.topic.to_string()), Some(format!("t{MOST}")));
    }
}
