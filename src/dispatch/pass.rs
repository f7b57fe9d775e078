//! One event's pass over a list of subscribers.
//!
//! ```text
//! offer to every queue, without waiting      the full ones of Block and Timeout are put aside
//! run the inline handlers                    in registration order
//! wait for the ones put aside, together      `wait.rs`, each under its own deadline
//! ```

mod by_slot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::frames::{Nested, Stage};
use super::history::{Log, keep};
use super::hooks::Hooks;
use super::list::{Part, SubscriberList};
use super::passing::{Passing, Untyped};
use super::receipt::{Count, Receipt};
use super::rounds::Round;
use super::slot::Slot;
use super::views::{Seen, View, Way};
use crate::error::HandlerError;
use crate::event::{AnyEvent, Event};
use crate::guard::drop_guarded;
use crate::queue::Ring;
use crate::sync::clock::{self, Instant};

/// Whether full queues may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A full queue in mode `Block` or `Timeout` is put aside, to be waited for.
    Wait,
    /// A full queue drops the event.
    Never,
}

/// One event on its way past the subscribers of a list.
pub(super) struct Pass<'a> {
    event: Passing<'a>,
    patience: Patience,
    /// The level of nesting, if an inline handler may run.
    nested: Option<&'a Nested>,
    receipt: Receipt,
    /// When the call began, if it matters.
    began: Option<Instant>,
}

/// Takes an event past all subscribers of a list. `start` rotates the order: the subscriber with that number goes
/// first. The receipt also holds the queues that are to be waited for.
#[inline]
pub(crate) fn pass<T: Send + Sync + 'static>(
    event: Event<T>,
    list: &SubscriberList,
    start: usize,
    patience: Patience,
    nested: Option<&Nested>,
    hooks: &Hooks,
) -> Receipt {
    let (receipt, last) = {
        let pass =
            Pass { event: Passing::new(&event), patience, nested, receipt: Receipt::default(), began: None };
        pass.run(&event, list, start)
    };
    if let Some(last) = last {
        return give(event, &last, receipt, patience);
    }
    // Whose reference is the last is chance; the publisher gets the receipt in any case.
    if event.head().has_extras() {
        conclude(event, hooks);
    } else {
        event.retire();
    }
    receipt
}

/// The same of an event that is kept in a log: there first, where those who follow its topic get it. Compiled once, and not
/// for each type: who takes a lock does not mind being asked.
pub(crate) fn pass_kept(
    event: AnyEvent,
    log: &Arc<Log>,
    list: &SubscriberList,
    start: usize,
    patience: Patience,
    nested: Option<&Nested>,
    hooks: &Hooks,
) -> Receipt {
    let followers = keep(log, &event, patience);
    let source = Untyped::new(&event);
    let mut pass = Pass::of(Passing::of(&source), patience, nested, Receipt::default());
    pass.run_judged(list, start);
    let receipt = pass.into_receipt();
    drop(source);
    if let Some(completion) = event.head().completion() {
        hooks.completed(completion.release());
    }
    drop_guarded(event);
    followers.with(receipt)
}

/// The publisher is done with an event that somebody may wait for.
#[cold]
fn conclude<T: Send + Sync + 'static>(event: Event<T>, hooks: &Hooks) {
    if let Some(completion) = event.head().completion() {
        hooks.completed(completion.release());
    }
    drop_guarded(event);
}

/// A queue that is the last of all: it is given the publisher's own reference to the event.
struct Last<'a, T> {
    slot: &'a Arc<Slot>,
    ring: &'a Ring<Event<T>>,
}

/// Puts an event into the last queue. This saves a reference, and with it the publisher's second visit to a line
/// of memory which by then is another core's.
#[inline]
fn give<T: Send + Sync + 'static>(
    event: Event<T>,
    last: &Last<'_, T>,
    mut receipt: Receipt,
    patience: Patience,
) -> Receipt {
    let tick = event.head().tick();
    match last.ring.push(event, tick) {
        Ok(awake) => {
            receipt.count(Count::Queued);
            if !awake {
                last.slot.rouse();
            }
            receipt
        }
        // Full or closed: as if this had not been tried.
        Err(refused) => offer_again(refused.into_inner(), last.slot, receipt, patience),
    }
}

