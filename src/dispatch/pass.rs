//! One event's pass over a list of subscribers.
//!
//! ```text
//! offer to every queue, without waiting      the full ones of Block and Timeout are put aside
//! run the inline handlers                    in registration order
//! wait for the ones put aside, together      `wait.rs`, each under its own deadline
//! ```

use std::sync::Arc;

use super::list::{SubscriberList, Target};
use super::offer::{Inline, Push, Verdict};
use super::passing::Passing;
use super::receipt::Receipt;
use super::scope;
use super::slot::{DeliveryMode, Sink, Slot};
use super::wait::Waiting;
use crate::event::{AnyEvent, DropReason};
use crate::sync::clock::{self, Instant};

/// Whether full queues may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A full queue in mode `Block` or `Timeout` is put aside, to be waited for.
    Wait,
    /// A full queue drops the event.
    Never,
}

/// Queues that were full, with the events that they shall get.
pub(crate) type PutAside = Vec<Waiting>;

/// Takes one event past all subscribers of a list.
pub(crate) struct Pass<'a> {
    event: &'a Passing<'a>,
    tick: u32,
    patience: Patience,
    receipt: Receipt,
    aside: PutAside,
    /// When the call began, if it matters.
    began: Option<Instant>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(event: &'a Passing<'a>, patience: Patience) -> Self {
        Self {
            event,
            tick: event.head().tick(),
            patience,
            receipt: Receipt::default(),
            aside: PutAside::new(),
            began: None,
        }
    }

    /// The whole pass. `start` rotates the order: the subscriber with that number goes first.
    pub(crate) fn run(mut self, list: &SubscriberList, start: usize) -> (Receipt, PutAside) {
        self.began = list.needs_clock().then(clock::now);
        if list.has_queues() {
            list.for_each(start, |slot| {
                if !slot.is_inline() {
                    self.offer(slot);
                }
            });
        }
        if list.has_inline() {
            list.for_each(start, |slot| {
                if let Sink::Inline(handler) = &slot.sink {
                    self.call(slot, handler.as_ref());
                }
            });
        }
        for group in list.groups() {
            self.offer_to_group(group);
        }
        (self.receipt, self.aside)
    }

    /// Judges the event for a slot and counts a refusal.
    #[inline(always)]
    fn admit(&mut self, slot: &Slot) -> bool {
        match slot.judge(self.event) {
            Verdict::Offer => {
                self.receipt.matched += 1;
                true
            }
            Verdict::Filtered => {
                self.receipt.matched += 1;
                self.receipt.filtered += 1;
                false
            }
            Verdict::Skipped => {
                self.receipt.matched += 1;
                self.receipt.skipped += 1;
                false
            }
            Verdict::Gone => false,
        }
    }

    #[inline(always)]
    fn offer(&mut self, slot: &Arc<Slot>) {
        if !self.admit(slot) {
            return;
        }
        self.open();
        match slot.offer(self.event.share(), self.tick) {
            Push::Accepted => self.receipt.queued += 1,
            Push::Full(event) => self.full(slot, event),
            Push::Closed(event) => self.closed(slot, event),
        }
    }

    /// The event's completion waits for one more subscription.
    #[inline]
    fn open(&self) {
        if let Some(completion) = self.event.head().completion() {
            completion.open();
        }
    }

    /// The slot was closed between the judgement and the offer.
    #[cold]
    fn closed(&mut self, slot: &Slot, event: AnyEvent) {
        self.refuse(slot, slot.reason());
        drop(event);
    }

    #[cold]
    fn full(&mut self, slot: &Arc<Slot>, event: AnyEvent) {
        let waits = matches!(slot.spec.mode, DeliveryMode::Block | DeliveryMode::Timeout(_));
        if !waits || self.patience == Patience::Never {
            return self.refuse(slot, DropReason::Full);
        }
        if scope::is_running(slot.key()) {
            // This very handler would have to return before there is room.
            return self.refuse(slot, DropReason::Deadlock);
        }
        self.aside.push(Waiting::new(Arc::clone(slot), event, self.began));
    }

    fn refuse(&mut self, slot: &Slot, reason: DropReason) {
        slot.refuse(self.event.head(), reason);
        self.receipt.drop_one(slot.id, reason);
    }

    #[inline(always)]
    fn call(&mut self, slot: &Arc<Slot>, handler: &dyn super::slot::InlineHandler) {
        if !self.admit(slot) {
            return;
        }
        self.open();
        match slot.run_inline(handler, self.event) {
            Inline::Done => self.receipt.delivered += 1,
            Inline::Failed(error) => {
                self.receipt.delivered += 1;
                self.receipt.fail_one(slot.id, error);
            }
            Inline::Late(reason) => self.receipt.drop_one(slot.id, reason),
            Inline::Gone => {
                self.receipt.matched -= 1;
                self.withdraw(slot);
            }
        }
    }

    /// Offers the event to one member of a group: the next in turn that has room; if none has, the
    /// one whose turn it is deals with it in its own mode.
    fn offer_to_group(&mut self, group: &Target) {
        let first = group.next_turn();
        let mut fallback = None;
        let before = self.receipt.matched;
        let (mut filtered, mut skipped) = (0, 0);
        for slot in group.members_from(first) {
            match slot.judge(self.event) {
                Verdict::Offer => {}
                Verdict::Filtered => {
                    filtered += 1;
                    continue;
                }
                Verdict::Skipped => {
                    skipped += 1;
                    continue;
                }
                Verdict::Gone => continue,
            }
            if let Sink::Inline(handler) = &slot.sink {
                self.receipt.matched = before + 1;
                self.open();
                match slot.run_inline(handler.as_ref(), self.event) {
                    Inline::Done => self.receipt.delivered += 1,
                    Inline::Failed(error) => {
                        self.receipt.delivered += 1;
                        self.receipt.fail_one(slot.id, error);
                    }
                    Inline::Late(reason) => self.receipt.drop_one(slot.id, reason),
                    Inline::Gone => {
                        self.receipt.matched = before;
                        self.withdraw(slot);
                        continue;
                    }
                }
                return;
            }
            self.open();
            match slot.push(self.event.share(), self.tick) {
                Push::Accepted => {
                    self.receipt.matched = before + 1;
                    self.receipt.queued += 1;
                    return;
                }
                Push::Full(event) => {
                    self.withdraw(slot);
                    drop(event);
                    fallback.get_or_insert(slot);
                }
                Push::Closed(event) => {
                    self.withdraw(slot);
                    drop(event);
                }
            }
        }
        if let Some(slot) = fallback {
            self.receipt.matched = before + 1;
            self.open();
            match slot.offer(self.event.share(), self.tick) {
                Push::Accepted => self.receipt.queued += 1,
                Push::Full(event) => self.full(slot, event),
                Push::Closed(event) => self.closed(slot, event),
            }
        } else if filtered + skipped > 0 {
            self.receipt.matched = before + 1;
            if filtered > 0 {
                self.receipt.filtered += 1;
            } else {
                self.receipt.skipped += 1;
            }
        }
    }

    fn withdraw(&self, slot: &Slot) {
        if let Some(completion) = self.event.head().completion() {
            slot.hooks.completed(completion.withdraw());
        }
    }
}
