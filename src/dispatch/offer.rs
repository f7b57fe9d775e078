//! The publishers' side of a slot: judge an event, offer it, wake the consumer.

use std::sync::Arc;
use std::time::Duration;

use super::frames::Stage;
use super::hooks::Timing;
use super::inlet::{Inlet, Push};
use super::passing::Passing;
use super::slot::{Sink, Slot};
use super::take::Claim;
use super::window::Window;
use crate::error::HandlerError;
use crate::event::{AnyEvent, DropReason, Head, Settled};
use crate::guard::drop_guarded;
use crate::queue::{Gate, Refused};

/// What a slot says to an event before it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Offer,
    Filtered,
    Skipped,
    /// Closed: the publisher has an old list. As if it did not stand in it.
    Gone,
}

impl Slot {
    /// Judges an event before the offer: is the slot open, and does its filter admit it? Whether it takes its type,
    /// the queue or the handler says, if there is no filter.
    #[inline(always)]
    pub(super) fn judge(&self, event: &Passing<'_>) -> Verdict {
        let gate = self.gate.view();
        if !gate.is_open() {
            return self.judge_shut();
        }
        if self.filters { self.judge_filter(event) } else { Verdict::Offer }
    }

    #[cold]
    fn judge_shut(&self) -> Verdict {
        if self.gate.view().is_closed() {
            return Verdict::Gone;
        }
        self.stripes.mine().count_skipped();
        Verdict::Skipped
    }

    fn judge_filter(&self, event: &Passing<'_>) -> Verdict {
        let Some(filter) = &self.spec.filter else { return Verdict::Offer };
        let admits = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| filter.admits(event)));
        match admits {
            Ok(Some(true)) => Verdict::Offer,
            Ok(None) => {
                self.skip(event);
                Verdict::Skipped
            }
            Ok(Some(false)) => {
                self.stripes.mine().count_filtered();
                Verdict::Filtered
            }
            Err(payload) => {
                // A filter that panics admits nothing: the event counts as filtered, and the panic
                // is reported like a handler's.
                self.stripes.mine().count_filtered();
                self.hooks.filter_panicked(self, event.head(), payload);
                Verdict::Filtered
            }
        }
    }

    /// Offers an event to the queue without waiting, and wakes its consumer.
    #[inline(always)]
    pub(super) fn offer(&self, inlet: &dyn Inlet, event: &Passing<'_>) -> Push {
        match self.try_offer(inlet, event) {
            Push::Full if self.displaces => self.displace(inlet, event),
            push => push,
        }
    }

    /// Offers an event to the queue if that has room, and wakes its consumer.
    #[inline(always)]
    pub(super) fn try_offer(&self, inlet: &dyn Inlet, event: &Passing<'_>) -> Push {
        let push = inlet.push(event);
        if let Push::Accepted(awake) = push {
            self.accepted(inlet.gate(), awake);
        }
        push
    }

    /// Offers an event that was kept back for want of room.
    pub(super) fn offer_kept(&self, event: AnyEvent) -> Result<(), Refused<AnyEvent>> {
        let Sink::Queue(inlet) = &self.sink else { return Err(Refused::Closed(event)) };
        let awake = inlet.push_kept(event)?;
        self.accepted(inlet.gate(), awake);
        Ok(())
    }

    /// An event is in the queue: sees to it that somebody takes it out again.
    #[inline(always)]
    pub(super) fn accepted(&self, gate: &Gate, awake: bool) {
        if awake {
            // A lane is awake; but it may be in a handler, and another one free.
            if !self.exclusive {
                self.wake_consumer();
            }
        } else if gate.activate() {
            self.wake_consumer();
        }
    }

    /// As [`accepted`](Self::accepted), when the consumer was asleep.
    #[inline(never)]
    pub(super) fn rouse(&self) {
        if let Some(inlet) = self.inlet() {
            self.accepted(inlet.gate(), false);
        }
    }

    /// Puts an event into a full queue, at the cost of the oldest.
    #[cold]
    fn displace(&self, inlet: &dyn Inlet, event: &Passing<'_>) -> Push {
        loop {
            if let Some(oldest) = inlet.discard() {
                if let (Some(follower), Some(sequence)) = (self.follower.as_deref(), oldest.sequence()) {
                    follower.displaced(oldest.topic(), sequence);
                }
                self.ended.drop(DropReason::Oldest);
                self.hooks.dropped_on(oldest.head(), DropReason::Oldest);
                if let Some(completion) = oldest.head().completion() {
                    self.hooks.completed(completion.settle(Settled::Dropped(self.id, DropReason::Oldest)));
                }
                // It may be the last reference, and its payload's panic would cost the next subscriptions
                // their event.
                drop_guarded(oldest);
            }
            match self.try_offer(inlet, event) {
                // Other publishers had the room first.
                Push::Full => {}
                Push::Closed => {
                    // What was displaced counted as running until then: somebody may wait for that.
                    self.after_run();
                    return Push::Closed;
                }
                push => return push,
            }
        }
    }

    /// Counts an event that was offered and not accepted.
    pub(super) fn refuse(&self, event: &Head, reason: DropReason) {
        self.refused.drop(reason);
        if let Some(completion) = event.completion() {
            self.hooks.completed(completion.settle(Settled::Dropped(self.id, reason)));
        }
    }
}

