//! The end of a subscription, and its pauses.

use std::sync::Arc;

use super::frames;
use super::slot::Slot;
use super::spec::SubscriptionKind;
use crate::event::DropReason;
use crate::lifecycle::{LifecycleEvent, types};
use crate::pattern::TopicPattern;
use crate::queue::Gate;
use crate::sync::atomic::Ordering;
use crate::sync::fence;

impl Slot {
    /// Accepts no more events and leaves the table; what is queued is still handled. True for the
    /// first caller.
    pub(crate) fn close(&self, reason: DropReason) -> bool {
        let first = self.close_gate(reason, Gate::bar);
        if first {
            self.announce_quiet();
        }
        first
    }

    /// Closes the gate in the given way, and leaves the table.
    fn close_gate(&self, reason: DropReason, close: fn(&Gate) -> bool) -> bool {
        self.note_reason(reason);
        // The queue first: who finds the slot closed finds that nothing is accepted any more.
        if let Some(inlet) = self.inlet() {
            inlet.gate().close();
        }
        let first = close(&self.gate);
        self.show_mark();
        if !self.is_inline() {
            // Publishers that wait for room find the gate closed.
            self.room.notify(usize::MAX);
        }
        self.tell_consumer_closed();
        if first {
            self.tell_removed();
        }
        if first && let Some(table) = self.table.upgrade() {
            table.remove(self);
            table.leave(self);
            table.leave_logs(self);
        }
        first
    }

    /// Tells who listens that the subscription has ended.
    fn tell_removed(&self) {
        // One that was never entered was never told of.
        if self.told.load(Ordering::Acquire) {
            self.hooks.tell(|_| self.life_event(types::SUBSCRIPTION_REMOVED));
        }
    }

    /// Tells who listens that the subscription is there. Comes before it can be ended.
    pub(crate) fn tell_created(&self) {
        if self.hooks.feed.is_none() {
            return;
        }
        // Release: who ends it tells of that.
        self.told.store(true, Ordering::Release);
        self.hooks.tell(|_| {
            self.life_event(types::SUBSCRIPTION_CREATED)
                .with("async", !matches!(self.spec.kind, SubscriptionKind::Inline))
        });
    }

    fn life_event(&self, event_type: &'static str) -> LifecycleEvent {
        let patterns: Vec<&str> = self.spec.patterns.iter().map(TopicPattern::as_str).collect();
        LifecycleEvent::of_bus(event_type)
            .with("topic", patterns.join(", "))
            .with("subscription_id", self.id.to_string())
            .of_tenant(self.spec.tenant.as_ref())
    }

    /// The gate was marked. From here on publishers that call an inline handler see it, or are seen, and a receiver
    /// that has taken an event sees it, or its count is seen (`after_receive`).
    ///
    /// Once it is barred no later mark says more: who ends a subscription again need not pay for the fence again.
    pub(super) fn show_mark(&self) {
        // Acquire, and Release below: who finds it shown comes after the fence that showed it.
        if self.shown.load(Ordering::Acquire) {
            return;
        }
        let barred = self.gate.view().is_barred();
        if let Some(attendance) = self.attendance() {
            attendance.stop();
            frames::see_mark();
        } else if self.spec.kind == SubscriptionKind::Receiver && self.was_used() {
            fence::heavy();
        }
        if barred {
            self.shown.store(true, Ordering::Release);
        }
    }

    /// Accepts no more events, starts no more handlers and discards what is queued. True for the
    /// first caller. No handler starts after this returned (invariant V3).
    pub(crate) fn cancel(&self, reason: DropReason) -> bool {
        // Release: handlers that hear of it see what the canceller did before.
        self.tripping.store(true, Ordering::Release);
        self.close_gate(reason, Gate::bar);
        let first = self.end(true);
        self.tripped.notify(usize::MAX);
        first
    }

    /// The budget is spent: ends like a cancellation, but the last handlers are not asked to give up.
    pub(super) fn exhaust(&self) {
        // Inline, others that have a share of the budget may be about to enter: it is not barred.
        self.close_gate(DropReason::Cancelled, Gate::close);
        // What is set aside has its share of the budget.
        self.end(false);
    }

    fn end(&self, with_aside: bool) -> bool {
        let first = match self.inlet() {
            Some(inlet) => !inlet.taken().cancel().is_cancelled(),
            None => self.gate.end(),
        };
        self.discard_queue();
        if with_aside {
            self.discard_aside();
        }
        if first {
            self.tell_consumer_closed();
        }
        // Not only by the first: of two who cancel at a time, either may have discarded the last event.
        self.announce_quiet();
        first
    }

