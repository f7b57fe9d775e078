//! Handlers: the application's closures, in the shape in which lanes and publishers call them.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::agenda::{Agenda, Mark};
use super::attempt_limit::AttemptLimit;
use super::delivered::{Delivered, PassingEvent};
use crate::dispatch::{
    Attempt, Attendance, Filter, Handle, Inline, InlineHandler, Next, Passing, Slot, Stage, Timing,
};
use crate::error::HandlerError;
use crate::event::AnyEvent;
use crate::guard::{drop_guarded, guarded};
use crate::queue::Ring;
use crate::worker::{Body, LaneWaker, Step};

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}

/// What a handler may return: nothing, or a `Result<(), E>` whose error becomes a [`HandlerError`].
/// Not to be implemented elsewhere.
pub trait HandlerResult: sealed::Sealed {
    /// The result in one form.
    ///
    /// # Errors
    ///
    /// The handler's error.
    fn into_result(self) -> Result<(), HandlerError>;
}

impl HandlerResult for () {
    fn into_result(self) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<E: Into<HandlerError>> HandlerResult for Result<(), E> {
    fn into_result(self) -> Result<(), HandlerError> {
        self.map_err(Into::into)
    }
}

/// A closure in the publisher's thread.
pub(crate) struct InlineBody<E, F> {
    call: F,
    attendance: Attendance,
    event: PhantomData<fn(&E)>,
}

impl<E, F> InlineBody<E, F> {
    pub(crate) fn new(call: F) -> Self {
        Self { call, attendance: Attendance::default(), event: PhantomData }
    }
}

impl<E, F> InlineHandler for InlineBody<E, F>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, &E) -> Result<(), HandlerError> + Send + Sync + 'static,
{
    #[inline]
    fn call<'a>(&self, passing: &Passing<'_>, slot: &'a Arc<Slot>, stage: &mut Stage<'a>) -> Inline {
        match E::look(&PassingEvent(passing)) {
            Some(event) => stage.run(slot, passing, || (self.call)(slot, event)),
            None => Inline::Skipped,
        }
    }

    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync> {
        let handler: Arc<dyn Handle<E>> = self;
        Box::new(handler)
    }

    fn attendance(&self) -> &Attendance {
        &self.attendance
    }
}

impl<E, F> Handle<E> for InlineBody<E, F>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, &E) -> Result<(), HandlerError> + Send + Sync,
{
    #[inline]
    fn handle(&self, slot: &Arc<Slot>, event: &E) -> Result<(), HandlerError> {
        (self.call)(slot, event)
    }
}

/// A predicate before the queue.
pub(crate) struct Predicate<E, F> {
    admits: F,
    event: PhantomData<fn(&E)>,
}

impl<E, F> Predicate<E, F> {
    pub(crate) fn new(admits: F) -> Self {
        Self { admits, event: PhantomData }
    }
}

impl<E: Delivered, F: Fn(&E) -> bool + Send + Sync> Filter for Predicate<E, F> {
    fn admits(&self, passing: &Passing<'_>) -> Option<bool> {
        E::look(&PassingEvent(passing)).map(|event| (self.admits)(event))
    }

    fn admits_kept(&self, event: &AnyEvent) -> Option<bool> {
        E::take(event.clone()).map(|event| (self.admits)(&event))
    }
}

/// Where the lanes of a subscription have their events from.
pub(crate) struct Feed<E> {
    pub(super) queue: Arc<Ring<E>>,
    /// If it is not simply the next of the queue.
    pub(super) agenda: Option<Arc<Agenda<E>>>,
}

impl<E> Clone for Feed<E> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), agenda: self.agenda.clone() }
    }
}

impl<E: Delivered> Feed<E> {
    /// The next event of the queue, where there is no agenda; `Err`: what the lane is to do instead. Without a turn: to carry the event in one costs a handler of nothing
    /// three to six parts in a hundred.
    #[inline(always)]
    fn take(&self, slot: &Arc<Slot>) -> Result<E, Step> {
        match slot.take(&self.queue) {
            Next::Event(event) => {
                slot.wake_next_lane();
                Ok(event)
            }
            other => Err(Step::from(&other)),
        }
    }
}

/// A closure on a worker. One for each lane; the closure and the queue are shared.
pub(crate) struct SyncBody<E, F> {
    call: Arc<F>,
    feed: Feed<E>,
}

impl<E, F> SyncBody<E, F> {
    pub(crate) fn new(call: Arc<F>, feed: Feed<E>) -> Self {
        Self { call, feed }
    }
}

impl<E, F> SyncBody<E, F>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, &E, u32) -> Result<(), HandlerError> + Send + Sync,
{
    /// A step of a subscription that has an agenda.
    #[inline(never)]
    fn step_by(&self, agenda: &Agenda<E>, slot: &Arc<Slot>) -> Step {
        let turn = match agenda.next(slot, &self.feed.queue) {
            Ok(turn) => turn,
            Err(step) => return step,
        };
        let attempt = slot.attempt(&turn.event, || (self.call)(slot, &turn.event, turn.attempt));
        agenda.ended(slot, turn, attempt);
        Step::Handled
    }
}

