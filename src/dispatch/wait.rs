//! Waiting for room in full queues: one state machine for threads and tasks.
//!
//! The order of steps is what makes a wake-up certain (invariants L1 and L2): listen, announce
//! oneself in the slot's `taken` word, try once more, and only then wait. A consumer that takes an
//! event after the announcement sees it and notifies; one that took before has left room, which the
//! last try finds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::EventListener;

use super::deadlock::Place;
use super::engine_tally::Figure;
use super::history::Log;
use super::receipt::{Count, Receipt};
use super::slot::Slot;
use super::spec::{DeliveryMode, SubscriptionKind};
use crate::event::{AnyEvent, DropReason};
use crate::guard::drop_guarded;
use crate::queue::Refused;
use crate::sync::clock::{self, Deadline, Instant};
use crate::sync::park::Wait;
use crate::sync::thread::yield_now;
use crate::trace::Sending;

/// How often a publisher yields at the most before it sleeps; half a microsecond each on an idle machine.
const LINGER: usize = if cfg!(loom) { 0 } else { 32 };

/// An event that waits for room in one queue.
///
/// Dropping it takes the event back: it was never offered, and nothing remembers it (L7).
pub(crate) struct Waiting {
    slot: Arc<Slot>,
    /// Not for room, but until the follower has read past this event, which is in its log.
    reader: Option<(Arc<Log>, u64)>,
    /// `None` once it came to an end.
    event: Option<AnyEvent>,
    /// When the call began, if that was noted.
    began: Option<Instant>,
    deadline: Deadline,
    listener: Option<EventListener>,
}

impl Waiting {
    pub(super) fn new(slot: Arc<Slot>, event: AnyEvent, began: Option<Instant>) -> Self {
        Self { slot, reader: None, event: Some(event), began, deadline: Deadline::NEVER, listener: None }
    }

    /// A wait until a follower has read past an event of a log. Nothing is lost when it is given up.
    pub(super) fn for_reader(slot: Arc<Slot>, log: Arc<Log>, sequence: u64, began: Option<Instant>) -> Self {
        let reader = Some((log, sequence));
        Self { slot, reader, event: None, began, deadline: Deadline::NEVER, listener: None }
    }

