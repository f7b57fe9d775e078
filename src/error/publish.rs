//! Why an event was not taken.

use std::fmt;

use thiserror::Error;

use crate::topic::TopicError;

/// The bus did not take an event: no subscription was offered it, and no engine has it, unless
/// [nobody knows](Self::is_unknown). Holds the payload.
pub struct PublishError<T> {
    // Boxed: the result of each publish call is dropped, and what few have is out of its way.
    refusal: Box<PublishRefusal>,
    payload: T,
}

/// Why the bus did not take an event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishRefusal {
    /// The topic is no valid name.
    #[error("invalid topic: {0}")]
    InvalidTopic(#[from] TopicError),
    /// The bus has been shut down, or is shutting down.
    #[error("the bus is shut down")]
    ShutDown,
    /// Inline handlers that publish to one another nest too deep.
    #[error("inline handlers nest deeper than {limit}")]
    TooDeep {
        /// How deep they may nest.
        limit: usize,
    },
    /// A raw payload is larger than the bus takes.
    #[error("payload of {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The payload's size in bytes.
        size: usize,
        /// The largest that is taken, in bytes.
        limit: usize,
    },
    /// An engine carries the topic, and the payload is of a type that cannot travel.
    #[error("engine \"{engine}\" carries the topic, and the payload cannot travel")]
    StaysLocal {
        /// The engine's name.
        engine: String,
    },
    /// An engine carries the topic, and it has to be waited for.
    #[error("engine \"{engine}\" carries the topic, and has to be waited for")]
    WouldWait {
        /// The engine's name.
        engine: String,
    },
    /// An engine carries the topic, and nobody can tell when the last subscription is done with the event.
    #[error("engine \"{engine}\" carries the topic, and cannot tell when the event is done with")]
    NoCompletion {
        /// The engine's name.
        engine: String,
    },
    /// The payload could not be encoded.
    #[error("the payload could not be encoded: {0}")]
    Encode(#[source] crate::envelope::EncodeError),
    /// The engine that carries the topic did not take the event; or nobody knows whether it has, if the error
    /// [says so](crate::engine::EngineError::is_unknown).
    #[error("engine \"{engine}\": {error}")]
    Engine {
        /// The engine's name.
        engine: String,
        /// What it said.
        error: crate::engine::EngineError,
    },
    /// The event's metadata was refused when it was set.
    #[error("invalid metadata: {0}")]
    InvalidMetadata(#[from] crate::event::MetadataError),
}

impl<T> PublishError<T> {
    pub(crate) fn new(refusal: PublishRefusal, payload: T) -> Self {
        Self { refusal: Box::new(refusal), payload }
    }

    /// Why.
    pub fn refusal(&self) -> &PublishRefusal {
        &self.refusal
    }

    /// The payload that was not taken.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Gives the payload back.
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// Says whether the bus was shut down.
    pub fn is_shut_down(&self) -> bool {
        *self.refusal == PublishRefusal::ShutDown
    }

    /// Says whether the event may have been stored all the same: an engine gave no answer, or the connection broke.
    pub fn is_unknown(&self) -> bool {
        matches!(&*self.refusal, PublishRefusal::Engine { error, .. } if error.is_unknown())
    }
}

impl<T> fmt::Debug for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload is left out: it need not be Debug, and may be private.
        f.debug_struct("PublishError").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl<T> std::error::Error for PublishError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.refusal {
            PublishRefusal::InvalidTopic(error) => Some(error),
            PublishRefusal::InvalidMetadata(error) => Some(error),
            PublishRefusal::Encode(error) => Some(error),
            PublishRefusal::Engine { error, .. } => Some(error),
            _ => None,
        }
    }
}
