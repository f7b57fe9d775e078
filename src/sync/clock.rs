//! The clocks: precise and coarse.
//!
//! # Two clocks in one reading
//!
//! An event carries two times: a monotonic one for ages and time to live, and the wall clock for
//! people. Reading both would cost more than the rest of a publish, so [`Stamp::coarse`] reads only
//! the coarse monotonic clock of the system (steps of 1 to 10 ms) and adds the offset of the wall
//! clock, which is sampled anew every 100 ms. A wall clock that is set to another time is followed
//! within that span, and nothing but the printed times depends on it (invariant T2).
//!
//! # Orderings
//!
//! The offset is two words: the offset itself, and the monotonic time of its sample. A writer stores
//! the offset before the time (`Release`), a reader loads the time (`Acquire`) before the offset, so
//! whoever finds a fresh time finds at least that sample's offset. Two writers may mix their words;
//! both samples are then fresh, and either offset is right.
//!
//! These are the atomics of `std` under loom too: no protocol depends on them, and loom's cannot live
//! in a `static`.

pub(crate) use super::deadline::Deadline;
pub(crate) use std::time::{Duration, Instant, SystemTime};

use std::sync::atomic::{AtomicI64, Ordering};

use source::Precision;

/// How old a sample of the wall clock's offset may get.
const RESAMPLE_NS: i64 = 100_000_000;

/// Reads the precise monotonic clock.
#[cfg(not(loom))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time that loom's models run at: fixed, unless a model moves it with [`model::pass`].
#[cfg(loom)]
pub(crate) fn now() -> Instant {
    static FIXED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *FIXED.get_or_init(Instant::now) + model::PASSED.get()
}

/// The clock of a model.
#[cfg(loom)]
pub(crate) mod model {
    use super::Duration;
    use std::cell::Cell;

    std::thread_local! {
        /// All threads of a model run on the one thread of its test: this is theirs in common.
        pub(super) static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// Sets how much time has passed. A model that uses it begins with zero.
    pub(crate) fn pass(time: Duration) {
        PASSED.set(time);
    }
}

/// Reads the wall clock.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Reads the precise monotonic clock as a bare number of nanoseconds, from an unspecified start.
pub(crate) fn nanos() -> u64 {
    source::monotonic(Precision::Precise).unsigned_abs()
}

/// The time since an unspecified moment, precisely.
#[cfg(not(loom))]
pub(crate) fn since_some_moment() -> Duration {
    Duration::from_nanos(nanos())
}

/// The same in a model: what has passed since it began.
#[cfg(loom)]
pub(crate) fn since_some_moment() -> Duration {
    model::PASSED.get()
}

/// Reads the coarse monotonic clock in milliseconds, from an unspecified start.
pub(crate) fn coarse_millis() -> u64 {
    source::monotonic(Precision::Coarse).unsigned_abs() / 1_000_000
}

/// When an event was made: on the wall clock for people, on the monotonic clock for ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Nanoseconds since 1970; a wall clock before that reads as 0.
    pub(crate) wall_ns: u64,
    /// Milliseconds of the monotonic clock, wrapping after 49 days: only [`tick_age`] makes sense of it.
    pub(crate) tick_ms: u32,
}

impl Stamp {
    /// Reads the coarse clock once: a few nanoseconds, steps of 1 to 10 ms.
    #[inline]
    pub(crate) fn coarse() -> Self {
        let mono = source::monotonic(Precision::Coarse);
        Self { wall_ns: OFFSET.wall_ns(mono, sample), tick_ms: tick(mono) }
    }

    /// The stamp of an event that was made at that time elsewhere, and arrives now.
    pub(crate) fn arrived(made: SystemTime, now: u32) -> Self {
        let since = made.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), tick_ms: now }
    }

    /// From the readings of another clock.
    pub(crate) fn of(monotonic: Duration, wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ticks = monotonic.as_millis() & u128::from(u32::MAX);
        Self {
            wall_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            // Masked to 32 bits, so the conversion cannot fail.
            tick_ms: u32::try_from(ticks).unwrap_or(0),
        }
    }

    /// Reads the precise clocks, both of them.
    pub(crate) fn precise() -> Self {
        let wall = source::realtime(Precision::Precise);
        let tick_ms = tick(source::monotonic(Precision::Precise));
        Self { wall_ns: u64::try_from(wall).unwrap_or(0), tick_ms }
    }
}

/// Returns the time that passed from one tick to another, in milliseconds.
///
/// Ticks wrap; ages up to 24 days come out right. A tick of "the future" (a precise reading is up to
/// one step ahead of a coarse one) has the age zero.
#[inline]
pub(crate) fn tick_age(tick_ms: u32, now: u32) -> Duration {
    let passed = now.wrapping_sub(tick_ms);
    let ahead = passed > u32::MAX / 2;
    if ahead { Duration::ZERO } else { Duration::from_millis(u64::from(passed)) }
}

