//! A handler's start and end, as they are told.

use std::time::Duration;

use crate::dispatch::observer::HandledDelivery;
use crate::dispatch::slot::Slot;
use crate::error::HandlerError;
use crate::event::Head;
use crate::sync::clock::{self, Instant};
use crate::trace::Handling;

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
    pub(in crate::dispatch) slot: &'a Slot,
    pub(in crate::dispatch) event: &'a Head,
    /// Nothing if nobody watches, and the handler failed.
    pub(in crate::dispatch) timing: Option<&'a Timing>,
    pub(in crate::dispatch) error: Option<&'a HandlerError>,
    /// The number of the attempt.
    pub(in crate::dispatch) attempt: u32,
}

impl Ending<'_> {
    /// How long it took, if somebody watches.
    pub(super) fn took(&self) -> Duration {
        let took = self.timing.map(|timing| clock::now().saturating_duration_since(timing.started));
        took.unwrap_or_default()
    }

    /// The same for observers.
    pub(super) fn delivery(&self, duration: Duration) -> HandledDelivery<'_> {
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
