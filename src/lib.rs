//! An event bus that an application embeds: publishers publish events to topics, subscriptions with patterns
//! receive them, in the publisher's thread, on a worker pool, on the application's async runtime, or from a
//! receiver. It takes no lock where it is hot, needs no async runtime, and accounts for every event.
//!
//! ```
//! use trolleybus::EventBus;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let _greeter = bus.subscribe::<String>("user.*").handle_inline(|name| println!("hello, {}", **name))?;
//! bus.publish("user.created", "ann")?;
//! # Ok(()) }
//! ```
//!
//! # The path of an event
//!
//! ```text
//! publish(topic, payload)
//!   -> one allocation: topic, time, payload                    whatever the number of subscribers
//!   -> the topic's list: everybody whose pattern matches       a snapshot, resolved once per topic
//!   -> offer to every queue                                    without waiting
//!   -> run the inline handlers                                 in registration order
//!   -> wait for the queues that were full, together            if their mode says so
//!   -> the receipt: who took it, who dropped it and why
//! queue -> worker, runtime or receiver -> handler -> counters
//! ```
//!
//! The folders of the source follow it: `bus`, `dispatch` (with the protocol in its README), `worker` (with
//! another), `subscribe`.
//!
//! # Topics and patterns
//!
//! A [`Topic`] is one or more segments joined by dots. A [`TopicPattern`] says which topics a subscription
//! wants:
//!
//! | pattern | matches |
//! |---|---|
//! | `user.created` | that topic |
//! | `*`, `**` | every topic |
//! | `user.*` | every topic below `user.`, at any depth |
//! | `user.cr*` | every topic that starts with `user.cr` |
//! | `user.+`, `user.+.done`, `user.*.done` | exactly one segment in that place |
//! | `a.**`, `a.**.z` | zero or more segments in that place |
//!
//! What a topic's patterns come to is resolved once and kept, so a publish costs the same whether its
//! subscribers asked for the topic by name or by a wildcard, and however many other patterns there are.
//!
//! # Ways to receive
//!
//! | | where the handler runs | an event waits in |
//! |---|---|---|
//! | [`handle_inline`](Subscribe::handle_inline) | in the publisher's thread, before `publish` returns | nothing |
//! | [`handle`](Subscribe::handle) | on the bus's worker pool | a bounded queue |
//! | [`handle_async`](Subscribe::handle_async) | polled by the pool, or [by the application's runtime](BusBuilder::spawn_with) | a bounded queue |
//! | [`receiver`](Subscribe::receiver) | wherever it is pulled: thread, task, iterator, stream | a bounded queue |
//!
//! A handler returns nothing, or a `Result`; its error and its panic are caught, counted and reported, and touch
//! nobody else.
//!
//! ```
//! use std::time::Duration;
//! use trolleybus::{DeliveryMode, EventBus};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let squares = bus
//!     .subscribe::<u64>("number.**")
//!     .capacity(16)
//!     .delivery(DeliveryMode::Block)
//!     .filter(|number| **number > 0)
//!     .handle_async(|number| async move {
//!         println!("{}", *number * *number);
//!     })?;
//! for number in 0..100_u64 {
//!     bus.publish("number.natural", number)?;
//! }
//! assert!(squares.drain(Duration::from_secs(5)).wait().complete);
//! let ledger = squares.stats();
//! assert_eq!((ledger.offered, ledger.delivered, ledger.filtered), (99, 99, 1));
//! # Ok(()) }
//! ```
//!
//! # Delivery
//!
//! A queue is bounded. What happens to an event that finds it full is said by the subscription's
//! [`DeliveryMode`], and holds from the publish call to the handler: there is no second queue behind it.
//!
//! | situation | `Drop` (default) | `DropOldest` | `Block` | `Timeout(t)` |
//! |---|---|---|---|---|
//! | there is room | queued | queued | queued | queued |
//! | the queue is full | the event is dropped: `full` | the oldest is dropped: `oldest` | `publish` waits | `publish` waits, at most `t` from the call; then `timeout` |
//! | full, [`try_publish`](EventBus::try_publish) | `full` | `oldest` | `full` | `full` |
//! | full, the event's [deadline](EventBuilder::deadline) passes | - | - | `timeout` | `timeout` |
//! | full, and the publisher is a handler that would wait for itself, or in a circle of handlers that do | `full` | `oldest` | `deadlock` | `deadlock` |
//! | cancelled while queued, or while the publisher waits | `cancelled` | `cancelled` | `cancelled` | `cancelled` |
//! | the bus is shut down meanwhile, and time is over | `shutdown` | `shutdown` | `shutdown` | `shutdown` |
//! | its [future](EventBus::publish_async) is dropped while it waits | - | - | not offered | not offered |
//!
//! With several subscribers, the full ones are waited for together and last: they do not hold the event back
//! from the others.
//!
//! [`publish`](EventBus::publish) returns a [`Receipt`] that says what each subscription did. It is an `Err` only
//! if nobody was offered the event, and then holds the payload.
//!
//! ```
//! use trolleybus::{DropReason, EventBus};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let mut small = bus.subscribe::<u32>("n").capacity(1).receiver()?;
//! bus.publish("n", 1_u32)?;
//! let receipt = bus.publish("n", 2_u32)?;
//! assert_eq!(receipt.dropped_by().by(DropReason::Full), 1);
//! assert!(receipt.all_delivered().is_err());
//! assert_eq!(*small.recv()?, 1);
//! assert!(small.subscription().stats().is_balanced());
//! # Ok(()) }
//! ```
//!
//! # The ledger
//!
//! For every subscription, and for the bus, at any time:
//!
//! ```text
//! offered = delivered + dropped (by reason) + expired + duplicate + queued + running
//! ```
//!
//! [`Subscription::stats`] and [`EventBus::stats`] read it. `queued` and `running` come from the words by which
//! events are handed over, so an event that got lost would stay there for ever.
//!
//! # Tenants
//!
//! [`EventBus::tenant`] returns a handle of the same bus for one tenant. What is published and subscribed by way of it is
//! that tenant's: no pattern crosses over to another's. Routing rules can be [about tenants](Routes::route_tenants), an
//! event carries its tenant over engines, and each tenant has an [account](BusStats::tenants).
//!
//! # Order
//!
//! Inline handlers run in the order of registration. A subscription gets the events of one publisher in the order
//! in which they were published; with a [concurrency](Subscribe::concurrency) above 1 its handlers start in that
//! order.
//!
//! # It cannot hang
//!
//! Every wait ends on room, cancel, shutdown or a deadline. A handler may publish, subscribe, cancel, shut the bus
//! down and drop its last handle. A handler that publishes into its own full queue, one that would close a circle of
//! handlers that wait for one another's queues, and a worker that would leave no other to empty the queue it waits
//! for, get `deadlock` in the receipt instead of waiting; inline handlers that publish to one another are stopped at
//! a [depth](BusBuilder::inline_depth).
//!
//! # Async
//!
//! Whatever waits comes as a named future with a blocking twin: `publish_async` and `publish`, `recv_async` and
//! `recv`, `.await` and `.wait()`. They are woken by plain wakers and run on any executor. For tokio's timers and
//! sockets inside handlers that the bus's own workers poll, enter the runtime on each worker with
//! [`around_workers`](BusBuilder::around_workers); or let the runtime poll them with
//! [`spawn_with`](BusBuilder::spawn_with).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `json` | no | values travel as JSON over [engines](engine) that carry them out of the process; without it bytes do |
//! | `cloudevents` | no | events at the edge of a broker, as CloudEvents 1.0: the codec of the module [`envelope`] |
//! | `config` | no | `Config`: a bus from YAML, JSON, TOML and the environment |
//! | `conformance` | no | the suite that every engine should pass: the module `conformance` |
//! | `datadog` | no | the accounts for an agent of Datadog, over UDP or a Unix socket: the exporter of the module [`metrics`] |
//! | `prometheus` | no | the accounts for Prometheus: the collector of the module [`metrics`] |
//! | `test-clock` | no | `TestClock`: a clock that tests move, so that what depends on time is exact and takes none |
//! | `tracing` | no | spans and events for the crate `tracing`, trace context and correlation in the metadata: the module `trace` |
//!
//! # Trade-offs
//!
//! - Lock-free, not wait-free: a queue's `pop` can spin for the few instructions in which another thread is
//!   between claiming a place and writing it.
//! - Publishers that wait for room are woken one by one, but a newcomer may take the room first.
//! - The time of an event comes from a coarse clock, in steps of a few milliseconds: a precise one costs as much
//!   as the rest of a publish ([`precise_time`](BusBuilder::precise_time)).
//! - Names of topics are interned for the life of the process, up to 16,384 names and 1 MiB, so that handing an
//!   event over touches no shared reference count of the name; beyond that they are counted references.
//! - Nothing survives the process.
//! - Handlers are isolated by catching their panics: with `panic = "abort"` there is nothing to catch.

