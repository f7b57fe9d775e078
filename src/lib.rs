//! trolleybus: an event bus.
#![forbid(unsafe_code)]
// Only `sync` names atomics, locks, threads and clocks; clippy.toml says what and why.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod event;
mod pattern;
mod sync;
mod topic;

mod dispatch {
    //! The core of the bus: from a topic to the subscriptions that match.

    pub(crate) mod index;
}

pub use event::{
    AnyEvent, DropReason, Event, EventId, Metadata, MetadataError, Outcome, ParseEventIdError, PayloadKind,
    Raw, SubscriptionId,
};
pub use pattern::{PatternError, TopicPattern};
pub use topic::{Topic, TopicError};

/// What the expansion of the macros names. Not part of the API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::topic::Name;
}

/// Doors to the inside for the fuzz targets. Not part of the API.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
