//! Telling people what went wrong, and observers what went on.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::aside::CircuitState;
use super::carriers::EngineState;
use super::dead_letter::{DeadLetter, DeadLetters, DeathCause};
use super::engine_tally::{EngineTally, Figure};
use super::passing::Whole;
use super::receipt::Receipt;
use super::slot::Slot;
use crate::clock::TimeSource;
use crate::envelope::DecodeError;
use crate::error::HandlerError;
use crate::event::{CompletionPanicked, DropReason, EventId, Head, Settled, SubscriptionId};
use crate::guard::guarded;
use crate::lifecycle::{Feed, LifecycleEvent, types};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::{self, Instant};
use crate::tenant::Tenant;
use crate::topic::Topic;
use crate::trace::{Handling, Tracing};

/// Hears of every handler that ended, and of what went wrong. Set with
/// [`BusBuilder::observer`](crate::BusBuilder::observer).
///
/// The methods are called in the thread that ran the handler, after the end was counted; a panic in
/// one is caught. Keep them short.
pub trait Observer: Send + Sync + 'static {
    /// A handler ended, and no other attempt follows.
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        let _ = delivery;
    }

    /// An attempt at an event has failed, and [another](crate::Retry) follows after that time, unless the subscription is
    /// cancelled before.
    fn retried(&self, delivery: &HandledDelivery<'_>, delay: Duration) {
        let _ = (delivery, delay);
    }

    /// The [circuit](crate::CircuitBreaker) of a subscription has opened, or closed, or is half-open.
    fn circuit(&self, subscription: SubscriptionId, state: CircuitState) {
        let _ = (subscription, state);
    }

    /// A subscription was put into quarantine after so many panics in a row.
    fn quarantined(&self, subscription: SubscriptionId, panics: u32) {
        let _ = (subscription, panics);
    }

    /// An engine's state has changed.
    fn engine_state(&self, engine: &str, state: EngineState) {
        let _ = (engine, state);
    }

    /// An event was so old when a handler of the subscription would have started that it [is not worth
    /// delivering](crate::BusBuilder::ttl) any more.
    fn expired(&self, subscription: SubscriptionId, topic: &Topic, age: Duration) {
        let _ = (subscription, topic, age);
    }

    /// A subscription that is [idempotent](crate::Subscribe::idempotent) was given an event that it has handled before, or
    /// handles at this moment.
    fn duplicate(&self, subscription: SubscriptionId, topic: &Topic, event: EventId) {
        let _ = (subscription, topic, event);
    }

    /// A subscription could not handle an event, and a rule says that its [letter](DeadLetter) goes to this topic; whether a
    /// subscription has taken it there, or it is [kept](crate::BusBuilder::retain).
    fn dead_letter(&self, letter: &DeadLetter, topic: &Topic, taken: bool) {
        let _ = (letter, topic, taken);
    }

    /// Something that people should know, in words: an event of an unexpected type, a filter that
    /// panicked.
    fn warning(&self, message: &str) {
        let _ = message;
    }
}

/// A handler's end, as an [`Observer`] hears of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandledDelivery<'a> {
    /// Whose handler it was.
    pub subscription: SubscriptionId,
    /// The subscription's name, if it was given one.
    pub subscription_name: Option<&'a str>,
    /// The event's topic.
    pub topic: &'a Topic,
    /// When the event was published.
    pub published: SystemTime,
    /// Which attempt at this event it was, from 1.
    pub attempt: u32,
    /// How long the handler took.
    pub duration: Duration,
    /// What went wrong, if something did.
    pub error: Option<&'a HandlerError>,
}

/// When a handler started, and its span; only if somebody watches, for a clock reading costs 24 ns.
#[derive(Debug)]
pub(crate) struct Timing {
    started: Instant,
    /// To be entered while the handler runs.
    pub(crate) handling: Handling,
}

impl Timing {
    /// Of a slot that is watched.
    pub(crate) fn start(slot: &Slot, event: &Head) -> Self {
        slot.hooks.received(slot, event);
        Self { started: clock::now(), handling: slot.hooks.tracing.handle(slot, event) }
    }

    /// The handler goes on, within its span, until [`suspend`](Self::suspend).
    pub(crate) fn resume(&mut self) {
        self.handling.resume();
    }

    /// The handler is left.
    pub(crate) fn suspend(&mut self) {
        self.handling.suspend();
    }
}

