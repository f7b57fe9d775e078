//! A look at what is kept of events, for people and for debugging.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

use super::EventBus;
use crate::dispatch::Log;
use crate::event::AnyEvent;
use crate::pattern::{PatternError, TopicPattern};

/// So many events of a topic are read in one step.
const CHUNK: usize = 64;

/// A look at what is kept was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The pattern is malformed.
    #[error("invalid pattern: {0}")]
    InvalidPattern(#[from] PatternError),
    /// No [rule](crate::BusBuilder::retain) says that anything is kept of these topics.
    #[error("no history is kept of these topics")]
    NotKept,
}

/// What is [kept](crate::BusBuilder::retain) of some topics, and which of it is wanted. Begun by [`EventBus::history`], ended by
/// [`iter`](Self::iter).
#[derive(Clone, Debug)]
#[must_use = "events are read by `iter`"]
pub struct History {
    pub(super) bus: EventBus,
    logs: Vec<Arc<Log>>,
    from: u64,
    until: u64,
    since: Option<SystemTime>,
    before: Option<SystemTime>,
    key: Option<String>,
    limit: usize,
}

impl EventBus {
    /// Begins a look at what is kept of the topics that match the pattern, of this handle's [tenant](Self::tenant).
    ///
    /// The bus goes on meanwhile: events are read in steps of a few, and those that are published after the call of
    /// [`iter`](History::iter) are not among them; those that are no longer kept when their turn comes are left out.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Retention};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder().retain(["order.*"], Retention::new().count(100)).build()?;
    /// for order in 1..=3_u32 {
    ///     bus.event("order.placed", order).key(if order == 2 { "b" } else { "a" }).publish()?;
    /// }
    /// let orders = bus.history("order.*")?.key("a").iter();
    /// let numbers: Vec<_> = orders.filter_map(|event| event.sequence()).collect();
    /// assert_eq!(numbers, [1, 3]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the pattern is malformed, or nothing is kept of such topics.
    pub fn history(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
    ) -> Result<History, HistoryError> {
        let pattern = pattern.try_into().map_err(Into::into)?;
        let keeper = self.hub().tables.keeper();
        let (Some(logs), true) = (
            self.realm.table.logs(),
            keeper.is_some_and(|keeper| keeper.reach(std::slice::from_ref(&pattern))),
        ) else {
            return Err(HistoryError::NotKept);
        };
        Ok(History {
            bus: self.clone(),
            logs: logs.matching(&[pattern]),
            from: 0,
            until: u64::MAX,
            since: None,
            before: None,
            key: None,
            limit: usize::MAX,
        })
    }
}

impl History {
    /// Takes only events with this [number](AnyEvent::sequence) in their topic, or a later one.
    pub fn from(mut self, sequence: u64) -> Self {
        self.from = sequence;
        self
    }

    /// Takes only events before this number in their topic.
    pub fn until(mut self, sequence: u64) -> Self {
        self.until = sequence;
        self
    }

    /// Takes only events that were published at or after that time, by the wall clock.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Takes only events that were published before that time, by the wall clock.
    pub fn before(mut self, time: SystemTime) -> Self {
        self.before = Some(time);
        self
    }

    /// Takes only events with this key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Takes at most so many events, the oldest ones.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = events;
        self
    }

    /// Iterates over the events, in the order of publication.
    #[must_use]
    pub fn iter(&self) -> HistoryIter {
        let mut iter = HistoryIter {
            wanted: self.clone(),
            left: self.limit,
            runs: Vec::new(),
            heads: BinaryHeap::new(),
        };
        for log in &self.logs {
            let until = log.next_sequence().min(self.until);
            let number = iter.runs.len();
            iter.runs.push(Run {
                log: Arc::clone(log),
                next: self.from.max(1),
                until,
                read: VecDeque::new(),
            });
            iter.enter(number);
        }
        iter
    }

    fn wants(&self, event: &AnyEvent) -> bool {
        self.key.as_deref().is_none_or(|key| event.key() == Some(key))
            && self.since.is_none_or(|since| event.time() >= since)
            && self.before.is_none_or(|before| event.time() < before)
    }
}

impl IntoIterator for &History {
    type Item = AnyEvent;
    type IntoIter = HistoryIter;

    fn into_iter(self) -> HistoryIter {
        self.iter()
    }
}

/// Iterates over what is kept. See [`History::iter`].
pub struct HistoryIter {
    wanted: History,
    left: usize,
    runs: Vec<Run>,
    /// The number of the next event of each run that has one.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
}

/// The events of one topic.
struct Run {
    log: Arc<Log>,
    next: u64,
    until: u64,
    read: VecDeque<(u64, AnyEvent)>,
}

impl HistoryIter {
    /// Enters a run by its next event, if it has one.
    fn enter(&mut self, number: usize) {
        let run = &mut self.runs[number];
        if run.read.is_empty() && run.next < run.until {
            let (read, next) = run.log.read(run.next, run.until, CHUNK);
            run.read.extend(read.into_iter().map(|(_, kept)| (kept.number, kept.event)));
            run.next = next;
        }
        if let Some((of_bus, _)) = run.read.front() {
            self.heads.push(Reverse((*of_bus, number)));
        }
    }
}

impl Iterator for HistoryIter {
    type Item = AnyEvent;

    fn next(&mut self) -> Option<AnyEvent> {
        while self.left > 0 {
            let Reverse((_, number)) = self.heads.pop()?;
            let event = self.runs[number].read.pop_front();
            self.enter(number);
            if let Some((_, event)) = event.filter(|(_, event)| self.wanted.wants(event)) {
                self.left -= 1;
                return Some(event);
            }
        }
        None
    }
}

impl fmt::Debug for HistoryIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryIter").finish_non_exhaustive()
    }
}
