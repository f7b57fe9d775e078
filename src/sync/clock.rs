//! Monotonic time and deadlines that cannot overflow.

use std::time::Duration;

pub(crate) use std::time::Instant;

/// Reads the monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A point in time after which a wait gives up, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline that never comes.
    pub(crate) const NEVER: Self = Self(None);

    /// The deadline that lies `wait` ahead; one that the clock cannot express never comes.
    pub(crate) fn after(wait: Duration) -> Self {
        Self(now().checked_add(wait))
    }

    /// The earlier one of two.
    pub(crate) fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    /// Says whether it has come.
    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= now())
    }

    /// The time left, zero when it has come, or `None` when it never comes.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now()))
    }

    /// The instant, or `None` when it never comes.
    pub(crate) fn instant(self) -> Option<Instant> {
        self.0
    }
}
