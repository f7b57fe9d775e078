//! From a configuration to a bus.

use super::config::Config;
use super::engine::EngineSettings;
use super::problem::ConfigError;
use super::registry::EngineRegistry;
use crate::bus::{BusBuilder, Routes};
use crate::lifecycle::{LifecycleEvent, LifecycleValue, types};

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
        if let Some(panics) = self.quarantine_after() {
            builder = builder.quarantine_after(panics);
        }
        self.add_engines(builder, registry)
    }

    /// The event that tells of it.
    fn loaded(&self) -> LifecycleEvent {
        LifecycleEvent::of_bus(types::CONFIG_LOADED)
            .with("engine", self.default_engine().to_owned())
            .with("max_queue_size", self.max_event_queue_size())
            .with("worker_count", self.worker_count())
            .with("event_ttl", LifecycleValue::Null)
            .with("retention_days", LifecycleValue::Null)
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
        let mut problems = Vec::new();
        for engine in engines {
            match registry.make(engine) {
                Ok(Some(made)) => builder = builder.engine_arc(engine.name(), made),
                Ok(None) => builder = builder.memory_engine(engine.name()),
                Err(error) => problems.extend_from_slice(error.problems()),
            }
        }
        ConfigError::check(problems)?;
        let routes = self.routing().iter().fold(Routes::new(), |routes, rule| {
            let patterns = rule.patterns().iter().cloned();
            match rule.tenants() {
                None => routes.route(rule.engine(), patterns),
                Some(tenants) => routes.route_tenants(rule.engine(), tenants, patterns),
            }
        });
        Ok(builder.default_engine(self.default_engine()).routes(routes))
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
            "text:2:38: engines[0].config.size: unknown key; there are none here\n\
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
    fn what_code_sets_is_checked_before_it_is_used() {
        assert!(Config::new().with_inline_depth(0).into_builder().is_err());
    }
}
