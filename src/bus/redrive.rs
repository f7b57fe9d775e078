//! Dead letters whose events are sent once more.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use thiserror::Error;

use super::history::History;
use super::{EventBus, publish};
use crate::dispatch::{self, DeadLetter, Nested, Receipt, Slot, Waits};
use crate::subscribe::Hub;
use crate::sync::clock::Deadline;
use crate::sync::coop;
use crate::sync::park::Timed;

/// The event of a dead letter was offered to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedriveError {
    /// The subscription has ended, and there is no other of its name that takes events on that topic.
    #[error("the subscription has ended, and no other has its name")]
    NoSubscription,
    /// The bus was shut down.
    #[error("the bus was shut down")]
    ShutDown,
    /// Inline handlers may not be nested as deep; see [`BusBuilder::inline_depth`](crate::BusBuilder::inline_depth).
    #[error("inline handlers may not be nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

/// What became of the letters that [`History::redrive`] has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redriven {
    /// Events that their subscriptions have taken.
    pub sent: u64,
    /// Events that they have not taken: a full queue dropped them, or a filter turned them away.
    pub refused: u64,
    /// Events whose subscription has ended, without another of its name.
    pub orphaned: u64,
}

impl EventBus {
    /// Sends the event of a dead letter once more, to the subscription that could not handle it, and to no other: those that
    /// have handled it do not get it again. If that subscription has ended, the youngest one with its
    /// [name](crate::Subscribe::name) gets it that is of the same tenant and takes events on that topic.
    ///
    /// It is the same event, with its id, key, metadata and time; only its [age](crate::BusBuilder::ttl) counts from now on. It
    /// is [tried](crate::Subscribe::retry) as often as if it were new, and if that fails, there is a new letter. Who waits for its
    /// [completion](crate::EventBuilder::on_complete) has been told before, and is not told again. What came from a broker and
    /// could not be decoded is decoded once more: a subscription of that name may know how.
    ///
    /// Letters that a dead-letter topic [keeps](crate::BusBuilder::retain) are sent together by [`History::redrive`].
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # use trolleybus::{DeadLetter, EventBus, HandlerError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// static REPAIRED: AtomicBool = AtomicBool::new(false);
    /// let bus = EventBus::builder().dead_letters(["order.*"], "dead.order").build()?;
    /// let mut dead = bus.subscribe_local::<DeadLetter>("dead.*").receiver()?;
    /// let billing = bus.subscribe::<u32>("order.placed").handle_inline(|_| {
    ///     if REPAIRED.load(Ordering::Relaxed) { Ok(()) } else { Err(HandlerError::new("out of order")) }
    /// })?;
    /// bus.publish("order.placed", 7_u32)?;
    /// let letter = dead.try_recv()?;
    ///
    /// REPAIRED.store(true, Ordering::Relaxed);
    /// bus.redrive(&letter)?.all_delivered()?;
    /// assert_eq!((billing.stats().delivered, billing.stats().failed), (2, 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedriveError`]: nobody was offered the event.
    ///
    /// # Blocking
    ///
    /// As [`publish`](Self::publish): until a full queue of mode [`Block`](crate::DeliveryMode::Block) or
    /// [`Timeout`](crate::DeliveryMode::Timeout) has room.
    pub fn redrive(&self, letter: &DeadLetter) -> Result<Receipt, RedriveError> {
        let hub = self.hub();
        let receipt = offer(hub, letter)?;
        let receipt =
            if receipt.is_settled() { receipt } else { publish::wait(hub, receipt, Deadline::NEVER) };
        if is_taken(&receipt) {
            letter.claim_redrive();
        }
        Ok(receipt)
    }

    /// Sends the event of a dead letter once more without blocking the thread; see [`redrive`](Self::redrive).
    ///
    /// # Cancel safety
    ///
    /// As [`Publish`](crate::Publish): dropped while it waits for room, the event was not sent.
    pub fn redrive_async(&self, letter: &DeadLetter) -> Redrive {
        Redrive { bus: self.clone(), letter: letter.clone(), waiting: None }
    }
}