/// Returns the wall time of a stamp as people's type.
pub(crate) fn wall_time(wall_ns: u64) -> SystemTime {
    // Every system's range holds the 584 years after 1970; a stranger one would print 1970.
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(wall_ns)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Returns the wrapping millisecond count of a monotonic time.
#[inline]
fn tick(mono_ns: i64) -> u32 {
    // As unsigned, for that divides faster. Masked to 32 bits, so the conversion cannot fail.
    u32::try_from((mono_ns.cast_unsigned() / 1_000_000) & u64::from(u32::MAX)).unwrap_or(0)
}

/// The process-wide offset of the wall clock.
static OFFSET: WallOffset = WallOffset::new();

/// The wall clock minus the monotonic clock, and when that was sampled.
#[derive(Debug)]
struct WallOffset {
    /// Wall minus monotonic time, in nanoseconds. Written by whoever finds the sample too old.
    offset_ns: AtomicI64,
    /// Monotonic time of the sample, in nanoseconds; [`Self::NEVER`] before the first.
    sampled_ns: AtomicI64,
}

impl WallOffset {
    /// So long ago that every reading of the monotonic clock finds the sample too old, and near enough
    /// that the difference does not overflow.
    const NEVER: i64 = i64::MIN / 2;

    const fn new() -> Self {
        Self { offset_ns: AtomicI64::new(0), sampled_ns: AtomicI64::new(Self::NEVER) }
    }

    /// Returns the wall time at a monotonic time; `sample` reads (monotonic, wall) when it must.
    #[inline]
    fn wall_ns(&self, mono: i64, sample: impl FnOnce() -> (i64, i64)) -> u64 {
        // Acquire: pairs with the release in `resample`, so that the offset read below is the one of
        // this sample or a newer one, never the initial 0.
        let sampled = self.sampled_ns.load(Ordering::Acquire);
        // Neither is further from zero than half of what there is: see `NEVER`.
        let offset = if mono.wrapping_sub(sampled) > RESAMPLE_NS {
            self.resample(sample())
        } else {
            // Relaxed: ordered after the load above by its acquire; any newer value is as good.
            self.offset_ns.load(Ordering::Relaxed)
        };
        // Saturates on both sides: a wall clock before 1970 reads as 0, one after 2262 as 2262.
        u64::try_from(mono.saturating_add(offset)).unwrap_or(0)
    }

    #[cold]
    fn resample(&self, (mono, wall): (i64, i64)) -> i64 {
        let offset = wall.saturating_sub(mono);
        // Relaxed: published by the release store that follows.
        self.offset_ns.store(offset, Ordering::Relaxed);
        // Release: whoever sees this time sees the offset stored before it.
        self.sampled_ns.store(mono, Ordering::Release);
        offset
    }
}

/// Reads the monotonic and the wall clock in the same step of the coarse clocks, or nearly so.
fn sample() -> (i64, i64) {
    let mut before = source::monotonic(Precision::Coarse);
    // Both clocks step together. A step between the readings would put the offset wrong by a whole
    // step until the next sample; a second one right after it cannot happen unless we were descheduled.
    for _ in 0..3 {
        let wall = source::realtime(Precision::Coarse);
        let after = source::monotonic(Precision::Coarse);
        if before == after {
            return (before, wall);
        }
        before = after;
    }
    (before, source::realtime(Precision::Coarse))
}

/// The coarse clocks of Linux, read without a system call.
#[cfg(all(target_os = "linux", not(miri), not(loom)))]
mod source {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    #[derive(Clone, Copy)]
    pub(super) enum Precision {
        Coarse,
        Precise,
    }

    /// Nanoseconds since the machine's start.
    #[inline]
    #[expect(clippy::useless_conversion, reason = "the width of the fields depends on the platform")]
    pub(super) fn monotonic(precision: Precision) -> i64 {
        let time = clock_gettime(match precision {
            Precision::Coarse => ClockId::MonotonicCoarse,
            Precision::Precise => ClockId::Monotonic,
        });
        // It begins with the machine, and 292 years later this would wrap.
        i64::from(time.tv_sec).wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.tv_nsec))
    }

    /// Nanoseconds since 1970, negative before.
    #[inline]
    pub(super) fn realtime(precision: Precision) -> i64 {
        nanoseconds(clock_gettime(match precision {
            Precision::Coarse => ClockId::RealtimeCoarse,
            Precision::Precise => ClockId::Realtime,
        }))
    }

    #[inline]
    #[expect(clippy::useless_conversion, reason = "the width of the fields depends on the platform")]
    fn nanoseconds(time: Timespec) -> i64 {
        i64::from(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
    }
}

/// The precise clocks, where there are no coarse ones.
#[cfg(all(any(not(target_os = "linux"), miri), not(loom)))]
mod source {
    use super::{Duration, Instant, SystemTime};
    use std::sync::OnceLock;

    #[derive(Clone, Copy)]
    pub(super) enum Precision {
        Coarse,
        Precise,
    }

