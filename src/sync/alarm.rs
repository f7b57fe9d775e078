//! One who waits for a moment of the bus's own clock.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::clock::Deadline;
use super::timer::{Timer, TimerEntry};
use crate::clock::TimeSource;

/// Wakes a waker when a moment has come. It may wake too early, and is to be set again then.
#[derive(Debug)]
pub(crate) struct Alarm {
    time: TimeSource,
    timer: Arc<Timer>,
    entry: Option<TimerEntry>,
}

impl Alarm {
    pub(crate) fn new(time: TimeSource, timer: Arc<Timer>) -> Self {
        Self { time, timer, entry: None }
    }

    /// The clock that it goes by.
    pub(crate) fn time(&self) -> &TimeSource {
        &self.time
    }

    /// Wakes at that moment, instead of the one that was set before.
    pub(crate) fn set(&mut self, at: Duration, waker: &Waker) {
        if !self.time.wake_at(at, waker) {
            self.set_by_system(at, self.time.now(), waker);
        }
    }

    /// The same when the application's clock, if there is one, does not wake anybody: by the system's.
    pub(crate) fn set_by_system(&mut self, at: Duration, now: Duration, waker: &Waker) {
        let deadline = Deadline::after(at.saturating_sub(now));
        match &mut self.entry {
            Some(entry) => entry.update(deadline, waker),
            None => self.entry = Some(self.timer.register(deadline, waker)),
        }
    }

    /// Does not wake any more.
    pub(crate) fn clear(&mut self) {
        self.entry = None;
    }
}
