//! Waiting for one event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use event_listener::EventListener;

use super::Receiver;
use crate::error::{RecvError, RecvTimeoutError};
use crate::subscribe::Delivered;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};
use crate::sync::timer::Timer;

/// Waits for one event that matches a pattern. See [`EventBus::expect`](crate::EventBus::expect).
///
/// # Cancel safety
///
/// The subscription was made by the call, so that no event is missed before the first poll. Dropping
/// this cancels it.
#[must_use = "await it, or call `wait()`"]
pub struct Expect<E: Delivered> {
    timed: Timed<Expecting<E>>,
}

struct Expecting<E: Delivered> {
    receiver: Receiver<E>,
    deadline: Deadline,
    listener: Option<EventListener>,
}

impl<E: Delivered> Expect<E> {
    pub(crate) fn new(receiver: Receiver<E>, timeout: Duration, timer: Arc<Timer>) -> Self {
        let wait = Expecting { receiver, deadline: Deadline::after(timeout), listener: None };
        Self { timed: Timed::new(wait, timer) }
    }

    /// Waits in this thread.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    ///
    /// # Blocking
    ///
    /// Parks the thread, at most for the timeout.
    pub fn wait(self) -> Result<E, RecvTimeoutError> {
        block_on(&mut self.timed.into_wait())
    }
}

impl<E: Delivered> Wait for Expecting<E> {
    type Output = Result<E, RecvTimeoutError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.receiver.poll_next(&mut self.listener, cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|RecvError| RecvTimeoutError::Closed)),
            Poll::Pending if self.deadline.has_passed() => Poll::Ready(Err(RecvTimeoutError::Timeout)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl<E: Delivered> Future for Expect<E> {
    type Output = Result<E, RecvTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.timed).poll(cx)
    }
}

impl<E: Delivered> fmt::Debug for Expect<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect").finish_non_exhaustive()
    }
}
