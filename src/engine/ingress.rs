//! Where an engine hands over what arrived.
//!
//! # Protocol
//!
//! An arrival in flight has a share of the limit from [`Ingress::deliver`] until the last subscription is done with it. One
//! lock guards the queue of those that nobody has taken yet, the number in flight, and whether it is closed. Who waits for a
//! share listens first and tries again then; who gives one back notifies after the lock; so no share is free while
//! somebody sleeps for it. The last arrivals of a closed ingress are abandoned: their handovers say so.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::{Event as Listeners, EventListener, IntoNotification};

use super::handover::{Handover, Share};
use super::{EngineState, Envelope};
use crate::dispatch::Scope;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};

/// Takes what an engine brings to the subscriptions of its bus. Given to [`Engine::start`](super::Engine::start); clones are
/// the same ingress.
#[derive(Clone)]
pub struct Ingress {
    intake: Arc<Intake>,
}

/// An event that has arrived, and whom it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// The event.
    pub envelope: Envelope,
    /// Whom it is for.
    pub scope: Scope,
}

impl Arrival {
    /// An event for the subscriptions of a scope.
    #[must_use]
    pub fn new(envelope: Envelope, scope: Scope) -> Self {
        Self { envelope, scope }
    }
}

impl Ingress {
    pub(super) fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// Hands an arrival over when there is room: the number in flight is bounded, from here until the last subscription is
    /// done with it.
    ///
    /// Handlers do not run in the thread that polls this, so they may wait for the engine.
    pub fn deliver(&self, arrival: Arrival) -> Deliver {
        Deliver { intake: Arc::clone(&self.intake), arrival: Some(arrival), listener: None }
    }

    /// Says how the engine is doing. The bus tells those who watch it, each change once.
    pub fn set_state(&self, state: EngineState) {
        self.intake.set_state(state);
    }

    /// Counts something that arrived and is no event: it could not be decoded. The reason must hold no secrets.
    pub fn reject(&self, reason: &dyn fmt::Display) {
        self.intake.reject(reason);
    }

    /// Returns the name of the engine on its bus.
    #[must_use]
    pub fn engine_name(&self) -> &str {
        &self.intake.name
    }

    /// Says whether nothing is taken any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.intake.inflow.lock().closed
    }
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress").field("engine", &self.intake.name).finish_non_exhaustive()
    }
}

/// The inside of an ingress.
pub(super) struct Intake {
    pub(super) name: Arc<str>,
    /// The most arrivals in flight.
    limit: usize,
    inflow: Mutex<Inflow>,
    /// Those who wait for a share of the limit.
    room: Listeners,
    /// The delivery thread waits for something to do.
    pub(super) work: Listeners,
    rejected: AtomicU64,
    watch: Box<dyn Watch>,
}

/// Who hears of what an engine tells beside its arrivals.
pub(super) trait Watch: Send + Sync {
    fn state(&self, state: EngineState);
    fn rejected(&self, reason: &dyn fmt::Display);
    fn report(&self, message: &str);
}

#[derive(Default)]
struct Inflow {
    queue: VecDeque<Box<Accepted>>,
    in_flight: usize,
    closed: bool,
    state: EngineState,
}

