//! Which events an engine carries.

use std::fmt;

use crate::engine::Envelope;

/// Decides at publish time whether an event is carried. One that is not is skipped without an error, and counted nowhere.
pub trait EventFilter: Send + Sync + 'static {
    /// Says whether the event is carried.
    fn should_process(&self, envelope: &Envelope) -> bool;

    /// The filter's name, for people.
    fn name(&self) -> &str;
}

impl fmt::Debug for dyn EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventFilter({})", self.name())
    }
}

/// Carries events whose topic begins with one of some prefixes. Without a prefix it carries all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPrefixFilter {
    allowed: Vec<String>,
}

impl TopicPrefixFilter {
    /// Makes a filter of prefixes.
    pub fn new(prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { allowed: prefixes.into_iter().map(Into::into).collect() }
    }
}

impl EventFilter for TopicPrefixFilter {
    fn should_process(&self, envelope: &Envelope) -> bool {
        let topic = envelope.topic().as_str();
        self.allowed.is_empty() || self.allowed.iter().any(|prefix| topic.starts_with(prefix))
    }

    fn name(&self) -> &'static str {
        "topicPrefix"
    }
}