/// A handler's end, inside.
pub(crate) struct Ending<'a> {
    pub(super) slot: &'a Slot,
    pub(super) event: &'a Head,
    /// Nothing if nobody watches, and the handler failed.
    pub(super) timing: Option<&'a Timing>,
    pub(super) error: Option<&'a HandlerError>,
    /// The number of the attempt.
    pub(super) attempt: u32,
}

impl Ending<'_> {
    /// How long it took, if somebody watches.
    fn took(&self) -> Duration {
        let took = self.timing.map(|timing| clock::now().saturating_duration_since(timing.started));
        took.unwrap_or_default()
    }

    fn delivery(&self, duration: Duration) -> HandledDelivery<'_> {
        HandledDelivery {
            subscription: self.slot.id,
            subscription_name: self.slot.spec.name.as_deref(),
            topic: self.event.topic(),
            published: self.event.time(),
            attempt: self.attempt,
            duration,
            error: self.error,
        }
    }
}

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

    /// A handler is about to start.
    #[cold]
    fn received(&self, slot: &Slot, event: &Head) {
        self.tell(|this| {
            LifecycleEvent::of_bus(types::RECEIVED)
                .with("topic", event.topic().to_string())
                .with("subscription_id", slot.id.to_string())
                .with("engine", this.engine(event.engine()))
                .of_tenant(event.tenant())
        });
    }

    /// A publish call was taken.
    pub(crate) fn published(&self, tenant: Option<&Tenant>, topic: &Topic, engine: u8, took: Duration) {
        self.tell(|this| {
            LifecycleEvent::of_bus(types::PUBLISHED)
                .with("topic", topic.to_string())
                .with("engine", this.engine(engine))
                .with("duration_ms", took.as_secs_f64() * 1000.0)
                .of_tenant(tenant)
        });
    }

    /// A publish call was refused.
    #[cold]
    pub(crate) fn publish_failed(&self, tenant: Option<&Tenant>, topic: &str, error: &dyn fmt::Display) {
        self.tracing.publish_failed(tenant, topic, error);
        self.tell(|_| {
            LifecycleEvent::of_bus(types::FAILED)
                .with("topic", topic.to_owned())
                .with("error", error.to_string())
                .of_tenant(tenant)
        });
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

    pub(super) fn ended(&self, ending: &Ending<'_>) {
        let Ending { slot, event, timing, error, .. } = ending;
        let took = ending.took();
        if let Some(times) = &slot.times {
            times.record(took);
        }
        if let Some(error) = error {
            self.handler_failed(slot, event, error);
        }
        let told = timing.is_some_and(|timing| timing.handling.ended(slot, event, *error));
        if let Some(observer) = &self.observer {
            Self::guarded(|| observer.handled(&ending.delivery(took)));
        } else if let Some(error) = error
            && !told
        {
            self.print(|| format!("handler of {} failed on \"{}\": {error}", Named(slot), event.topic()));
        }
    }

    /// An attempt has failed, and another follows.
    pub(super) fn failed_for_now(&self, ending: &Ending<'_>, delay: Duration) {
        let Ending { slot, event, timing, error, .. } = ending;
        let took = ending.took();
        if let Some(times) = &slot.times {
            times.record(took);
        }
        if let Some(timing) = timing {
            timing.handling.ended(slot, event, *error);
        }
        if let Some(observer) = &self.observer {
            Self::guarded(|| observer.retried(&ending.delivery(took), delay));
        }
    }

    /// The circuit of a subscription has changed.
    pub(super) fn circuit_changed(&self, slot: &Slot, state: CircuitState) {
        self.tell(|_| {
            LifecycleEvent::of_bus(types::CIRCUIT)
                .with("subscription_id", slot.id.to_string())
                .with("state", state.as_str())
        });
        match &self.observer {
            Some(observer) => Self::guarded(|| observer.circuit(slot.id, state)),
            None if state == CircuitState::Open => {
                self.print(|| format!("the circuit of {} is open", Named(slot)));
            }
            None => {}
        }
    }

    fn handler_failed(&self, slot: &Slot, event: &Head, error: &HandlerError) {
        if self.feed.is_none() {
            return;
        }
        // The error's words are the application's code.
        let mut words = String::new();
        guarded(|| words = error.to_string());
        self.tell(|this| {
            LifecycleEvent::of_bus(types::FAILED)
                .with("topic", event.topic().to_string())
                .with("subscription_id", slot.id.to_string())
                .with("error", words)
                .with("engine", this.engine(event.engine()))
                .of_tenant(event.tenant())
        });
    }

    /// An event was too old for a subscription. True if somebody has its letter.
    #[cold]
    pub(super) fn expired(&self, slot: &Slot, whole: &dyn Whole, age: Duration, attempts: u32) -> bool {
        let event = whole.head();
        let engine = event.engine();
        if engine != 0 {
            self.count(engine, Figure::Expired);
        }
        if let Some(observer) = &self.observer {
            Self::guarded(|| observer.expired(slot.id, event.topic(), age));
        }
        let kept = self.bury(slot, whole, attempts, || DeathCause::Expired(age));
        if let Some(completion) = event.completion() {
            self.completed(completion.settle(Settled::Expired(slot.id)));
        }
        kept
    }

    /// A subscription has handled the event before, or does so now. It has been counted.
    #[cold]
    pub(super) fn duplicate(&self, slot: &Slot, event: &Head) {
        if let Some(observer) = &self.observer {
            Self::guarded(|| observer.duplicate(slot.id, event.topic(), event.id()));
        }
    }

    /// A subscription could not handle an event: hands it on, if there is a rule for it. True if somebody has its letter.
    pub(super) fn bury(
        &self,
        slot: &Slot,
        event: &dyn Whole,
        attempts: u32,
        cause: impl FnOnce() -> DeathCause,
    ) -> bool {
        self.dead_letters
            .as_ref()
            .is_some_and(|dead_letters| dead_letters.bury(self, slot, event, attempts, cause))
    }

    pub(super) fn quarantined(&self, slot: &Slot, panics: u32) {
        self.tell(|_| {
            LifecycleEvent::of_bus(types::QUARANTINED)
                .with("subscription_id", slot.id.to_string())
                .with("panics", u64::from(panics))
        });
        let told = self.tracing.quarantined(slot, panics);
        match &self.observer {
            Some(observer) => Self::guarded(|| observer.quarantined(slot.id, panics)),
            None if told => {}
            None => self.print(|| format!("{} is in quarantine after {panics} panics in a row", Named(slot))),
        }
    }

    /// An engine says how it is doing. Without an observer only what is wrong is printed.
    pub(crate) fn engine_state(&self, engine: &str, state: EngineState) {
        self.tell(|_| {
            LifecycleEvent::of_bus(types::ENGINE_STATE)
                .with("engine", engine.to_owned())
                .with("state", state.as_str())
        });
        let told = self.tracing.engine_state(engine, state);
        match &self.observer {
            Some(observer) => Self::guarded(|| observer.engine_state(engine, state)),
            None if state == EngineState::Degraded && !told => {
                self.print(|| format!("engine \"{engine}\" is {state}"));
            }
            None => {}
        }
    }

    pub(super) fn mismatch(&self, slot: &Slot, topic: &Topic, type_name: &str, wanted: &str) {
        self.warn(|| {
            format!(
                "{} takes {wanted} and skips events of another type; the first is a {type_name} on \"{topic}\"",
                Named(slot),
            )
        });
    }

    pub(super) fn undecodable(&self, slot: &Slot, topic: &Topic, error: &DecodeError) {
        self.warn(|| {
            format!("{} cannot decode an event on \"{topic}\", the first such: {error}", Named(slot))
        });
    }

    pub(super) fn filter_panicked(&self, slot: &Slot, event: &Head, payload: Box<dyn Any + Send>) {
        let message = HandlerError::panicked(payload).panic_message();
        self.warn(|| format!("filter of {} panicked on \"{}\": {message}", Named(slot), event.topic()));
    }

    pub(super) fn key_panicked(&self, slot: &Slot, event: &Head, payload: Box<dyn Any + Send>) {
        let message = HandlerError::panicked(payload).panic_message();
        self.warn(|| {
            format!("what finds the key for {} panicked on \"{}\": {message}", Named(slot), event.topic())
        });
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

/// A subscription as messages name it: id, name, patterns, and where it was made.
pub(crate) struct Named<'a>(pub(crate) &'a Slot);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Slot { id, spec, .. } = self.0;
        write!(f, "subscription {id}")?;
        if let Some(name) = &spec.name {
            write!(f, " ({name})")?;
        }
        write!(f, " to ")?;
        for (number, pattern) in spec.patterns.iter().enumerate() {
            write!(f, "{}\"{pattern}\"", if number == 0 { "" } else { ", " })?;
        }
        write!(f, " at {}:{}", spec.site.file(), spec.site.line())
    }
}
