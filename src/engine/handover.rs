//! From the share of an arrival in flight to its outcome.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::ingress::Intake;
use crate::event::Outcome;
use crate::sync::Mutex;
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};

/// A share of the limit. Ends with the outcome, or without when it is dropped.
pub(super) struct Share {
    intake: Arc<Intake>,
    place: Arc<Place>,
    ended: bool,
}

impl Share {
    /// A share, and where its end is waited for.
    pub(super) fn new(intake: Arc<Intake>) -> (Self, Handover) {
        let place = Arc::new(Place::default());
        (Self { intake, place: Arc::clone(&place), ended: false }, Handover { place })
    }

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

/// An arrival that was handed over: ready when the last subscription is done with it, with what became of it.
///
/// An engine acknowledges the event to its broker then. To drop this ends the interest only.
#[derive(Debug)]
#[must_use = "an event is acknowledged when this is ready"]
pub struct Handover {
    place: Arc<Place>,
}

impl Handover {
    /// Waits in this thread. What an engine hands over meanwhile it has to hand over in another.
    ///
    /// # Errors
    ///
    /// [`Abandoned`]: the event is not to be acknowledged.
    ///
    /// # Blocking
    ///
    /// Parks the thread until the last subscription is done with the event.
    pub fn wait(mut self) -> Result<Outcome, Abandoned> {
        block_on(&mut self)
    }
}

impl Wait for Handover {
    type Output = Result<Outcome, Abandoned>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut left = self.place.0.lock();
        if let Some(result) = left.result.take() {
            return Poll::Ready(result);
        }
        let old = left.waker.replace(cx.waker().clone());
        drop(left);
        drop(old);
        Poll::Pending
    }

    fn deadline(&self) -> Deadline {
        Deadline::NEVER
    }
}

impl Future for Handover {
    type Output = Result<Outcome, Abandoned>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Wait::poll(&mut *self, cx)
    }
}

/// An arrival was handed over, and no subscription was offered it, while one of another client may be: it is not to be
/// acknowledged. The bus has ended, or the [group](crate::engine::Scope::Group) that it is for has no member here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event was offered to nobody: the bus has ended, or the group has no member here")]
#[non_exhaustive]
pub struct Abandoned;