    fn poll_reader(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some((log, sequence)), Some(follower)) = (&self.reader, self.slot.follower.as_deref()) else {
            return Poll::Ready(());
        };
        loop {
            if self.slot.is_closed() || log.is_past(&self.slot, *sequence) {
                break;
            }
            match &mut self.listener {
                // Check, listen, check, wait.
                None => self.listener = Some(follower.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending if self.deadline.has_passed() => break,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        self.listener = None;
        Poll::Ready(())
    }

    /// Fixes the deadline: the slot's own, and that of the publish call.
    fn set_deadline(&mut self, call: Deadline) {
        self.deadline = match self.slot.spec.mode {
            DeliveryMode::Timeout(limit) => {
                let began = self.began.unwrap_or_else(clock::now);
                Deadline::after_from(began, limit).earlier(call)
            }
            _ => call,
        };
    }

    fn poll(&mut self, cx: &mut Context<'_>, receipt: &mut Receipt) -> Poll<()> {
        if self.reader.is_some() {
            return self.poll_reader(cx);
        }
        while let Some(event) = self.event.take() {
            let engine = event.head().engine();
            match self.slot.offer_kept(event) {
                Ok(()) => {
                    receipt.count(Count::Queued);
                    if engine != 0 {
                        self.slot.hooks.count(engine, Figure::Offered);
                    }
                    break;
                }
                Err(Refused::Closed(event)) => {
                    self.refuse(event, self.slot.reason(), receipt);
                    break;
                }
                Err(Refused::Full(event)) => {
                    if let Some(listener) = &mut self.listener {
                        match Pin::new(listener).poll(cx) {
                            Poll::Ready(()) => self.stop_listening(),
                            // Room wins over the deadline: the push was tried first (L5).
                            Poll::Pending if self.deadline.has_passed() => {
                                self.refuse(event, DropReason::Timeout, receipt);
                                break;
                            }
                            Poll::Pending => {
                                self.event = Some(event);
                                return Poll::Pending;
                            }
                        }
                    } else {
                        self.listener = Some(self.slot.room.listen());
                        self.announce();
                    }
                    self.event = Some(event);
                }
            }
        }
        self.stop_listening();
        Poll::Ready(())
    }

    fn refuse(&self, event: AnyEvent, reason: DropReason, receipt: &mut Receipt) {
        self.slot.refuse(event.head(), reason);
        if event.head().engine() != 0 {
            self.slot.hooks.count(event.head().engine(), Figure::Offered);
            self.slot.hooks.dropped_on(event.head(), reason);
        }
        receipt.drop_one(self.slot.id, reason);
        drop_guarded(event);
    }

    fn stop_listening(&mut self) {
        // Dropping a listener that was notified and not polled passes the notification on.
        if self.listener.take().is_some()
            && self.reader.is_none()
            && let Some(inlet) = self.slot.inlet()
        {
            inlet.taken().stop_waiting();
        }
    }

    fn announce(&self) {
        if let Some(inlet) = self.slot.inlet() {
            inlet.taken().wait();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.stop_listening();
        if let Some(event) = self.event.take() {
            if let Some(completion) = event.head().completion() {
                self.slot.hooks.completed(completion.withdraw());
            }
            drop_guarded(event);
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("slot", &self.slot.id).finish_non_exhaustive()
    }
}

/// Queues that were full, with the events that they shall get.
pub(super) type PutAside = Vec<Waiting>;

/// All the waits of one publish call, together: a full queue does not delay the others (I3).
#[derive(Debug)]
pub(crate) struct Waits {
    receipt: Receipt,
    aside: PutAside,
    /// The span of the call.
    sending: Sending,
    /// Where a handler that waits is noted, between two polls.
    place: Option<Place>,
    look_again: Deadline,
}

impl Waits {
    /// `call` is the deadline of the publish call, for all queues alike.
    pub(crate) fn new(mut receipt: Receipt, call: Deadline) -> Self {
        let (mut aside, sending) = (receipt.take_aside(), receipt.take_sending());
        for waiting in &mut aside {
            waiting.set_deadline(call);
        }
        Self { receipt, aside, sending, place: None, look_again: Deadline::NEVER }
    }

    /// Says whether one of the queues is emptied by the worker pool.
    pub(crate) fn needs_workers(&self) -> bool {
        self.aside.iter().any(|waiting| waiting.slot.spec.kind != SubscriptionKind::Receiver)
    }

    /// Gives those who empty the queues a moment before this thread sleeps.
    ///
    /// A publisher that sleeps is woken for the first room, and then fills it and sleeps again: a wake-up
    /// for each event, at some 10 µs. One that comes back a little later finds room for many.
    pub(crate) fn linger(&self) {
        for _ in 0..LINGER {
            let drained =
                |waiting: &Waiting| waiting.slot.queued() <= waiting.slot.spec.capacity as u64 / 4 * 3;
            if self.aside.iter().all(drained) || self.deadline().has_passed() {
                return;
            }
            yield_now();
        }
    }

    /// Gives all waits up for one reason, as dropped: for a caller that would wait for itself.
    pub(crate) fn give_up(mut self, reason: DropReason) -> Receipt {
        for mut waiting in std::mem::take(&mut self.aside) {
            if let Some(event) = waiting.event.take() {
                waiting.refuse(event, reason, &mut self.receipt);
            }
        }
        self.receipt.sent_by(self.sending)
    }
}

impl Waits {
    /// Gives up what a handler would wait for in vain; see `deadlock.rs`.
    fn judge(&mut self) {
        loop {
            let endless = self.aside.iter().filter(|waiting| waiting.deadline == Deadline::NEVER);
            self.place = Place::enter(endless.map(|waiting| Arc::clone(&waiting.slot)).collect());
            let Some(place) = &self.place else {
                self.look_again = Deadline::NEVER;
                return;
            };
            // Out of the graph before anything of the application's runs.
            let Some(stuck) = place.leave_if_stuck() else {
                self.look_again = Place::look_again();
                return;
            };
            let Some(at) = self.aside.iter().position(|waiting| waiting.slot.id == stuck) else { return };
            let mut waiting = self.aside.remove(at);
            if let Some(event) = waiting.event.take() {
                waiting.refuse(event, DropReason::Deadlock, &mut self.receipt);
            }
        }
    }
}

impl Wait for Waits {
    type Output = Receipt;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Receipt> {
        // From here on it may get room.
        self.place = None;
        let entered = self.sending.enter();
        let receipt = &mut self.receipt;
        self.aside.retain_mut(|waiting| waiting.poll(cx, receipt).is_pending());
        // A collector is the application's: not between the note of the wait and the wait.
        entered.leave();
        self.judge();
        if !self.aside.is_empty() {
            return Poll::Pending;
        }
        let sending = std::mem::take(&mut self.sending);
        Poll::Ready(std::mem::take(&mut self.receipt).sent_by(sending))
    }

    fn deadline(&self) -> Deadline {
        self.aside.iter().fold(self.look_again, |earliest, waiting| earliest.earlier(waiting.deadline))
    }
}
