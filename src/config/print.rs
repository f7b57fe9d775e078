//! A configuration as text: YAML that is read to an equal one, without its secrets.

use std::fmt::{self, Write as _};

use super::config::Config;
use super::scalar::{print_duration, print_size};
use super::secret::{MASK, is_secret, mask_address};
use super::value::{Node, Value};
use crate::dispatch::DeliveryMode;
use crate::pattern::TopicPattern;

/// The effective configuration.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_multi_engine() {
            writeln!(f, "engine: {}", text(self.engine()))?;
        }
        writeln!(f, "maxEventQueueSize: {}", self.max_event_queue_size())?;
        writeln!(f, "defaultEventBufferSize: {}", self.default_event_buffer_size())?;
        writeln!(f, "workerCount: {}", self.worker_count())?;
        match self.delivery_mode() {
            DeliveryMode::Drop => writeln!(f, "deliveryMode: drop")?,
            DeliveryMode::DropOldest => writeln!(f, "deliveryMode: dropOldest")?,
            DeliveryMode::Block => writeln!(f, "deliveryMode: block")?,
            DeliveryMode::Timeout(time) => {
                writeln!(f, "deliveryMode: timeout\npublishBlockTimeout: {}", print_duration(time))?;
            }
        }
        writeln!(f, "rotateSubscriberOrder: {}", self.rotate_subscriber_order())?;
        writeln!(f, "spin: {}", print_duration(self.spin()))?;
        writeln!(f, "threadName: {}", text(self.thread_name()))?;
        writeln!(f, "inlineDepth: {}", self.inline_depth())?;
        writeln!(f, "preciseTime: {}", self.precise_time())?;
        writeln!(f, "maxRawPayload: {}", print_size(self.max_raw_payload() as u64))?;
        writeln!(f, "topicCache: {}", self.topic_cache())?;
        writeln!(f, "maxTenants: {}", self.max_tenants())?;
        writeln!(f, "maxHistoryEvents: {}", self.max_history_events())?;
        writeln!(f, "maxHistoryBytes: {}", print_size(self.max_history_bytes()))?;
        writeln!(f, "maxHistoryTopics: {}", self.max_history_topics())?;
        if let Some(days) = self.retention_days() {
            writeln!(f, "retentionDays: {days}")?;
        }
        if let Some(ttl) = self.event_ttl() {
            writeln!(f, "eventTTL: {}", print_duration(ttl))?;
        }
        if let Some(panics) = self.quarantine_after() {
            writeln!(f, "quarantineAfter: {panics}")?;
        }
        if self.is_multi_engine() {
            writeln!(f, "engines:")?;
        }
        for engine in self.engines() {
            writeln!(f, "  - name: {}\n    type: {}", text(engine.name()), text(engine.kind()))?;
            if !engine.settings().is_empty() {
                writeln!(f, "    config: {}", flow(engine.settings().node()))?;
            }
        }
        let patterns = |patterns: &[TopicPattern]| {
            patterns.iter().map(|pattern| text(pattern.as_str())).collect::<Vec<_>>().join(", ")
        };
        if !self.routing().is_empty() {
            writeln!(f, "routing:")?;
        }
        for rule in self.routing() {
            writeln!(f, "  - topics: [{}]", patterns(rule.patterns()))?;
            if let Some(tenants) = rule.tenants() {
                let tenants: Vec<_> = tenants.iter().map(|tenant| text(tenant.as_str())).collect();
                writeln!(f, "    tenants: [{}]", tenants.join(", "))?;
            }
            writeln!(f, "    engine: {}", text(rule.engine()))?;
        }
        if self.topic_ttls().len() > 0 {
            writeln!(f, "topicTTL:")?;
        }
        for (topics, ttl) in self.topic_ttls() {
            writeln!(f, "  - topics: [{}]\n    ttl: {}", patterns(topics), print_duration(ttl))?;
        }
        if self.dead_letters().len() > 0 {
            writeln!(f, "deadLetters:")?;
        }
        for (topics, to) in self.dead_letters() {
            writeln!(f, "  - topics: [{}]\n    to: {}", patterns(topics), text(to.as_str()))?;
        }
        if self.retention().len() > 0 {
            writeln!(f, "retention:")?;
        }
        for (topics, retention) in self.retention() {
            writeln!(f, "  - topics: [{}]", patterns(topics))?;
            let (count, bytes, age) = retention.parts();
            if let Some(count) = count {
                writeln!(f, "    count: {count}")?;
            }
            if let Some(bytes) = bytes {
                writeln!(f, "    bytes: {}", print_size(bytes))?;
            }
            if let Some(age) = age {
                writeln!(f, "    age: {}", print_duration(age))?;
            }
        }
        Ok(())
    }
}

/// As `Display`: the fields would show no more, and secrets besides.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config {{\n{self}}}")
    }
}

/// A text in double quotes, in which everything is escaped that is not plainly readable.
fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ if character.is_alphanumeric() => quoted.push(character),
            _ => {
                // Writing to a String does not fail.
                let _ = match u32::from(character) {
                    code @ ..=0xffff => write!(quoted, "\\u{code:04X}"),
                    code => write!(quoted, "\\U{code:08X}"),
                };
            }
        }
    }
    quoted.push('"');
    quoted
}

/// A tree on one line, without its secrets.
pub(super) fn flow(node: &Node) -> String {
    match node.value.resolved() {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => ".nan".to_owned(),
        Value::Float(number) if number.is_infinite() => {
            if number > 0.0 { ".inf" } else { "-.inf" }.to_owned()
        }
        // With a point or an exponent: it shall stay a float.
        Value::Float(number) => format!("{number:?}"),
        Value::Text(content) | Value::Untyped(content) => text(&mask_address(&content)),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, node): &(super::value::Key, Node)| {
                let value = if is_secret(&key.name) { text(MASK) } else { flow(node) };
                format!("{}: {value}", text(&key.name))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}
