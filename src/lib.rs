//! trolleybus: an event bus.
#![forbid(unsafe_code)]

mod dispatch {
    // index
}
mod pattern;
mod sync;
mod topic;

pub use pattern::{PatternError, TopicPattern};
pub use topic::{Topic, TopicError};

/// What the expansion of the macros names. Not part of the API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::topic::Name;
}
