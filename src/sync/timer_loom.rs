//! The timer's stand-in under loom: time does not pass in a model, so nothing is ever due.

use std::task::Waker;

use super::clock::Deadline;

/// A timer that never wakes anybody.
#[derive(Debug)]
pub(crate) struct Timer;

/// A registration with it.
#[derive(Debug)]
pub(crate) struct TimerEntry;

impl Timer {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn register(&self, _deadline: Deadline, _waker: &Waker) -> TimerEntry {
        TimerEntry
    }

    pub(crate) fn stop_and_join(&self) {}
}

impl TimerEntry {
    pub(crate) fn update(&mut self, _deadline: Deadline, _waker: &Waker) {}
}
