//! Why nothing was received.

use thiserror::Error;

/// Receiving an event failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the subscription is closed and nothing is queued any more")]
pub struct RecvError;

/// Receiving an event without waiting failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TryRecvError {
    /// Nothing is queued now.
    #[error("nothing is queued")]
    Empty,
    /// The subscription is closed and nothing is queued any more.
    #[error("the subscription is closed and nothing is queued any more")]
    Closed,
}

/// Receiving an event within a time failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecvTimeoutError {
    /// The time is over.
    #[error("no event came in time")]
    Timeout,
    /// The subscription is closed and nothing is queued any more.
    #[error("the subscription is closed and nothing is queued any more")]
    Closed,
}
