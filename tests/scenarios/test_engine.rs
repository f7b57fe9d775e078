//! An engine that an application brings: the custom engine, with a mark of its own on what it carries, and a switch that
//! makes it fail.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use trolleybus::SubscriptionId;
use trolleybus::engine::custom::CustomEngine;
use trolleybus::engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineErrorKind, Envelope, Ingress, Position,
    SubscriptionSpec,
};

use crate::quiet_engine::quiet_engine;

/// What the engine does when it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    #[default]
    Well,
    Fails,
    Panics,
}

/// The switch, in the hands of the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<Mutex<Health>>);

impl Switch {
    pub(crate) fn set(&self, health: Health) {
        *self.0.lock().expect("lock") = health;
    }

    fn check(&self) -> Result<(), EngineError> {
        let health = *self.0.lock().expect("lock");
        match health {
            Health::Well => Ok(()),
            Health::Fails => Err(EngineError::new(EngineErrorKind::Connection, "the test broke it")),
            Health::Panics => panic!("the test broke it"),
        }
    }
}

pub(crate) struct TestEngine {
    switch: Switch,
    carrier: CustomEngine,
}

impl TestEngine {
    pub(crate) fn new(switch: Switch) -> Self {
        Self { switch, carrier: quiet_engine() }
    }
}

impl Engine for TestEngine {
    fn kind(&self) -> &'static str {
        "testengine"
    }

    fn capabilities(&self) -> Capabilities {
        self.carrier.capabilities()
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        self.carrier.start(ingress)
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        Box::pin(async move {
            self.switch.check()?;
            let mut metadata = envelope.metadata().clone();
            metadata.set("carrier", self.kind()).expect("there is room");
            self.carrier.publish(&envelope.clone().with_metadata(metadata)).await
        })
    }

    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            self.switch.check()?;
            self.carrier.subscribe(spec).await
        })
    }

    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        self.carrier.unsubscribe(id)
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        self.carrier.shutdown(deadline)
    }
}

impl fmt::Debug for TestEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestEngine").field(&self.switch).finish()
    }
}
