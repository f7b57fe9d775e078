//! The publishers' side of a slot: judge an event, offer it, wake the consumer.

use std::sync::Arc;

use super::inlet::{Inlet, Push};
use super::passing::Passing;
use super::slot::{Sink, Slot};
use super::take::Claim;
use crate::event::{AnyEvent, DropReason, Head, Settled};
use crate::guard::drop_guarded;
use crate::queue::Refused;

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
    /// Judges an event before the offer: does the slot take its type, and does its filter admit it?
    #[inline(always)]
    pub(super) fn judge(&self, event: &Passing<'_>) -> Verdict {
        let gate = self.gate.view();
        if !gate.is_open() {
            return self.judge_shut(event);
        }
        if self.wants.is_some_and(|wanted| wanted != event.payload_type()) {
            self.skip(event);
            return Verdict::Skipped;
        }
        if self.filters { self.judge_filter(event) } else { Verdict::Offer }
    }

    #[cold]
    fn judge_shut(&self, event: &Passing<'_>) -> Verdict {
        if self.gate.view().is_closed() {
            return Verdict::Gone;
        }
        let _ = event;
        self.stripes.mine().count_skipped();
        Verdict::Skipped
    }

    fn judge_filter(&self, event: &Passing<'_>) -> Verdict {
        let Some(filter) = &self.spec.filter else { return Verdict::Offer };
        let admits = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| filter.admits(event)));
        match admits {
            Ok(true) => Verdict::Offer,
            Ok(false) => {
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
            self.accepted(inlet, awake);
        }
        push
    }

    /// Offers an event that was kept back for want of room.
    pub(super) fn offer_kept(&self, event: AnyEvent) -> Result<(), Refused<AnyEvent>> {
        let Sink::Queue(inlet) = &self.sink else { return Err(Refused::Closed(event)) };
        let awake = inlet.push_kept(event)?;
        self.accepted(&**inlet, awake);
        Ok(())
    }

    /// An event is in the queue: sees to it that somebody takes it out again.
    #[inline(always)]
    fn accepted(&self, inlet: &dyn Inlet, awake: bool) {
        if !awake && inlet.gate().activate() {
            self.wake_consumer();
        }
    }

    /// Puts an event into a full queue, at the cost of the oldest.
    #[cold]
    fn displace(&self, inlet: &dyn Inlet, event: &Passing<'_>) -> Push {
        loop {
            if let Some(oldest) = inlet.discard() {
                self.ended.drop(DropReason::Oldest);
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

    /// Runs the inline handler. `None`: the subscription was closed, or its budget is spent.
    #[inline(always)]
    pub(super) fn run_inline(
        self: &Arc<Self>,
        handler: &dyn super::slot::InlineHandler,
        event: &Passing<'_>,
    ) -> Inline {
        let last = if self.limited {
            match self.claim() {
                Claim::Granted => false,
                Claim::Last => true,
                Claim::Spent => return Inline::Gone,
            }
        } else {
            false
        };
        let stripe = self.stripes.mine();
        if !stripe.enter() {
            if let Some(completion) = event.head().completion() {
                self.hooks.completed(completion.settle(Settled::Dropped(self.id, self.reason())));
            }
            self.announce_quiet();
            return Inline::Late(self.reason());
        }
        if last {
            self.exhaust();
        }
        let timing = super::observer::Timing::start(self);
        let result = {
            let _running = super::scope::Running::enter(self.key());
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handler.call(event, self)))
                .unwrap_or_else(|payload| Err(crate::error::HandlerError::panicked(payload)))
        };
        let watched = stripe.leave(result.is_err());
        self.conclude(event.head(), &timing, result.as_ref().err());
        if watched {
            self.announce_quiet();
        }
        match result {
            Ok(()) => Inline::Done,
            Err(error) => Inline::Failed(error),
        }
    }
}

/// What came of an inline handler.
#[derive(Debug)]
pub(super) enum Inline {
    Done,
    Failed(crate::error::HandlerError),
    /// Offered and dropped: the subscription was closed just before.
    Late(DropReason),
    /// Not offered.
    Gone,
}
