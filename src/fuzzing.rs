//! Thin wrappers of private types, for `fuzz/` only.

use crate::dispatch::PatternIndex;
use crate::{Topic, TopicPattern};

/// The trie of wildcard patterns, with numbers as values.
#[derive(Debug)]
pub struct Index(PatternIndex<usize>);

impl Default for Index {
    fn default() -> Self {
        Self(PatternIndex::new())
    }
}

impl Index {
    /// Adds a pattern and returns its number: `number`, or the one it had already.
    pub fn insert(&mut self, pattern: &TopicPattern, number: usize) -> usize {
        *self.0.insert_with(pattern, || number)
    }

    /// Takes a pattern out and returns its number.
    pub fn remove(&mut self, pattern: &TopicPattern) -> Option<usize> {
        self.0.remove(pattern)
    }

    /// Returns the numbers of all patterns that match, ascending, each as often as it was visited.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> Vec<usize> {
        let mut numbers = vec![];
        self.0.for_each_match(topic.as_str(), |number| numbers.push(*number));
        numbers.sort_unstable();
        numbers
    }

    /// Returns how many patterns there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
