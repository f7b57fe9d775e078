//! The ids of events that were handled, so that a redelivered one is not handled twice.
//!
//! # Protocol
//!
//! An id is *claimed* when a handler would start. The first to come is granted it and runs the handler; whoever comes
//! until that has ended, and whoever comes afterwards while the id is remembered, has a duplicate. The claim *ends* with
//! the handler: with success the id is remembered from then on, with a failure it is forgotten, and the next to come is a
//! first again.
//!
//! A duplicate of an event whose handler still runs must not settle before that handler ends: an engine that acknowledged
//! it would lose the event if the handler failed then. So its completion waits here, and settles as the first one does.
//!
//! # Locking
//!
//! One lock guards all of it, for a few steps of hash tables: no code of the application runs under it (invariant R5), and
//! what has waited is handed out to be settled. How much is done under it does not depend on how many ids are remembered:
//! those that are too old are not counted on, and removed a few at each claim.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;

use crate::event::{Completion, EventId};
use crate::sync::{Mutex, hash_keys};

/// How many ids of handled events a subscription remembers, and for how long: see
/// [`Subscribe::idempotent`](crate::Subscribe::idempotent).
///
/// ```
/// use std::time::Duration;
/// use trolleybus::IdempotencyWindow;
///
/// let window = IdempotencyWindow::new(10_000).max_age(Duration::from_secs(600));
/// assert_eq!((window.events(), window.age()), (10_000, Some(Duration::from_secs(600))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyWindow {
    events: usize,
    age: Option<Duration>,
}

impl IdempotencyWindow {
    /// The most events that a window can remember: 2^24.
    pub const MAX_EVENTS: usize = 1 << 24;

    /// The longest time that a window can be limited to: 365 days. One without a limit of time remembers for ever.
    pub const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

    /// Remembers the last so many events, from 1 to [`MAX_EVENTS`](Self::MAX_EVENTS): what is out of that range is refused
    /// when the subscription is made. An event takes about 70 bytes, as it comes.
    #[must_use]
    pub const fn new(events: usize) -> Self {
        Self { events, age: None }
    }

    /// Forgets an event so long after its handler has ended, in whole milliseconds, rounded up: more than zero, and at most
    /// [`MAX_AGE`](Self::MAX_AGE).
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Returns how many events are remembered at most.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Returns for how long an event is remembered at most, if that is limited.
    #[must_use]
    pub const fn age(&self) -> Option<Duration> {
        self.age
    }
}

/// What comes of the claim of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdClaim {
    /// Granted: the handler is to start, and the claim to be [ended](Window::end).
    Granted,
    /// A duplicate: the event was handled.
    Handled,
    /// A duplicate: its handler runs at this moment. The completion waits in the window.
    Running,
}

/// The completions of duplicates that came while the handler ran.
pub(super) type Waiting = Vec<Arc<Completion>>;

/// What a subscription, or the members of a group together, have handled and handle.
pub(crate) struct Window {
    settings: IdempotencyWindow,
    /// The age in milliseconds, rounded up.
    age_ms: Option<u64>,
    memory: Mutex<Memory>,
}

struct Memory {
    /// Claims that have not ended, at most one for each handler that runs: they are not forgotten.
    running: HashMap<EventId, Waiting, RandomState>,
    /// When each id was handled, in milliseconds.
    handled: HashMap<EventId, u64, RandomState>,
    /// The same in the order of time. An id that was handled again after it was too old stands here twice until its old
    /// place comes to the front.
    order: VecDeque<(EventId, u64)>,
}

/// So many ids that are too old are removed at a claim: more than one, so that they get fewer.
const SWEPT: usize = 4;

impl Window {
    pub(crate) fn new(settings: IdempotencyWindow) -> Self {
        let memory = Memory {
            running: HashMap::with_hasher(hash_keys()),
            handled: HashMap::with_hasher(hash_keys()),
            order: VecDeque::new(),
        };
        let age_ms = settings.age.map(|age| {
            // No overflow up to 500 million years.
            u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
        });
        Self { settings, age_ms, memory: Mutex::new(memory) }
    }

    pub(super) fn settings(&self) -> IdempotencyWindow {
        self.settings
    }

    /// Says whether the times matter that [`claim`](Self::claim) and [`end`](Self::end) are given.
    pub(super) fn needs_time(&self) -> bool {
        self.age_ms.is_some()
    }

    /// Claims an id. `count` runs if it is a duplicate, before the first event's end can settle the completion of this
    /// one: it must do no more than to raise counters, for the lock is held.
    pub(super) fn claim(
        &self,
        id: EventId,
        now_ms: u64,
        completion: Option<&Arc<Completion>>,
        count: impl FnOnce(),
    ) -> IdClaim {
        let mut memory = self.memory.lock();
        self.sweep(&mut memory, now_ms);
        let handled = memory.handled.get(&id).is_some_and(|at| !self.is_too_old(*at, now_ms));
        match memory.running.entry(id) {
            Entry::Occupied(mut first) => {
                count();
                first.get_mut().extend(completion.cloned());
                IdClaim::Running
            }
            Entry::Vacant(_) if handled => {
                count();
                IdClaim::Handled
            }
            Entry::Vacant(free) => {
                free.insert(Waiting::new());
                IdClaim::Granted
            }
        }
    }

    /// Ends a claim that was granted: its event counts as handled from now on, or as never seen. Returns what is to be
    /// settled like that event.
    pub(super) fn end(&self, id: EventId, handled: bool, now_ms: u64) -> Waiting {
        let mut memory = self.memory.lock();
        let waiting = memory.running.remove(&id).unwrap_or_default();
        if handled {
            // Two threads may come here in another order than they looked at the clock.
            let now_ms = memory.order.back().map_or(now_ms, |(_, last)| now_ms.max(*last));
            memory.handled.insert(id, now_ms);
            memory.order.push_back((id, now_ms));
            if memory.order.len() > self.settings.events {
                memory.forget_oldest();
            }
        }
        waiting
    }

    fn sweep(&self, memory: &mut Memory, now_ms: u64) {
        for _ in 0..SWEPT {
            match memory.order.front() {
                Some((_, at)) if self.is_too_old(*at, now_ms) => memory.forget_oldest(),
                _ => return,
            }
        }
    }

    fn is_too_old(&self, at_ms: u64, now_ms: u64) -> bool {
        self.age_ms.is_some_and(|age_ms| now_ms.saturating_sub(at_ms) >= age_ms)
    }

    /// How many ids take room, and how many claims have not ended.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let memory = self.memory.lock();
        (memory.order.len(), memory.running.len())
    }
}

impl Memory {
    fn forget_oldest(&mut self) {
        if let Some((id, at)) = self.order.pop_front()
            // Or it was handled again since then.
            && self.handled.get(&id) == Some(&at)
        {
            self.handled.remove(&id);
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
