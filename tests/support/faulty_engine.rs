//! An engine that does what a test tells it to.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use trolleybus::SubscriptionId;
use trolleybus::engine::{
    Arrival, BoxFuture, Capabilities, Engine, EngineError, EngineErrorKind, Envelope, Handover, Ingress,
    Position, Scope, SubscriptionSpec,
};

/// What a call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Does {
    #[default]
    Well,
    Fails,
    /// Fails, and nobody knows how far it came.
    Unknown,
    Hangs,
    Panics,
}

impl Does {
    async fn act<T>(self, well: impl FnOnce() -> T) -> Result<T, EngineError> {
        match self {
            Self::Well => Ok(well()),
            Self::Fails => Err(EngineError::new(EngineErrorKind::Rejected, "as told")),
            Self::Unknown => Err(EngineError::new(EngineErrorKind::Connection, "as told").may_be_stored()),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("as told"),
        }
    }
}

/// What was called, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Start,
    Publish(String),
    Subscribe(SubscriptionId, Option<String>),
    Unsubscribe(SubscriptionId),
    Shutdown,
}

/// The engine's other end, in the hands of the test.
#[derive(Clone, Default)]
pub(crate) struct Remote {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ingress: Mutex<Option<Ingress>>,
    calls: Mutex<Vec<Call>>,
    plan: Mutex<Plan>,
    published: Mutex<Vec<Envelope>>,
}

/// What each kind of call does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) start: Does,
    pub(crate) publish: Does,
    pub(crate) subscribe: Does,
    pub(crate) unsubscribe: Does,
    pub(crate) shutdown: Does,
    pub(crate) capabilities: Capabilities,
}

impl Remote {
    pub(crate) fn new(plan: Plan) -> Self {
        let remote = Self::default();
        *remote.shared.plan.lock().expect("lock") = plan;
        remote
    }

    pub(crate) fn engine(&self) -> FaultyEngine {
        FaultyEngine(self.clone())
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.shared.plan.lock().expect("lock"));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("lock").clone()
    }

    /// What was published, in order.
    pub(crate) fn published(&self) -> Vec<Envelope> {
        self.shared.published.lock().expect("lock").clone()
    }

    pub(crate) fn ingress(&self) -> Ingress {
        self.shared.ingress.lock().expect("lock").clone().expect("the engine has started")
    }

    /// An event arrives, and is handed over.
    pub(crate) fn arrive(&self, envelope: Envelope, scope: Scope) -> Handover {
        block_on(self.ingress().deliver(Arrival::new(envelope, scope))).expect("the ingress is open")
    }

    fn note(&self, call: Call) -> Plan {
        self.shared.calls.lock().expect("lock").push(call);
        *self.shared.plan.lock().expect("lock")
    }
}

pub(crate) struct FaultyEngine(Remote);

impl Engine for FaultyEngine {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    fn capabilities(&self) -> Capabilities {
        self.0.shared.plan.lock().expect("lock").capabilities
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        *self.0.shared.ingress.lock().expect("lock") = Some(ingress);
        Box::pin(self.0.note(Call::Start).start.act(|| ()))
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        let does = self.0.note(Call::Publish(envelope.topic().to_string())).publish;
        self.0.shared.published.lock().expect("lock").push(envelope.clone());
        Box::pin(does.act(|| Position::new("here")))
    }

    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        let group = spec.group.as_ref().map(ToString::to_string);
        Box::pin(self.0.note(Call::Subscribe(spec.id, group)).subscribe.act(|| ()))
    }

    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.0.note(Call::Unsubscribe(id)).unsubscribe.act(|| ()))
    }

    fn shutdown(&self, _: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.0.note(Call::Shutdown).shutdown.act(|| ()))
    }
}

impl fmt::Debug for FaultyEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyEngine")
    }
}

/// Waits for a future in this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    smol::block_on(future)
}
