//! The longer way past a subscription: it is asked whether it takes the event, for it has a filter, a budget or a window,
//! is observed, wants another type, is in a group, or was full or closed; or the event has a completion.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Pass, Patience};
use crate::dispatch::frames::Stage;
use crate::dispatch::inlet::{Inlet, Push};
use crate::dispatch::list::Target;
use crate::dispatch::offer::{Inline, Verdict};
use crate::dispatch::receipt::Count;
use crate::dispatch::scope;
use crate::dispatch::slot::{InlineHandler, Sink, Slot};
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::wait::Waiting;
use crate::event::DropReason;

impl Pass<'_> {
    /// Offers the event to a subscription of any kind but an inline one.
    #[inline(never)]
    pub(in crate::dispatch) fn offer_judged(&mut self, slot: &Arc<Slot>) {
        if slot.follows && self.event.head().sequence().is_some() {
            // It got the event by way of the topic's log, or reads it there.
            return;
        }
        self.offer_judged_to(slot);
    }

    /// Offers an event that is on its way to one subscription only.
    pub(in crate::dispatch) fn offer_to(&mut self, slot: &Arc<Slot>) {
        match self.nested {
            Some(nested) if slot.is_inline() => self.call_judged(slot, &mut Stage::new(nested)),
            _ => self.offer_judged_to(slot),
        }
    }

    #[inline(always)]
    fn offer_judged_to(&mut self, slot: &Arc<Slot>) {
        // The queue says itself whether it is closed, and whether it takes the type.
        if let Sink::Queue(inlet) = &slot.sink
            && (!slot.filters || self.admit(slot))
        {
            self.offer(slot, &**inlet);
        }
    }

    /// Runs the handler of an inline subscription.
    #[inline(never)]
    pub(in crate::dispatch) fn call_judged<'s>(&mut self, slot: &'s Arc<Slot>, stage: &mut Stage<'s>) {
        let Sink::Inline(handler) = &slot.sink else { return };
        if slot.filters {
            // A filter is not what somebody waits for who waits for the handler before.
            stage.leave();
        }
        if self.admit(slot) && self.call(slot, handler.as_ref(), stage) == Called::Skipped {
            self.receipt.count(Count::Skipped);
        }
    }

    /// Judges the event for a slot, and counts a refusal.
    #[inline(always)]
    fn admit(&mut self, slot: &Slot) -> bool {
        match slot.judge(&self.event) {
            Verdict::Offer => return true,
            Verdict::Filtered => self.receipt.count(Count::Filtered),
            Verdict::Skipped => self.receipt.count(Count::Skipped),
            Verdict::Gone => {}
        }
        false
    }

    /// Offers the event to a queue.
    #[inline(always)]
    fn offer(&mut self, slot: &Arc<Slot>, inlet: &dyn Inlet) {
        self.open();
        match slot.offer(inlet, &self.event) {
            Push::Accepted(_) => self.receipt.count(Count::Queued),
            Push::Full => self.full(slot),
            Push::Closed => self.withdraw(slot),
            Push::Skipped => {
                self.skip(slot);
                self.receipt.count(Count::Skipped);
            }
        }
    }

    /// The event's completion waits for one more subscription.
    #[inline]
    fn open(&self) {
        if let Some(completion) = self.event.completion() {
            completion.open();
        }
    }

    /// That subscription is not given the event after all.
    fn withdraw(&self, slot: &Slot) {
        if let Some(completion) = self.event.completion() {
            slot.hooks.completed(completion.withdraw());
        }
    }

    /// The subscription asks for another type.
    #[cold]
    fn skip(&self, slot: &Slot) {
        self.withdraw(slot);
        slot.skip(&self.event);
    }

    #[cold]
    fn full(&mut self, slot: &Arc<Slot>) {
        let waits = matches!(slot.spec.mode, DeliveryMode::Block | DeliveryMode::Timeout(_));
        if !waits || self.patience == Patience::Never {
            return self.refuse(slot, DropReason::Full);
        }
        if scope::is_running(slot.key()) {
            // This very handler would have to return before there is room.
            return self.refuse(slot, DropReason::Deadlock);
        }
        self.receipt.put_aside(Waiting::new(Arc::clone(slot), self.event.share(), self.began));
    }

    fn refuse(&mut self, slot: &Slot, reason: DropReason) {
        slot.refuse(self.event.head(), reason);
        self.receipt.drop_one(slot.id, reason);
    }

    /// Runs an inline handler, and says what came of it but for the error, which goes into the receipt.
    #[inline(always)]
    fn call<'s>(
        &mut self,
        slot: &'s Arc<Slot>,
        handler: &dyn InlineHandler,
        stage: &mut Stage<'s>,
    ) -> Called {
        self.open();
        match handler.call(&self.event, slot, stage) {
            Inline::Done => {
                self.receipt.count(Count::Delivered);
                Called::Offered
            }
            Inline::Failed(error) => {
                self.receipt.count(Count::Delivered);
                self.receipt.fail_one(slot.id, error);
                Called::Offered
            }
            Inline::Expired => {
                self.receipt.expire_one(slot.id);
                Called::Offered
            }
            Inline::Duplicate => {
                self.receipt.repeat_one();
                Called::Offered
            }
            Inline::Skipped => {
                // The warning, and what a completion calls, are the application's.
                stage.leave();
                self.skip(slot);
                Called::Skipped
            }
            Inline::Gone => {
                stage.leave();
                self.withdraw(slot);
                Called::Gone
            }
        }
    }

    /// Offers the event to one member of a group: the next in turn that has room; if none has, the
    /// one whose turn it is deals with it in its own mode.
    pub(in crate::dispatch) fn offer_to_group(&mut self, group: &Target) {
        let mut full = SmallVec::<[_; 4]>::new();
        let mut refusal = None;
        for slot in group.members_from(group.next_turn()) {
            match slot.judge(&self.event) {
                Verdict::Offer => {}
                // One that filters it says more than one that asks for another type.
                Verdict::Filtered => {
                    refusal = Some(Count::Filtered);
                    continue;
                }
                Verdict::Skipped => {
                    refusal.get_or_insert(Count::Skipped);
                    continue;
                }
                Verdict::Gone => continue,
            }
            let inlet = match &slot.sink {
                Sink::Inline(handler) => {
                    let Some(nested) = self.nested else { continue };
                    match self.call(slot, handler.as_ref(), &mut Stage::new(nested)) {
                        Called::Offered => return,
                        Called::Skipped => {
                            refusal.get_or_insert(Count::Skipped);
                        }
                        Called::Gone => {}
                    }
                    continue;
                }
                Sink::Queue(inlet) => &**inlet,
            };
            self.open();
            match slot.try_offer(inlet, &self.event) {
                Push::Accepted(_) => return self.receipt.count(Count::Queued),
                Push::Full => {
                    self.withdraw(slot);
                    full.push((slot, inlet));
                }
                Push::Closed => self.withdraw(slot),
                Push::Skipped => {
                    self.skip(slot);
                    refusal.get_or_insert(Count::Skipped);
                }
            }
        }
        for (slot, inlet) in full {
            self.open();
            match slot.offer(inlet, &self.event) {
                Push::Accepted(_) => return self.receipt.count(Count::Queued),
                Push::Full => return self.full(slot),
                // Closed since the round: the next one deals with it.
                Push::Closed | Push::Skipped => self.withdraw(slot),
            }
        }
        if let Some(refusal) = refusal {
            self.receipt.count(refusal);
        }
    }
}

/// What came of the call of an inline handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    Offered,
    /// It asks for another type.
    Skipped,
    /// It was closed just before, or its budget is spent.
    Gone,
}
