//! The clock of a bus: when events are made, and how old they are.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

#[cfg(feature = "test-clock")]
use crate::sync::Mutex;
use crate::sync::clock::{self, Stamp};

/// What tells a bus the time, instead of the system. Set with [`BusBuilder::clock`](crate::BusBuilder::clock).
///
/// It is asked for each event that is published, and again when one is about to be handled that expires, or that an
/// [idempotency window](crate::IdempotencyWindow) remembers for a time; and it says when an event is [tried again](crate::Retry), a [circuit](crate::CircuitBreaker) closes, and an attempt [has taken too
/// long](crate::Subscribe::attempt_timeout). (How long a publisher waits or a shutdown takes, and how long handlers took, is
/// measured by the system's clock.)
pub trait Clock: Send + Sync + 'static {
    /// The time since some fixed moment. It never goes back. Ages are counted in its milliseconds.
    fn monotonic(&self) -> Duration;

    /// The wall clock, for people to read: no age depends on it.
    fn wall(&self) -> SystemTime;

    /// Wakes `waker` once, when [`monotonic`](Self::monotonic) has come to `at`; at once if it has. Says whether it will.
    ///
    /// If it says false, as it does unless it is written anew, the bus looks again when so much time has passed on the
    /// system's clock.
    fn wake_at(&self, at: Duration, waker: &Waker) -> bool {
        let _ = (at, waker);
        false
    }
}

/// Where a bus has its time from.
#[derive(Clone, Default)]
pub(crate) enum TimeSource {
    /// The system's clock in steps of a few milliseconds.
    #[default]
    Coarse,
    Precise,
    Custom(Arc<dyn Clock>),
}

impl TimeSource {
    /// The time of an event that is made now.
    // In a call of its own it would cost a publish a dozen instructions.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> Stamp {
        if let Self::Coarse = self { Stamp::coarse() } else { self.finer_stamp() }
    }

    #[cold]
    #[inline(never)]
    fn finer_stamp(&self) -> Stamp {
        match self {
            Self::Coarse | Self::Precise => Stamp::precise(),
            Self::Custom(clock) => Stamp::of(clock.monotonic(), clock.wall()),
        }
    }

    /// The time in milliseconds since some fixed moment, for ages that ticks cannot tell: those of more than 24 days.
    pub(crate) fn millis(&self) -> u64 {
        match self {
            Self::Coarse => clock::coarse_millis(),
            Self::Precise => clock::nanos() / 1_000_000,
            Self::Custom(clock) => u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The time on the wall.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::Coarse | Self::Precise => clock::wall(),
            Self::Custom(clock) => clock.wall(),
        }
    }

    /// The tick to which the ages of events are counted.
    pub(crate) fn tick(&self) -> u32 {
        self.stamp().tick_ms
    }

    /// The time since some fixed moment, precisely: for what is to happen later.
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Coarse | Self::Precise => clock::since_some_moment(),
            Self::Custom(clock) => clock.monotonic(),
        }
    }

    /// Asks the application's clock, if there is one, to wake somebody. False if the system's has to.
    pub(crate) fn wake_at(&self, at: Duration, waker: &Waker) -> bool {
        match self {
            Self::Coarse | Self::Precise => false,
            Self::Custom(clock) => clock.wake_at(at, waker),
        }
    }
}

impl fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Coarse => "coarse",
            Self::Precise => "precise",
            Self::Custom(_) => "<clock>",
        })
    }
}

/// A clock that a test moves. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use trolleybus::{EventBus, TestClock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = TestClock::new();
/// let bus = EventBus::builder().clock(clock.clone()).ttl(Duration::from_secs(60)).build()?;
/// let mut ticks = bus.subscribe::<u32>("tick").receiver()?;
/// bus.publish("tick", 1_u32)?;
/// clock.advance(Duration::from_secs(59));
/// bus.publish("tick", 2_u32)?;
/// clock.advance(Duration::from_secs(1));
/// // The first is a minute old, and no handler gets it.
/// assert_eq!(*ticks.try_recv()?, 2);
/// assert_eq!(ticks.subscription().stats().expired, 1);
/// # Ok(()) }
/// ```
#[cfg(feature = "test-clock")]
#[derive(Clone, Debug)]
pub struct TestClock {
    now: Arc<Mutex<TestTime>>,
}

#[cfg(feature = "test-clock")]
#[derive(Debug)]
struct TestTime {
    monotonic: Duration,
    wall: SystemTime,
    /// Who is to be woken, and when.
    alarms: Vec<(Duration, Waker)>,
}

#[cfg(feature = "test-clock")]
impl TestClock {
    /// Makes a clock that stands: on the wall at the beginning of 1970.
    #[must_use]
    pub fn new() -> Self {
        let now = TestTime { monotonic: Duration::ZERO, wall: SystemTime::UNIX_EPOCH, alarms: Vec::new() };
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Moves both of its times on, and wakes what is due: it is done by the bus's workers, a moment later.
    pub fn advance(&self, time: Duration) {
        let due = {
            let mut now = self.now.lock();
            now.monotonic = now.monotonic.saturating_add(time);
            now.wall = now.wall.checked_add(time).unwrap_or(now.wall);
            let monotonic = now.monotonic;
            let (mut due, later) = std::mem::take(&mut now.alarms)
                .into_iter()
                .partition::<Vec<_>, _>(|(at, _)| *at <= monotonic);
            now.alarms = later;
            due.sort_by_key(|(at, _)| *at);
            due
        };
        for (_, waker) in due {
            waker.wake();
        }
    }

    /// How long until the next thing that somebody waits for: a retry, or the end of a time to wait.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Duration> {
        let now = self.now.lock();
        now.alarms.iter().map(|(at, _)| at.saturating_sub(now.monotonic)).min()
    }

    /// Sets the wall clock, forth or back, and nothing else.
    pub fn set_wall(&self, wall: SystemTime) {
        self.now.lock().wall = wall;
    }
}

// Its two times change together, in one step.
#[cfg(feature = "test-clock")]
impl std::panic::UnwindSafe for TestClock {}
#[cfg(feature = "test-clock")]
impl std::panic::RefUnwindSafe for TestClock {}

#[cfg(feature = "test-clock")]
impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "test-clock")]
impl Clock for TestClock {
    fn monotonic(&self) -> Duration {
        self.now.lock().monotonic
    }

    fn wall(&self) -> SystemTime {
        self.now.lock().wall
    }

    fn wake_at(&self, at: Duration, waker: &Waker) -> bool {
        let waker = waker.clone();
        let passed = {
            let mut now = self.now.lock();
            if at > now.monotonic {
                // Who looks again sets it again.
                if !now.alarms.iter().any(|(set, known)| *set == at && known.will_wake(&waker)) {
                    now.alarms.push((at, waker));
                }
                return true;
            }
            waker
        };
        passed.wake();
        true
    }
}
