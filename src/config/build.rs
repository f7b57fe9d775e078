//! From a configuration to a bus.

use std::time::Duration;

use super::config::Config;
use super::engine::EngineSettings;
use super::problem::ConfigError;
use super::registry::{EngineRegistry, Made, MemoryConfig};
use crate::bus::{BusBuilder, MAX_WORKERS, Routes};
use crate::dispatch::DeliveryMode;
use crate::history::Retention;
use crate::lifecycle::{LifecycleEvent, LifecycleValue, types};
use crate::subscribe::MAX_CAPACITY;

impl Config {
    /// Makes a builder with these options. What is no text, such as an observer, is set there.
    ///
    /// ```
    /// use trolleybus::{Config, Format};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::from_str("workerCount: 1\nthreadName: orders\n", Format::Yaml)?;
    /// let bus = config.into_builder()?.around_workers(|work| work()).build()?;
    /// bus.subscribe::<u32>("order.*").handle(|_| ())?.detach();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// What [`check`](Self::check) finds; or an engine does not take its settings.
    pub fn into_builder(self) -> Result<BusBuilder, ConfigError> {
        self.into_builder_with(&EngineRegistry::new())
    }

    /// Makes a builder with these options, and engines of the types that the registry knows. A bus with one that is not the
    /// memory engine is to be [started](BusBuilder::start).
    ///
    /// # Errors
    ///
    /// As [`into_builder`](Self::into_builder).
    pub fn into_builder_with(self, registry: &EngineRegistry) -> Result<BusBuilder, ConfigError> {
        self.check()?;
        let mut builder = crate::EventBus::builder()
            .max_capacity(self.max_event_queue_size())
            .capacity(self.default_event_buffer_size())
            .workers(self.worker_count())
            .delivery(self.delivery_mode())
            .spin(self.spin())
            .thread_name(self.thread_name())
            .inline_depth(self.inline_depth())
            .max_raw_payload(self.max_raw_payload())
            .topic_cache(self.topic_cache())
            .max_tenants(self.max_tenants())
            .config_loaded(self.loaded());
        if self.rotate_subscriber_order() {
            builder = builder.rotate_order();
        }
        if self.precise_time() {
            builder = builder.precise_time();
        }
        if let Some(ttl) = self.event_ttl() {
            builder = builder.ttl(ttl);
        }
        for (patterns, ttl) in self.topic_ttls() {
            builder = builder.ttl_of(patterns.iter().cloned(), ttl);
        }
        for (patterns, topic) in self.dead_letters() {
            builder = builder.dead_letters(patterns.iter().cloned(), topic);
        }
        builder = builder
            .max_history_events(self.max_history_events())
            .max_history_bytes(self.max_history_bytes())
            .max_history_topics(self.max_history_topics());
        for (patterns, retention) in self.retention() {
            builder = builder.retain(patterns.iter().cloned(), retention);
        }
        if let Some(days) = self.retention_days() {
            let age = Duration::from_secs(days.saturating_mul(24 * 3600));
            builder = builder.retain(["*"], Retention::new().age(age));
        }
        if let Some(panics) = self.quarantine_after() {
            builder = builder.quarantine_after(panics);
        }
        self.add_engines(builder, registry)
    }

    /// The event that tells of it.
    fn loaded(&self) -> LifecycleEvent {
        let ttl = self.event_ttl().map_or(LifecycleValue::Null, |ttl| ttl.as_secs_f64().into());
        LifecycleEvent::of_bus(types::CONFIG_LOADED)
            .with("engine", self.default_engine().to_owned())
            .with("max_queue_size", self.max_event_queue_size())
            .with("worker_count", self.worker_count())
            .with("event_ttl", ttl)
            .with("retention_days", self.retention_days().map_or(LifecycleValue::Null, Into::into))
    }

    /// Adds engines and rules. All that is wrong with any engine is said at once.
    fn add_engines(
        &self,
        mut builder: BusBuilder,
        registry: &EngineRegistry,
    ) -> Result<BusBuilder, ConfigError> {
        let single;
        let engines = if self.is_multi_engine() {
            self.engines()
        } else {
            single = [self.single_engine()];
            &single
        };
        let (mut problems, mut workers) = (Vec::new(), None);
        for engine in engines {
            let made = registry.make(engine).and_then(|made| {
                if let Made::Memory(config) = &made {
                    self.check_memory(engine, config)?;
                }
                Ok(made)
            });
            match made {
                Ok(Made::Engine(made)) => builder = builder.engine_arc(engine.name(), made),
                Ok(Made::Memory(config)) => {
                    workers = config.worker_count.map(|count| count + workers.unwrap_or(0)).or(workers);
                    builder = builder.memory_engine(config.engine(engine.name()));
                }
                Err(error) => problems.extend_from_slice(error.problems()),
            }
        }
        ConfigError::check(problems)?;
        if let Some(workers) = workers {
            builder = builder.workers(workers.min(MAX_WORKERS));
        }
        let routes = self.routing().iter().fold(Routes::new(), |routes, rule| {
            let patterns = rule.patterns().iter().cloned();
            match rule.tenants() {
                None => routes.route(rule.engine(), patterns),
                Some(tenants) => routes.route_tenants(rule.engine(), tenants, patterns),
            }
        });
        Ok(builder.default_engine(self.default_engine()).routes(routes))
    }

