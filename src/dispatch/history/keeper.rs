//! All that a bus keeps: the numbers of events, the limits, and which topic is the coldest.
//!
//! # Orderings
//!
//! The figures are sums, each changed under the lock of the log that it is about; nothing else depends on them but the
//! limits, and who raises a figure looks at the limits afterwards itself. So all accesses are Relaxed.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use super::log::Log;
use crate::clock::TimeSource;
use crate::guard::drop_guarded;
use crate::history::{Kept, Limits, Retention, Rules};
use crate::pattern::TopicPattern;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// After so many events that were kept somewhere, topics are looked at for what is too old,
const LOOK_EVERY: u64 = 64;

/// so many of them in turn: more than may have come meanwhile, so that of those of which all is too old there get fewer.
const LOOK_AT: usize = 128;

/// With so many logs in the order that keep nothing, those are looked for that there are no more.
const MOST_GONE: usize = 1024;

/// What a bus keeps of its events. See [`BusBuilder::retain`](crate::BusBuilder::retain).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryStats {
    /// Events that are kept now.
    pub events: u64,
    /// What they [count for](crate::Retention::bytes), in bytes.
    pub bytes: u64,
    /// Topics of which something is kept.
    pub topics: u64,
    /// Events that are no longer kept: the rule of their topic allowed no more, or they were too old.
    pub trimmed: u64,
    /// Events that are no longer kept because the [limits of the bus](crate::BusBuilder::max_history_events) were reached.
    pub evicted: u64,
    /// How often the limits of the bus cost a topic all that was kept of it: the one that nobody had published to for longest.
    pub evicted_topics: u64,
}

/// The history of a bus: rules, limits, figures.
pub(crate) struct Keeper {
    rules: Rules,
    limits: Limits,
    time: TimeSource,
    /// How many events were ever kept: the number of the last.
    numbers: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    topics: AtomicU64,
    trimmed: AtomicU64,
    evicted: AtomicU64,
    evicted_topics: AtomicU64,
    /// The logs that keep something, by the number of an event that they kept: mostly not the last one, for that would be a
    /// step here for each event. Whoever looks for the coldest puts those in their right place that he finds in a wrong one.
    order: Mutex<BTreeMap<u64, Weak<Log>>>,
    /// Which of them was looked at last for what is too old.
    looked_at: AtomicU64,
}

/// Why events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The rule of the topic.
    Trimmed,
    /// The limits of the bus.
    Evicted,
    /// Their log goes.
    Gone,
}

impl Keeper {
    /// `None`: nothing is kept.
    pub(crate) fn new(rules: Rules, limits: Limits, time: TimeSource) -> Option<Arc<Self>> {
        let zero = || AtomicU64::new(0);
        rules.keep_something().then(|| {
            Arc::new(Self {
                rules,
                limits,
                time,
                numbers: zero(),
                events: zero(),
                bytes: zero(),
                topics: zero(),
                trimmed: zero(),
                evicted: zero(),
                evicted_topics: zero(),
                order: Mutex::new(BTreeMap::new()),
                looked_at: zero(),
            })
        })
    }

    /// What is kept of a topic, if anything is.
    pub(super) fn rule_of(&self, topic: &str) -> Option<Retention> {
        self.rules.of(topic)
    }

    /// Says whether something may be kept of a topic that one of the patterns matches.
    pub(crate) fn reach(&self, patterns: &[TopicPattern]) -> bool {
        patterns.iter().any(|pattern| self.rules.reach(pattern))
    }

    /// Of so many topics something may be kept at a time.
    pub(super) fn most_topics(&self) -> usize {
        usize::try_from(self.limits.topics).unwrap_or(usize::MAX)
    }

    /// The time by which events get old, in milliseconds. The clock may be the application's: not to be asked under a lock.
    pub(super) fn now(&self) -> u64 {
        self.time.millis()
    }

