//! What a consumer does beyond taking one event after the other: it sets events aside, and tries them again.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::hooks::{Ending, Timing};
use super::inlet::Queued;
use super::passing::Whole;
use super::slot::Slot;
use super::take::caught;
use crate::error::HandlerError;
use crate::event::Settled;
use crate::guard::drop_guarded;

/// Events that a consumer has taken out of the queue, and for which no handler has started yet, or is to start again. They
/// count as queued.
pub(crate) trait Aside: Send + Sync {
    /// How many there are.
    fn len(&self) -> u64;

    /// How many attempts were followed by another.
    fn retried(&self) -> u64;

    /// How the circuit is, if there is one.
    fn circuit(&self) -> Option<CircuitState>;

    /// Says whether a handler may start now: for what is here, or for what is in the queue, if something is.
    fn may_start(&self, queued: bool) -> bool;

    /// The tick of the oldest.
    fn oldest_tick(&self, now: u32) -> Option<u32>;

    /// Waits until whoever decides about a start at this moment has done so.
    fn settle(&self);

    /// The subscription was cancelled: discards what is here, and whatever would be set aside from here on.
    fn discard(&self, slot: &Slot);
}

/// How the [circuit](crate::CircuitBreaker) of a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Handlers start.
    Closed,
    /// No handler starts until its time is over.
    Open,
    /// One handler is tried.
    HalfOpen,
}

impl CircuitState {
    /// The state in one lower-case word, as metrics print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An attempt that has come to its end.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// When it started, if somebody watches.
    pub(crate) timing: Option<Timing>,
    pub(crate) result: Result<(), HandlerError>,
}

impl Slot {
    /// What its consumer has set aside, if it does such things.
    pub(super) fn aside(&self) -> Option<&dyn Aside> {
        self.consumer.as_ref()?.aside()
    }

    /// How many events are set aside.
    pub(super) fn set_aside(&self) -> u64 {
        self.aside().map_or(0, Aside::len)
    }

    /// How the circuit is, if there is one.
    pub(crate) fn circuit(&self) -> Option<CircuitState> {
        self.aside()?.circuit()
    }

    /// After a lane said that it is idle: may a handler start after all, for what is set aside, or for what may be `queued`?
    pub(crate) fn may_start_aside(&self, queued: bool) -> bool {
        self.aside().is_some_and(|aside| aside.may_start(queued))
    }

    /// Runs a handler; what its end means is for the caller to say.
    pub(crate) fn attempt(
        self: &Arc<Self>,
        event: &impl Whole,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Attempt {
        if !self.watched {
            return Attempt { timing: None, result: caught(handler) };
        }
        let timing = Timing::start(self, event.head());
        let entered = timing.handling.enter();
        let result = caught(handler);
        entered.leave();
        Attempt { timing: Some(timing), result }
    }

    /// Counts the end of the last attempt, and tells of it.
    pub(crate) fn finish_attempt(self: &Arc<Self>, event: &impl Whole, number: u32, attempt: Attempt) {
        let Attempt { timing, result } = attempt;
        self.ended.deliver(result.is_err(), self.exclusive);
        self.hooks.ended_on(event.head(), result.is_err());
        self.conclude_attempt(event, number, timing.as_ref(), result.as_ref().err());
        if let Err(error) = result {
            drop_guarded(error);
        }
    }

    /// An attempt has failed, and another follows.
    #[cold]
    pub(crate) fn failed_for_now(
        self: &Arc<Self>,
        event: &impl Whole,
        attempt: u32,
        timing: Option<&Timing>,
        error: &HandlerError,
        delay: Duration,
    ) {
        let ending = Ending { slot: self, event: event.head(), timing, error: Some(error), attempt };
        self.hooks.failed_for_now(&ending, delay);
        self.count_panic(Some(error));
    }

    /// Says whether an event that was set aside, and tried so often, is too old for another handler: then it has ended.
    pub(crate) fn expires_aside(&self, event: &impl Whole, attempts: u32) -> bool {
        if event.head().ttl().is_none() {
            return false;
        }
        let Some(kept) = self.expire_if_old(event, attempts) else { return false };
        self.end_claim(event.head(), Settled::Expired(self.id), kept);
        true
    }

    /// Counts an event that was taken out of the queue and that no handler gets, and drops it.
    pub(crate) fn discard_taken(&self, event: impl Queued) {
        self.discard(event.head());
        self.end_claim(event.head(), Settled::Dropped(self.id, self.reason()), false);
        drop_guarded(event);
    }

    /// The circuit is in another state.
    #[cold]
    pub(crate) fn circuit_changed(&self, state: CircuitState) {
        self.hooks.circuit_changed(self, state);
    }

    /// What finds the key of an event has panicked.
    #[cold]
    pub(crate) fn key_panicked(&self, event: &impl Whole, payload: Box<dyn Any + Send>) {
        self.hooks.key_panicked(self, event.head(), payload);
    }
}