    /// Ends a closed slot that has come to rest, `own` handlers excepted. False if it has not, or if a handler
    /// started meanwhile: then it is to be waited for.
    ///
    /// A publisher that passed the gate before it was closed may book after the rest was seen. What it brings
    /// is discarded from here on, so that no handler starts once somebody was told of the end.
    pub(crate) fn end_if_quiet(&self, own: u64) -> bool {
        if !self.is_quiet(own) {
            return false;
        }
        self.cancel(DropReason::Cancelled);
        self.is_quiet(own)
    }

    /// Wakes those who wait for the last handler of a closed subscription to end, if it has.
    pub(super) fn announce_quiet(&self) {
        // A read-modify-write: of two that end at a time, the later one here sees the other's count.
        if !self.touch() {
            return;
        }
        if self.is_quiet(0) {
            self.quiet.notify(usize::MAX);
            self.roster.retire(self);
        } else {
            // Some wait for "all but my own".
            self.quiet.notify(usize::MAX);
        }
    }

    /// No handler starts until `resume`; events are queued meanwhile, and pass an inline
    /// subscription by.
    pub(crate) fn pause(&self) {
        match self.inlet() {
            Some(inlet) => {
                inlet.taken().pause();
                if let Some(aside) = self.aside() {
                    aside.settle();
                }
            }
            None => {
                self.gate.bypass();
                self.attendance().inspect(|attendance| attendance.stop());
            }
        }
    }

    /// Ends a pause or a quarantine.
    pub(crate) fn resume(&self) {
        let parked = match self.inlet() {
            Some(inlet) => inlet.taken().resume(),
            None => {
                self.gate.stop_bypass();
                false
            }
        };
        // After the pause: one that a panic has begun since then stands, and of the panics that led to one
        // which has ended none is left, or no later one would be the one that reaches the limit.
        self.panics.store(0, Ordering::Release);
        if parked {
            self.wake_consumer();
        }
    }

    /// Says whether the subscription is paused or in quarantine.
    pub(crate) fn is_paused(&self) -> bool {
        match self.inlet() {
            Some(inlet) => inlet.taken().view().is_paused(),
            None => self.gate.view().is_bypassed(),
        }
    }

    /// A consumer that found the subscription paused stops here; false if the pause is over already.
    pub(crate) fn park(&self) -> bool {
        let parked = self.inlet().is_some_and(|inlet| inlet.taken().park());
        if parked {
            self.after_run();
        }
        parked
    }

    /// After the consumer said that it parks: did somebody come to wake it between saying so and doing so?
    ///
    /// The mark tells, not the pause: another pause may have begun meanwhile, and its `resume` finds no mark.
    pub(crate) fn was_unparked(&self) -> bool {
        // A read-modify-write: see README.md, "Going to sleep".
        self.inlet().is_none_or(|inlet| {
            let view = inlet.taken().touch();
            !view.is_parked() || view.is_cancelled()
        })
    }

    /// Hears of `cancel`.
    pub(crate) fn listen_for_cancel(&self) -> event_listener::EventListener {
        self.tripped.listen()
    }

    fn note_reason(&self, reason: DropReason) {
        let number = if reason == DropReason::Shutdown { 2 } else { 1 };
        // The first reason stands. Release/Acquire: who sees the closed gate sees the reason, which
        // was noted before.
        let _ = self.reason.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Why events that were queued are discarded.
    pub(crate) fn reason(&self) -> DropReason {
        if self.reason.load(Ordering::Acquire) == 2 { DropReason::Shutdown } else { DropReason::Cancelled }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A late publisher may have left something behind, or the bus was forgotten.
        self.note_reason(DropReason::Cancelled);
        self.discard_queue();
        self.discard_aside();
        self.roster.fold(self);
    }
}

/// Waits until nothing is queued and no handler runs, those of the caller's own thread excepted.
#[derive(Debug)]
pub(crate) struct Quiet {
    slot: Arc<Slot>,
    own: u64,
    listener: Option<event_listener::EventListener>,
}

impl Quiet {
    pub(crate) fn of(slot: Arc<Slot>) -> Self {
        let own = super::scope::running_count(slot.key());
        Self { slot, own, listener: None }
    }

    /// How many handlers are not waited for, because the caller is in them.
    pub(crate) fn own(&self) -> u64 {
        self.own
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Ends the slot if it is quiet; see [`Slot::end_if_quiet`].
    pub(crate) fn end(&self) -> bool {
        self.slot.end_if_quiet(self.own)
    }

    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        use std::future::Future;
        use std::pin::Pin;
        use std::task::Poll;
        loop {
            // A read-modify-write: the counterpart of `after_run`.
            self.slot.touch();
            if self.slot.is_quiet(self.own) {
                self.listener = None;
                return Poll::Ready(());
            }
            match &mut self.listener {
                // Check, listen, check, wait.
                None => self.listener = Some(self.slot.quiet.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
