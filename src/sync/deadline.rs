//! When a wait ends, in a type that cannot overflow (invariant L6).

use super::clock::{Duration, Instant, now};

/// When a wait ends: at a moment of the monotonic clock, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline that never passes.
    pub(crate) const NEVER: Self = Self(None);

    /// Returns the deadline that lies `timeout` from now; one too far to be told is "never".
    pub(crate) fn after(timeout: Duration) -> Self {
        Self::after_from(now(), timeout)
    }

    /// Returns the deadline that lies `timeout` from `start`.
    pub(crate) fn after_from(start: Instant, timeout: Duration) -> Self {
        Self(start.checked_add(timeout))
    }

    /// Returns the deadline at a moment.
    #[cfg(all(test, not(loom)))]
    pub(crate) const fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// Returns whichever passes first.
    pub(crate) fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    /// Says whether the moment has come. Reads the clock, except for "never".
    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| now() >= at)
    }

    /// Returns the time left, zero once it has passed, `None` for "never".
    #[cfg(not(loom))]
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now()))
    }

    /// Returns the moment; for "never" one that nobody lives to see.
    pub(crate) fn instant_or_far(self) -> Instant {
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        self.0.unwrap_or_else(|| now() + FAR)
    }

    /// Returns the moment, `None` for "never".
    #[cfg(not(loom))]
    pub(crate) const fn instant(self) -> Option<Instant> {
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn l6_a_deadline_at_the_end_of_time_is_never() {
        let never = Deadline::after(Duration::MAX);
        assert_eq!(never, Deadline::NEVER);
        assert!(!never.has_passed());
        assert_eq!(never.remaining(), None);
        assert_eq!(never.instant(), None);
    }

    #[test]
    fn l6_a_deadline_of_zero_has_passed_at_once() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn the_earlier_of_two_deadlines_wins() {
        let start = now();
        let soon = Deadline::after_from(start, Duration::from_secs(1));
        let late = Deadline::after_from(start, Duration::from_secs(2));
        assert_eq!(soon.earlier(late), soon);
        assert_eq!(late.earlier(soon), soon);
        assert_eq!(Deadline::NEVER.earlier(soon), soon);
        assert_eq!(soon.earlier(Deadline::NEVER), soon);
        assert_eq!(Deadline::NEVER.earlier(Deadline::NEVER), Deadline::NEVER);
        assert_eq!(Deadline::at(start).instant(), Some(start));
        assert!(!Deadline::after(Duration::from_secs(3600)).has_passed());
    }
}
