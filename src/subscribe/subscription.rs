//! The handle of a subscription.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::hub::Hub;
use super::joining::{Joined, Progress};
use crate::dispatch::{Ledger, Quiet, Slot, SubscriptionKind};
use crate::event::{DropReason, SubscriptionId};
use crate::pattern::TopicPattern;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};
use crate::tenant::Tenant;

/// A subscription. Dropping it cancels the subscription; [`detach`](Self::detach) keeps it for as long
/// as the bus lives.
///
/// All methods may be called from any thread, several times, and inside the subscription's own handler.
#[must_use = "dropping a subscription cancels it; `detach()` keeps it"]
pub struct Subscription {
    hub: Arc<Hub>,
    slot: Arc<Slot>,
    /// What joins later; `None`: nothing is left to be waited for.
    joining: Option<Arc<Progress>>,
    detached: bool,
}

impl Subscription {
    pub(super) fn new(hub: Arc<Hub>, slot: Arc<Slot>, joining: Option<Arc<Progress>>) -> Self {
        Self { hub, slot, joining, detached: false }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Returns the number of the subscription. Numbers go up in the order of registration, which is the
    /// order of inline handlers.
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.slot.id
    }

    /// Returns the patterns that it was made with.
    #[must_use]
    pub fn patterns(&self) -> &[TopicPattern] {
        &self.slot.spec.patterns
    }

    /// Returns how it gets its events.
    #[must_use]
    pub fn kind(&self) -> SubscriptionKind {
        self.slot.spec.kind
    }

    /// Returns its name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.slot.spec.name.as_deref()
    }

    /// Returns where in the application it was made.
    #[must_use]
    pub fn call_site(&self) -> &'static Location<'static> {
        self.slot.spec.site
    }

    /// Returns whose events it gets: a [tenant's](crate::EventBus::tenant), or those of none.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.slot.spec.tenant.as_ref()
    }

    /// Waits until all engines whose topics it reaches have confirmed it: then nothing that is published is missed. Ready at
    /// once unless it was to [join later](super::Subscribe::join_later).
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # smol::block_on(async {
    /// # let bus = EventBus::new();
    /// let orders = bus.subscribe::<u32>("order.*").join_later().handle(|order| println!("{}", **order))?;
    /// orders.joined().await?;
    /// # Ok(()) }) }
    /// ```
    pub fn joined(&self) -> Joined {
        Joined::new(self.joining.clone())
    }

    /// Reads its account.
    #[must_use]
    pub fn stats(&self) -> Ledger {
        self.slot.ledger()
    }

    /// Returns how long ago the oldest queued event was published, to a few milliseconds; `None` if
    /// nothing is queued.
    #[must_use]
    pub fn oldest_age(&self) -> Option<Duration> {
        self.slot.oldest_age()
    }

    /// Says whether it takes no events any more: it was cancelled or drained, it has had all that it
    /// was to take, or the bus was shut down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.slot.is_closed()
    }

    /// Keeps the subscription without its handle, until the bus ends.
    pub fn detach(mut self) -> SubscriptionId {
        self.detached = true;
        self.slot.id
    }

    /// Cancels the subscription. No handler starts after this returned; one that runs goes on. What is
    /// queued is dropped and counted as cancelled. False if it was cancelled before.
    ///
    /// To end an inline subscription takes some microseconds when inline handlers have run in other threads, and so does
    /// to end one of a receiver that was ever sent an event: the other threads of the process are interrupted for a
    /// moment, so that who publishes and receives never has to ask whether somebody cancels.
    pub fn cancel(&self) -> bool {
        self.slot.cancel(DropReason::Cancelled)
    }

    /// Cancels the subscription, and waits until none of its handlers runs. Called in a handler of its
    /// own, that one is not waited for.
    pub fn cancel_and_wait(&self) -> CancelAndWait {
        self.slot.cancel(DropReason::Cancelled);
        CancelAndWait { quiet: Quiet::of(Arc::clone(&self.slot)) }
    }

    /// Takes no more events, waits until what is queued has been handled, and cancels the subscription
    /// when it is done or `grace` is over. A receiver is drained when its events have been taken out.
    pub fn drain(&self, grace: Duration) -> Drain {
        self.slot.close(DropReason::Cancelled);
        let wait = DrainWait { quiet: Quiet::of(Arc::clone(&self.slot)), deadline: Deadline::after(grace) };
        Drain { timed: Timed::new(wait, Arc::clone(&self.hub.timer)) }
    }

    /// Pauses the subscription: no handler starts until [`resume`](Self::resume). Events are queued
    /// meanwhile, as far as there is room; those for an inline handler pass it by and are counted as
    /// skipped. One that runs goes on.
    pub fn pause(&self) {
        self.slot.pause();
    }

    /// Ends a pause, or a quarantine.
    pub fn resume(&self) {
        self.slot.resume();
    }

    /// Says whether it is paused, or in quarantine after too many panics.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.slot.is_paused()
    }
}

