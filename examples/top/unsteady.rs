//! An engine around another that is unwell now and then: it says so, and refuses what is published meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use trolleybus::SubscriptionId;
use trolleybus::engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineErrorKind, EngineState, Envelope, Ingress, Position,
    SubscriptionSpec,
};

/// The engine.
#[derive(Debug)]
pub(crate) struct Unsteady<E> {
    inner: E,
    health: Health,
}

/// The engine's health, in the hands of the load. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    unwell: Arc<AtomicBool>,
    /// There from the start on.
    ingress: Arc<Mutex<Option<Ingress>>>,
}

impl Health {
    /// Makes the engine well or unwell.
    pub(crate) fn set(&self, state: EngineState) {
        // Relaxed: nothing else hangs on it.
        self.unwell.store(state != EngineState::Connected, Ordering::Relaxed);
        let ingress = self.ingress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ingress) = ingress {
            ingress.set_state(state);
        }
    }
}

impl<E> Unsteady<E> {
    pub(crate) fn new(inner: E) -> (Self, Health) {
        let health = Health::default();
        (Self { inner, health: health.clone() }, health)
    }
}

impl<E: Engine> Engine for Unsteady<E> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        *self.health.ingress.lock().unwrap_or_else(PoisonError::into_inner) = Some(ingress.clone());
        self.inner.start(ingress)
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        if self.health.unwell.load(Ordering::Relaxed) {
            let error = EngineError::new(EngineErrorKind::Rejected, "the engine is unwell");
            return Box::pin(std::future::ready(Err(error)));
        }
        self.inner.publish(envelope)
    }

    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        self.inner.subscribe(spec)
    }

    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        self.inner.unsubscribe(id)
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        self.inner.shutdown(deadline)
    }
}
