//! Events: what a publisher sends and what every subscription gets.
//!
//! An event is one allocation, whatever the fan-out: a [`Head`] of 40 bytes and the payload, behind
//! one `Arc`. Whoever knows the payload's type holds an [`Event<T>`]; whoever does not holds the same
//! event as an [`AnyEvent`]. Nothing in it changes once it is published: subscriptions share it.
//!
//! | file | what lives there |
//! |---|---|
//! | `event.rs` | [`Event`]: the typed view, which dereferences to the payload |
//! | `any.rs` | [`AnyEvent`]: the same event with its type erased |
//! | `head.rs` | what every event has: topic, times, kind of payload; the accessors of both views |
//! | `extras.rs` | what few events have: id, key, metadata, time to live, completion |
//! | `id.rs` | [`EventId`], made when somebody asks for it |
//! | `metadata.rs` | [`Metadata`]: short lists of names and values |
//! | `payload.rs` | [`PayloadKind`], and [`Raw`] bytes |
//! | `completion.rs` | tells the publisher when the last subscription is done |
//! | `reuse.rs` | keeps the block of an event for the next one of the same thread |
//! | `outcome.rs` | what it tells: [`Outcome`], [`DropReason`], [`SubscriptionId`] |
//!
//! ```text
//! Event<T> ----+                    +-- Head: topic, wall time, tick, kind -- rare --> id, key, ...
//!              +--> Arc --> Inner --+
//! AnyEvent ----+                    +-- T
//! ```

mod any;
mod completion;
#[expect(clippy::module_inception, reason = "the file is named after its type")]
mod event;
mod extras;
mod head;
mod id;
mod metadata;
mod outcome;
mod payload;
mod reuse;

pub use any::AnyEvent;
pub use event::Event;
pub use id::{EventId, ParseEventIdError};
pub use metadata::{Metadata, MetadataError};
pub use outcome::{DropReason, Outcome, SubscriptionId};
pub use payload::{PayloadKind, Raw};

pub(crate) use completion::{Completion, CompletionPanicked};
pub(crate) use extras::Extras;
pub(crate) use head::Head;
#[cfg(feature = "tracing")]
pub(crate) use id::random;
pub(crate) use outcome::Settled;
pub(crate) use payload::Tag;
