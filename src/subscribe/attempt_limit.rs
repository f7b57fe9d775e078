//! How long one attempt of an async handler may take.

use std::task::Poll;
use std::time::Duration;

use crate::error::HandlerError;
use crate::sync::alarm::Alarm;
use crate::worker::LaneWaker;

/// The limit of a lane, and when the attempt that runs there has to be done.
pub(super) struct AttemptLimit {
    timeout: Duration,
    alarm: Alarm,
    until: Duration,
}

impl AttemptLimit {
    pub(super) fn new(timeout: Duration, alarm: Alarm) -> Self {
        Self { timeout, alarm, until: Duration::ZERO }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.until = self.alarm.time().now().saturating_add(self.timeout);
    }

    /// The attempt is pending: gives it up if its time is over.
    pub(super) fn poll(&mut self, waker: &LaneWaker<'_>) -> Poll<HandlerError> {
        if self.alarm.time().now() >= self.until {
            return Poll::Ready(HandlerError::timed_out(self.timeout));
        }
        self.alarm.set(self.until, waker.context().waker());
        Poll::Pending
    }

    /// The attempt has ended.
    pub(super) fn end(&mut self) {
        self.alarm.clear();
    }
}
