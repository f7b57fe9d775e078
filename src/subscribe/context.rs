//! What a handler can ask about the delivery that it is in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use event_listener::EventListener;

use crate::dispatch::{Gap, Slot};
use crate::event::{Head, SubscriptionId};
use crate::sync::clock;

/// The circumstances of one delivery, for handlers that ask for them (`handle_with` and its kin).
///
/// ```
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let _hello = bus.subscribe::<String>("greet").handle_inline_with(|greeting, delivery| {
///     println!("{}, said {} at {:?}", **greeting, delivery.subscription(), delivery.published());
/// })?;
/// bus.publish("greet", "hello")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Delivery {
    slot: Arc<Slot>,
    attempt: u32,
    published: SystemTime,
    started: SystemTime,
    /// Boxed: few have one.
    gap: Option<Box<Gap>>,
}

impl Delivery {
    pub(crate) fn new(slot: &Arc<Slot>, event: &Head, attempt: u32) -> Self {
        let gap = slot
            .follower
            .as_deref()
            .and_then(|follower| follower.gap_before(event.topic(), event.sequence()?).map(Box::new));
        Self { slot: Arc::clone(slot), attempt, published: event.time(), started: clock::wall(), gap }
    }

    /// The subscription whose handler this is.
    #[must_use]
    pub fn subscription(&self) -> SubscriptionId {
        self.slot.id
    }

    /// The subscription's name, if it was given one.
    #[must_use]
    pub fn subscription_name(&self) -> Option<&str> {
        self.slot.spec.name.as_deref()
    }

    /// Which attempt at this event it is, from 1. More than that only if the subscription [tries
    /// again](super::Subscribe::retry).
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the event was published; wall clock, coarse unless the bus was built with precise time.
    #[must_use]
    pub fn published(&self) -> SystemTime {
        self.published
    }

    /// When this handler started; wall clock.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// What is missing directly before this event, of a subscription that [replays](crate::Subscribe::from). It is told once:
    /// at the first attempt, if the event is [tried again](crate::Subscribe::retry).
    #[must_use]
    pub fn gap(&self) -> Option<&Gap> {
        self.gap.as_deref()
    }

    /// Says whether the subscription was cancelled, or the bus's time to shut down is over: the
    /// handler had better come to its end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.slot.is_tripped()
    }

    /// Waits until [`is_cancelled`](Self::is_cancelled).
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { slot: Arc::clone(&self.slot), listener: None }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("subscription", &self.slot.id).finish_non_exhaustive()
    }
}

/// Waits until a delivery's subscription is cancelled. See [`Delivery::cancelled`].
///
/// # Cancel safety
///
/// Dropping it loses nothing.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Cancelled {
    slot: Arc<Slot>,
    listener: Option<EventListener>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.slot.is_tripped() {
                return Poll::Ready(());
            }
            match &mut self.listener {
                // Check, listen, check, wait.
                None => self.listener = Some(self.slot.listen_for_cancel()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("subscription", &self.slot.id).finish_non_exhaustive()
    }
}
