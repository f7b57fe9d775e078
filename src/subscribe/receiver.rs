//! Receivers: subscriptions that the application pulls from.

mod expect;
mod iter;

use std::borrow::BorrowMut;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use event_listener::{Event as Listeners, EventListener};

pub use expect::Expect;
pub use iter::{EventStream, IntoIter, Iter, TryIter};

use super::delivered::Delivered;
use super::subscription::Subscription;
use crate::dispatch::{Consumer, Follower, Gap, Next};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::queue::Ring;
use crate::sync::clock::Deadline;
use crate::sync::coop;
use crate::sync::park::{Timed, Wait, block_on};

/// Rings when there is something to take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doorbell(Arc<Listeners>);

impl Consumer for Doorbell {
    fn wake(&self) {
        // There is one receiver, and it listens once; but a `Recv` that was forgotten still listens, and
        // must not take the wake-up of the one that follows.
        self.0.notify(usize::MAX);
    }

    fn closed(&self) {
        self.0.notify(usize::MAX);
    }
}

/// Pulls the events of a subscription. Dropping it cancels the subscription.
///
/// An event counts as delivered when it is taken out. After the subscription was closed by
/// [`drain`](Subscription::drain) or by a draining shutdown, what is queued can still be taken; then
/// receiving says `Closed`.
///
/// ```
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let mut ticks = bus.subscribe::<u64>("tick").receiver()?;
/// bus.publish("tick", 1_u64)?;
/// bus.publish("tick", 2_u64)?;
/// assert_eq!(ticks.try_iter().map(|tick| *tick).collect::<Vec<_>>(), [1, 2]);
/// # Ok(()) }
/// ```
#[must_use = "dropping a receiver cancels its subscription"]
pub struct Receiver<E: Delivered> {
    subscription: Subscription,
    queue: Arc<Ring<E>>,
    bell: Doorbell,
    /// An event that was taken, and before which a gap was handed out.
    held: Option<E>,
}

/// What a receiver finds that wants to know of gaps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received<E> {
    /// An event.
    Event(E),
    /// Events are missing: before the next event of that topic, or if the queue is empty, for now at its end.
    Gap(Gap),
}

impl<E: Delivered> Receiver<E> {
    pub(crate) fn new(subscription: Subscription, queue: Arc<Ring<E>>, bell: Doorbell) -> Self {
        Self { subscription, queue, bell, held: None }
    }

