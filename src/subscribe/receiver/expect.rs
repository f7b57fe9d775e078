//! Waiting for one event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Receiver, Receiving};
use crate::error::RecvTimeoutError;
use crate::subscribe::Delivered;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, block_on};
use crate::sync::timer::Timer;

/// Waits for one event that matches a pattern. See [`EventBus::expect`](crate::EventBus::expect).
///
/// # Cancel safety
///
/// The subscription was made by the call, so that no event is missed before the first poll. Dropping
/// this cancels it.
#[must_use = "await it, or call `wait()`"]
pub struct Expect<E: Delivered> {
    timed: Timed<Receiving<E, Receiver<E>>>,
}

impl<E: Delivered> Expect<E> {
    pub(crate) fn new(receiver: Receiver<E>, timeout: Duration, timer: Arc<Timer>) -> Self {
        Self { timed: Timed::new(Receiving::new(receiver, Deadline::after(timeout)), timer) }
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