/// What the delivery thread finds.
pub(super) enum Next {
    Arrival(Box<Accepted>),
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl Intake {
    pub(super) fn new(name: Arc<str>, limit: usize, watch: Box<dyn Watch>) -> Self {
        Self {
            name,
            limit,
            inflow: Mutex::new(Inflow::default()),
            room: Listeners::new(),
            work: Listeners::new(),
            rejected: AtomicU64::new(0),
            watch,
        }
    }

    /// Takes an arrival in if there is room.
    fn admit(self: &Arc<Self>, arrival: &mut Option<Arrival>) -> Admission {
        let mut inflow = self.inflow.lock();
        if inflow.closed {
            return Admission::Closed;
        }
        if inflow.in_flight == self.limit {
            return Admission::Full;
        }
        let Some(arrival) = arrival.take() else { return Admission::Closed };
        inflow.in_flight += 1;
        let (share, handover) = Share::new(Arc::clone(self));
        inflow.queue.push_back(Box::new(Accepted { arrival, share }));
        drop(inflow);
        self.work.notify(1.additional());
        Admission::Taken(handover)
    }

    /// The next arrival to take past the subscriptions.
    pub(super) fn next(&self) -> Next {
        let mut inflow = self.inflow.lock();
        match inflow.queue.pop_front() {
            Some(accepted) => Next::Arrival(accepted),
            None if inflow.closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    /// Takes no more. What nobody has taken out yet is abandoned.
    pub(super) fn close(&self) {
        let left = {
            let mut inflow = self.inflow.lock();
            inflow.closed = true;
            std::mem::take(&mut inflow.queue)
        };
        self.room.notify(usize::MAX);
        self.work.notify(usize::MAX);
        // Outside the lock: whoever waits for a handover is woken.
        drop(left);
    }

    /// How many arrivals are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.inflow.lock().in_flight
    }

    pub(super) fn state(&self) -> EngineState {
        self.inflow.lock().state
    }

    pub(super) fn set_state(&self, state: EngineState) {
        let before = std::mem::replace(&mut self.inflow.lock().state, state);
        if before != state {
            self.watch.state(state);
        }
    }

    fn reject(&self, reason: &dyn fmt::Display) {
        // Relaxed: a statistic.
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.watch.rejected(reason);
    }

    /// How much arrived that was no event.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Tells people something.
    pub(super) fn report(&self, message: &str) {
        self.watch.report(message);
    }

    /// A share of the limit is free again.
    pub(super) fn give_back(&self) {
        self.inflow.lock().in_flight -= 1;
        self.room.notify(1.additional());
    }
}

enum Admission {
    Taken(Handover),
    Full,
    Closed,
}

/// An arrival that has a share of the limit.
pub(super) struct Accepted {
    pub(super) arrival: Arrival,
    pub(super) share: Share,
}

/// Hands an arrival over. See [`Ingress::deliver`].
///
/// # Errors
///
/// [`IngressClosed`] with the arrival: the bus takes nothing any more.
///
/// # Cancel safety
///
/// Dropped while it waits, the arrival has not been handed over.
#[must_use = "an arrival is handed over when this is awaited"]
pub struct Deliver {
    intake: Arc<Intake>,
    arrival: Option<Arrival>,
    listener: Option<EventListener>,
}

impl Deliver {
    /// Waits in this thread.
    ///
    /// # Errors
    ///
    /// As above.
    ///
    /// # Blocking
    ///
    /// Parks the thread while as many arrivals as [may be](crate::BusBuilder::in_flight) are in flight.
    pub fn wait(mut self) -> Result<Handover, IngressClosed> {
        block_on(&mut self)
    }
}

impl Wait for Deliver {
    type Output = Result<Handover, IngressClosed>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.intake.admit(&mut self.arrival) {
                Admission::Taken(handover) => return Poll::Ready(Ok(handover)),
                Admission::Closed => {
                    return Poll::Ready(Err(IngressClosed { arrival: self.arrival.take().map(Box::new) }));
                }
                Admission::Full => match &mut self.listener {
                    // Try, listen, try again, wait.
                    None => self.listener = Some(self.intake.room.listen()),
                    Some(listener) => match Pin::new(listener).poll(cx) {
                        Poll::Ready(()) => self.listener = None,
                        Poll::Pending => return Poll::Pending,
                    },
                },
            }
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::NEVER
    }
}

impl Future for Deliver {
    type Output = Result<Handover, IngressClosed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Wait::poll(&mut *self, cx)
    }
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").field("engine", &self.intake.name).finish_non_exhaustive()
    }
}

/// The bus takes no arrivals any more. Holds the one that was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the bus takes no arrivals any more")]
pub struct IngressClosed {
    arrival: Option<Box<Arrival>>,
}

impl IngressClosed {
    /// Gives the arrival back, unless it was handed over before.
    #[must_use]
    pub fn into_arrival(self) -> Option<Arrival> {
        self.arrival.map(|arrival| *arrival)
    }
}