    /// Returns the handle of the subscription: statistics, cancel, drain.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Returns what makes spans for events that were taken.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn tracer(&self) -> crate::trace::Tracer {
        crate::trace::Tracer::new(self.subscription.slot())
    }

    /// Returns how many events are queued.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.subscription.slot().queued()).unwrap_or(usize::MAX)
    }

    /// Says whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next event if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if nothing is queued, [`TryRecvError::Closed`] if nothing ever will be.
    #[inline]
    pub fn try_recv(&mut self) -> Result<E, TryRecvError> {
        if self.subscription.slot().follows { self.try_recv_replayed() } else { self.next_event() }
    }

    /// The same of a subscription that replays: gaps are skipped.
    #[cold]
    fn try_recv_replayed(&mut self) -> Result<E, TryRecvError> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        let event = self.next_event()?;
        drop(self.gap_before(&event));
        Ok(event)
    }

    /// Takes the next event if there is one, or what is missing before it. Never waits.
    ///
    /// Gaps are told of subscriptions that [replay](crate::Subscribe::from). The other calls skip them.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Received, Retention, Start};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder().retain(["tick"], Retention::new().count(2)).build()?;
    /// for tick in 1..=5_u32 {
    ///     bus.publish("tick", tick)?;
    /// }
    /// let mut ticks = bus.subscribe::<u32>("tick").from(Start::Sequence(2)).receiver()?;
    /// match ticks.try_recv_or_gap()? {
    ///     Received::Gap(gap) => assert_eq!((gap.first, gap.last), (2, 3)),
    ///     other => panic!("{other:?}"),
    /// }
    /// assert_eq!(*ticks.try_recv()?, 4);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_or_gap(&mut self) -> Result<Received<E>, TryRecvError> {
        if let Some(held) = self.held.take() {
            return Ok(Received::Event(held));
        }
        match self.next_event() {
            Ok(event) => Ok(match self.gap_before(&event) {
                None => Received::Event(event),
                Some(gap) => {
                    self.held = Some(event);
                    Received::Gap(gap)
                }
            }),
            Err(error) => {
                let follower = self.subscription.slot().follower.as_deref();
                follower.and_then(Follower::next_gap).map(Received::Gap).ok_or(error)
            }
        }
    }

    /// Waits for the next event, or for what is missing before it. See [`try_recv_or_gap`](Self::try_recv_or_gap).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Blocking
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_or_gap(&mut self) -> Result<Received<E>, RecvError> {
        let mut waiting = Receiving::by(self, Deadline::NEVER, Self::try_recv_or_gap);
        block_on(&mut waiting).map_err(|_| RecvError)
    }

    /// Waits for the next event, or for what is missing before it, without blocking the thread. See
    /// [`try_recv_or_gap`](Self::try_recv_or_gap).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_or_gap_async(&mut self) -> RecvOrGap<'_, E> {
        let timer = Arc::clone(&self.subscription.hub().timer);
        RecvOrGap { timed: Timed::new(Receiving::by(self, Deadline::NEVER, Self::try_recv_or_gap), timer) }
    }

    /// What is missing directly before an event.
    fn gap_before(&self, event: &E) -> Option<Gap> {
        let head = event.parts().0;
        let follower = self.subscription.slot().follower.as_deref()?;
        follower.gap_before(head.topic(), head.sequence()?)
    }

    #[inline(always)]
    fn next_event(&mut self) -> Result<E, TryRecvError> {
        match self.subscription.slot().take(&self.queue) {
            Next::Event(event) => Ok(self.counted(event)),
            other => self.nothing_yet(other),
        }
    }

    /// An event that was taken, and counts as handled.
    #[inline(always)]
    fn counted(&self, event: E) -> E {
        let slot = self.subscription.slot();
        slot.handed_over(&event);
        slot.after_receive();
        event
    }

    /// There was nothing to take. Perhaps there never will be.
    #[cold]
    fn nothing_yet(&mut self, mut found: Next<E>) -> Result<E, TryRecvError> {
        let slot = self.subscription.slot();
        loop {
            match found {
                Next::Event(event) => return Ok(self.counted(event)),
                _ if !slot.is_closed() => return Err(TryRecvError::Empty),
                Next::Empty | Next::Paused if slot.queued() > 0 => {
                    if slot.is_paused() {
                        return Err(TryRecvError::Empty);
                    }
                    // A publisher that was already on its way booked after the close.
                    crate::sync::thread::yield_now();
                    found = slot.take(&self.queue);
                }
                Next::Empty | Next::Paused | Next::Cancelled => {
                    slot.after_run();
                    return Err(TryRecvError::Closed);
                }
            }
        }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the subscription is closed and nothing is queued any more.
    ///
    /// # Blocking
    ///
    /// Parks the thread until there is an event.
    pub fn recv(&mut self) -> Result<E, RecvError> {
        match self.try_recv() {
            Ok(event) => Ok(event),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on(&mut self.waiting(Deadline::NEVER)).map_err(|_| RecvError),
        }
    }

    /// Waits for the next event, at most for `timeout`. Zero: tries once.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is over, [`RecvTimeoutError::Closed`] when the
    /// subscription is closed and nothing is queued any more.
    ///
    /// # Blocking
    ///
    /// Parks the thread, at most for `timeout`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<E, RecvTimeoutError> {
        match self.try_recv() {
            Ok(event) => Ok(event),
            Err(TryRecvError::Closed) => Err(RecvTimeoutError::Closed),
            Err(TryRecvError::Empty) => block_on(&mut self.waiting(Deadline::after(timeout))),
        }
    }

    /// Waits for the next event without blocking the thread.
    ///
    /// Now and then the first poll is pending although there is an event, so that a task that receives in
    /// a loop lets the other tasks of its runtime run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event: one is taken only when the future is ready.
    pub fn recv_async(&mut self) -> Recv<'_, E> {
        let timer = Arc::clone(&self.subscription.hub().timer);
        Recv { timed: Timed::new(self.waiting(Deadline::NEVER), timer) }
    }

    /// Iterates over the events, waiting for each, until the subscription is closed.
    ///
    /// # Blocking
    ///
    /// `next` parks the thread until there is an event.
    pub fn iter(&mut self) -> Iter<'_, E> {
        Iter { receiver: self }
    }

    /// Iterates over the events that are queued, without waiting.
    pub fn try_iter(&mut self) -> TryIter<'_, E> {
        TryIter { receiver: self }
    }

    /// Turns the receiver into a stream of events, which ends when the subscription is closed.
    pub fn into_stream(self) -> EventStream<E> {
        EventStream { receiver: self, listener: None }
    }

    fn waiting(&mut self, deadline: Deadline) -> Receiving<E, &mut Self> {
        Receiving::new(self, deadline)
    }

    fn poll_next(
        &mut self,
        listener: &mut Option<EventListener>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<E, RecvError>> {
        self.poll_by(Self::try_recv, listener, cx)
    }

    /// One step of waiting: listen, rest, look once more, and only then wait.
    fn poll_by<T>(
        &mut self,
        take: impl Fn(&mut Self) -> Result<T, TryRecvError>,
        listener: &mut Option<EventListener>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        loop {
            match take(self) {
                Ok(event) => {
                    *listener = None;
                    return Poll::Ready(Ok(event));
                }
                Err(TryRecvError::Closed) => {
                    *listener = None;
                    return Poll::Ready(Err(RecvError));
                }
                Err(TryRecvError::Empty) => {}
            }
            let slot = self.subscription.slot();
            match listener {
                None => *listener = Some(self.bell.0.listen()),
                Some(waits) => match Pin::new(waits).poll(cx) {
                    Poll::Ready(()) => *listener = None,
                    // Parked in a pause, or else `resume` would not know that there is somebody to wake.
                    Poll::Pending if slot.park() || slot.rest() => {
                        // A close between the look and the listening shows here.
                        if slot.is_closed() && !slot.is_paused() {
                            *listener = None;
                            continue;
                        }
                        return Poll::Pending;
                    }
                    // Booked meanwhile: look again.
                    Poll::Pending => crate::sync::thread::yield_now(),
                },
            }
        }
    }
}

