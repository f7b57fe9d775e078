//! What code sets in a configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use super::config::Config;
use super::engine::{EngineSettings, Rule};
use super::keys::KeySpec;
use super::parsed::Parsed;
use super::per_topic::PerTopic;
use super::value::Place;
use crate::dispatch::DeliveryMode;
use crate::history::Retention;
use crate::pattern::TopicPattern;
use crate::topic::Topic;

/// Each setter takes any value; one out of range is refused by [`check`](Config::check) and
/// [`into_builder`](Config::into_builder), with the line of the call.
impl Config {
    #[track_caller]
    fn put(mut self, key: &'static str) -> Self {
        self.places.push((key, Place::caller()));
        self
    }

    /// Sets the type of the only engine.
    #[must_use]
    #[track_caller]
    pub fn with_engine(mut self, kind: impl Into<String>) -> Self {
        self.engine = kind.into();
        self.put("engine")
    }

    /// Lists an engine, behind those that are listed.
    #[must_use]
    pub fn with_engine_settings(mut self, engine: EngineSettings) -> Self {
        self.engines.push(engine);
        self
    }

    /// Adds a rule, behind those that there are.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.routing.push(rule);
        self
    }

    /// Says which types of engines there are: `memory` and `custom` if not set.
    #[must_use]
    pub fn with_engine_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the largest capacity that a subscription may have.
    #[must_use]
    #[track_caller]
    pub fn with_max_event_queue_size(mut self, events: usize) -> Self {
        self.max_event_queue_size = events;
        self.put("maxEventQueueSize")
    }

    /// Sets the capacity of a subscription that does not say its own.
    #[must_use]
    #[track_caller]
    pub fn with_default_event_buffer_size(mut self, events: usize) -> Self {
        self.default_event_buffer_size = Some(events);
        self.put("defaultEventBufferSize")
    }

    /// Sets the number of worker threads.
    #[must_use]
    #[track_caller]
    pub fn with_worker_count(mut self, threads: usize) -> Self {
        self.worker_count = threads;
        self.put("workerCount")
    }

    /// Sets what happens to an event that finds a queue full.
    #[must_use]
    #[track_caller]
    pub fn with_delivery_mode(mut self, mode: DeliveryMode) -> Self {
        self.delivery_mode = mode;
        self.put("deliveryMode")
    }

    /// Sets whether another subscriber is first at every publish.
    #[must_use]
    #[track_caller]
    pub fn with_rotate_subscriber_order(mut self, rotate: bool) -> Self {
        self.rotate_subscriber_order = rotate;
        self.put("rotateSubscriberOrder")
    }

    /// Sets how long an idle worker looks for work before it sleeps.
    #[must_use]
    #[track_caller]
    pub fn with_spin(mut self, time: Duration) -> Self {
        self.spin = time;
        self.put("spin")
    }

    /// Sets the name of the worker threads.
    #[must_use]
    #[track_caller]
    pub fn with_thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self.put("threadName")
    }

    /// Sets how deep inline handlers may nest that publish to one another.
    #[must_use]
    #[track_caller]
    pub fn with_inline_depth(mut self, depth: usize) -> Self {
        self.inline_depth = depth;
        self.put("inlineDepth")
    }

    /// Sets whether events get their time from the precise clock.
    #[must_use]
    #[track_caller]
    pub fn with_precise_time(mut self, precise: bool) -> Self {
        self.precise_time = precise;
        self.put("preciseTime")
    }

    /// Sets the largest raw payload, in bytes.
    #[must_use]
    #[track_caller]
    pub fn with_max_raw_payload(mut self, bytes: usize) -> Self {
        self.max_raw_payload = bytes;
        self.put("maxRawPayload")
    }

    /// Sets how many topics are remembered that nobody has subscribed to by name.
    #[must_use]
    #[track_caller]
    pub fn with_topic_cache(mut self, topics: usize) -> Self {
        self.topic_cache = topics;
        self.put("topicCache")
    }

    /// Sets after how many panics in a row a subscription is paused.
    #[must_use]
    #[track_caller]
    pub fn with_quarantine_after(mut self, panics: NonZeroU32) -> Self {
        self.quarantine_after = Some(panics);
        self.put("quarantineAfter")
    }

    /// Sets how long events are worth delivering that do not say so themselves.
    #[must_use]
    #[track_caller]
    pub fn with_event_ttl(mut self, ttl: Duration) -> Self {
        self.event_ttl = Some(ttl);
        self.put("eventTTL")
    }

    /// Adds a rule, behind those that there are: how long events on these topics are worth delivering that do not say so
    /// themselves.
    #[must_use]
    #[track_caller]
    pub fn with_ttl_of(mut self, topics: impl IntoIterator<Item = TopicPattern>, ttl: Duration) -> Self {
        self.topic_ttls.push(PerTopic::new(topics, ttl));
        self
    }

    /// Adds a rule, behind those that there are: where [dead letters](crate::BusBuilder::dead_letters) of these topics go.
    #[must_use]
    #[track_caller]
    pub fn with_dead_letters(mut self, topics: impl IntoIterator<Item = TopicPattern>, to: Topic) -> Self {
        self.dead_letters.push(PerTopic::new(topics, to));
        self
    }

    /// Sets for how many days events are kept of topics that no rule is about.
    #[must_use]
    #[track_caller]
    pub fn with_retention_days(mut self, days: u64) -> Self {
        self.retention_days = Some(days);
        self.put("retentionDays")
    }

    /// Adds a rule, behind those that there are: what is [kept](crate::BusBuilder::retain) of the events on these topics.
    #[must_use]
    #[track_caller]
    pub fn with_retention(
        mut self,
        topics: impl IntoIterator<Item = TopicPattern>,
        retention: Retention,
    ) -> Self {
        self.retention.push(PerTopic::new(topics, retention));
        self
    }

    /// Sets how many events are kept altogether.
    #[must_use]
    #[track_caller]
    pub fn with_max_history_events(mut self, events: u64) -> Self {
        self.max_history.events = events;
        self.put("maxHistoryEvents")
    }

    /// Sets how many bytes of events are kept altogether.
    #[must_use]
    #[track_caller]
    pub fn with_max_history_bytes(mut self, bytes: u64) -> Self {
        self.max_history.bytes = bytes;
        self.put("maxHistoryBytes")
    }

    /// Sets of how many topics events are kept at a time.
    #[must_use]
    #[track_caller]
    pub fn with_max_history_topics(mut self, topics: u64) -> Self {
        self.max_history.topics = topics;
        self.put("maxHistoryTopics")
    }

    /// Sets how many tenants the bus serves at a time.
    #[must_use]
    #[track_caller]
    pub fn with_max_tenants(mut self, tenants: usize) -> Self {
        self.max_tenants = tenants;
        self.put("maxTenants")
    }

    /// Sets a key to a value that was read and is in its range. `publishBlockTimeout` and `deliveryMode` come
    /// together, and not here.
    pub(super) fn set(&mut self, key: &'static KeySpec, value: Parsed, place: Place) {
        // Ranges are checked: nothing is cut off.
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match (key.path, value) {
            ("engine", Parsed::Text(kind)) => self.engine = kind,
            ("maxEventQueueSize", Parsed::Number(events)) => self.max_event_queue_size = size(events),
            ("defaultEventBufferSize", Parsed::Number(events)) => {
                self.default_event_buffer_size = Some(size(events));
            }
            ("workerCount", Parsed::Number(threads)) => self.worker_count = size(threads),
            ("rotateSubscriberOrder", Parsed::Flag(rotate)) => self.rotate_subscriber_order = rotate,
            ("retentionDays", Parsed::Number(days)) => self.retention_days = Some(days),
            ("maxHistoryEvents", Parsed::Number(events)) => self.max_history.events = events,
            ("maxHistoryBytes", Parsed::Number(bytes)) => self.max_history.bytes = bytes,
            ("maxHistoryTopics", Parsed::Number(topics)) => self.max_history.topics = topics,
            ("spin", Parsed::Time(time)) => self.spin = time,
            ("threadName", Parsed::Text(name)) => self.thread_name = name,
            ("inlineDepth", Parsed::Number(depth)) => self.inline_depth = size(depth),
            ("preciseTime", Parsed::Flag(precise)) => self.precise_time = precise,
            ("maxRawPayload", Parsed::Number(bytes)) => self.max_raw_payload = size(bytes),
            ("topicCache", Parsed::Number(topics)) => self.topic_cache = size(topics),
            ("eventTTL", Parsed::Time(ttl)) => self.event_ttl = Some(ttl),
            ("maxTenants", Parsed::Number(tenants)) => self.max_tenants = size(tenants),
            ("quarantineAfter", Parsed::Number(panics)) => {
                self.quarantine_after = u32::try_from(panics).ok().and_then(NonZeroU32::new);
            }
            (key, _) => {
                debug_assert!(matches!(key, "deliveryMode" | "publishBlockTimeout"), "{key} is not set");
            }
        }
        self.places.push((key.path, place));
    }
}