impl<'a> Stage<'a> {
    /// Runs the handler of an inline subscription with everything that belongs to it: it is not started after the
    /// end of the subscription, panics are caught, start and end are counted.
    #[inline]
    pub(crate) fn run(
        &mut self,
        slot: &'a Arc<Slot>,
        event: &Passing<'_>,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Inline {
        if event.head().ttl().is_some()
            && let Some(age) = event.head().expired_at(slot.hooks.time.tick())
        {
            return self.expire(slot, event, age);
        }
        let mut last = false;
        if slot.selective {
            if let Some(refused) =
                slot.spec.window.as_ref().and_then(|window| self.claim_id(window, slot, event))
            {
                return refused;
            }
            match slot.is_limited().then(|| slot.claim()) {
                None | Some(Claim::Granted) => {}
                Some(Claim::Last) => last = true,
                Some(Claim::Spent) => {
                    self.give_up(slot, event);
                    return Inline::Gone;
                }
            }
        }
        if !self.enter(slot) {
            if slot.selective {
                self.give_up(slot, event);
            }
            return Inline::Gone;
        }
        if last {
            slot.exhaust();
        }
        let result = if slot.watched {
            self.run_watched(slot, event, handler)
        } else {
            let result = self.run_counted(slot, handler);
            if result.is_err() || event.completion().is_some() {
                // Other code of the application follows.
                self.leave();
                slot.conclude(event, None, result.as_ref().err());
            }
            result
        };
        match result {
            Ok(()) => Inline::Done,
            Err(error) => Inline::Failed(error),
        }
    }

    /// Claims the event's id for an idempotent subscription. Or says why the handler does not start.
    #[cold]
    #[inline(never)]
    fn claim_id(&mut self, window: &Window, slot: &Slot, event: &Passing<'_>) -> Option<Inline> {
        if slot.is_closed() {
            return Some(Inline::Gone);
        }
        // Other code of the application follows if it is a duplicate.
        self.leave();
        let granted = slot.claim_id(window, event.head(), || slot.refused.repeat());
        (!granted).then_some(Inline::Duplicate)
    }

    /// The handler does not start, although the event's id may have been claimed.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self, slot: &Slot, event: &Passing<'_>) {
        // What waits for the event is the application's code.
        self.leave();
        slot.end_claim(event.head(), Settled::Dropped(slot.id, slot.reason()), false);
    }

    /// The event is too old for the handler.
    #[cold]
    #[inline(never)]
    fn expire(&mut self, slot: &Slot, event: &Passing<'_>, age: Duration) -> Inline {
        if !slot.is_open() {
            return Inline::Gone;
        }
        // Other code of the application follows.
        self.leave();
        slot.refused.expire();
        slot.hooks.expired(slot, event, age, 0);
        Inline::Expired
    }

    /// Runs a handler that was entered, of a subscription that is watched.
    #[cold]
    #[inline(never)]
    fn run_watched(
        &mut self,
        slot: &Arc<Slot>,
        event: &Passing<'_>,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let timing = Timing::start(slot, event.head());
        let entered = timing.handling.enter();
        let result = self.run_counted(slot, handler);
        // Other code of the application follows.
        self.leave();
        entered.leave();
        slot.conclude(event, Some(&timing), result.as_ref().err());
        result
    }

    /// Like [`run`](Self::run), for a subscription without a budget that nobody observes, and an event without a
    /// completion. `None` if the subscription is not open.
    #[inline(always)]
    pub(super) fn run_plain(
        &mut self,
        slot: &'a Arc<Slot>,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Option<Result<(), HandlerError>> {
        self.enter_open(slot).then(|| self.run_counted(slot, handler))
    }

    /// Runs a handler that was entered.
    #[inline(always)]
    fn run_counted(
        &self,
        slot: &Slot,
        handler: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let home = slot.is_home(self.thread());
        if home {
            slot.ended.start();
        } else {
            slot.stripes.mine().enter();
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(handler))
            .unwrap_or_else(|payload| Err(HandlerError::panicked(payload)));
        if home {
            slot.ended.deliver(result.is_err(), true);
        } else {
            slot.stripes.mine().leave(result.is_err());
        }
        result
    }
}

/// What came of an inline handler.
#[derive(Debug)]
pub(crate) enum Inline {
    Done,
    Failed(HandlerError),
    /// Not offered: the subscription was closed just before, or its budget is spent.
    Gone,
    /// Not offered: it asks for another type.
    Skipped,
    /// The event was too old.
    Expired,
    /// The event was handled before, or is being handled.
    Duplicate,
}
