//! What the custom engine can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{EngineMetrics, EventFilter};

/// The settings of a [`CustomEngine`](super::CustomEngine).
#[derive(Clone)]
pub struct CustomSettings {
    pub(super) max_event_queue_size: usize,
    pub(super) default_event_buffer_size: usize,
    pub(super) enable_metrics: bool,
    pub(super) metrics_interval: Duration,
    pub(super) max_topics: usize,
    pub(super) filters: Vec<Arc<dyn EventFilter>>,
    pub(super) log: Arc<dyn Fn(&EngineMetrics) + Send + Sync>,
}

impl Default for CustomSettings {
    fn default() -> Self {
        Self {
            max_event_queue_size: 1000,
            default_event_buffer_size: 1024,
            enable_metrics: true,
            metrics_interval: Duration::from_secs(30),
            max_topics: 1000,
            filters: Vec::new(),
            log: Arc::new(|metrics| eprintln!("custom engine: {metrics}")),
        }
    }
}

impl CustomSettings {
    /// Sets how many events may be queued before publish calls are refused. At least 1; 1000 if not set.
    #[must_use]
    pub fn max_event_queue_size(mut self, events: usize) -> Self {
        self.max_event_queue_size = events;
        self
    }

    /// Sets how many events may be handed over and not done with: 1024 if not set, and at least 1. The bus has a
    /// [bound of its own](crate::BusBuilder::in_flight) beside it.
    #[must_use]
    pub fn default_event_buffer_size(mut self, events: usize) -> Self {
        self.default_event_buffer_size = events;
        self
    }

    /// Sets whether it measures. It does if not set.
    #[must_use]
    pub fn enable_metrics(mut self, measures: bool) -> Self {
        self.enable_metrics = measures;
        self
    }

    /// Sets how often the metrics are logged: every 30 seconds if not set. More than zero.
    #[must_use]
    pub fn metrics_interval(mut self, interval: Duration) -> Self {
        self.metrics_interval = interval;
        self
    }

    /// Sets how many topics are counted one by one; those that come later are counted together. 1000 if not set.
    #[must_use]
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.max_topics = topics;
        self
    }

    /// Adds a filter: an event is carried if all of them say so.
    #[must_use]
    pub fn filter(mut self, filter: impl EventFilter) -> Self {
        self.filters.push(Arc::new(filter));
        self
    }

    /// Sets what is done with the metrics at each interval, and once at the end: a line on standard error if not set.
    #[must_use]
    pub fn log(mut self, log: impl Fn(&EngineMetrics) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(log);
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        if self.max_event_queue_size == 0 {
            return Err(InvalidSettings::QueueSize);
        }
        if self.default_event_buffer_size == 0 {
            return Err(InvalidSettings::BufferSize);
        }
        if self.metrics_interval.is_zero() {
            return Err(InvalidSettings::MetricsInterval);
        }
        Ok(())
    }
}

impl fmt::Debug for CustomSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomSettings")
            .field("max_event_queue_size", &self.max_event_queue_size)
            .field("default_event_buffer_size", &self.default_event_buffer_size)
            .field("enable_metrics", &self.enable_metrics)
            .field("metrics_interval", &self.metrics_interval)
            .field("max_topics", &self.max_topics)
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}

/// A setting is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// A queue must hold at least one event.
    #[error("maxEventQueueSize must be at least 1")]
    QueueSize,
    /// At least one event must be on its way.
    #[error("defaultEventBufferSize must be at least 1")]
    BufferSize,
    /// Metrics cannot be logged all the time.
    #[error("metricsInterval must be more than zero")]
    MetricsInterval,
}
