//! The consumers' side of a slot: take an event, handle it, account for it, rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event_listener::IntoNotification;

use super::dead_letter::DeathCause;
use super::history::Follower;
use super::hooks::{Ending, Timing};
use super::inlet::{Inlet, Queued};
use super::passing::Whole;
use super::slot::Slot;
use crate::error::HandlerError;
use crate::event::{Head, Settled};
use crate::guard::drop_guarded;
use crate::queue::{Popped, Ring};
use crate::sync::atomic::Ordering;
use crate::sync::fence::Light;

/// What a consumer finds when it asks for the next event.
#[derive(Debug)]
pub(crate) enum Next<E> {
    /// An event to handle; it counts as running from here on.
    Event(E),
    /// Nothing is queued.
    Empty,
    /// The subscription is paused. The consumer parks; `resume` wakes it.
    Paused,
    /// The subscription is cancelled. What was queued has been discarded.
    Cancelled,
}

impl Slot {
    /// Takes the next event out of the slot's queue.
    #[inline(always)]
    pub(crate) fn take<E: Queued>(&self, queue: &Ring<E>) -> Next<E> {
        let next = self.next(queue.pop());
        match &next {
            Next::Empty if self.follows => self
                .take_judged(self.read_on(|| self.next(queue.pop())), || self.next_or_read(|| queue.pop())),
            Next::Event(event) if self.selective || event.head().ttl().is_some() => {
                self.take_judged(next, || self.next_or_read(|| queue.pop()))
            }
            _ => next,
        }
    }

    /// What follows the look at the queue, and at what a follower has still to read.
    fn next_or_read<E: Queued>(&self, pop: impl Fn() -> Popped<E>) -> Next<E> {
        match self.next(pop()) {
            Next::Empty if self.follows => self.read_on(|| self.next(pop())),
            next => next,
        }
    }

    /// Takes on until there is an event that a handler may start for.
    #[cold]
    #[inline(never)]
    fn take_judged<E: Queued>(&self, mut next: Next<E>, take: impl Fn() -> Next<E>) -> Next<E> {
        loop {
            let Next::Event(event) = next else { return next };
            // Both before the budget, of which only handlers that start spend something.
            let over = self.expire_if_old(&event, 0).is_some() || self.is_duplicate(event.head());
            if !over {
                return if self.is_limited() { self.spend(event) } else { Next::Event(event) };
            }
            drop_guarded(event);
            next = take();
        }
    }

    /// Ends an event that was tried so often, if it is too old for another handler; then says whether somebody has its letter.
    pub(super) fn expire_if_old(&self, event: &impl Whole, attempts: u32) -> Option<bool> {
        let age = event.head().expired_at(self.hooks.time.tick())?;
        self.ended.expire();
        Some(self.hooks.expired(self, event, age, attempts))
    }

    /// As [`take`](Self::take), for models, which have no typed end of the queue.
    #[cfg(all(test, loom))]
    pub(crate) fn take_any(&self) -> Next<crate::event::AnyEvent> {
        let take = || self.next_or_read(|| self.inlet().map_or(Popped::Empty(false), Inlet::pop_any));
        self.take_judged(take(), take)
    }

    /// What follows the look at the queue.
    #[inline(always)]
    fn next<E: Queued>(&self, popped: Popped<E>) -> Next<E> {
        match popped {
            Popped::Value(event, wanted) => {
                if wanted {
                    self.room.notify(1.additional());
                }
                Next::Event(event)
            }
            Popped::Empty(wanted) => {
                if wanted {
                    // Nothing is queued and publishers wait: they are on their way, or a wake-up went to one
                    // that will never poll again (its future was forgotten). All may try.
                    self.room.notify(usize::MAX);
                }
                Next::Empty
            }
            Popped::Paused => Next::Paused,
            Popped::Cancelled => {
                self.discard_queue();
                Next::Cancelled
            }
        }
    }

