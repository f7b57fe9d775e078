//! What a bus has for those who hear of what happens: observers, the lifecycle feed, a collector, the accounts of its engines, and
//! standard error if nobody does.

mod ending;
mod told;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

pub(crate) use ending::{Ending, Timing};

use super::dead_letter::DeadLetters;
use super::engine_tally::{EngineTally, Figure};
use super::observer::Observer;
use super::receipt::Receipt;
use crate::clock::TimeSource;
use crate::event::{CompletionPanicked, DropReason, Head};
use crate::guard::guarded;
use crate::lifecycle::{Feed, LifecycleEvent};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::trace::Tracing;

/// What a bus does when something happens to a handler.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// So many panics in a row put a subscription into quarantine.
    pub(crate) quarantine_after: Option<NonZeroU32>,
    /// Who hears of the bus's life, if somebody does.
    pub(crate) feed: Option<Arc<Feed>>,
    /// Whether there are spans.
    pub(crate) tracing: Tracing,
    /// The names of the engines.
    engines: Box<[Arc<str>]>,
    /// The accounts of the engines but the first.
    tallies: Box<[EngineTally]>,
    /// How long handlers take is counted.
    pub(super) times: bool,
    /// When events are made, and how old they are.
    pub(crate) time: TimeSource,
    /// Where events go that nobody could handle, if somewhere.
    pub(crate) dead_letters: Option<DeadLetters>,
    /// Messages that were due for standard error.
    printed: AtomicU64,
}

/// Without an observer, so many messages of a bus go to standard error; then every 1,000th.
const PRINTED_IN_FULL: u64 = 8;

impl Hooks {
    /// `engines` are the names of those of the bus.
    pub(crate) fn new(
        observer: Option<Arc<dyn Observer>>,
        quarantine_after: Option<NonZeroU32>,
        engines: Box<[Arc<str>]>,
        feed: Option<Arc<Feed>>,
    ) -> Self {
        let tallies = engines.iter().skip(1).map(|_| EngineTally::new()).collect();
        let (tracing, printed) = (Tracing::default(), AtomicU64::new(0));
        Self {
            observer,
            quarantine_after,
            feed,
            tracing,
            engines,
            tallies,
            times: false,
            time: TimeSource::default(),
            dead_letters: None,
            printed,
        }
    }

    /// The same of a bus that is traced, or not.
    pub(crate) fn traced(self, tracing: Tracing) -> Self {
        Self { tracing, ..self }
    }

    /// The same, with a clock.
    pub(crate) fn by_clock(self, time: TimeSource) -> Self {
        Self { time, ..self }
    }

    /// The same, with rules for dead letters.
    pub(crate) fn burying(self, dead_letters: Option<DeadLetters>) -> Self {
        Self { dead_letters, ..self }
    }

    /// The same, and counts how long handlers take, or does not.
    pub(crate) fn timing(self, times: bool) -> Self {
        Self { times, ..self }
    }

    /// The name of an engine.
    pub(crate) fn engine_name(&self, number: u8) -> &str {
        self.engines.get(usize::from(number)).map_or("", |name| name)
    }

    /// The name of an engine, for data.
    pub(crate) fn engine(&self, number: u8) -> String {
        self.engine_name(number).to_owned()
    }

    /// Tells of the bus's life, if somebody listens.
    #[inline]
    pub(crate) fn tell(&self, event: impl FnOnce(&Self) -> LifecycleEvent) {
        if let Some(feed) = &self.feed {
            feed.tell(event(self));
        }
    }

    /// The account of an engine, unless it is the first.
    #[inline]
    pub(crate) fn tally(&self, engine: u8) -> Option<&EngineTally> {
        self.tallies.get(usize::from(engine).checked_sub(1)?)
    }

    /// Counts what a pass by an engine has come to so far, unless that is the first.
    pub(crate) fn passed_on(&self, engine: u8, receipt: &Receipt) {
        if let Some(tally) = self.tally(engine) {
            tally.passed(receipt);
        }
    }

    /// Counts for an engine other than the first.
    #[cold]
    pub(super) fn count(&self, engine: u8, figure: Figure) {
        if let Some(tally) = self.tally(engine) {
            tally.add(figure, 1);
        }
    }

    /// Counts an accepted event that has come to its end, if another engine than the first brought it.
    #[inline(always)]
    pub(super) fn ended_on(&self, event: &Head, failed: bool) {
        let engine = event.engine();
        if engine != 0 {
            self.count(engine, Figure::Delivered);
            if failed {
                self.count(engine, Figure::Failed);
            }
        }
    }

    /// Counts an accepted event that no handler gets, likewise.
    pub(super) fn dropped_on(&self, event: &Head, reason: DropReason) {
        let engine = event.engine();
        if engine != 0 {
            self.count(engine, Figure::Dropped(reason));
        }
    }

    /// Says whether somebody wants to hear of every handler's end: an observer, or the quarantine.
    pub(super) fn watch(&self) -> bool {
        self.observer.is_some() || self.quarantine_after.is_some() || self.hears_publishes() || self.times
    }

    /// Says whether somebody wants to hear of every publish call.
    pub(crate) fn hears_publishes(&self) -> bool {
        self.feed.is_some() || self.tracing.is_on()
    }

    /// An obligation to an event's completion was closed; its callback may have panicked.
    #[inline]
    pub(crate) fn completed(&self, result: Result<(), CompletionPanicked>) {
        if let Err(panicked) = result {
            self.warn(|| panicked.to_string());
        }
    }

    /// Something that people should know.
    pub(crate) fn warn(&self, message: impl FnOnce() -> String) {
        if self.tracing.is_on() {
            let mut words = String::new();
            Self::guarded(|| words = message());
            let told = self.tracing.warn(&words);
            return match &self.observer {
                Some(observer) => Self::guarded(|| observer.warning(&words)),
                None if told => {}
                None => self.print(|| words),
            };
        }
        match &self.observer {
            Some(observer) => Self::guarded(|| observer.warning(&message())),
            None => self.print(message),
        }
    }

    /// Failures are visible without an observer, but a failing handler does not flood the terminal.
    fn print(&self, message: impl FnOnce() -> String) {
        // Relaxed: which message is printed is of no account.
        let number = self.printed.fetch_add(1, Ordering::Relaxed);
        if number < PRINTED_IN_FULL || number.is_multiple_of(1000) {
            Self::guarded(|| {
                use std::io::Write;
                // Before the lock of standard error is taken: an error's `Display` is user code.
                let message = message();
                // Not eprintln: a closed standard error must not become a panic.
                let mut stderr = std::io::stderr().lock();
                let _ = writeln!(stderr, "trolleybus: {message}");
                if number + 1 == PRINTED_IN_FULL {
                    let _ = writeln!(stderr, "trolleybus: from here on one message in 1,000 is printed");
                }
            });
        }
    }

    /// Observers, error messages and their `Display` are user code.
    fn guarded(call: impl FnOnce()) {
        guarded(call);
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("observer", &self.observer.is_some()).finish_non_exhaustive()
    }
}
