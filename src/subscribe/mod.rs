//! Subscribing: the builder, the handle, handlers and receivers.
//!
//! | file | idea |
//! |---|---|
//! | `builder.rs` | [`Subscribe`]: options, and the ways to end it |
//! | `subscription.rs` | [`Subscription`]: cancel, drain, pause, statistics |
//! | `receiver.rs` | [`Receiver`]: pull, iterate, stream; [`Expect`] |
//! | `handler.rs` | closures in the shape in which lanes and publishers call them |
//! | `agenda/` | what is handled next, where that is not simply the next of the queue |
//! | `policy.rs`, `retry.rs`, `breaker.rs`, `attempt_limit.rs` | what was asked for about order and failures |
//! | `context.rs` | [`Delivery`]: what a handler can ask |
//! | `delivered.rs` | typed or not: the two forms of an event |
//! | `hub.rs` | what a bus and its subscriptions share |

mod agenda;
mod attempt_limit;
mod breaker;
mod builder;
mod context;
mod delivered;
mod handler;
mod hub;
mod joining;
mod making;
#[cfg(all(test, loom))]
mod models;
mod policy;
mod receiver;
mod replaying;
mod retry;
mod subscription;

pub use breaker::{CircuitBreaker, CircuitBreakerError};
pub use builder::{Start, Subscribe};
pub use context::{Cancelled, Delivery};
pub use delivered::Delivered;
pub use handler::HandlerResult;
pub(crate) use hub::{Hub, MAX_CAPACITY, Options, Realm};
pub use joining::Joined;
pub use receiver::{EventStream, Expect, IntoIter, Iter, Received, Receiver, Recv, RecvOrGap, TryIter};
pub use retry::{Retry, RetryError};
pub use subscription::{CancelAndWait, Drain, DrainReport, Subscription};
