//! From a configuration to a bus.

use super::config::Config;
use super::problem::{ConfigError, ConfigProblem, ConfigProblemKind};
use crate::bus::BusBuilder;

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
    /// What [`check`](Self::check) finds; or the engines are not one of the type `memory` and without settings, which
    /// is all that a bus of this release has.
    pub fn into_builder(self) -> Result<BusBuilder, ConfigError> {
        self.check()?;
        self.check_engine()?;
        let mut builder = crate::EventBus::builder()
            .max_capacity(self.max_event_queue_size())
            .capacity(self.default_event_buffer_size())
            .workers(self.worker_count())
            .delivery(self.delivery_mode())
            .spin(self.spin())
            .thread_name(self.thread_name())
            .inline_depth(self.inline_depth())
            .max_raw_payload(self.max_raw_payload())
            .topic_cache(self.topic_cache());
        if self.rotate_subscriber_order() {
            builder = builder.rotate_order();
        }
        if self.precise_time() {
            builder = builder.precise_time();
        }
        if let Some(panics) = self.quarantine_after() {
            builder = builder.quarantine_after(panics);
        }
        Ok(builder)
    }

    /// Refuses what needs more than the memory engine.
    fn check_engine(&self) -> Result<(), ConfigError> {
        let refused = |needs| ConfigProblemKind::NotSupported { needs };
        let mut problems = Vec::new();
        if !self.is_multi_engine() && self.engine() != "memory" {
            let kind = refused("a bus of this release has the engine memory");
            problems.push(ConfigProblem::new(&self.at("engine"), "engine", kind));
        }
        for (index, engine) in self.engines().iter().enumerate() {
            if engine.kind() != "memory" {
                let kind = refused("a bus of this release has the engine memory");
                problems.push(ConfigProblem::new(&engine.kind_at, format!("engines[{index}].type"), kind));
            }
            if index > 0 {
                let kind = refused("a bus of this release has one engine");
                problems.push(ConfigProblem::new(&engine.name_at, format!("engines[{index}]"), kind));
            }
            for (path, at) in engine.settings().keys() {
                let kind = ConfigProblemKind::UnknownKey { nearest: None, known: Vec::new() };
                problems.push(ConfigProblem::new(&at, path, kind));
            }
        }
        ConfigError::check(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::EngineSettings;
    use super::super::format::Format;
    use super::*;

    fn refused(text: &str) -> String {
        let config = Config::from_str(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
        config.into_builder().expect_err("refused").to_string()
    }

    #[test]
    fn more_than_the_memory_engine_is_refused_where_it_stands() {
        assert_eq!(
            refused("engine: custom"),
            "text:1:9: engine: not supported yet: a bus of this release has the engine memory"
        );
        assert_eq!(
            refused(
                "engines:\n  - {name: a, type: memory, config: {size: 5}}\n  - {name: b, type: custom}\n"
            ),
            "text:2:38: engines[0].config.size: unknown key; there are none here\n\
             text:3:12: engines[1]: not supported yet: a bus of this release has one engine\n\
             text:3:21: engines[1].type: not supported yet: a bus of this release has the engine memory"
        );
        let one = Config::new().with_engine_settings(EngineSettings::new("only", "memory"));
        assert!(one.into_builder().is_ok());
    }

    #[test]
    fn what_code_sets_is_checked_before_it_is_used() {
        assert!(Config::new().with_inline_depth(0).into_builder().is_err());
    }
}
