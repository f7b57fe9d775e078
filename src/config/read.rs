//! From the merged tree to a configuration, with everything that is wrong on the way.

use std::time::Duration;

use super::config::Config;
use super::engine::{EngineSettings, Rule};
use super::keys::{KeySpec, Kind, Support, names, spec};
use super::nearest::nearest;
use super::parsed::{Parsed, found, parse};
use super::per_topic::PerTopic;
use super::problem::{ConfigProblem, ConfigProblemKind, join};
use super::secret::quote;
use super::settings::Settings;
use super::value::{Key, Node, Place, Value};
use crate::dispatch::DeliveryMode;
use crate::history::Retention;
use crate::pattern::TopicPattern;
use crate::tenant::Tenant;
use crate::topic::Topic;

/// Reads a tree over the defaults.
pub(crate) fn read(tree: &Node, config: Config, problems: &mut Vec<ConfigProblem>) -> Config {
    let mut reader = Reader { config, problems };
    reader.top(tree);
    let Reader { config, problems } = reader;
    config.check_relations(problems);
    config
}

struct Reader<'a> {
    config: Config,
    problems: &'a mut Vec<ConfigProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: &Place, path: impl Into<String>, kind: ConfigProblemKind) {
        self.problems.push(ConfigProblem::new(at, path, kind));
    }

    /// The entries of a map, whose keys must be those below `parent` in the table. `path` is where the map stands.
    fn map<'n>(&mut self, node: &'n Node, parent: &str, path: &str) -> &'n [(Key, Node)] {
        let Value::Map(entries) = &node.value else {
            self.wrong(node, path, "a map of keys");
            return &[];
        };
        let known = names(parent);
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let nearest = nearest(&key.name, known.iter().copied()).map(str::to_owned);
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            self.problem(&key.at, join(path, &key.name), ConfigProblemKind::UnknownKey { nearest, known });
        }
        entries
    }

    /// What should be a list or a map. What it holds is not said: whole files can end up as one text.
    fn wrong(&mut self, node: &Node, path: &str, expected: &str) {
        let kind = ConfigProblemKind::WrongType {
            found: node.value.kind().to_owned(),
            expected: expected.to_owned(),
        };
        self.problem(&node.at, path, kind);
    }

    fn list<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            _ => {
                self.wrong(node, path, expected);
                &[]
            }
        }
    }

    /// A single value.
    fn single(&mut self, key: &KeySpec, node: &Node, path: &str) -> Option<Parsed> {
        match parse(key.kind, &node.value) {
            Ok(parsed) => match key.support {
                Support::Yes => return Some(parsed),
                Support::NotYet(needs) => {
                    self.problem(&node.at, path, ConfigProblemKind::NotSupported { needs });
                }
            },
            Err(kind) => self.problem(&node.at, path, kind),
        }
        None
    }

    fn top(&mut self, tree: &Node) {
        let mut mode = None;
        let mut timeout = None;
        for (key, node) in self.map(tree, "", "") {
            match key.name.as_str() {
                "engines" => self.engines(node),
                "routing" => self.routing(node),
                "topicTTL" => self.config.topic_ttls = self.per_topic(node, "topicTTL", "ttl", Self::time),
                "deadLetters" => {
                    self.config.dead_letters = self.per_topic(node, "deadLetters", "to", Self::topic);
                }
                "retention" => self.retention(node),
                name => {
                    let Some(key) = spec(name) else { continue };
                    let Some(parsed) = self.single(key, node, name) else { continue };
                    match (name, &parsed) {
                        ("deliveryMode", Parsed::Text(choice)) => mode = Some(choice.clone()),
                        ("publishBlockTimeout", Parsed::Time(time)) => {
                            timeout = Some((*time, node.at.clone()));
                        }
                        _ => {}
                    }
                    self.config.set(key, parsed, node.at.clone());
                }
            }
        }
        // A value that was refused leaves its partner alone: it would only be the echo.
        let given = |name: &str| tree.get(name).is_some();
        match (mode.as_deref(), timeout) {
            (Some("timeout"), Some((time, _))) => self.config.delivery_mode = DeliveryMode::Timeout(time),
            (Some("timeout"), None) if !given("publishBlockTimeout") => {
                let at = self.config.place("deliveryMode").unwrap_or(&tree.at).clone();
                let why = "deliveryMode is timeout, which needs publishBlockTimeout".to_owned();
                let kind = ConfigProblemKind::Conflict { with: "publishBlockTimeout", why };
                self.problem(&at, "deliveryMode", kind);
            }
            (choice, Some((_, at))) if choice.is_some() || !given("deliveryMode") => {
                let choice = choice.unwrap_or("drop");
                let why = format!("publishBlockTimeout is for deliveryMode timeout, and it is {choice}");
                let kind = ConfigProblemKind::Conflict { with: "deliveryMode", why };
                self.problem(&at, "publishBlockTimeout", kind);
            }
            (Some("dropOldest"), _) => self.config.delivery_mode = DeliveryMode::DropOldest,
            (Some("block"), _) => self.config.delivery_mode = DeliveryMode::Block,
            (Some("drop"), _) => self.config.delivery_mode = DeliveryMode::Drop,
            _ => {}
        }
    }

    fn engines(&mut self, node: &Node) {
        for (index, item) in self.list(node, "engines", "a list of engines").iter().enumerate() {
            let path = format!("engines[{index}]");
            let entries = self.map(item, "engines[].", &path);
            if !matches!(item.value, Value::Map(_)) {
                continue;
            }
            let (name, name_at) = self.required(item, "engines[].", "name", &path);
            let (kind, kind_at) = self.required(item, "engines[].", "type", &path);
            let mut settings = Settings::empty(&item.at, format!("{path}.config"));
            if let Some((_, node)) = entries.iter().find(|(key, _)| key.name == "config") {
                if matches!(node.value, Value::Map(_)) {
                    settings = Settings::of(node.clone(), format!("{path}.config"));
                    settings.find_masked(self.problems);
                } else {
                    self.wrong(node, &format!("{path}.config"), "a map of settings");
                }
            }
            self.config.engines.push(EngineSettings { name, kind, settings, name_at, kind_at });
        }
    }

    /// A text that must be there; empty if it is not.
    fn required(&mut self, node: &Node, parent: &str, name: &str, path: &str) -> (String, Place) {
        let Some(value) = node.get(name) else {
            self.problem(&node.at, path, ConfigProblemKind::Missing { key: name.to_owned() });
            return (String::new(), node.at.clone());
        };
        let key = spec(&format!("{parent}{name}"));
        match key.and_then(|key| self.single(key, value, &format!("{path}.{name}"))) {
            Some(Parsed::Text(text)) => (text, value.at.clone()),
            _ => (String::new(), value.at.clone()),
        }
    }

    fn routing(&mut self, node: &Node) {
        for (index, item) in self.list(node, "routing", "a list of rules").iter().enumerate() {
            let path = format!("routing[{index}]");
            self.map(item, "routing[].", &path);
            if !matches!(item.value, Value::Map(_)) {
                continue;
            }
            let patterns = self.topics(item, &path);
            let tenants = item
                .get("tenants")
                .map(|tenants| self.some(tenants, &format!("{path}.tenants"), Kind::Tenants, Self::tenant));
            let (engine, engine_at) = self.required(item, "routing[].", "engine", &path);
            self.config.routing.push(Rule { patterns, tenants, engine, at: item.at.clone(), engine_at });
        }
    }

    /// The patterns of a rule.
    fn topics(&mut self, rule: &Node, path: &str) -> Vec<TopicPattern> {
        match rule.get("topics") {
            None => {
                self.problem(&rule.at, path, ConfigProblemKind::Missing { key: "topics".to_owned() });
                Vec::new()
            }
            Some(topics) => self.some(topics, &format!("{path}.topics"), Kind::Patterns, Self::pattern),
        }
    }

    /// Rules that say one thing each.
    fn per_topic<T>(
        &mut self,
        node: &Node,
        list: &str,
        key: &str,
        read: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Vec<PerTopic<T>> {
        let mut rules = Vec::new();
        for (index, item) in self.list(node, list, "a list of rules").iter().enumerate() {
            let path = format!("{list}[{index}]");
            self.map(item, &format!("{list}[]."), &path);
            if !matches!(item.value, Value::Map(_)) {
                continue;
            }
            let patterns = self.topics(item, &path);
            match item.get(key) {
                None => self.problem(&item.at, path, ConfigProblemKind::Missing { key: key.to_owned() }),
                Some(value) => {
                    let value = read(self, value, &format!("{path}.{key}"));
                    rules.extend(value.map(|value| PerTopic { patterns, value, at: item.at.clone() }));
                }
            }
        }
        rules
    }

    fn retention(&mut self, node: &Node) {
        for (index, item) in self.list(node, "retention", "a list of rules").iter().enumerate() {
            let path = format!("retention[{index}]");
            let entries = self.map(item, "retention[].", &path);
            if !matches!(item.value, Value::Map(_)) {
                continue;
            }
            let patterns = self.topics(item, &path);
            let mut value = Retention::new();
            for (key, node) in entries.iter().filter(|(key, _)| key.name != "topics") {
                let Some(key) = spec(&format!("retention[].{}", key.name)) else { continue };
                match self.single(key, node, &format!("{path}.{}", &key.path["retention[].".len()..])) {
                    Some(Parsed::Number(0)) => value = Retention::nothing(),
                    Some(Parsed::Number(events)) if key.path == "retention[].count" => {
                        value = value.count(events);
                    }
                    Some(Parsed::Number(bytes)) => value = value.bytes(bytes),
                    Some(Parsed::Time(age)) => value = value.age(age),
                    _ => {}
                }
            }
            self.config.retention.push(PerTopic { patterns, value, at: item.at.clone() });
        }
    }

    fn time(&mut self, node: &Node, path: &str) -> Option<Duration> {
        match self.single(spec("topicTTL[].ttl")?, node, path)? {
            Parsed::Time(time) => Some(time),
            _ => None,
        }
    }

    fn topic(&mut self, node: &Node, path: &str) -> Option<Topic> {
        self.name(node, path, "a topic", |text| {
            Topic::new(text).map_err(|error| ConfigProblemKind::InvalidTopic { topic: quote(text), error })
        })
    }

    /// A list of one thing or more.
    fn some<T>(
        &mut self,
        node: &Node,
        path: &str,
        kind: Kind,
        one: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Vec<T> {
        let items = self.list(node, path, &kind.expected());
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let (found, allowed) = ("a list of 0".to_owned(), "one or more".to_owned());
            self.problem(&node.at, path, ConfigProblemKind::OutOfRange { found, allowed });
        }
        let numbered = items.iter().enumerate();
        numbered.filter_map(|(index, item)| one(self, item, &format!("{path}[{index}]"))).collect()
    }

    fn pattern(&mut self, node: &Node, path: &str) -> Option<TopicPattern> {
        self.name(node, path, "a pattern", |text| {
            let refuse = |error| ConfigProblemKind::InvalidPattern { pattern: quote(text), error };
            TopicPattern::new(text).map_err(refuse)
        })
    }

    fn tenant(&mut self, node: &Node, path: &str) -> Option<Tenant> {
        self.name(node, path, "a tenant", |text| {
            Tenant::new(text).map_err(|error| ConfigProblemKind::InvalidTenant { tenant: quote(text), error })
        })
    }

    /// What a text means.
    fn name<T>(
        &mut self,
        node: &Node,
        path: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Result<T, ConfigProblemKind>,
    ) -> Option<T> {
        let result = match &node.value {
            Value::Text(text) | Value::Untyped(text) => read(text),
            other => Err(ConfigProblemKind::WrongType { found: found(other), expected: expected.to_owned() }),
        };
        result.map_err(|kind| self.problem(&node.at, path, kind)).ok()
    }
}