impl History {
    /// Sends the events of the letters once more that are kept and for which `wanted` says so, the oldest first, as
    /// [`EventBus::redrive`] does. Letters that have been sent are left out; those whose events nobody has taken can be
    /// sent by another call.
    ///
    /// ```
    /// # use trolleybus::{DeathCause, EventBus, HandlerError, Retention};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder()
    ///     .dead_letters(["order.*"], "dead.order")
    ///     .retain(["dead.*"], Retention::new().count(1000))
    ///     .build()?;
    /// let billing = bus.subscribe::<u32>("order.*").name("billing").handle_inline(|order| {
    ///     if **order == 7 { Err(HandlerError::new("no such customer")) } else { Ok(()) }
    /// })?;
    /// for order in [7_u32, 8] {
    ///     bus.publish("order.placed", order)?;
    /// }
    /// billing.cancel();
    /// // A better one.
    /// let billing = bus.subscribe::<u32>("order.*").name("billing").handle_inline(|_| ())?;
    ///
    /// let failures = bus.history("dead.order")?.redrive(|letter| matches!(letter.cause(), DeathCause::Failed { .. }));
    /// assert_eq!((failures.sent, billing.stats().delivered), (1, 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`EventBus::redrive`], for each of them.
    pub fn redrive(&self, mut wanted: impl FnMut(&DeadLetter) -> bool) -> Redriven {
        let mut redriven = Redriven::default();
        let letters = self.iter().filter_map(|event| event.downcast::<DeadLetter>().ok());
        for letter in letters.filter(|letter| !letter.was_redriven()) {
            // Of two who send it at a time one does.
            if !wanted(&letter) || !letter.claim_redrive() {
                continue;
            }
            let result = self.bus.redrive(&letter);
            match &result {
                Ok(receipt) if is_taken(receipt) => redriven.sent += 1,
                Ok(_) | Err(RedriveError::TooDeep { .. }) => redriven.refused += 1,
                Err(RedriveError::NoSubscription | RedriveError::ShutDown) => redriven.orphaned += 1,
            }
            if !result.is_ok_and(|receipt| is_taken(&receipt)) {
                letter.give_back();
            }
        }
        redriven
    }
}

/// Says whether the subscription has the event now, or had it already.
fn is_taken(receipt: &Receipt) -> bool {
    receipt.delivered() + receipt.queued() + receipt.duplicates() > 0
}

/// Offers the event to its subscription. The receipt also holds its queue, if that is to be waited for.
fn offer(hub: &Hub, letter: &DeadLetter) -> Result<Receipt, RedriveError> {
    if hub.is_closed() {
        return Err(RedriveError::ShutDown);
    }
    let (event, name) = (letter.event(), letter.subscription_name());
    // Also of the one that has the letter's number: the letter may be another bus's.
    let is_it = |slot: &Arc<Slot>| {
        let spec = &slot.spec;
        spec.name.as_deref() == name
            && spec.tenant.as_ref() == event.tenant()
            && slot.matches(event.topic().as_str())
            && !slot.is_closed()
    };
    let heir = || name.and_then(|_| hub.roster.held().into_iter().rev().find(is_it));
    let slot = hub.roster.get(letter.subscription()).filter(is_it).or_else(heir);
    let slot = slot.ok_or(RedriveError::NoSubscription)?;
    let limit = hub.options.inline_depth;
    let nested = slot.is_inline().then(|| Nested::enter(limit).ok_or(RedriveError::TooDeep { limit }));
    Ok(dispatch::redeliver(event, &slot, nested.transpose()?.as_ref(), &hub.hooks))
}

/// Sends the event of a dead letter when it is awaited. See [`EventBus::redrive_async`].
#[must_use = "an event is sent when this is awaited"]
pub struct Redrive {
    bus: EventBus,
    letter: DeadLetter,
    waiting: Option<Timed<Waits>>,
}

impl Future for Redrive {
    type Output = Result<Receipt, RedriveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let receipt = match &mut this.waiting {
            Some(waiting) => ready!(Pin::new(waiting).poll(cx)),
            None => {
                // As a publish: a task that does this in a loop lets the others of its runtime run.
                ready!(coop::poll_proceed(cx));
                let hub = this.bus.hub();
                let receipt = offer(hub, &this.letter)?;
                if !receipt.is_settled() {
                    let timer = Arc::clone(&hub.timer);
                    let waiting = Timed::new(Waits::new(receipt, Deadline::NEVER), timer);
                    ready!(Pin::new(this.waiting.insert(waiting)).poll(cx))
                } else {
                    receipt
                }
            }
        };
        this.waiting = None;
        if is_taken(&receipt) {
            this.letter.claim_redrive();
        }
        Poll::Ready(Ok(receipt))
    }
}

impl fmt::Debug for Redrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redrive").field("letter", &self.letter).finish_non_exhaustive()
    }
}