#[cold]
fn offer_again<T: Send + Sync + 'static>(
    event: Event<T>,
    slot: &Arc<Slot>,
    receipt: Receipt,
    patience: Patience,
) -> Receipt {
    let mut pass = Pass { receipt, ..Pass::without_inline(&event, patience) };
    pass.offer_judged(slot);
    let receipt = pass.into_receipt();
    drop_guarded(event);
    receipt
}

impl<'a> Pass<'a> {
    /// A pass on which no inline handler may run.
    pub(super) fn without_inline<T: Send + Sync + 'static>(event: &'a Event<T>, patience: Patience) -> Self {
        let event = Passing::new(event);
        Self { event, patience, nested: None, receipt: Receipt::default(), began: None }
    }

    /// The pass of an event whose type only who made it knows, with what has become of it so far.
    pub(super) fn of(
        event: Passing<'a>,
        patience: Patience,
        nested: Option<&'a Nested>,
        receipt: Receipt,
    ) -> Self {
        Self { event, patience, nested, receipt, began: None }
    }

    /// What has become of the event so far.
    pub(super) fn into_receipt(self) -> Receipt {
        self.receipt
    }

    /// The pass of an event, the one that this was made for, but for what is left to do for the last of all.
    fn run<'l, T: Send + Sync + 'static>(
        mut self,
        event: &Event<T>,
        list: &'l SubscriberList,
        start: usize,
    ) -> (Receipt, Option<Last<'l, T>>) {
        self.began = list.needs_clock().then(clock::now);
        // A completion counts each offer, and an age is looked at before each: that is left to those who judge.
        let typed = self.event.head().is_plain();
        let mut last = None;
        if list.has_queues() {
            // Nothing comes after it that needs the event.
            let spare = if typed && start == 0 { list.last_of_queues() } else { None };
            let is_spare = |slot: &Arc<Slot>| spare.is_some_and(|spare| Arc::ptr_eq(spare, slot));
            list.walk(start, typed, |part| match part {
                Part::Judged(slot) => self.offer_judged(slot),
                Part::Seen(view) => match &view.seen[..] {
                    [seen @ .., Seen { slot, way: Way::Queue(ring) }] if is_spare(slot) => {
                        self.push_all(seen, event);
                        last = Some(Last { slot, ring });
                    }
                    seen => self.push_all(seen, event),
                },
            });
        }
        if list.has_inline()
            && let Some(nested) = self.nested
        {
            let mut stage = Stage::new(nested);
            list.walk(start, typed, |part| match part {
                Part::Judged(slot) => self.call_judged(slot, &mut stage),
                Part::Seen(view) => self.call_all(&mut stage, view, event),
            });
        }
        for group in list.groups() {
            self.offer_to_group(group);
        }
        (self.receipt, last)
    }

    /// The same, asking each subscriber.
    fn run_judged(&mut self, list: &SubscriberList, start: usize) {
        self.began = list.needs_clock().then(clock::now);
        let slots = || list.plain().skip(start).chain(list.plain().take(start));
        if list.has_queues() {
            slots().for_each(|slot| self.offer_judged(slot));
        }
        if list.has_inline()
            && let Some(nested) = self.nested
        {
            let mut stage = Stage::new(nested);
            slots().for_each(|slot| self.call_judged(slot, &mut stage));
        }
        for group in list.groups() {
            self.offer_to_group(group);
        }
    }

    /// Puts the event into the queues of a chunk.
    #[inline(always)]
    fn push_all<T: Send + Sync + 'static>(&mut self, seen: &[Seen<T>], event: &Event<T>) {
        let tick = event.head().tick();
        let mut queued = 0;
        for Seen { slot, way } in seen {
            let push = match way {
                Way::Queue(ring) => ring.push(event.clone(), tick).map_err(drop),
                Way::AnyQueue(ring) => ring.push(self.event.share(), tick).map_err(drop),
                Way::Inline(_) | Way::AnyInline(_) => continue,
                Way::Judged => Err(()),
            };
            match push {
                Ok(true) => queued += 1,
                Ok(false) => {
                    queued += 1;
                    slot.rouse();
                }
                // It has to be asked, or it is full or closed, and then it is as if this had not been tried.
                Err(()) => self.offer_judged(slot),
            }
        }
        self.receipt.count_several(Count::Queued, queued);
    }

    /// Runs the inline handlers of a chunk.
    #[inline(always)]
    fn call_all<'s, T: Send + Sync + 'static>(
        &mut self,
        stage: &mut Stage<'s>,
        view: &'s View<T>,
        event: &Event<T>,
    ) {
        let mut left = &view.seen[..];
        if let Some(round) = view.begin_round(stage.thread()) {
            left = self.call_round(stage, round, left, event);
        }
        let mut delivered = 0;
        for Seen { slot, way } in left {
            let result = match way {
                Way::Inline(handler) => stage.run_plain(slot, || handler.handle(slot, event)),
                Way::AnyInline(handler) => {
                    let event = self.event.any();
                    stage.run_plain(slot, || handler.handle(slot, event))
                }
                Way::Queue(_) | Way::AnyQueue(_) => continue,
                Way::Judged => None,
            };
            match result {
                Some(Ok(())) => delivered += 1,
                Some(Err(error)) => {
                    delivered += 1;
                    self.failed(slot, stage, error);
                }
                // It has to be asked, or it is closed or paused, and then it is as if this had not been tried.
                None => self.call_judged(slot, stage),
            }
        }
        self.receipt.count_several(Count::Delivered, delivered);
    }

    /// Runs the inline handlers of a chunk in a round. Returns those that are left when subscriptions have to be asked.
    #[inline(always)]
    fn call_round<'s, T: Send + Sync + 'static>(
        &mut self,
        stage: &mut Stage<'s>,
        mut round: Round<'_>,
        seen: &'s [Seen<T>],
        event: &Event<T>,
    ) -> &'s [Seen<T>] {
        stage.leave();
        let mut called = 0;
        // Once for each handler that fails, and once more: to catch the panics of each one by itself costs more.
        let over = loop {
            let (sign, passing) = (stage.sign(), &self.event);
            let call = || {
                // A copy of the round, which stays in registers.
                let mut turn = round;
                for Seen { slot, way } in &seen[called..] {
                    sign.show(slot);
                    if turn.is_over() {
                        return Ok(true);
                    }
                    turn.start();
                    if let Way::Inline(handler) = way {
                        handler.handle(slot, event)?;
                    } else if let Way::AnyInline(handler) = way {
                        handler.handle(slot, passing.any())?;
                    }
                    turn.end();
                }
                Ok(false)
            };
            let result = catch_unwind(AssertUnwindSafe(call))
                .unwrap_or_else(|payload| Err(HandlerError::panicked(payload)));
            let ended = round.catch_up();
            called += ended;
            match result {
                Ok(over) => {
                    if ended > 0 {
                        stage.stay(&seen[called - 1].slot);
                    }
                    break over;
                }
                Err(error) => {
                    let slot = &seen[called].slot;
                    slot.ended.fail();
                    round.end();
                    called += 1;
                    stage.stay(slot);
                    self.failed(slot, stage, error);
                }
            }
        };
        if !over {
            round.complete();
        }
        self.receipt.count_several(Count::Delivered, u16::try_from(called).unwrap_or(u16::MAX));
        &seen[called..]
    }

    /// A handler failed.
    #[cold]
    fn failed<'s>(&mut self, slot: &'s Arc<Slot>, stage: &mut Stage<'s>, error: HandlerError) {
        // Other code of the application follows.
        stage.leave();
        slot.conclude(&self.event, None, Some(&error));
        self.receipt.fail_one(slot.id, error);
    }
}
