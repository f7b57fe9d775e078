//! What happens to publish calls, handlers and engines, and how it is told.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::{Ending, Hooks};
use crate::dispatch::aside::CircuitState;
use crate::dispatch::carriers::EngineState;
use crate::dispatch::dead_letter::DeathCause;
use crate::dispatch::engine_tally::Figure;
use crate::dispatch::passing::Whole;
use crate::dispatch::slot::Slot;
use crate::envelope::DecodeError;
use crate::error::HandlerError;
use crate::event::{Head, Settled};
use crate::guard::guarded;
use crate::lifecycle::{LifecycleEvent, types};
use crate::tenant::Tenant;
use crate::topic::Topic;

impl Hooks {
    /// A handler is about to start.
    #[cold]
    pub(super) fn received(&self, slot: &Slot, event: &Head) {
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

    pub(in crate::dispatch) fn ended(&self, ending: &Ending<'_>) {
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
    pub(in crate::dispatch) fn failed_for_now(&self, ending: &Ending<'_>, delay: Duration) {
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
    pub(in crate::dispatch) fn circuit_changed(&self, slot: &Slot, state: CircuitState) {
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
    pub(in crate::dispatch) fn expired(
        &self,
        slot: &Slot,
        whole: &dyn Whole,
        age: Duration,
        attempts: u32,
    ) -> bool {
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
    pub(in crate::dispatch) fn duplicate(&self, slot: &Slot, event: &Head) {
        if let Some(observer) = &self.observer {
            Self::guarded(|| observer.duplicate(slot.id, event.topic(), event.id()));
        }
    }

    /// A subscription could not handle an event: hands it on, if there is a rule for it. True if somebody has its letter.
    pub(in crate::dispatch) fn bury(
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

    pub(in crate::dispatch) fn quarantined(&self, slot: &Slot, panics: u32) {
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

    pub(in crate::dispatch) fn mismatch(&self, slot: &Slot, topic: &Topic, type_name: &str, wanted: &str) {
        self.warn(|| {
            format!(
                "{} takes {wanted} and skips events of another type; the first is a {type_name} on \"{topic}\"",
                Named(slot),
            )
        });
    }

    pub(in crate::dispatch) fn undecodable(&self, slot: &Slot, topic: &Topic, error: &DecodeError) {
        self.warn(|| {
            format!("{} cannot decode an event on \"{topic}\", the first such: {error}", Named(slot))
        });
    }

    pub(in crate::dispatch) fn filter_panicked(
        &self,
        slot: &Slot,
        event: &Head,
        payload: Box<dyn Any + Send>,
    ) {
        let message = HandlerError::panicked(payload).panic_message();
        self.warn(|| format!("filter of {} panicked on \"{}\": {message}", Named(slot), event.topic()));
    }

    pub(in crate::dispatch) fn key_panicked(&self, slot: &Slot, event: &Head, payload: Box<dyn Any + Send>) {
        let message = HandlerError::panicked(payload).panic_message();
        self.warn(|| {
            format!("what finds the key for {} panicked on \"{}\": {message}", Named(slot), event.topic())
        });
    }
}

/// A subscription as messages name it: id, name, patterns, and where it was made.
struct Named<'a>(&'a Slot);

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
