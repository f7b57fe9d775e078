//! What must hold between the keys of a configuration, and the ranges of what code sets.

use std::collections::HashSet;

use super::config::Config;
use super::engine::{EngineSettings, Rule};
use super::keys::{BROKERS, Kind, spec};
use super::nearest::nearest;
use super::parsed::{is_name, no_choice, parse};
use super::problem::{ConfigError, ConfigProblem, ConfigProblemKind};
use super::secret::quote;
use super::value::{Place, Value};
use crate::bus::is_engine_name;
use crate::dispatch::DeliveryMode;
use crate::pattern::TopicPattern;

impl Config {
    /// Checks what code has set. What was read has been checked.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.check_values(&mut problems);
        self.check_relations(&mut problems);
        ConfigError::check(problems)
    }

    /// The place of a key for an error.
    pub(super) fn at(&self, key: &str) -> Place {
        self.place(key).cloned().unwrap_or_else(|| Place::whole("defaults"))
    }

    /// Ranges and names.
    fn check_values(&self, problems: &mut Vec<ConfigProblem>) {
        let number = |number: usize| Value::Int(i128::try_from(number).unwrap_or(i128::MAX));
        let mut values = vec![
            ("maxEventQueueSize", number(self.max_event_queue_size)),
            ("defaultEventBufferSize", number(self.default_event_buffer_size())),
            ("workerCount", number(self.worker_count)),
            ("spin", Value::Text(super::scalar::print_duration(self.spin))),
            ("threadName", Value::Text(self.thread_name.clone())),
            ("inlineDepth", number(self.inline_depth)),
            ("maxRawPayload", number(self.max_raw_payload)),
            ("topicCache", number(self.topic_cache)),
            ("maxTenants", number(self.max_tenants)),
        ];
        let number = |number: u64| Value::Int(i128::from(number));
        values.extend([
            ("maxHistoryEvents", number(self.max_history.events)),
            ("maxHistoryBytes", number(self.max_history.bytes)),
            ("maxHistoryTopics", number(self.max_history.topics)),
        ]);
        values.extend(self.retention_days.map(|days| ("retentionDays", number(days))));
        if let Some(ttl) = self.event_ttl {
            values.push(("eventTTL", Value::Text(super::scalar::print_duration(ttl))));
        }
        if let DeliveryMode::Timeout(time) = self.delivery_mode {
            values.push(("publishBlockTimeout", Value::Text(super::scalar::print_duration(time))));
        }
        for (key, value) in values {
            let Some(spec) = spec(key) else { continue };
            if let Err(kind) = parse(spec.kind, &value) {
                // Both of them come from the same call.
                let at = self.at(if key == "publishBlockTimeout" { "deliveryMode" } else { key });
                problems.push(ConfigProblem::new(&at, key, kind));
            }
        }
        let mut name = |text: &str, key: &str, path: String, at: &Place| {
            let Some(kind @ Kind::Text(most)) = spec(key).map(|key| key.kind) else { return };
            if !is_name(text, most) {
                let kind = ConfigProblemKind::WrongType { found: quote(text), expected: kind.expected() };
                problems.push(ConfigProblem::new(at, path, kind));
            }
        };
        for (index, engine) in self.engines.iter().enumerate() {
            name(&engine.name, "engines[].name", format!("engines[{index}].name"), &engine.name_at);
        }
        for (index, rule) in self.routing.iter().enumerate() {
            name(&rule.engine, "routing[].engine", format!("routing[{index}].engine"), &rule.engine_at);
        }
        for (index, rule) in self.topic_ttls.iter().enumerate() {
            let value = Value::Text(super::scalar::print_duration(rule.value));
            let key = spec("topicTTL[].ttl");
            if let Some(Err(kind)) = key.map(|key| parse(key.kind, &value)) {
                problems.push(ConfigProblem::new(&rule.at, format!("topicTTL[{index}].ttl"), kind));
            }
        }
        for (index, rule) in self.retention.iter().enumerate() {
            if rule.value.check().is_err() {
                let (found, allowed) = (format!("{:?}", rule.value), "more than none of each".to_owned());
                let kind = ConfigProblemKind::OutOfRange { found, allowed };
                problems.push(ConfigProblem::new(&rule.at, format!("retention[{index}]"), kind));
            }
        }
        let mut topics = |list: &str, index: usize, patterns: &[TopicPattern], at: &Place| {
            if patterns.is_empty() {
                let (found, allowed) = ("a list of 0".to_owned(), "one pattern or more".to_owned());
                let kind = ConfigProblemKind::OutOfRange { found, allowed };
                problems.push(ConfigProblem::new(at, format!("{list}[{index}].topics"), kind));
            }
        };
        for (index, rule) in self.routing.iter().enumerate() {
            topics("routing", index, &rule.patterns, &rule.at);
        }
        for (index, rule) in self.topic_ttls.iter().enumerate() {
            topics("topicTTL", index, &rule.patterns, &rule.at);
        }
        for (index, rule) in self.dead_letters.iter().enumerate() {
            topics("deadLetters", index, &rule.patterns, &rule.at);
        }
        for (index, rule) in self.retention.iter().enumerate() {
            topics("retention", index, &rule.patterns, &rule.at);
        }
    }

    /// What must hold between keys. Names and types that are empty were refused already.
    pub(super) fn check_relations(&self, problems: &mut Vec<ConfigProblem>) {
        let (capacity, largest) = (self.default_event_buffer_size(), self.max_event_queue_size);
        if capacity > largest {
            let why = format!("defaultEventBufferSize is {capacity}, and maxEventQueueSize only {largest}");
            let kind = ConfigProblemKind::Conflict { with: "maxEventQueueSize", why };
            problems.push(ConfigProblem::new(
                &self.at("defaultEventBufferSize"),
                "defaultEventBufferSize",
                kind,
            ));
        }
        if self.is_multi_engine() {
            if let Some(at) = self.place("engine") {
                let why = "engine is for a bus with one engine, and engines lists some".to_owned();
                let kind = ConfigProblemKind::Conflict { with: "engines", why };
                problems.push(ConfigProblem::new(at, "engine", kind));
            }
        } else {
            self.check_type(&self.engine, "engine".to_owned(), &self.at("engine"), problems);
        }
        self.check_engines(problems);
        self.check_rules(problems);
    }

    fn check_type(&self, kind: &str, path: String, at: &Place, problems: &mut Vec<ConfigProblem>) {
        if self.types.iter().any(|known| known == kind) {
            return;
        }
        let problem = if BROKERS.contains(&kind) {
            ConfigProblemKind::NotSupported { needs: "there is no engine of this type in this release" }
        } else {
            no_choice(kind, &self.types.iter().map(String::as_str).collect::<Vec<_>>())
        };
        problems.push(ConfigProblem::new(at, path, problem));
    }

    fn check_engines(&self, problems: &mut Vec<ConfigProblem>) {
        for (index, engine) in self.engines.iter().enumerate() {
            if !engine.name.is_empty() && !is_engine_name(&engine.name) {
                let expected = "letters and digits, and - _ . between them, at most 64".to_owned();
                let kind = ConfigProblemKind::WrongType { found: quote(&engine.name), expected };
                problems.push(ConfigProblem::new(&engine.name_at, format!("engines[{index}].name"), kind));
            }
            if !engine.kind.is_empty() {
                self.check_type(&engine.kind, format!("engines[{index}].type"), &engine.kind_at, problems);
            }
            let first = self.engines[..index].iter().find(|other| other.name == engine.name);
            if let Some(first) = first.filter(|first| !first.name.is_empty()) {
                let (name, first) = (quote(&engine.name), first.name_at.to_string());
                let kind = ConfigProblemKind::DuplicateEngine { name, first };
                problems.push(ConfigProblem::new(&engine.name_at, format!("engines[{index}].name"), kind));
            }
        }
    }

    fn check_rules(&self, problems: &mut Vec<ConfigProblem>) {
        let mut known: Vec<&str> = self.engines.iter().map(EngineSettings::name).collect();
        if known.is_empty() {
            known.push(self.default_engine());
        }
        let mut seen = HashSet::new();
        known.retain(|name| !name.is_empty() && seen.insert(*name));
        for (index, Rule { engine, engine_at, .. }) in self.routing.iter().enumerate() {
            if !engine.is_empty() && !known.contains(&engine.as_str()) {
                let kind = ConfigProblemKind::UnknownEngine {
                    name: quote(engine),
                    known: known.iter().map(|name| (*name).to_owned()).collect(),
                    nearest: nearest(engine, known.iter().copied()).map(str::to_owned),
                };
                problems.push(ConfigProblem::new(engine_at, format!("routing[{index}].engine"), kind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn problems(config: &Config) -> Vec<String> {
        let error = config.check().expect_err("something is wrong");
        error.problems().iter().map(|problem| format!("{}: {}", problem.path(), problem.kind())).collect()
    }

    #[test]
    fn what_code_sets_is_checked_with_the_line_of_the_call() {
        let config = Config::new().with_worker_count(5000);
        let line = line!() - 1;
        let error = config.check().expect_err("too many");
        let problem = &error.problems()[0];
        assert_eq!((problem.path(), problem.line()), ("workerCount", Some(line)));
        assert!(problem.origin().ends_with("check.rs"), "{problem}");
        assert!(
            problem.to_string().ends_with("5000 is out of range: it must be from 0 to 1024"),
            "{problem}"
        );
    }

    #[test]
    fn every_range_holds_for_code_too() {
        let config = Config::new()
            .with_max_event_queue_size(usize::MAX)
            .with_default_event_buffer_size(0)
            .with_worker_count(usize::MAX)
            .with_spin(Duration::MAX)
            .with_thread_name("a\0b")
            .with_inline_depth(0)
            .with_max_raw_payload(usize::MAX)
            .with_topic_cache(usize::MAX)
            .with_max_tenants(usize::MAX)
            .with_delivery_mode(DeliveryMode::Timeout(Duration::MAX))
            .with_engine_settings(EngineSettings::new("", "memory"))
            .with_rule(Rule::new([], ""));
        assert_eq!(problems(&config).len(), 13, "{:#?}", problems(&config));
    }

    #[test]
    fn relations_are_checked() {
        let config = Config::new()
            .with_engine("memory")
            .with_max_event_queue_size(10)
            .with_default_event_buffer_size(20)
            .with_engine_settings(EngineSettings::new("a", "memory"))
            .with_engine_settings(EngineSettings::new("a", "kafka"))
            .with_engine_settings(EngineSettings::new("c", "memry"))
            .with_rule(Rule::new(["x.*".parse().expect("a pattern")], "d"));
        let problems = problems(&config);
        assert_eq!(problems.len(), 6, "{problems:#?}");
        assert!(problems.contains(
            &"defaultEventBufferSize: defaultEventBufferSize is 20, and maxEventQueueSize only 10".to_owned()
        ));
        assert!(problems.contains(
            &"engines[2].type: \"memry\" is none of: memory, durable-memory, custom; did you mean \"memory\"?".to_owned()
        ));
        assert!(
            problems.iter().any(|problem| problem.starts_with("routing[0].engine: there is no engine \"d\""))
        );
    }
}