// Events are moved out, never pinned; and a panic finds none half taken.
impl<E: Delivered> Unpin for Receiver<E> {}
impl<E: Delivered> std::panic::UnwindSafe for Receiver<E> {}
impl<E: Delivered> std::panic::RefUnwindSafe for Receiver<E> {}

impl<E: Delivered> fmt::Debug for Receiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

/// The wait for one event, with a receiver that is owned or borrowed.
struct Receiving<E: Delivered, R, T = E> {
    receiver: R,
    /// What takes something out.
    take: fn(&mut Receiver<E>) -> Result<T, TryRecvError>,
    deadline: Deadline,
    listener: Option<EventListener>,
}

impl<E: Delivered, R> Receiving<E, R> {
    fn new(receiver: R, deadline: Deadline) -> Self {
        Self::by(receiver, deadline, Receiver::try_recv)
    }
}

impl<E: Delivered, R, T> Receiving<E, R, T> {
    fn by(receiver: R, deadline: Deadline, take: fn(&mut Receiver<E>) -> Result<T, TryRecvError>) -> Self {
        Self { receiver, take, deadline, listener: None }
    }
}

impl<E: Delivered, R: BorrowMut<Receiver<E>>, T> Wait for Receiving<E, R, T> {
    type Output = Result<T, RecvTimeoutError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.receiver.borrow_mut().poll_by(self.take, &mut self.listener, cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|RecvError| RecvTimeoutError::Closed)),
            Poll::Pending if self.deadline.has_passed() => Poll::Ready(Err(RecvTimeoutError::Timeout)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// Waits for an event. See [`Receiver::recv_async`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct Recv<'a, E: Delivered> {
    timed: Timed<Receiving<E, &'a mut Receiver<E>>>,
}

impl<E: Delivered> Future for Recv<'_, E> {
    type Output = Result<E, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A task that receives in a loop must not starve the others of its runtime.
        ready!(coop::poll_proceed(cx));
        Pin::new(&mut self.timed).poll(cx).map(|result| result.map_err(|_| RecvError))
    }
}

impl<E: Delivered> fmt::Debug for Recv<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// Waits for an event, or for what is missing before it. See [`Receiver::recv_or_gap_async`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct RecvOrGap<'a, E: Delivered> {
    timed: Timed<Receiving<E, &'a mut Receiver<E>, Received<E>>>,
}

impl<E: Delivered> Future for RecvOrGap<'_, E> {
    type Output = Result<Received<E>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // As `Recv`.
        ready!(coop::poll_proceed(cx));
        Pin::new(&mut self.timed).poll(cx).map(|result| result.map_err(|_| RecvError))
    }
}

impl<E: Delivered> fmt::Debug for RecvOrGap<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvOrGap").finish_non_exhaustive()
    }
}
