//! What the custom engine measures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What an engine has measured since its start, or the last reset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineMetrics {
    /// Events that were carried.
    pub total_events: u64,
    /// The same by topic.
    pub events_per_topic: BTreeMap<String, u64>,
    /// Events of topics that came when there were as many as are counted one by one.
    pub events_of_other_topics: u64,
    /// Events with which the last subscription is done.
    pub processed_events: u64,
    /// From the hand-over to the end of the last handler, on average over all of them. Zero before the first.
    pub average_processing_time: Duration,
    /// When counting began.
    pub last_reset_time: SystemTime,
}

impl EngineMetrics {
    fn new() -> Self {
        Self {
            total_events: 0,
            events_per_topic: BTreeMap::new(),
            events_of_other_topics: 0,
            processed_events: 0,
            average_processing_time: Duration::ZERO,
            last_reset_time: SystemTime::now(),
        }
    }
}

impl fmt::Display for EngineMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events on {} topics, {} processed in {:?} on average",
            self.total_events,
            self.events_per_topic.len(),
            self.processed_events,
            self.average_processing_time
        )
    }
}

/// Reads the metrics of an engine. Clones read the same ones.
#[derive(Clone, Debug)]
pub struct MetricsHandle {
    shared: Arc<Mutex<Measured>>,
}

#[derive(Debug)]
struct Measured {
    metrics: EngineMetrics,
    processing: Duration,
    max_topics: usize,
}

impl MetricsHandle {
    pub(super) fn new(max_topics: usize) -> Self {
        let measured = Measured { metrics: EngineMetrics::new(), processing: Duration::ZERO, max_topics };
        Self { shared: Arc::new(Mutex::new(measured)) }
    }

    fn with<R>(&self, run: impl FnOnce(&mut Measured) -> R) -> R {
        // Nothing panics while it is locked.
        run(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a copy of what has been measured.
    #[must_use]
    pub fn read(&self) -> EngineMetrics {
        self.with(|measured| measured.metrics.clone())
    }

    /// Begins anew.
    pub fn reset(&self) {
        self.with(|measured| {
            measured.metrics = EngineMetrics::new();
            measured.processing = Duration::ZERO;
        });
    }

    pub(super) fn carried(&self, topic: &str) {
        self.with(|measured| {
            let room = measured.metrics.events_per_topic.len() < measured.max_topics;
            let metrics = &mut measured.metrics;
            metrics.total_events += 1;
            match metrics.events_per_topic.get_mut(topic) {
                Some(count) => *count += 1,
                None if room => {
                    metrics.events_per_topic.insert(topic.to_owned(), 1);
                }
                None => metrics.events_of_other_topics += 1,
            }
        });
    }

    pub(super) fn processed(&self, took: Duration) {
        self.with(|measured| {
            measured.processing += took;
            measured.metrics.processed_events += 1;
            let count = u32::try_from(measured.metrics.processed_events).unwrap_or(u32::MAX);
            measured.metrics.average_processing_time = measured.processing / count;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn d_cus_2_the_average_is_over_all_events_and_begins_anew_with_a_reset() {
        let metrics = MetricsHandle::new(10);
        assert_eq!(metrics.read().average_processing_time, Duration::ZERO);
        for took in [10 * MS, 20 * MS, 60 * MS] {
            metrics.processed(took);
        }
        let read = metrics.read();
        assert_eq!((read.processed_events, read.average_processing_time), (3, 30 * MS));
        metrics.reset();
        let anew = metrics.read();
        assert!(anew.last_reset_time >= read.last_reset_time);
        assert_eq!((anew.processed_events, anew.average_processing_time), (0, Duration::ZERO));
        metrics.processed(40 * MS);
        assert_eq!(metrics.read().average_processing_time, 40 * MS);
    }

    #[test]
    fn d_cus_2_topics_are_counted_one_by_one_up_to_a_limit() {
        let metrics = MetricsHandle::new(2);
        for topic in ["a", "b", "c", "a", "d"] {
            metrics.carried(topic);
        }
        let read = metrics.read();
        let per_topic = [("a".to_owned(), 2), ("b".to_owned(), 1)];
        assert_eq!(read.events_per_topic, per_topic.into());
        assert_eq!((read.total_events, read.events_of_other_topics), (5, 2));
    }
}
