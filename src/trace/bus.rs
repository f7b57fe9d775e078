//! How a bus is traced.

use std::fmt;
use std::sync::Arc;

use super::Propagator;
use super::handling::Handling;
use super::sending::Sending;
use crate::dispatch::Slot;
use crate::event::{Extras, Head};
use crate::topic::Topic;

/// Whether a bus is traced, and who makes the contexts.
#[derive(Clone, Default)]
pub(crate) struct Tracing(Option<Kind>);

/// Who makes trace contexts.
#[derive(Clone)]
pub(super) enum Kind {
    /// This crate, by the recommendation of the W3C.
    W3c,
    /// The application's tracing system.
    Custom(Arc<dyn Propagator>),
}

impl Tracing {
    /// With contexts of our own.
    pub(crate) fn w3c() -> Self {
        Self(Some(Kind::W3c))
    }

    /// With those of another tracing system.
    pub(crate) fn custom(propagator: impl Propagator) -> Self {
        Self(Some(Kind::Custom(Arc::new(propagator))))
    }

    /// Says whether the bus is traced.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A publish call begins.
    pub(crate) fn publish(&self, topic: &Topic, engine: &str, extras: Option<&Extras>) -> Sending {
        match &self.0 {
            Some(kind) => Sending::begin(self, kind, topic, engine, extras),
            None => Sending::default(),
        }
    }

    /// A handler is about to start.
    pub(crate) fn handle(&self, slot: &Slot, event: &Head) -> Handling {
        match &self.0 {
            Some(kind) => Handling::begin(kind, slot, event),
            None => Handling::default(),
        }
    }

    pub(super) fn kind(&self) -> Option<&Kind> {
        self.0.as_ref()
    }

    /// The hook of another tracing system.
    pub(super) fn propagator(&self) -> Option<&dyn Propagator> {
        match &self.0 {
            Some(Kind::Custom(propagator)) => Some(&**propagator),
            Some(Kind::W3c) | None => None,
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            None => "no",
            Some(Kind::W3c) => "W3C",
            Some(Kind::Custom(_)) => "<propagator>",
        })
    }
}

/// An id in so many lower-case digits.
pub(super) struct Hex(pub(super) u128, pub(super) usize);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id, digits) = self;
        write!(f, "{id:0digits$x}")
    }
}
