//! A stand-in until the validated topic arrives.

use std::fmt;
use std::sync::Arc;

/// The name of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    #[cfg(test)]
    pub(crate) fn new(name: &str) -> Result<Self, fmt::Error> {
        Ok(Self(name.into()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
