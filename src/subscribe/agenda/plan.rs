//! What is to be handled next: the decisions of an agenda, without its lock and its clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::super::breaker::Circuit;
use crate::dispatch::CircuitState;

/// An event that is to be handled, or is.
#[derive(Debug)]
pub(in crate::subscribe) struct Turn<E> {
    pub(in crate::subscribe) event: E,
    /// How many attempts were made, this one included once it has begun.
    pub(in crate::subscribe) attempt: u32,
    /// Whose order it keeps.
    pub(super) key: Option<u64>,
    /// Whether the circuit is half-open, and this is what is tried.
    pub(super) trial: bool,
}

impl<E> Turn<E> {
    /// Of an event that was taken out of the queue.
    pub(super) fn first(event: E, key: Option<u64>) -> Self {
        Self { event, attempt: 0, key, trial: false }
    }

    /// The event, and the rest.
    pub(in crate::subscribe) fn split(self) -> (E, Mark) {
        let Self { event, attempt, key, trial } = self;
        (event, Mark { attempt, key, trial })
    }
}

/// What a turn has beside its event: apart, since a handler that is pending has the event, and mostly no more.
#[derive(Clone, Copy, Debug)]
pub(in crate::subscribe) struct Mark {
    pub(in crate::subscribe) attempt: u32,
    key: Option<u64>,
    trial: bool,
}

impl Mark {
    /// Of an event that is handled once, and in no order but the queue's.
    pub(in crate::subscribe) const ONLY: Self = Self { attempt: 1, key: None, trial: false };

    /// The turn of that event.
    pub(in crate::subscribe) fn of<E>(self, event: E) -> Turn<E> {
        let Self { attempt, key, trial } = self;
        Turn { event, attempt, key, trial }
    }
}

/// What is in order with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::subscribe) enum Order {
    /// Everything: one event is handled after the other.
    All,
    /// The events of one key.
    ByKey,
    /// Nothing.
    None,
}

/// What a consumer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Do<T> {
    /// To handle this event.
    Handle(T),
    /// To look into the queue, and to [admit](Plan::admit) what is there.
    Look,
    /// Nothing until something ends or is due.
    Wait,
    /// What it found in the queue.
    AsFound,
}

/// Says whether another lane may start a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Another {
    /// For what is ready.
    Ready,
    /// If something is queued.
    IfQueued,
    None,
}

/// What was told about the circuit, if it has changed.
pub(super) type Changed = Option<CircuitState>;

/// Events that were taken out of the queue and wait: behind others of their key, or for their next attempt.
#[derive(Debug)]
pub(super) struct Plan<E> {
    order: Order,
    /// An event that waits for its next attempt keeps those behind it waiting.
    keeps_order: bool,
    /// So many may wait here.
    limit: usize,
    /// The keys of which an event is being handled, is ready, or waits for its next attempt, with those that come after it.
    keys: HashMap<u64, VecDeque<Turn<E>>, ahash::RandomState>,
    /// So many wait behind others of their key.
    behind: usize,
    /// To be handled as soon as somebody can.
    ready: VecDeque<Turn<E>>,
    /// To be tried again, when it is time. Numbered, for several may be due at the same time.
    later: BTreeMap<(Duration, u64), Turn<E>>,
    number: u64,
    pub(super) circuit: Option<Circuit>,
    /// The queue is looked at before what is ready, for the next that starts.
    queue_is_next: bool,
    /// A lane is looking into the queue. Of two that look at a time, the one with the later event of a key might come first.
    is_looking: bool,
    /// The subscription was cancelled: nothing is kept any more.
    ended: bool,
}

impl<E> Plan<E> {
    pub(super) fn new(order: Order, keeps_order: bool, limit: usize, circuit: Option<Circuit>) -> Self {
        Self {
            order,
            keeps_order,
            limit,
            keys: HashMap::with_hasher(crate::sync::hash_keys()),
            behind: 0,
            ready: VecDeque::new(),
            later: BTreeMap::new(),
            number: 0,
            circuit,
            queue_is_next: false,
            is_looking: false,
            ended: false,
        }
    }

    /// How many events wait here.
    pub(super) fn len(&self) -> usize {
        self.behind + self.ready.len() + self.later.len()
    }

