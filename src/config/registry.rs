//! Types of engines by name, for configurations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::engine::EngineSettings;
use super::problem::{ConfigError, ConfigProblem};
use super::scalar;
use crate::bus::{LOSSLESS, MEMORY, MemoryEngine};
use crate::engine::Engine;
use crate::engine::custom::{CustomEngine, CustomSettings, TopicPrefixFilter};

/// Makes an engine from its settings.
type Factory = Box<dyn Fn(&EngineSettings) -> Result<Arc<dyn Engine>, ConfigError> + Send + Sync>;

/// The types of engines that a configuration may name: `memory`, `durable-memory`
/// (a memory engine that is [lossless](MemoryEngine::lossless)), `custom`, and those of one's own.
///
/// ```
/// use trolleybus::engine::custom::{CustomEngine, CustomSettings};
/// use trolleybus::{Config, EngineRegistry, Format};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = EngineRegistry::new().register("own", |engine| {
///     CustomEngine::new(CustomSettings::default()).map_err(|error| engine.refuse(error))
/// })?;
/// assert_eq!(registry.types().collect::<Vec<_>>(), ["custom", "durable-memory", "memory", "own"]);
///
/// let text = "
/// engines:
///   - {name: near, type: memory}
///   - {name: far, type: own}
/// routing:
///   - {topics: ['order.*'], engine: far}
/// ";
/// let config = Config::loader().text("bus.yaml", text, Format::Yaml).engine_types(registry.types()).load()?;
/// let bus = config.into_builder_with(&registry)?.start().wait()?;
/// assert_eq!(bus.explain("order.placed")?.engine, "far");
/// # Ok(()) }
/// ```
pub struct EngineRegistry {
    /// `None`: the bus's own.
    factories: BTreeMap<String, Option<Factory>>,
}

impl EngineRegistry {
    /// The types that this crate has.
    #[must_use]
    pub fn new() -> Self {
        let custom: Factory = Box::new(custom);
        let factories = [(MEMORY, None), (LOSSLESS, None), ("custom", Some(custom))];
        Self { factories: factories.map(|(name, factory)| (name.to_owned(), factory)).into() }
    }

    /// Adds a type.
    ///
    /// # Errors
    ///
    /// [`DuplicateEngineType`] if there is one of this name.
    pub fn register<E: Engine>(
        mut self,
        name: impl Into<String>,
        factory: impl Fn(&EngineSettings) -> Result<E, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, DuplicateEngineType> {
        let name = name.into();
        if self.factories.contains_key(&name) {
            return Err(DuplicateEngineType { name });
        }
        let factory: Factory = Box::new(move |settings| Ok(Arc::new(factory(settings)?) as Arc<dyn Engine>));
        self.factories.insert(name, Some(factory));
        Ok(self)
    }

    /// Lists the types, sorted.
    pub fn types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// Makes an engine.
    pub(super) fn make(&self, settings: &EngineSettings) -> Result<Made, ConfigError> {
        match self.factories.get(settings.kind()) {
            Some(Some(factory)) => factory(settings).map(Made::Engine),
            Some(None) if settings.kind() == LOSSLESS => {
                settings.settings().read().map(|config: LosslessConfig| Made::Memory(config.into()))
            }
            Some(None) => settings.settings().read().map(Made::Memory),
            None => {
                let types: Vec<&str> = self.types().collect();
                let kind = super::parsed::no_choice(settings.kind(), &types);
                Err(ConfigProblem::new(&settings.kind_at, settings.name.clone(), kind).into())
            }
        }
    }
}

/// What a configuration has made.
pub(super) enum Made {
    Memory(MemoryConfig),
    Engine(Arc<dyn Engine>),
}

/// The settings of a memory engine, as the original has them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct MemoryConfig {
    /// The bus has one pool of workers for all its memory engines, with as many as they want together.
    pub(super) worker_count: Option<usize>,
    pub(super) max_event_queue_size: Option<usize>,
    pub(super) default_event_buffer_size: Option<usize>,
    #[serde(skip)]
    pub(super) lossless: bool,
}

/// The settings of one that never drops.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct LosslessConfig {
    worker_count: Option<usize>,
    max_event_queue_size: Option<usize>,
    max_durable_queue_depth: Option<usize>,
}

impl From<LosslessConfig> for MemoryConfig {
    fn from(config: LosslessConfig) -> Self {
        let LosslessConfig { worker_count, max_event_queue_size, max_durable_queue_depth } = config;
        let default_event_buffer_size = max_durable_queue_depth;
        Self { worker_count, max_event_queue_size, default_event_buffer_size, lossless: true }
    }
}

