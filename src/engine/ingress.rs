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
use std::task::{Context, Poll, Waker};

use event_listener::{Event as Listeners, EventListener, IntoNotification};

use super::{EngineState, Envelope};
use crate::dispatch::Scope;
use crate::event::Outcome;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

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
        let place = Arc::new(Place::default());
        let share = Share { intake: Arc::clone(self), place: Arc::clone(&place), ended: false };
        inflow.queue.push_back(Box::new(Accepted { arrival, share }));
        drop(inflow);
        self.work.notify(1.additional());
        Admission::Taken(Handover { place })
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

    fn give_back(&self) {
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

/// A share of the limit. Ends with the outcome, or without when it is dropped.
pub(super) struct Share {
    intake: Arc<Intake>,
    place: Arc<Place>,
    ended: bool,
}

impl Share {
    /// The last subscription is done.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.settle(Ok(outcome));
    }

    fn settle(&mut self, result: Result<Outcome, Abandoned>) {
        if !std::mem::replace(&mut self.ended, true) {
            // The share first: who hears of the outcome may count on the room.
            self.intake.give_back();
            self.place.settle(result);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.settle(Err(Abandoned));
    }
}

/// Where the outcome of an arrival is left.
#[derive(Debug, Default)]
struct Place(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    result: Option<Result<Outcome, Abandoned>>,
    waker: Option<Waker>,
}

impl Place {
    fn settle(&self, result: Result<Outcome, Abandoned>) {
        let waker = {
            let mut left = self.0.lock();
            left.result = Some(result);
            left.waker.take()
        };
        // Outside the lock: a waker is the engine's code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
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

impl Future for Deliver {
    type Output = Result<Handover, IngressClosed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match this.intake.admit(&mut this.arrival) {
                Admission::Taken(handover) => return Poll::Ready(Ok(handover)),
                Admission::Closed => {
                    return Poll::Ready(Err(IngressClosed { arrival: this.arrival.take().map(Box::new) }));
                }
                Admission::Full => match &mut this.listener {
                    // Try, listen, try again, wait.
                    None => this.listener = Some(this.intake.room.listen()),
                    Some(listener) => match Pin::new(listener).poll(cx) {
                        Poll::Ready(()) => this.listener = None,
                        Poll::Pending => return Poll::Pending,
                    },
                },
            }
        }
    }
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").field("engine", &self.intake.name).finish_non_exhaustive()
    }
}

/// An arrival that was handed over: ready when the last subscription is done with it, with what became of it.
///
/// An engine acknowledges the event to its broker then. To drop this ends the interest only.
#[derive(Debug)]
#[must_use = "an event is acknowledged when this is ready"]
pub struct Handover {
    place: Arc<Place>,
}

impl Future for Handover {
    type Output = Result<Outcome, Abandoned>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut left = self.place.0.lock();
        if let Some(result) = left.result.take() {
            return Poll::Ready(result);
        }
        let old = left.waker.replace(cx.waker().clone());
        drop(left);
        drop(old);
        Poll::Pending
    }
}

/// An arrival was handed over, and no subscription was offered it, while one of another client may be: it is not to be
/// acknowledged. The bus has ended, or the [group](crate::engine::Scope::Group) that it is for has no member here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event was offered to nobody: the bus has ended, or the group has no member here")]
#[non_exhaustive]
pub struct Abandoned;

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
