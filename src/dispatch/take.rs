//! The consumers' side of a slot: take an event, handle it, account for it, rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event_listener::IntoNotification;

use super::observer::{Ending, Timing};
use super::slot::Slot;
use crate::error::HandlerError;
use crate::event::{AnyEvent, Head, Settled};
use crate::guard::drop_guarded;
use crate::sync::atomic::Ordering;
use crate::sync::thread::yield_now;

/// What a consumer finds when it asks for the next event.
#[derive(Debug)]
pub(crate) enum Next {
    /// An event to handle; it counts as running from here on.
    Event(AnyEvent),
    /// Nothing is queued.
    Empty,
    /// The subscription is paused. The consumer parks; `resume` wakes it.
    Paused,
    /// The subscription is cancelled. What was queued has been discarded.
    Cancelled,
}

/// What one look at the ring came to, before anything that may run foreign code.
enum Look {
    Event(AnyEvent),
    Discard(AnyEvent),
    Empty,
    Paused,
    Cancelled,
}

impl Slot {
    /// Takes the next event. For one consumer at a time, unless the slot has lanes, which take turns.
    #[inline(always)]
    pub(crate) fn take(&self) -> Next {
        let (look, wake) = match &self.turns {
            None => self.look(),
            Some(turns) => {
                let _turn = turns.lock();
                self.look()
            }
        };
        if wake {
            match look {
                // Nothing is queued and publishers wait: they are on their way, or a wake-up went to one
                // that will never poll again (its future was forgotten). All may try.
                Look::Empty => self.room.notify(usize::MAX),
                _ => self.room.notify(1.additional()),
            };
        }
        match look {
            Look::Event(event) if self.spec.budget == u64::MAX => Next::Event(event),
            Look::Event(event) => self.spend(event),
            Look::Empty => Next::Empty,
            Look::Paused => Next::Paused,
            Look::Discard(event) => {
                self.discard(&event);
                drop_guarded(event);
                self.discard_queue();
                Next::Cancelled
            }
            Look::Cancelled => {
                self.discard_queue();
                Next::Cancelled
            }
        }
    }

    /// Looks at the ring. The flag says that a publisher waits for the room.
    // Always: handed over in memory, the result would cost more than the look (a stalled store-to-load
    // forwarding).
    #[inline(always)]
    fn look(&self) -> (Look, bool) {
        let view = self.taken.view();
        if !view.may_pop() {
            return (self.look_closely(view.is_cancelled(), view.is_paused()), false);
        }
        let Some(event) = self.ring.pop() else { return (Look::Empty, view.waiters() > 0) };
        // From here on the event counts as running. Whether it may is decided by the same step: a
        // canceller that came before shows in the view, one that comes later finds it started.
        let before = self.taken.take();
        if before.is_plain() {
            return (Look::Event(event), false);
        }
        let wake = before.waiters() > 0;
        if before.is_cancelled() {
            return (Look::Discard(event), wake);
        }
        if before.is_paused() {
            // The publisher may stand between its push and its booking. It counts as offered from the
            // take on, and would not if the take were undone before the booking (C2).
            while self.gate.view().ahead_of(self.taken.view()) < 0 {
                yield_now();
            }
            // Under the lock: who finds the event finds it marked, and books it once.
            let mut aside = self.aside.lock();
            *aside = Some(event);
            let now = self.taken.put_aside();
            drop(aside);
            // The canceller may have looked aside before the event was there.
            return (if now.is_cancelled() { Look::Cancelled } else { Look::Paused }, wake);
        }
        (Look::Event(event), wake)
    }

    #[cold]
    fn look_closely(&self, cancelled: bool, paused: bool) -> Look {
        if cancelled {
            return Look::Cancelled;
        }
        if paused {
            return Look::Paused;
        }
        let Some(event) = self.fetch_aside() else { return Look::Empty };
        let before = self.taken.take();
        if before.is_cancelled() { Look::Discard(event) } else { Look::Event(event) }
    }

