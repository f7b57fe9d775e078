//! trolleybus: an event bus.
#![forbid(unsafe_code)]
// Only `sync` names atomics, locks, threads and clocks; clippy.toml says what and why.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod bus;
mod dispatch;
mod error;
mod event;
mod guard;
mod pattern;
mod subscribe;
mod sync;
mod topic;
mod worker;

pub use bus::{
    BusBuilder, BusStats, EventBuilder, EventBus, Explained, Explanation, Publish, Publisher, Shutdown,
    ShutdownReport, SubscriptionStats, TopicInfo, Unfinished, Verdict, WeakEventBus,
};
pub use dispatch::{
    DeliveryMode, Dropped, HandledDelivery, Ledger, NotDelivered, Observer, Problem, Receipt,
    SubscriptionKind,
};
pub use error::{
    BuildError, HandlerError, PublishError, PublishRefusal, RecvError, RecvTimeoutError, SubscribeError,
    TryRecvError,
};
pub use event::{
    AnyEvent, DropReason, Event, EventId, Metadata, MetadataError, Outcome, ParseEventIdError, PayloadKind,
    Raw, SubscriptionId,
};
pub use pattern::{PatternError, TopicPattern};
pub use subscribe::{
    CancelAndWait, Cancelled, Delivered, Delivery, Drain, DrainReport, EventStream, Expect, HandlerResult,
    IntoIter, Iter, Receiver, Recv, Start, Subscribe, Subscription, TryIter,
};
pub use topic::{Topic, TopicError};
pub use worker::{BoxFuture, Spawn};

/// What the expansion of the macros names. Not part of the API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::topic::Name;
}

/// Doors to the inside for the fuzz targets. Not part of the API.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