    /// The number of an event that is about to be kept. Under the lock of its log, so that numbers rise there.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes an event that is kept; `first` if it is the only one of its topic. Under the lock of its log.
    pub(super) fn note_kept(&self, bytes: u64, first: bool) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if first {
            self.topics.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes events that go; `last` if none of their topic is left. Under the lock of their log.
    pub(super) fn note_gone(&self, gone: &[Kept], last: bool, why: Why) {
        if gone.is_empty() {
            return;
        }
        let count = gone.len() as u64;
        self.events.fetch_sub(count, Ordering::Relaxed);
        self.bytes.fetch_sub(gone.iter().map(Kept::bytes).sum(), Ordering::Relaxed);
        if last {
            self.topics.fetch_sub(1, Ordering::Relaxed);
        }
        match why {
            Why::Trimmed => self.trimmed.fetch_add(count, Ordering::Relaxed),
            Why::Evicted => self.evicted.fetch_add(count, Ordering::Relaxed),
            Why::Gone => 0,
        };
    }

    /// The figures.
    pub(crate) fn stats(&self) -> HistoryStats {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        HistoryStats {
            events: read(&self.events),
            bytes: read(&self.bytes),
            topics: read(&self.topics),
            trimmed: read(&self.trimmed),
            evicted: read(&self.evicted),
            evicted_topics: read(&self.evicted_topics),
        }
    }

    /// Enters a log that keeps something again, by the number of the event that it has kept. Under no lock.
    pub(super) fn rank(&self, log: &Arc<Log>, number: u64) {
        let mut order = self.order.lock();
        order.insert(number, Arc::downgrade(log));
        let topics = usize::try_from(self.topics.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if order.len() > topics.saturating_mul(2).saturating_add(MOST_GONE) {
            // Logs of tenants that went. What is left of them here holds nothing of the application's.
            order.retain(|_, log| log.strong_count() > 0);
        }
    }

    fn is_over(&self) -> bool {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        read(&self.events) > self.limits.events
            || read(&self.bytes) > self.limits.bytes
            || read(&self.topics) > self.limits.topics
    }

    /// Makes room when the limits are passed: the topic that nobody has published to for longest loses what is kept of it.
    /// If there is only `this`, it loses its oldest events. Under no lock.
    pub(super) fn make_room(&self, this: &Arc<Log>, number: u64, now: u64) {
        if number.is_multiple_of(LOOK_EVERY) {
            self.look_around(now);
        }
        while self.is_over() {
            let Some(coldest) = self.take_coldest() else {
                // What is there is on its way into the order, or is being taken out by another thread.
                return;
            };
            // What is too old goes first.
            let old = coldest.trim(now);
            if !old.is_empty() {
                self.rank(&coldest, coldest.last_number());
                drop_all(old);
                continue;
            }
            let gone = if Arc::ptr_eq(&coldest, this) {
                let gone = coldest.shorten();
                self.rank(&coldest, coldest.last_number());
                gone
            } else {
                let gone = coldest.evict();
                if !gone.is_empty() {
                    self.evicted_topics.fetch_add(1, Ordering::Relaxed);
                }
                gone
            };
            if gone.is_empty() && Arc::ptr_eq(&coldest, this) {
                return;
            }
            drop_all(gone);
        }
    }

    /// Takes out the log that nobody has published to for longest.
    fn take_coldest(&self) -> Option<Arc<Log>> {
        // Outside the lock: they may be the last ones.
        let mut passed = Vec::new();
        let mut order = self.order.lock();
        while let Some((number, log)) = order.pop_first() {
            let Some(log) = log.upgrade() else { continue };
            let last = log.last_number();
            if last == number {
                return Some(log);
            }
            order.insert(last, Arc::downgrade(&log));
            passed.push(log);
        }
        None
    }

    /// Trims what is too old of the topics whose turn it is, for nobody else may come to do it.
    fn look_around(&self, now: u64) {
        if !self.rules.have_ages() {
            return;
        }
        let logs: Vec<(u64, Weak<Log>)> = {
            let order = self.order.lock();
            let after = self.looked_at.load(Ordering::Relaxed) + 1;
            // Once round at most.
            let turn = order.range(after..).chain(order.range(..after)).take(LOOK_AT);
            turn.map(|(number, log)| (*number, Weak::clone(log))).collect()
        };
        if let Some((last, _)) = logs.last() {
            self.looked_at.store(*last, Ordering::Relaxed);
        }
        let mut empty = Vec::new();
        for (number, log) in logs {
            let Some(log) = log.upgrade() else {
                empty.push(number);
                continue;
            };
            let (gone, is_empty) = log.trim_out_of_order(now);
            if is_empty {
                empty.push(number);
            }
            drop_all(gone);
        }
        // Where a log has moved meanwhile, it stands in vain until it is the coldest.
        let mut order = self.order.lock();
        let gone: Vec<_> = empty.into_iter().filter_map(|number| order.remove(&number)).collect();
        drop((order, gone));
    }
}

/// Drops events whose payloads may panic, each for itself. Under no lock.
pub(super) fn drop_all(gone: Vec<Kept>) {
    gone.into_iter().for_each(|kept| drop_guarded(kept.event));
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("rules", &self.rules)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
