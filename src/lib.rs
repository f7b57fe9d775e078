//! trolleybus: an event bus.
#![forbid(unsafe_code)]

mod event;
mod sync;
mod topic;

pub use event::{
    AnyEvent, DropReason, Event, EventId, Metadata, MetadataError, Outcome, ParseEventIdError, PayloadKind,
    Raw, SubscriptionId,
};
pub use topic::Topic;