#![deny(unsafe_code)]
// Only `sync` names atomics, locks, threads and clocks; clippy.toml says what and why.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod bus;
mod clock;
#[cfg(feature = "config")]
mod config;
#[cfg(all(feature = "conformance", not(loom)))]
pub mod conformance;
mod dispatch;
pub mod engine;
pub mod envelope;
mod error;
mod event;
mod guard;
mod history;
pub mod lifecycle;
pub mod metrics;
mod pattern;
mod queue;
mod subscribe;
mod sync;
mod tenant;
mod topic;
#[cfg(feature = "tracing")]
pub mod trace;
#[cfg(not(feature = "tracing"))]
#[path = "trace/off.rs"]
mod trace;
mod worker;

pub use bus::{
    BusBuilder, BusStats, EngineStats, EventBuilder, EventBus, Explained, Explanation, History, HistoryError,
    HistoryIter, MemoryEngine, Publish, Publisher, Redrive, RedriveError, Redriven, Rerouting, Routes,
    Shutdown, ShutdownReport, Starting, SubscriptionStats, TenantStats, TopicInfo, TransportStats,
    Unfinished, Verdict, WeakEventBus,
};
pub use clock::Clock;
#[cfg(feature = "test-clock")]
pub use clock::TestClock;
#[cfg(feature = "config")]
pub use config::{
    Config, ConfigError, ConfigLoader, ConfigProblem, ConfigProblemKind, DuplicateEngineType, EngineRegistry,
    EngineSettings, Format, HumanDuration, Rule, Secret, Settings,
};
pub use dispatch::{
    Accepted, CircuitState, DeadLetter, DeadLetterStats, DeathCause, DeliveryMode, Dropped, Gap,
    HandledDelivery, HandlingTimes, HistoryStats, IdempotencyWindow, Ledger, NotDelivered, Observer, Problem,
    Receipt, SubscriptionKind,
};
pub use error::{
    BuildError, EngineFailure, HandlerError, PublishError, PublishRefusal, RecvError, RecvTimeoutError,
    RerouteError, StartError, SubscribeError, TryRecvError,
};
pub use event::{
    AnyEvent, DropReason, Event, EventId, Metadata, MetadataError, Outcome, ParseEventIdError, PayloadKind,
    Raw, SubscriptionId,
};
pub use history::Retention;
pub use pattern::{PatternError, TopicPattern};
pub use subscribe::{
    CancelAndWait, Cancelled, CircuitBreaker, CircuitBreakerError, Delivered, Delivery, Drain, DrainReport,
    EventStream, Expect, HandlerResult, IntoIter, Iter, Joined, Received, Receiver, Recv, RecvOrGap, Retry,
    RetryError, Start, Subscribe, Subscription, TryIter,
};
pub use tenant::{Tenant, TenantError};
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

/// Runs the README's examples as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