    fn fetch_aside(&self) -> Option<AnyEvent> {
        let mut aside = self.aside.lock();
        let event = aside.take()?;
        // Under the lock: the flag and the event go together.
        self.taken.fetched();
        Some(event)
    }

    /// Takes one from the budget of a subscription that ends by itself. The last one closes it before
    /// its handler starts, so that no further event is accepted meanwhile.
    #[cold]
    fn spend(&self, event: AnyEvent) -> Next {
        match self.claim() {
            Claim::Spent => {
                self.discard(&event);
                drop_guarded(event);
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
    pub(super) fn discard(&self, event: &AnyEvent) {
        let reason = self.reason();
        self.ended.drop(reason);
        if let Some(completion) = event.head().completion() {
            self.hooks.completed(completion.settle(Settled::Dropped(self.id, reason)));
        }
    }

    /// Empties the queue of a cancelled subscription.
    pub(super) fn discard_queue(&self) {
        while let Some(event) = self.fetch_aside().or_else(|| self.ring.pop()) {
            self.taken.take();
            self.discard(&event);
            // The payload's drop is user code; it runs here, under no lock, and may panic.
            drop_guarded(event);
        }
    }

    /// Runs a handler with everything that belongs to it: panics are caught, the end is counted.
    #[inline]
    pub(crate) fn run(self: &Arc<Self>, event: &Head, handler: impl FnOnce() -> Result<(), HandlerError>) {
        let timing = Timing::start(self);
        let result = catch_unwind(AssertUnwindSafe(handler))
            .unwrap_or_else(|payload| Err(HandlerError::panicked(payload)));
        self.finish(event, &timing, result);
    }

    /// Counts an event that a receiver took out: its handler ends as it starts.
    #[inline(always)]
    pub(crate) fn handed_over(self: &Arc<Self>, event: &Head) {
        let timing = Timing::start(self);
        self.finish(event, &timing, Ok(()));
    }

    /// Counts the end of a handler, tells observers and whoever waits for the event's completion.
    #[inline(always)]
    pub(crate) fn finish(self: &Arc<Self>, event: &Head, timing: &Timing, result: Result<(), HandlerError>) {
        self.ended.deliver(result.is_err(), self.is_exclusive());
        self.conclude(event, timing, result.as_ref().err());
        if let Err(error) = result {
            drop_guarded(error);
        }
    }

    /// What follows the count of a handler's end: observers, quarantine, the event's completion.
    #[inline(always)]
    pub(super) fn conclude(self: &Arc<Self>, event: &Head, timing: &Timing, error: Option<&HandlerError>) {
        if error.is_some() || self.watched {
            self.conclude_slow(event, timing, error);
        }
        if let Some(completion) = event.completion() {
            self.hooks.completed(completion.settle(match error {
                None => Settled::Done,
                Some(_) => Settled::Failed(self.id),
            }));
        }
    }

    #[cold]
    fn conclude_slow(self: &Arc<Self>, event: &Head, timing: &Timing, error: Option<&HandlerError>) {
        self.hooks.ended(&Ending { slot: self, event, timing, error });
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
        let Some(before) = self.gate.rest(&self.taken) else { return false };
        // As in `after_run`: the exchange was a read-modify-write of the gate.
        if before.is_closed() {
            self.announce_quiet();
        }
        true
    }

    /// Says whether the ring is empty at this moment.
    pub(crate) fn is_ring_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// After the consumer said that it rests: was it woken between saying so and doing so?
    pub(crate) fn was_woken(&self) -> bool {
        // A read-modify-write: see README.md, "Going to sleep".
        self.gate.touch().is_active()
    }

    /// To be called by a consumer when it stops for now: tells those who wait for the end.
    pub(crate) fn after_run(&self) {
        // The read-modify-write orders this against the closer's: either it sees the handler's end
        // in the counters, or this sees the mark.
        if self.gate.touch().is_closed() {
            self.announce_quiet();
        }
    }
}

/// What a subscription with a budget says to one more event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Granted,
    /// Granted, and it was the last.
    Last,
    Spent,
}
