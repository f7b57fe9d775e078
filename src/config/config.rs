//! The configuration, as read or as built in code.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use super::engine::{EngineSettings, Rule};
use super::format::Format;
use super::loader::ConfigLoader;
use super::per_topic::PerTopic;
use super::problem::ConfigError;
use super::value::Place;
use crate::bus::default_workers;
use crate::dispatch::DeliveryMode;
use crate::history::{Limits, Retention};
use crate::pattern::TopicPattern;
use crate::topic::Topic;

/// The default capacity, if no smaller one is the largest.
const CAPACITY: usize = 1024;

/// The configuration of a bus: from files and the environment, from code, or both.
///
/// ```
/// use trolleybus::{Config, Format};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "defaultEventBufferSize: 256\ndeliveryMode: timeout\npublishBlockTimeout: 50ms\n";
/// let config = Config::from_str(text, Format::Yaml)?.with_worker_count(2);
/// let bus = config.into_builder()?.build()?;
/// # Ok(()) }
/// ```
///
/// # Where it comes from
///
/// [`Config::loader`] merges, and later ones win: the defaults, the files in the order in which they are given, the
/// environment, [what code sets](ConfigLoader::set). A key of a later file replaces the whole value of an earlier
/// one, lists too. A variable with an index, such as `EVENTBUS_ROUTING_0_TOPICS_1`, replaces one value in the list
/// that the files give, or adds an entry behind its last; there are no gaps.
///
/// # What is refused
///
/// Unknown keys, wrong types, values out of range, engines with the same name, rules to engines that are not there,
/// types of engines that are not known, keys that stand twice: [`ConfigError`] names all of them at once. A file has
/// at most 1 MiB, nests at most 32 levels and holds at most 10,000 values after all aliases have been replaced.
/// There are no includes.
///
/// # Keys
///
/// Numbers without a unit are seconds or bytes. Times have units (`250ms`, `30s`, `1h 30m`), so have sizes (`64kB`,
/// `16MiB`).
///
#[doc = include_str!("keys.md")]
///
/// The settings of a `memory` engine in a list of several; where it does not say, the bus does. A subscription that reaches
/// topics of several gets the smallest of their sizes:
///
/// | setting | takes | effect |
/// |---|---|---|
/// | `workerCount` | a whole number from 0 to 1024 | the bus has one pool for all its memory engines, with as many workers as they say together; not together with `workerCount` of the bus |
/// | `maxEventQueueSize` | a whole number from 1 to 16777216 | the largest capacity of a subscription that reaches its topics |
/// | `defaultEventBufferSize` | a whole number from 1 to `maxEventQueueSize` | the capacity of one that does not say its own |
///
/// Those of a `custom` engine:
///
/// | setting | takes | default | effect |
/// |---|---|---|---|
/// | `maxEventQueueSize` | a whole number from 1 | 1000 | how many events may be on their way through the engine |
/// | `defaultEventBufferSize` | a whole number from 1 | 1024 | how many of them may be handed over and not handled |
/// | `enableMetrics` | true or false | true | events are counted |
/// | `metricsInterval` | a time | 30s | how often the metrics are logged |
/// | `maxTopics` | a whole number | 1000 | how many topics are counted one by one |
/// | `eventFilters` | a list such as `[{type: topicPrefix, prefixes: ['user.']}]` | none | what is carried |
///
/// Variables for the settings of engines spell their keys in upper case with underscores: `…_CONFIG_POOL_SIZE` is
/// `poolSize`, two underscores lead into a map: `…_CONFIG_TLS__CA_FILE` is `tls.caFile`, and a number is an index:
/// `…_CONFIG_BROKERS_0` is `brokers[0]`.
///
/// # Printing it
///
/// `Display` gives the effective configuration, with all defaults, as YAML that is read to an equal configuration.
/// In the settings of engines, values whose keys sound like secrets are masked, and so is who logs in at an address;
/// what is masked is refused when it is read.
#[derive(Clone)]
pub struct Config {
    pub(super) engine: String,
    pub(super) max_event_queue_size: usize,
    /// If it was said; see `default_event_buffer_size`.
    pub(super) default_event_buffer_size: Option<usize>,
    pub(super) worker_count: usize,
    pub(super) delivery_mode: DeliveryMode,
    pub(super) rotate_subscriber_order: bool,
    pub(super) spin: Duration,
    pub(super) thread_name: String,
    pub(super) inline_depth: usize,
    pub(super) precise_time: bool,
    pub(super) max_raw_payload: usize,
    pub(super) topic_cache: usize,
    pub(super) max_tenants: usize,
    pub(super) event_ttl: Option<Duration>,
    pub(super) topic_ttls: Vec<PerTopic<Duration>>,
    pub(super) dead_letters: Vec<PerTopic<Topic>>,
    pub(super) retention_days: Option<u64>,
    pub(super) retention: Vec<PerTopic<Retention>>,
    pub(super) max_history: Limits,
    pub(super) quarantine_after: Option<NonZeroU32>,
    pub(super) engines: Vec<EngineSettings>,
    pub(super) routing: Vec<Rule>,
    /// The types of engines that there are.
    pub(super) types: Vec<String>,
    /// Where each key was set last.
    pub(super) places: Vec<(&'static str, Place)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: "memory".to_owned(),
            max_event_queue_size: crate::subscribe::MAX_CAPACITY,
            default_event_buffer_size: None,
            worker_count: default_workers(),
            delivery_mode: DeliveryMode::Drop,
            rotate_subscriber_order: false,
            spin: Duration::from_micros(100),
            thread_name: "trolleybus".to_owned(),
            inline_depth: 64,
            precise_time: false,
            max_raw_payload: 16 * 1024 * 1024,
            topic_cache: 65_536,
            max_tenants: 1024,
            event_ttl: None,
            topic_ttls: Vec::new(),
            dead_letters: Vec::new(),
            retention_days: None,
            retention: Vec::new(),
            max_history: Limits::default(),
            quarantine_after: None,
            engines: Vec::new(),
            routing: Vec::new(),
            types: ["memory", "durable-memory", "custom"].map(str::to_owned).into(),
            places: Vec::new(),
        }
    }
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges files, the environment and what code sets.
    pub fn loader() -> ConfigLoader {
        ConfigLoader::new()
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn from_str(text: &str, format: Format) -> Result<Self, ConfigError> {
        Self::loader().text("text", text, format).load()
    }

    /// Reads a file, whose name says its format: `.yaml`, `.yml`, `.json` or `.toml`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it; or why it cannot be read.
    ///
    /// # Blocking
    ///
    /// Reads the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::loader().file(path).load()
    }

    /// Says whether engines are listed, instead of one that has no name.
    #[must_use]
    pub fn is_multi_engine(&self) -> bool {
        !self.engines.is_empty()
    }

    /// The name of the engine that gets what no rule is for: the first one, or `default` if none is listed.
    #[must_use]
    pub fn default_engine(&self) -> &str {
        self.engines.first().map_or("default", EngineSettings::name)
    }

    /// The type of the only engine, if none are listed.
    #[must_use]
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The listed engines.
    #[must_use]
    pub fn engines(&self) -> &[EngineSettings] {
        &self.engines
    }

    /// The rules, of which the first that matches a topic wins.
    #[must_use]
    pub fn routing(&self) -> &[Rule] {
        &self.routing
    }

    /// The largest capacity that a subscription may have.
    #[must_use]
    pub fn max_event_queue_size(&self) -> usize {
        self.max_event_queue_size
    }

    /// The capacity of a subscription that does not say its own. If it was not set: 1024, or the largest if that is
    /// less.
    #[must_use]
    pub fn default_event_buffer_size(&self) -> usize {
        self.default_event_buffer_size.unwrap_or(CAPACITY.min(self.max_event_queue_size))
    }

    /// The number of worker threads.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.worker_count
    }

    /// What happens to an event that finds a queue full, and for how long a publisher waits.
    #[must_use]
    pub fn delivery_mode(&self) -> DeliveryMode {
        self.delivery_mode
    }

    /// Whether another subscriber is first at every publish.
    #[must_use]
    pub fn rotate_subscriber_order(&self) -> bool {
        self.rotate_subscriber_order
    }

    /// How long an idle worker looks for work before it sleeps.
    #[must_use]
    pub fn spin(&self) -> Duration {
        self.spin
    }

    /// The name of the worker threads.
    #[must_use]
    pub fn thread_name(&self) -> &str {
        &self.thread_name
    }

    /// How deep inline handlers may nest that publish to one another.
    #[must_use]
    pub fn inline_depth(&self) -> usize {
        self.inline_depth
    }

    /// Whether events get their time from the precise clock.
    #[must_use]
    pub fn precise_time(&self) -> bool {
        self.precise_time
    }

    /// The largest raw payload, in bytes.
    #[must_use]
    pub fn max_raw_payload(&self) -> usize {
        self.max_raw_payload
    }

    /// How many topics are remembered that nobody has subscribed to by name.
    #[must_use]
    pub fn topic_cache(&self) -> usize {
        self.topic_cache
    }

    /// How many tenants the bus serves at a time.
    #[must_use]
    pub fn max_tenants(&self) -> usize {
        self.max_tenants
    }

    /// How long events are worth delivering that do not say so themselves; `None`: for ever.
    #[must_use]
    pub fn event_ttl(&self) -> Option<Duration> {
        self.event_ttl
    }

    /// How long events are worth delivering by their topics, in the order of the rules.
    pub fn topic_ttls(&self) -> impl ExactSizeIterator<Item = (&[TopicPattern], Duration)> {
        self.topic_ttls.iter().map(|rule| (&*rule.patterns, rule.value))
    }

    /// Where [dead letters](crate::BusBuilder::dead_letters) go by the topics of their events, in the order of the rules.
    pub fn dead_letters(&self) -> impl ExactSizeIterator<Item = (&[TopicPattern], &Topic)> {
        self.dead_letters.iter().map(PerTopic::parts)
    }

    /// For how many days events are kept of topics that no [rule](Self::retention) is about; `None`: they are not kept.
    #[must_use]
    pub fn retention_days(&self) -> Option<u64> {
        self.retention_days
    }

    /// What is [kept](crate::BusBuilder::retain) of events by their topics, in the order of the rules.
    pub fn retention(&self) -> impl ExactSizeIterator<Item = (&[TopicPattern], Retention)> {
        self.retention.iter().map(|rule| (&*rule.patterns, rule.value))
    }

    /// How many events are kept altogether.
    #[must_use]
    pub fn max_history_events(&self) -> u64 {
        self.max_history.events
    }

    /// How many bytes of events are kept altogether.
    #[must_use]
    pub fn max_history_bytes(&self) -> u64 {
        self.max_history.bytes
    }

    /// Of how many topics events are kept at a time.
    #[must_use]
    pub fn max_history_topics(&self) -> u64 {
        self.max_history.topics
    }

    /// After how many panics in a row a subscription is paused.
    #[must_use]
    pub fn quarantine_after(&self) -> Option<NonZeroU32> {
        self.quarantine_after
    }

    /// Where a key was set last.
    pub(super) fn place(&self, key: &str) -> Option<&Place> {
        self.places.iter().rev().find(|(known, _)| *known == key).map(|(_, place)| place)
    }
}

