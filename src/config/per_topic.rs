//! Rules that say one thing each about topics: how long events are worth delivering, and where dead letters go.

use super::value::Place;
use crate::pattern::TopicPattern;

/// What holds for topics that match one of the patterns.
#[derive(Clone, Debug)]
pub(super) struct PerTopic<T> {
    pub(super) patterns: Vec<TopicPattern>,
    pub(super) value: T,
    pub(super) at: Place,
}

impl<T> PerTopic<T> {
    #[track_caller]
    pub(super) fn new(patterns: impl IntoIterator<Item = TopicPattern>, value: T) -> Self {
        Self { patterns: patterns.into_iter().collect(), value, at: Place::caller() }
    }

    pub(super) fn parts(&self) -> (&[TopicPattern], &T) {
        (&self.patterns, &self.value)
    }
}

/// Places do not count.
impl<T: PartialEq> PartialEq for PerTopic<T> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}