impl MemoryConfig {
    /// The key of how many events a queue holds if nobody says otherwise.
    pub(super) fn capacity_key(&self) -> &'static str {
        if self.lossless { "maxDurableQueueDepth" } else { "defaultEventBufferSize" }
    }

    /// The engine, under that name.
    pub(super) fn engine(&self, name: &str) -> MemoryEngine {
        let mut engine = MemoryEngine::new(name);
        if let Some(events) = self.max_event_queue_size {
            engine = engine.max_capacity(events);
        }
        if let Some(events) = self.default_event_buffer_size {
            engine = engine.capacity(events);
        }
        if self.lossless { engine.lossless() } else { engine }
    }
}

impl Default for EngineRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EngineRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.types()).finish()
    }
}

/// There is a type of engine of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a type of engine called {name:?}")]
pub struct DuplicateEngineType {
    name: String,
}

impl DuplicateEngineType {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A duration in the settings of an engine: with units, such as `1h 30m`, or a number of seconds.
///
/// ```
/// use std::time::Duration;
///
/// use serde::Deserialize;
/// use trolleybus::{Format, HumanDuration, Settings};
///
/// #[derive(Deserialize)]
/// struct Own {
///     patience: HumanDuration,
/// }
///
/// let settings = Settings::parse("patience: 1m 30s", Format::Yaml)?;
/// assert_eq!(settings.read::<Own>()?.patience.0, Duration::from_secs(90));
/// # Ok::<(), trolleybus::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What stands there.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Seconds(f64),
            Text(String),
        }
        let found = match Given::deserialize(deserializer)? {
            Given::Seconds(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            Given::Text(text) => scalar::duration(&text),
        };
        found
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected a duration, such as 30s or 5m, or seconds"))
    }
}

/// The settings of the custom engine, as the original has them, and one more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct CustomConfig {
    max_event_queue_size: usize,
    default_event_buffer_size: usize,
    enable_metrics: bool,
    metrics_interval: HumanDuration,
    max_topics: usize,
    event_filters: Vec<FilterConfig>,
}

impl Default for CustomConfig {
    fn default() -> Self {
        Self {
            max_event_queue_size: 1000,
            default_event_buffer_size: 1024,
            enable_metrics: true,
            metrics_interval: HumanDuration(Duration::from_secs(30)),
            max_topics: 1000,
            event_filters: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "camelCase")]
enum FilterConfig {
    TopicPrefix { prefixes: Vec<String> },
}

/// Makes the custom engine.
fn custom(engine: &EngineSettings) -> Result<Arc<dyn Engine>, ConfigError> {
    let config: CustomConfig = engine.settings().read()?;
    let mut settings = CustomSettings::default()
        .max_event_queue_size(config.max_event_queue_size)
        .default_event_buffer_size(config.default_event_buffer_size)
        .enable_metrics(config.enable_metrics)
        .metrics_interval(config.metrics_interval.0)
        .max_topics(config.max_topics);
    for FilterConfig::TopicPrefix { prefixes } in config.event_filters {
        settings = settings.filter(TopicPrefixFilter::new(prefixes));
    }
    let made = CustomEngine::new(settings).map_err(|error| engine.refuse(error))?;
    Ok(Arc::new(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Settings};

    fn engine(text: &str) -> EngineSettings {
        let settings = Settings::parse(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        EngineSettings::new("own", "custom").with_settings(settings)
    }

    fn refused(text: &str) -> String {
        custom(&engine(text)).expect_err("refused").to_string()
    }

    #[test]
    fn d_cus_1_filters_come_from_the_configuration() {
        let text =
            "eventFilters: [{type: topicPrefix, prefixes: ['user.', 'order.']}]\nmetricsInterval: 1m\n";
        let made = custom(&engine(text)).expect("made");
        let printed = format!("{made:?}");
        assert!(printed.contains("topicPrefix") && printed.contains("60s"), "{printed}");
    }

    #[test]
    fn settings_are_checked_with_their_places() {
        assert_eq!(
            refused("maxEventQueueSise: 5"),
            "text:1:1: maxEventQueueSise: unknown key; did you mean \"maxEventQueueSize\"?"
        );
        assert!(refused("metricsInterval: 0s").contains("metricsInterval must be more than zero"));
        assert!(refused("maxEventQueueSize: 0").contains("maxEventQueueSize must be at least 1"));
        assert!(refused("eventFilters: [{type: regex}]").contains("regex"));
    }

    #[test]
    fn a_type_is_registered_once() {
        let own = |_: &EngineSettings| -> Result<CustomEngine, ConfigError> { unreachable!("never made") };
        let error = EngineRegistry::new().register("memory", own).expect_err("it is there");
        assert_eq!(error.to_string(), "there is a type of engine called \"memory\"");
    }
}