    /// Those that wait, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Turn<E>> {
        self.keys.values().flatten().chain(&self.ready).chain(self.later.values())
    }

    /// When somebody has to look again who waits now, if nothing ends before.
    pub(super) fn next_change(&self) -> Option<Duration> {
        let retry = || self.later.keys().next().map(|(due, _)| *due);
        match &self.circuit {
            // What is due waits for the circuit.
            Some(circuit) if circuit.state() != CircuitState::Closed => circuit.next_change(),
            _ => retry(),
        }
    }

    /// Says whether a handler may start: for what is here, or for what is in the queue, if something is.
    pub(super) fn may_start(&mut self, queued: bool, now: Duration) -> bool {
        self.fall_due(now);
        self.is_closed(now) && (!self.ready.is_empty() || (queued && self.may_look()))
    }

    fn is_closed(&self, now: Duration) -> bool {
        self.circuit.is_none_or(|circuit| circuit.admits(now))
    }

    /// Says whether events may be taken out of the queue.
    fn may_look(&self) -> bool {
        let in_order = self.order == Order::All && self.keeps_order && self.len() > 0;
        !in_order && !self.is_looking && self.len() < self.limit
    }

    /// Whether another lane may start a handler now, and for what.
    pub(super) fn another(&self, now: Duration) -> Another {
        if !self.is_closed(now) {
            Another::None
        } else if !self.ready.is_empty() {
            Another::Ready
        } else if self.may_look() {
            Another::IfQueued
        } else {
            Another::None
        }
    }

    /// What to do next. `looked`: the lane has looked, and the queue had nothing.
    pub(super) fn next(&mut self, now: Duration, looked: bool) -> (Do<Turn<E>>, Changed) {
        self.fall_due(now);
        if !self.is_closed(now) {
            return (Do::Wait, None);
        }
        let may_look = !looked && self.may_look();
        if may_look && (self.queue_is_next || self.ready.is_empty()) {
            self.queue_is_next = false;
            self.is_looking = self.order == Order::ByKey;
            return (Do::Look, None);
        }
        match self.ready.pop_front() {
            Some(turn) => {
                self.queue_is_next = true;
                let (turn, changed) = self.start(turn);
                (Do::Handle(turn), changed)
            }
            None if looked => (Do::AsFound, None),
            None => (Do::Wait, None),
        }
    }

    /// The lane that was to look has found nothing.
    pub(super) fn has_looked(&mut self) {
        self.is_looking = false;
    }

    /// An event from the queue. It is given back if it is to be handled now; `Err`: if it is not to be handled at all.
    pub(super) fn admit(
        &mut self,
        turn: Turn<E>,
        now: Duration,
    ) -> Result<(Option<Turn<E>>, Changed), Turn<E>> {
        self.has_looked();
        if self.ended {
            return Err(turn);
        }
        if let Some(key) = turn.key {
            if let Some(behind) = self.keys.get_mut(&key) {
                behind.push_back(turn);
                self.behind += 1;
                return Ok((None, None));
            }
            self.keys.insert(key, VecDeque::new());
        }
        if !self.is_closed(now) {
            // Another one is tried meanwhile.
            self.ready.push_front(turn);
            return Ok((None, None));
        }
        let (turn, changed) = self.start(turn);
        Ok((Some(turn), changed))
    }

    fn start(&mut self, mut turn: Turn<E>) -> (Turn<E>, Changed) {
        turn.attempt = turn.attempt.saturating_add(1);
        let changed = self.circuit.as_mut().and_then(Circuit::start);
        turn.trial = changed.is_some();
        (turn, changed)
    }

    /// An attempt has ended, well or not.
    pub(super) fn count(&mut self, turn: &Turn<E>, succeeded: bool, now: Duration) -> Changed {
        self.circuit.as_mut().and_then(|circuit| circuit.end(turn.trial, succeeded, now))
    }

    /// What was to be handled is not, for it came too late.
    pub(super) fn skip(&mut self, key: Option<u64>, trial: bool, now: Duration) -> Changed {
        self.release(key);
        if trial { self.circuit.as_mut().and_then(|circuit| circuit.start_over(now)) } else { None }
    }

    /// An event of that key is done with: the next one is ready.
    pub(super) fn release(&mut self, key: Option<u64>) {
        let Some(key) = key else { return };
        let Some(behind) = self.keys.get_mut(&key) else { return };
        match behind.pop_front() {
            Some(turn) => {
                self.behind -= 1;
                self.ready.push_back(turn);
            }
            None => {
                self.keys.remove(&key);
            }
        }
    }

    /// An event is to be tried again. `Err`: nothing is any more.
    pub(super) fn put_off(&mut self, mut turn: Turn<E>, due: Duration) -> Result<(), Turn<E>> {
        if self.ended {
            return Err(turn);
        }
        turn.trial = false;
        if !self.keeps_order {
            self.release(turn.key);
        }
        self.later.insert((due, self.number), turn);
        self.number += 1;
        Ok(())
    }

    /// What has waited for its next attempt long enough is ready.
    fn fall_due(&mut self, now: Duration) {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let turn = first.remove();
            if !self.keeps_order
                && let Some(key) = turn.key
            {
                if let Some(behind) = self.keys.get_mut(&key) {
                    // It was there before them.
                    behind.push_front(turn);
                    self.behind += 1;
                    continue;
                }
                self.keys.insert(key, VecDeque::new());
            }
            self.ready.push_back(turn);
        }
    }

    /// Nothing is kept from here on. Returns what was.
    pub(super) fn end(&mut self) -> Vec<Turn<E>> {
        self.ended = true;
        self.behind = 0;
        let behind = std::mem::take(&mut self.keys).into_values().flatten();
        let later = std::mem::take(&mut self.later).into_values();
        std::mem::take(&mut self.ready).into_iter().chain(later).chain(behind).collect()
    }
}