    /// Checks the settings of a memory engine.
    fn check_memory(&self, engine: &EngineSettings, config: &MemoryConfig) -> Result<(), ConfigError> {
        let MemoryConfig {
            worker_count,
            max_event_queue_size: most,
            default_event_buffer_size: usual,
            lossless: _,
        } = config;
        let in_range = |key: &str, value: &Option<usize>, least: usize, limit: usize| match value {
            Some(value) if *value < least || *value > limit => {
                Err(engine.refuse(format!("{key} is {value}: it must be from {least} to {limit}")))
            }
            _ => Ok(()),
        };
        in_range("workerCount", worker_count, 0, MAX_WORKERS)?;
        in_range("maxEventQueueSize", most, 1, MAX_CAPACITY)?;
        in_range(config.capacity_key(), usual, 1, most.unwrap_or(MAX_CAPACITY))?;
        let drops = self.place("deliveryMode").is_some() && self.delivery_mode() != DeliveryMode::Block;
        if config.lossless && drops && !self.is_multi_engine() {
            let why = "deliveryMode is another than block, and this engine never drops";
            return Err(engine.refuse(why));
        }
        if worker_count.is_some() && self.place("workerCount").is_some() {
            let why =
                "workerCount stands for the whole bus as well: it has one pool for all its memory engines";
            return Err(engine.refuse(why));
        }
        Ok(())
    }

    /// The engine of a configuration that lists none.
    fn single_engine(&self) -> EngineSettings {
        let mut engine = EngineSettings::new(self.default_engine(), self.engine());
        engine.kind_at = self.at("engine");
        engine.name_at = self.at("engine");
        engine
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn refused(text: &str) -> String {
        let config = Config::from_str(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        config.into_builder().expect_err("refused").to_string()
    }

    #[test]
    fn what_is_wrong_with_engines_is_said_where_it_stands_and_at_once() {
        assert_eq!(
            refused(
                "engines:\n  - {name: a, type: memory, config: {size: 5}}\n  - {name: b, type: custom, config: {size: 5, \
                 maxTopics: x}}\n"
            ),
            "text:2:38: engines[0].config.size: unknown key; known here: workerCount, maxEventQueueSize, \
             defaultEventBufferSize\n\
             text:3:38: engines[1].config.size: unknown key; known here: maxEventQueueSize, defaultEventBufferSize, \
             enableMetrics, metricsInterval, maxTopics, eventFilters\n\
             text:3:58: engines[1].config.maxTopics: expected usize, found the text \"x\""
        );
        let one = Config::new().with_engine_settings(EngineSettings::new("only", "memory"));
        assert!(one.into_builder().is_ok());
    }

    #[test]
    fn d_all_2_a_single_engine_is_the_one_that_was_asked_for() {
        let config =
            Config::from_str("engine: custom", Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        let bus = config.into_builder().expect("a builder").start().wait().expect("it starts");
        let engines = bus.stats().engines;
        assert_eq!((engines.len(), &*engines[0].name, engines[0].kind), (1, "default", "custom"));
    }

    #[test]
    fn settings_of_a_memory_engine_are_checked() {
        let of = |config: &str| refused(&format!("engines: [{{name: a, type: memory, config: {config}}}]"));
        assert!(of("{workerCount: 1025}").ends_with("workerCount is 1025: it must be from 0 to 1024"));
        assert!(
            of("{maxEventQueueSize: 0}").ends_with("maxEventQueueSize is 0: it must be from 1 to 16777216")
        );
        let larger = of("{maxEventQueueSize: 5, defaultEventBufferSize: 6}");
        assert!(larger.ends_with("defaultEventBufferSize is 6: it must be from 1 to 5"), "{larger}");
        assert!(of("{workerCount: many}").contains("config.workerCount"), "{}", of("{workerCount: many}"));
        let both = refused("workerCount: 2\nengines: [{name: a, type: memory, config: {workerCount: 1}}]");
        assert!(both.contains("workerCount stands for the whole bus as well"), "{both}");
    }

    #[test]
    fn what_code_sets_is_checked_before_it_is_used() {
        assert!(Config::new().with_inline_depth(0).into_builder().is_err());
    }
}
