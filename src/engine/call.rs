//! A call of an engine, which ends in time and whose panics are caught.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::{BoxFuture, EngineError};
use crate::error::HandlerError;
use crate::guard::drop_guarded;
use crate::sync::Exclusive;
use crate::sync::clock::Deadline;
use crate::sync::park::Wait;

/// A call of an engine: ends at its deadline, and catches panics.
pub(crate) struct EngineCall<T> {
    what: &'static str,
    /// `None` once it has come to an end.
    future: Option<Exclusive<BoxFuture<'static, Result<T, EngineError>>>>,
    deadline: Deadline,
}

impl<T> EngineCall<T> {
    pub(super) fn new(
        what: &'static str,
        future: BoxFuture<'static, Result<T, EngineError>>,
        deadline: Deadline,
    ) -> Self {
        Self { what, future: Some(Exclusive::new(future)), deadline }
    }

    /// Leaves its end to whoever polls it.
    pub(super) fn never_ends(mut self) -> Self {
        self.deadline = Deadline::NEVER;
        self
    }

    /// Ends it by then, if not before.
    pub(crate) fn end_by(&mut self, deadline: Deadline) {
        self.deadline = self.deadline.earlier(deadline);
    }

    fn end(&mut self) {
        // The engine's code; what it panics with in its drop is its own.
        if let Some(future) = self.future.take() {
            drop_guarded(future);
        }
    }
}

impl<T> Wait for EngineCall<T> {
    type Output = Result<T, EngineError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let future = future.get_mut();
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => result,
            Ok(Poll::Pending) if self.deadline.has_passed() => Err(EngineError::timed_out(self.what)),
            Ok(Poll::Pending) => return Poll::Pending,
            Err(panic) => {
                Err(EngineError::panicked(self.what, &HandlerError::panicked(panic).panic_message()))
            }
        };
        self.end();
        Poll::Ready(result)
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl<T> Drop for EngineCall<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T> fmt::Debug for EngineCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineCall").field("what", &self.what).finish_non_exhaustive()
    }
}