    /// Nanoseconds since the first call in this process.
    pub(super) fn monotonic(_: Precision) -> i64 {
        static ANCHOR: OnceLock<Instant> = OnceLock::new();
        nanoseconds(ANCHOR.get_or_init(Instant::now).elapsed())
    }

    /// Nanoseconds since 1970, negative before.
    pub(super) fn realtime(_: Precision) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => nanoseconds(since),
            Err(before) => -nanoseconds(before.duration()),
        }
    }

    fn nanoseconds(duration: Duration) -> i64 {
        i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Fixed clocks: a model must run the same way each time.
#[cfg(loom)]
mod source {
    #[derive(Clone, Copy)]
    pub(super) enum Precision {
        Coarse,
        Precise,
    }

    pub(super) fn monotonic(_: Precision) -> i64 {
        1_000_000_000
    }

    pub(super) fn realtime(_: Precision) -> i64 {
        1_700_000_000_000_000_000
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const YEAR: i64 = 365 * 24 * 3600 * SECOND;
    const TODAY: i64 = 1_780_000_000 * SECOND;

    #[test]
    fn the_coarse_and_the_precise_stamp_agree_with_the_clocks() {
        // Bracketed by the system's own readings; a coarse clock lags by one step, a sampled offset by
        // another. A second is far more than that, and far less than a mistake in the units.
        let slack = Duration::from_secs(1);
        let before = wall();
        let (coarse, precise) = (Stamp::coarse(), Stamp::precise());
        let after = wall();
        for stamp in [coarse, precise] {
            assert!(wall_time(stamp.wall_ns) + slack >= before);
            assert!(wall_time(stamp.wall_ns) <= after + slack);
        }
        assert!(tick_age(coarse.tick_ms, precise.tick_ms) < slack);
    }

    #[test]
    fn coarse_ticks_never_run_backwards() {
        let mut last = Stamp::coarse();
        let mut steps = 0;
        let deadline = Deadline::after(Duration::from_secs(10));
        while steps < 5 && !deadline.has_passed() {
            let next = Stamp::coarse();
            assert!(next.tick_ms.wrapping_sub(last.tick_ms) < u32::MAX / 2);
            steps += u32::from(next.tick_ms != last.tick_ms);
            last = next;
        }
        assert_eq!(steps, 5, "the coarse clock stands still");
    }

    #[test]
    fn the_first_reading_samples_the_wall_clock() {
        for mono in [0, 1, SECOND, YEAR] {
            let offset = WallOffset::new();
            assert_eq!(offset.wall_ns(mono, || (mono, TODAY)), TODAY.unsigned_abs());
        }
    }

    #[test]
    fn the_wall_clock_is_sampled_only_when_the_sample_is_too_old() {
        let offset = WallOffset::new();
        offset.wall_ns(SECOND, || (SECOND, TODAY));
        let fresh = SECOND + RESAMPLE_NS;
        let wall = offset.wall_ns(fresh, || panic!("sampled too early"));
        assert_eq!(wall, (TODAY + RESAMPLE_NS).unsigned_abs());
        // A thread that read the clock before another one sampled does not sample again.
        offset.wall_ns(SECOND - 1, || panic!("sampled for a reading of the past"));
        let mut sampled = false;
        offset.wall_ns(fresh + 1, || {
            sampled = true;
            (fresh + 1, TODAY)
        });
        assert!(sampled);
    }

    #[test]
    fn t2_a_wall_clock_that_jumps_is_followed_and_never_panics() {
        let offset = WallOffset::new();
        let mut mono = SECOND;
        for wall in [TODAY, TODAY + YEAR, TODAY - YEAR, -1, -YEAR, i64::MIN, i64::MAX, 0, TODAY] {
            mono += SECOND;
            let expected = u64::try_from(wall).unwrap_or(0);
            let read = offset.wall_ns(mono, || (mono, wall));
            // At the far end the offset saturates; everywhere else it is exact.
            let exact = wall != i64::MAX && wall != i64::MIN;
            assert!(if exact { read == expected } else { read <= i64::MAX.unsigned_abs() }, "{wall}");
            let _ = wall_time(read);
        }
        let _ = wall_time(u64::MAX);
    }

    #[test]
    fn ages_survive_the_wrap_of_the_tick() {
        assert_eq!(tick_age(10, 250), Duration::from_millis(240));
        assert_eq!(tick_age(u32::MAX - 4, 5), Duration::from_millis(10));
        assert_eq!(tick_age(7, 7), Duration::ZERO);
        assert_eq!(tick_age(0, u32::MAX / 2), Duration::from_millis(u64::from(u32::MAX / 2)));
    }

    #[test]
    fn a_tick_of_the_future_has_no_age() {
        assert_eq!(tick_age(8, 4), Duration::ZERO);
        assert_eq!(tick_age(3, u32::MAX), Duration::ZERO);
    }

    #[test]
    fn ticks_are_milliseconds_and_wrap() {
        assert_eq!(tick(1_999_999), 1);
        assert_eq!(tick((i64::from(u32::MAX) + 3) * 1_000_000), 2);
    }
}