impl<E, F> Body for SyncBody<E, F>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, &E, u32) -> Result<(), HandlerError> + Send + Sync,
{
    #[inline]
    fn step(&mut self, slot: &Arc<Slot>, _waker: &LaneWaker<'_>) -> Step {
        if let Some(agenda) = &self.feed.agenda {
            return self.step_by(agenda, slot);
        }
        let event = match self.feed.take(slot) {
            Ok(event) => event,
            Err(step) => return step,
        };
        slot.run(&event, || (self.call)(slot, &event, 1));
        drop_guarded(event);
        Step::Handled
    }

    fn resume(&mut self, _slot: &Arc<Slot>, _waker: &LaneWaker<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn abandon(&mut self, _slot: &Arc<Slot>) {}
}

/// An async closure on a worker. The future lives in one place that is used again for each event, so
/// that handling an event allocates nothing.
pub(crate) struct AsyncBody<E, F, Fut> {
    call: Arc<F>,
    feed: Feed<E>,
    future: Pin<Box<Option<Fut>>>,
    /// The event of the pending future,
    current: Option<E>,
    /// what else there is to its turn, if there is an agenda,
    mark: Mark,
    /// when its handler started, if somebody watches,
    timing: Option<Timing>,
    /// and when it has to be done, if there is a limit.
    limit: Option<AttemptLimit>,
}

impl<E: Delivered, F, Fut> AsyncBody<E, F, Fut> {
    pub(crate) fn new(call: Arc<F>, feed: Feed<E>, limit: Option<AttemptLimit>) -> Self {
        Self { call, feed, future: Box::pin(None), current: None, mark: Mark::ONLY, timing: None, limit }
    }

    /// Goes on within the span of the handler, if it has one: what follows does not unwind.
    fn enter(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.resume();
        }
    }

    /// Leaves the span of the handler, whose future is pending.
    fn leave(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.suspend();
        }
    }

    /// Ends the current event. Within the span of the handler, which ends with it.
    fn end(&mut self, slot: &Arc<Slot>, result: Result<(), HandlerError>) {
        // The future first: what it holds is gone when the event counts as handled.
        guarded(|| self.future.as_mut().set(None));
        let Some(event) = self.current.take() else { return };
        if let Some(limit) = &mut self.limit {
            limit.end();
        }
        if slot.watched {
            self.leave();
        }
        let timing = self.timing.take();
        match &self.feed.agenda {
            None => {
                slot.finish(&event, timing.as_ref(), result);
                drop_guarded(event);
            }
            Some(agenda) => agenda.ended(slot, self.mark.of(event), Attempt { timing, result }),
        }
    }
}

impl<E, F, Fut, R> AsyncBody<E, F, Fut>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, E, u32) -> Fut + Send + Sync,
    Fut: Future<Output = R> + Send,
    R: HandlerResult,
{
    /// Calls the handler, and polls its future for the first time.
    #[inline(always)]
    fn begin(&mut self, slot: &Arc<Slot>, event: E, waker: &LaneWaker<'_>) -> Poll<Result<(), HandlerError>> {
        if let Some(limit) = &mut self.limit {
            limit.begin();
        }
        // The closure before its first await is the application's code too.
        match catch_unwind(AssertUnwindSafe(|| (self.call)(slot, event, self.mark.attempt))) {
            Ok(future) => {
                self.future.as_mut().set(Some(future));
                self.poll(waker)
            }
            Err(payload) => Poll::Ready(Err(HandlerError::panicked(payload))),
        }
    }

    #[inline(always)]
    fn poll(&mut self, waker: &LaneWaker<'_>) -> Poll<Result<(), HandlerError>> {
        // It is there while there is an event.
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
        // The conversion of an error is the application's code too.
        let poll = || future.poll(&mut waker.context()).map(HandlerResult::into_result);
        let polled = catch_unwind(AssertUnwindSafe(poll))
            .unwrap_or_else(|payload| Poll::Ready(Err(HandlerError::panicked(payload))));
        match &mut self.limit {
            Some(limit) if polled.is_pending() => limit.poll(waker).map(Err),
            _ => polled,
        }
    }
}

impl<E, F, Fut, R> Body for AsyncBody<E, F, Fut>
where
    E: Delivered,
    F: Fn(&Arc<Slot>, E, u32) -> Fut + Send + Sync,
    Fut: Future<Output = R> + Send,
    R: HandlerResult,
{
    fn step(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Step {
        let next = match &self.feed.agenda {
            None => self.feed.take(slot),
            Some(agenda) => agenda.next(slot, &self.feed.queue).map(|turn| {
                let (event, mark) = turn.split();
                self.mark = mark;
                event
            }),
        };
        let event = match next {
            Ok(event) => event,
            Err(step) => return step,
        };
        if slot.watched {
            self.timing = Some(Timing::start(slot, event.parts().0));
            self.enter();
        }
        self.current = Some(event.clone());
        match self.begin(slot, event, waker) {
            Poll::Ready(result) => {
                self.end(slot, result);
                Step::Handled
            }
            Poll::Pending => {
                self.leave();
                Step::Pending
            }
        }
    }

    fn resume(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Poll<()> {
        if !self.is_busy() {
            return Poll::Ready(());
        }
        self.enter();
        match self.poll(waker) {
            Poll::Ready(result) => {
                self.end(slot, result);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.leave();
                Poll::Pending
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    fn abandon(&mut self, slot: &Arc<Slot>) {
        if self.is_busy() {
            self.enter();
            self.end(slot, Err(HandlerError::new("the handler was dropped before it ended")));
        }
    }
}
