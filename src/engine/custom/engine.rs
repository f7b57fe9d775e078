//! The engine itself: what the bus calls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::driver::{Driver, Lane};
use super::{CustomSettings, InvalidSettings, MetricsHandle};
use crate::SubscriptionId;
use crate::engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineErrorKind, Envelope, Ingress, Position,
    SubscriptionSpec,
};

/// An engine in this process, with filters and metrics.
pub struct CustomEngine {
    settings: CustomSettings,
    lane: Arc<Lane>,
    metrics: MetricsHandle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl CustomEngine {
    /// Makes an engine.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] if one of them is out of its range.
    pub fn new(settings: CustomSettings) -> Result<Self, InvalidSettings> {
        settings.check()?;
        Ok(Self {
            lane: Arc::new(Lane::new(settings.max_event_queue_size)),
            metrics: MetricsHandle::new(settings.max_topics),
            settings,
            thread: Mutex::new(None),
        })
    }

    /// Returns a handle to read the metrics with, which outlives the engine.
    #[must_use]
    pub fn metrics_handle(&self) -> MetricsHandle {
        self.metrics.clone()
    }

    /// An event as it is carried, or nothing if a filter turns it away.
    fn admit(&self, envelope: &Envelope) -> Result<Option<Envelope>, EngineError> {
        if !self.settings.filters.iter().all(|filter| filter.should_process(envelope)) {
            return Ok(None);
        }
        let mut metadata = envelope.metadata().clone();
        metadata.set("engine", "custom-memory").map_err(|error| {
            EngineError::new(EngineErrorKind::Rejected, "the metadata has no room for the engine's mark")
                .because(error)
        })?;
        Ok(Some(envelope.clone().with_metadata(metadata)))
    }
}

impl Engine for CustomEngine {
    fn kind(&self) -> &'static str {
        "custom"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().ordered()
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            let metrics = self.settings.enable_metrics.then(|| self.metrics.clone());
            let interval = self.settings.metrics_interval;
            let log = Arc::clone(&self.settings.log);
            let driver = Driver::new(
                Arc::clone(&self.lane),
                ingress,
                metrics,
                self.settings.default_event_buffer_size,
            );
            let thread = std::thread::Builder::new()
                .name("custom engine".to_owned())
                .spawn(move || driver.run(interval, &*log))
                .map_err(|error| {
                    EngineError::new(EngineErrorKind::Other, "no thread could be started").because(error)
                })?;
            *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
            Ok(())
        })
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        Box::pin(async move {
            let Some(admitted) = self.admit(envelope)? else { return Ok(Position::none()) };
            // Never waits for subscriptions: one of their handlers may be who publishes.
            let number = self.lane.push(admitted)?;
            Ok(Position::new(number.to_string()))
        })
    }

    fn subscribe<'a>(&'a self, _: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        // Every arrival is for everyone: the bus offers it to those who have joined and match.
        Box::pin(async { Ok(()) })
    }

    fn unsubscribe(&self, _: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn lag(&self) -> Option<u64> {
        Some(self.lane.queued() as u64)
    }

    fn shutdown(&self, _: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            // What is queued is still handed over, and its outcome awaited: the bus sees to the deadline.
            self.lane.close();
            self.lane.drained().await;
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            {
                // It is on its last lines.
                let _ = thread.join();
            }
            Ok(())
        })
    }
}

impl fmt::Debug for CustomEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomEngine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
