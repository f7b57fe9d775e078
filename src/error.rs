//! What can go wrong, as types.
//!
//! Narrow operations have an exact enum that gives the payload back; see also
//! [`TopicError`](crate::TopicError) and [`PatternError`](crate::PatternError).

mod build;
mod handler;
mod publish;
mod receive;
mod subscribe;

pub use build::{BuildError, EngineFailure, RerouteError, StartError};
pub use handler::HandlerError;
pub use publish::{PublishError, PublishRefusal};
pub use receive::{RecvError, RecvTimeoutError, TryRecvError};
pub use subscribe::SubscribeError;
