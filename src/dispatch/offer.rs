//! The publishers' side of a slot: offer an event, book it, wake the consumer.

use std::sync::Arc;

use super::passing::Passing;
use super::slot::Slot;
use super::take::Claim;
use crate::event::{AnyEvent, DropReason, Head, Settled};
use crate::guard::drop_guarded;

/// What a slot says to an event before it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Offer,
    Filtered,
    Skipped,
    /// Closed: the publisher has an old list. As if it did not stand in it.
    Gone,
}

/// What came of an attempt to put an event into a queue.
#[derive(Debug)]
pub(super) enum Push {
    Accepted,
    Full(AnyEvent),
    Closed(AnyEvent),
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

    /// Puts an event into the queue, if there is room.
    #[inline(always)]
    pub(super) fn push(&self, event: AnyEvent, tick: u32) -> Push {
        if self.gate.view().is_closed() {
            return Push::Closed(event);
        }
        match self.ring.push(event) {
            Ok(()) => {
                self.book(tick);
                Push::Accepted
            }
            Err(event) => Push::Full(event),
        }
    }

    /// Puts an event into the queue, at the cost of the oldest if it is full.
    fn push_displacing(&self, event: AnyEvent, tick: u32) -> Push {
        if self.gate.view().is_closed() {
            return Push::Closed(event);
        }
        let displaced = self.ring.force_push(event);
        self.book(tick);
        if let Some(oldest) = displaced {
            self.taken.take();
            self.ended.drop(DropReason::Oldest);
            if let Some(completion) = oldest.head().completion() {
                self.hooks.completed(completion.settle(Settled::Dropped(self.id, DropReason::Oldest)));
            }
            // It may be the last reference, and its payload's panic would cost the next subscriptions
            // their event.
            drop_guarded(oldest);
        }
        Push::Accepted
    }

    /// Books an event that is in the ring, and sees to it that somebody takes it out again.
    #[inline(always)]
    pub(super) fn book(&self, tick: u32) {
        let before = self.gate.book();
        self.ages.note(before.accepted(), tick, self.ring.capacity());
        if before.is_closed() {
            self.book_late();
        }
        if !before.is_active() && self.gate.activate() {
            self.wake_consumer();
        }
    }

    /// The slot was closed between the look at the gate and the booking. Either the canceller finds
    /// the event in the ring, or this finds the slot cancelled.
    #[cold]
    fn book_late(&self) {
        // A read-modify-write: if the canceller's mark comes later in this word's order, its look at
        // the ring comes after the push.
        if self.taken.touch().is_cancelled() {
            self.discard_queue();
            self.announce_quiet();
        } else {
            self.wake_consumer();
        }
    }

    /// Offers an event without waiting.
    #[inline(always)]
    pub(super) fn offer(&self, event: AnyEvent, tick: u32) -> Push {
        if self.displaces { self.push_displacing(event, tick) } else { self.push(event, tick) }
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