// As for the bus itself.
impl std::panic::UnwindSafe for Subscription {}
impl std::panic::RefUnwindSafe for Subscription {}

impl Drop for Subscription {
    fn drop(&mut self) {
        if !self.detached {
            self.slot.cancel(DropReason::Cancelled);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.slot.id)
            .field("patterns", &self.slot.spec.patterns)
            .field("kind", &self.slot.spec.kind)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Waits until no handler of a cancelled subscription runs. See [`Subscription::cancel_and_wait`].
///
/// # Cancel safety
///
/// The subscription was cancelled by the call. Dropping this only ends the waiting.
#[derive(Debug)]
#[must_use = "await it, or call `wait()`"]
pub struct CancelAndWait {
    quiet: Quiet,
}

impl CancelAndWait {
    /// Waits in this thread.
    ///
    /// # Blocking
    ///
    /// Parks the thread for as long as a handler runs.
    pub fn wait(mut self) {
        block_on(&mut self);
    }
}

impl Wait for CancelAndWait {
    type Output = ();

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.quiet.poll(cx)
    }

    fn deadline(&self) -> Deadline {
        Deadline::NEVER
    }
}

impl Future for CancelAndWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.quiet.poll(cx)
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Everything that was queued has been handled, and no handler runs.
    pub complete: bool,
    /// Events that were still queued when the grace was over, and were dropped.
    pub discarded: u64,
    /// Handlers that still ran when the grace was over.
    pub running: u64,
}

/// Waits for a subscription to drain. See [`Subscription::drain`].
///
/// # Cancel safety
///
/// The subscription takes no events any more since the call. Dropping this ends the waiting: what is
/// queued is still handled, and nothing cancels it when the grace is over.
#[derive(Debug)]
#[must_use = "await it, or call `wait()`"]
pub struct Drain {
    timed: Timed<DrainWait>,
}

#[derive(Debug)]
struct DrainWait {
    quiet: Quiet,
    deadline: Deadline,
}

impl Drain {
    /// Waits in this thread.
    ///
    /// # Blocking
    ///
    /// Parks the thread, at most for the grace.
    #[must_use = "the report says whether everything was handled"]
    pub fn wait(self) -> DrainReport {
        block_on(&mut self.timed.into_wait())
    }
}

impl Wait for DrainWait {
    type Output = DrainReport;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<DrainReport> {
        while self.quiet.poll(cx).is_ready() {
            if self.quiet.end() {
                return Poll::Ready(DrainReport { complete: true, discarded: 0, running: 0 });
            }
        }
        if !self.deadline.has_passed() {
            return Poll::Pending;
        }
        let slot = self.quiet.slot();
        let before = slot.ledger();
        slot.cancel(DropReason::Cancelled);
        let after = slot.ledger();
        Poll::Ready(DrainReport {
            complete: false,
            // Cancelled, or shut down if the bus was closed first: the first reason stands.
            discarded: after.dropped.total() - before.dropped.total(),
            running: after.running,
        })
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl Future for Drain {
    type Output = DrainReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DrainReport> {
        Pin::new(&mut self.timed).poll(cx)
    }
}