/// The same effect: what is a default and what was said to be the same are equal, and places do not count.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |config: &Self| {
            (
                (config.max_event_queue_size, config.default_event_buffer_size(), config.worker_count),
                (config.delivery_mode, config.rotate_subscriber_order, config.spin, config.inline_depth),
                (config.precise_time, config.max_raw_payload, config.topic_cache),
                (config.max_tenants, config.event_ttl, config.quarantine_after),
            )
        };
        // The type of the only engine does not count where engines are listed.
        let engine =
            |config: &Self| if config.is_multi_engine() { String::new() } else { config.engine.clone() };
        numbers(self) == numbers(other)
            && engine(self) == engine(other)
            && self.thread_name == other.thread_name
            && self.engines == other.engines
            && self.routing == other.routing
            && self.topic_ttls == other.topic_ttls
            && self.dead_letters == other.dead_letters
            && self.retention == other.retention
            && self.retention_days == other.retention_days
            && self.max_history == other.max_history
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn absent_keys_mean_what_the_table_and_the_builder_say() {
        let config = Config::new();
        let builder = crate::EventBus::builder();
        assert_eq!(
            format!("{:?}", config.clone().into_builder().expect("the defaults")),
            format!("{builder:?}")
        );
        let default = |path: &str| keys::spec(path).expect("a key").default;
        assert_eq!(default("engine"), config.engine());
        assert_eq!(default("maxEventQueueSize"), config.max_event_queue_size().to_string());
        assert!(
            default("defaultEventBufferSize").starts_with(&config.default_event_buffer_size().to_string())
        );
        assert_eq!(default("rotateSubscriberOrder"), config.rotate_subscriber_order().to_string());
        assert_eq!(default("spin"), super::super::scalar::print_duration(config.spin()));
        assert_eq!(default("threadName"), config.thread_name());
        assert_eq!(default("inlineDepth"), config.inline_depth().to_string());
        assert_eq!(default("preciseTime"), config.precise_time().to_string());
        assert_eq!(
            default("maxRawPayload"),
            super::super::scalar::print_size(config.max_raw_payload() as u64)
        );
        assert_eq!(default("topicCache"), config.topic_cache().to_string());
        assert_eq!(default("maxTenants"), config.max_tenants().to_string());
        assert_eq!((default("deliveryMode"), config.delivery_mode()), ("drop", DeliveryMode::Drop));
        assert_eq!((default("quarantineAfter"), config.quarantine_after()), ("never", None));
        assert_eq!((config.is_multi_engine(), config.default_engine()), (false, "default"));
    }

    #[test]
    fn the_default_capacity_is_not_above_the_largest() {
        assert_eq!(Config::new().with_max_event_queue_size(100).default_event_buffer_size(), 100);
        assert_eq!(Config::new().with_max_event_queue_size(5000).default_event_buffer_size(), 1024);
    }

    #[test]
    fn the_first_listed_engine_is_the_default_one() {
        let config = Config::new()
            .with_engine_settings(EngineSettings::new("near", "memory"))
            .with_engine_settings(EngineSettings::new("far", "custom"));
        assert_eq!((config.is_multi_engine(), config.default_engine()), (true, "near"));
    }
}