    /// Takes one from the budget of a subscription that ends by itself. The last one closes it before
    /// its handler starts, so that no further event is accepted meanwhile.
    #[cold]
    fn spend<E: Queued>(&self, event: E) -> Next<E> {
        match self.claim() {
            Claim::Spent => {
                self.discard_taken(event);
                Next::Cancelled
            }
            Claim::Granted => Next::Event(event),
            Claim::Last => {
                self.exhaust();
                Next::Event(event)
            }
        }
    }

    /// Claims one of the events that a subscription with a budget may still handle.
    pub(super) fn claim(&self) -> Claim {
        // AcqRel: the claims are in one order, and exactly `budget` of them are granted.
        match self.budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)) {
            Err(_) => Claim::Spent,
            Ok(1) => Claim::Last,
            Ok(_) => Claim::Granted,
        }
    }

    /// Counts an accepted event that no handler gets.
    pub(super) fn discard(&self, event: &Head) {
        let reason = self.reason();
        self.ended.drop(reason);
        self.hooks.dropped_on(event, reason);
        if let Some(completion) = event.completion() {
            self.hooks.completed(completion.settle(Settled::Dropped(self.id, reason)));
        }
    }

    /// How many accepted events no handler got.
    pub(crate) fn discarded(&self) -> u64 {
        self.ended.dropped()
    }

    /// Empties the queue of a cancelled subscription.
    pub(super) fn discard_queue(&self) {
        let Some(inlet) = self.inlet() else { return };
        while let Some(event) = inlet.discard() {
            self.discard(event.head());
            // The payload's drop is user code; it runs here, under no lock, and may panic.
            drop_guarded(event);
        }
    }

    /// Discards what the consumer of a cancelled subscription has set aside.
    pub(super) fn discard_aside(&self) {
        if let Some(aside) = self.aside() {
            aside.discard(self);
        }
    }

    /// Runs a handler with everything that belongs to it: panics are caught, the end is counted.
    #[inline]
    pub(crate) fn run(
        self: &Arc<Self>,
        event: &impl Whole,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) {
        if self.watched {
            return self.run_watched(event, handler);
        }
        let result = caught(handler);
        self.finish(event, None, result);
    }

    /// The same of a slot that is watched.
    #[cold]
    #[inline(never)]
    fn run_watched(self: &Arc<Self>, event: &impl Whole, handler: impl FnOnce() -> Result<(), HandlerError>) {
        let timing = Timing::start(self, event.head());
        let entered = timing.handling.enter();
        let result = caught(handler);
        entered.leave();
        self.finish(event, Some(&timing), result);
    }

    /// Counts an event that a receiver took out: its handler ends as it starts.
    #[inline(always)]
    pub(crate) fn handed_over(self: &Arc<Self>, event: &impl Whole) {
        self.ended.deliver(false, self.exclusive);
        self.hooks.ended_on(event.head(), false);
        if self.watched {
            self.handed_over_watched(event);
        }
        if let Some(completion) = event.head().completion() {
            self.hooks.completed(completion.settle(Settled::Done));
        }
    }

    #[cold]
    #[inline(never)]
    fn handed_over_watched(self: &Arc<Self>, event: &dyn Whole) {
        self.conclude_slow(event, 1, Some(&Timing::start(self, event.head())), None);
    }

    /// Counts the end of a handler, tells observers and whoever waits for the event's completion.
    #[inline(always)]
    pub(crate) fn finish(
        self: &Arc<Self>,
        event: &impl Whole,
        timing: Option<&Timing>,
        result: Result<(), HandlerError>,
    ) {
        self.ended.deliver(result.is_err(), self.exclusive);
        self.hooks.ended_on(event.head(), result.is_err());
        self.conclude(event, timing, result.as_ref().err());
        if let Err(error) = result {
            drop_guarded(error);
        }
    }

    /// What follows the count of a handler's end: observers, quarantine, the event's completion.
    #[inline(always)]
    pub(super) fn conclude(
        self: &Arc<Self>,
        event: &impl Whole,
        timing: Option<&Timing>,
        error: Option<&HandlerError>,
    ) {
        self.conclude_attempt(event, 1, timing, error);
    }

    /// The same of an event that was tried so often.
    #[inline(always)]
    pub(super) fn conclude_attempt(
        self: &Arc<Self>,
        event: &impl Whole,
        attempts: u32,
        timing: Option<&Timing>,
        error: Option<&HandlerError>,
    ) {
        if error.is_some() || self.watched {
            self.conclude_slow(event, attempts, timing, error);
        }
        if let Some(completion) = event.head().completion() {
            self.hooks.completed(completion.settle(match error {
                None => Settled::Done,
                Some(_) => Settled::Failed(self.id),
            }));
        }
    }

    #[cold]
    fn conclude_slow(
        self: &Arc<Self>,
        event: &dyn Whole,
        attempt: u32,
        timing: Option<&Timing>,
        error: Option<&HandlerError>,
    ) {
        self.hooks.ended(&Ending { slot: self, event: event.head(), timing, error, attempt });
        let kept =
            error.is_some_and(|error| self.hooks.bury(self, event, attempt, || DeathCause::failed(error)));
        // A handler that is tried again does not come here in between: this is its end for good.
        self.end_claim(event.head(), error.map_or(Settled::Done, |_| Settled::Failed(self.id)), kept);
        self.count_panic(error);
    }

    /// Counts panics in a row, and puts the subscription into quarantine when there are too many.
    pub(super) fn count_panic(self: &Arc<Self>, error: Option<&HandlerError>) {
        if let Some(limit) = self.hooks.quarantine_after {
            if error.is_some_and(HandlerError::is_panic) {
                // AcqRel: panics in a row are counted across the threads that run this slot.
                if self.panics.fetch_add(1, Ordering::AcqRel) + 1 == limit.get() {
                    self.pause();
                    self.hooks.quarantined(self, limit.get());
                }
            } else {
                self.panics.store(0, Ordering::Release);
            }
        }
    }

    /// The consumer has nothing to do: it may rest if nothing was booked meanwhile.
    pub(crate) fn rest(&self) -> bool {
        let Some(closed) = self.inlet().and_then(Inlet::rest) else { return false };
        // As in `after_run`: the exchange was a read-modify-write of the gate.
        if closed {
            self.announce_quiet();
        }
        closed || !self.follower.as_deref().is_some_and(Follower::is_to_read)
    }

    /// Says whether the next event can be taken now; if one is queued and cannot, its publisher stands between
    /// two steps.
    pub(crate) fn has_next(&self) -> bool {
        self.inlet().is_some_and(Inlet::has_next)
    }

    /// After the consumer said that it rests: was it woken between saying so and doing so?
    pub(crate) fn was_woken(&self) -> bool {
        // A read-modify-write: see README.md, "Going to sleep".
        self.inlet().is_some_and(|inlet| inlet.gate().touch().is_active())
    }

    /// To be called by a receiver when it has counted an event, for it may never come back: tells those who wait for
    /// the end.
    #[inline(always)]
    pub(crate) fn after_receive(&self) {
        if self.sees_close() {
            self.announce_quiet();
        }
    }

    /// Says whether the gate is closed. Either this sees the closer's mark, or the closer sees what was counted before:
    /// see `show_mark`.
    #[inline(always)]
    pub(super) fn sees_close(&self) -> bool {
        Light::new().fence();
        self.gate.view().is_closed()
    }

    /// To be called by a consumer when it stops for now: tells those who wait for the end.
    pub(crate) fn after_run(&self) {
        // The read-modify-write orders this against the closer's: either it sees the handler's end
        // in the counters, or this sees the mark.
        if self.touch() {
            self.announce_quiet();
        }
    }
}

/// Runs a handler; its panic is an error.
#[inline(always)]
pub(super) fn caught(handler: impl FnOnce() -> Result<(), HandlerError>) -> Result<(), HandlerError> {
    catch_unwind(AssertUnwindSafe(handler)).unwrap_or_else(|payload| Err(HandlerError::panicked(payload)))
}

/// What a subscription with a budget says to one more event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Granted,
    /// Granted, and it was the last.
    Last,
    Spent,
}
