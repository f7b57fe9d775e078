//! What can go wrong, as types.
//!
//! Narrow operations have an exact enum that gives the payload back; see also
//! [`TopicError`] and [`PatternError`].

use std::any::Any;
use std::fmt;

use thiserror::Error;

use crate::pattern::PatternError;
use crate::topic::TopicError;

/// Why a handler did not succeed.
///
/// Any `std::error::Error` becomes one through `?`. As with other such catch-all types, it therefore
/// does not implement `std::error::Error` itself; [`source`](Self::source) leads to the cause.
///
/// ```
/// use trolleybus::HandlerError;
///
/// fn parse(text: &str) -> Result<(), HandlerError> {
///     let _: u32 = text.parse()?;
///     Ok(())
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct HandlerError {
    // Boxed: a handler's result passes through several calls, and is one word when it is well.
    inner: Box<Inner>,
}

struct Inner {
    cause: Cause,
    permanent: bool,
}

enum Cause {
    Error(Box<dyn std::error::Error + Send + Sync>),
    Message(String),
    Panic(String),
}

impl HandlerError {
    fn of(cause: Cause) -> Self {
        Self { inner: Box::new(Inner { cause, permanent: false }) }
    }

    /// An error that is only a message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Cause::Message(message.into()))
    }

    /// From the payload of a caught panic, which is dropped here: a payload's `Drop` may panic too.
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a panic without a message".to_owned()
        };
        if let Err(second) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(payload))) {
            // Its payload could do it again: let it be.
            std::mem::forget(second);
        }
        Self::of(Cause::Panic(message))
    }

    /// Marks the error as final: trying again would not help.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.inner.permanent = true;
        self
    }

    /// Marks the error as worth another try (the default).
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.inner.permanent = false;
        self
    }

    /// Says whether the error was marked as final.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.inner.permanent
    }

    /// The message of a panic, or of any other error.
    pub(crate) fn panic_message(&self) -> String {
        match &self.inner.cause {
            Cause::Panic(message) | Cause::Message(message) => message.clone(),
            Cause::Error(error) => error.to_string(),
        }
    }

    /// Says whether the handler panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.cause, Cause::Panic(_))
    }

    /// The error that the handler returned, if it was one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match &self.inner.cause {
            Cause::Error(error) => Some(error.as_ref()),
            Cause::Message(_) | Cause::Panic(_) => None,
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::of(Cause::Error(Box::new(error)))
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.cause {
            Cause::Error(error) => error.fmt(f),
            Cause::Message(message) => f.write_str(message),
            Cause::Panic(message) => write!(f, "the handler panicked: {message}"),
        }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("HandlerError");
        match &self.inner.cause {
            Cause::Error(error) => debug.field("error", error),
            Cause::Message(message) => debug.field("message", message),
            Cause::Panic(message) => debug.field("panic", message),
        };
        debug.field("permanent", &self.inner.permanent).finish()
    }
}

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

/// A subscription was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The pattern is malformed.
    #[error("invalid pattern: {0}")]
    InvalidPattern(#[from] PatternError),
    /// `subscribe_many` was given no pattern.
    #[error("no pattern was given")]
    NoPattern,
    /// A queue must hold at least one event.
    #[error("a capacity of 0: a queue must hold at least one event")]
    ZeroCapacity,
    /// A queue holds fewer events than asked for.
    #[error("a capacity of {capacity} is over the limit of {limit}")]
    CapacityTooLarge {
        /// What was asked for.
        capacity: usize,
        /// The largest capacity.
        limit: usize,
    },
    /// At least one handler must run at a time, and not more than the limit.
    #[error("a concurrency of {concurrency}: it must be from 1 to {limit}")]
    InvalidConcurrency {
        /// What was asked for.
        concurrency: usize,
        /// The most handlers of one subscription at a time.
        limit: usize,
    },
    /// `take(0)`: the subscription would get nothing.
    #[error("a subscription that takes no event")]
    TakesNothing,
    /// A group without a name.
    #[error("a group needs a name")]
    EmptyGroupName,
    /// The handler would need the worker pool, and the bus was built with no worker.
    #[error("the bus has no worker to run a pooled handler")]
    NoWorkers,
    /// The engine keeps no history, so it can only start from now.
    #[error("the memory engine keeps no history: a subscription can only start from now")]
    NoHistory,
    /// An engine that the subscription has to join cannot do what it asks for, or did not let it in.
    #[error("engine \"{engine}\": {error}")]
    Engine {
        /// The engine's name.
        engine: String,
        /// What it said.
        #[source]
        error: crate::engine::EngineError,
    },
    /// Worker threads could not be started.
    #[error("could not start the worker threads: {0}")]
    Threads(#[source] std::io::Error),
    /// The bus has been shut down, or is shutting down.
    #[error("the bus is shut down")]
    ShutDown,
}

/// A bus was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An option, an engine's name or a rule is wrong.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// These engines did not start, or did not stop again after another one had not started. All are stopped.
    #[error("the engines did not start: {}", list(.0))]
    Engines(Vec<EngineFailure>),
}

/// The rules of a bus were not replaced: the old ones hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RerouteError {
    /// A rule is wrong.
    #[error(transparent)]
    Rules(BuildError),
    /// A subscription could not join an engine that the new rules add.
    #[error("a subscription could not join engine {0}")]
    Engine(EngineFailure),
    /// Other rules are about to hold: wait for them first.
    #[error("other rules are about to hold")]
    InProgress,
    /// The bus has been shut down, or is shutting down.
    #[error("the bus is shut down")]
    ShutDown,
}

/// What one engine said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineFailure {
    /// The engine's name.
    pub engine: String,
    /// What it said.
    pub error: crate::engine::EngineError,
}

impl fmt::Display for EngineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.engine, self.error)
    }
}

fn list(failures: &[EngineFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A bus was not built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// More worker threads than the limit.
    #[error("{workers} workers are over the limit of {limit}")]
    TooManyWorkers {
        /// What was asked for.
        workers: usize,
        /// The most worker threads.
        limit: usize,
    },
    /// The default capacity of queues is 0 or too large.
    #[error("a default capacity of {capacity}: it must be from 1 to {limit}")]
    InvalidCapacity {
        /// What was asked for.
        capacity: usize,
        /// The largest capacity.
        limit: usize,
    },
    /// The largest capacity of queues is 0 or too large.
    #[error("a largest capacity of {capacity}: it must be from 1 to {limit}")]
    InvalidMaxCapacity {
        /// What was asked for.
        capacity: usize,
        /// The largest that a queue can have.
        limit: usize,
    },
    /// Two engines have one name.
    #[error("two engines are called \"{name}\"")]
    DuplicateEngine {
        /// The name.
        name: String,
    },
    /// An engine's name is not made of 1 to 64 letters, digits, `-`, `_` and `.`, or does not begin with one of the first two.
    #[error("an engine cannot be called {name:?}: letters and digits, and - _ . between them, at most 64")]
    InvalidEngineName {
        /// The name.
        name: String,
    },
    /// A rule, or the default, is for an engine that there is not.
    #[error("there is no engine \"{name}\"")]
    UnknownEngine {
        /// The name.
        name: String,
    },
    /// More engines than the limit.
    #[error("{engines} engines are over the limit of {limit}")]
    TooManyEngines {
        /// How many.
        engines: usize,
        /// The most.
        limit: usize,
    },
    /// A pattern of a rule is malformed.
    #[error("invalid pattern in a rule: {0}")]
    InvalidRule(#[source] PatternError),
    /// A rule without a pattern.
    #[error("the rule for engine \"{engine}\" has no pattern")]
    EmptyRule {
        /// The engine.
        engine: String,
    },
    /// The most arrivals in flight are 0 or too many.
    #[error("{arrivals} arrivals in flight: it must be from 1 to {limit}")]
    InvalidInFlight {
        /// What was asked for.
        arrivals: usize,
        /// The most.
        limit: usize,
    },
    /// An engine's call cannot end in no time.
    #[error("a timeout of zero for calls of engines")]
    ZeroTimeout,
    /// The thread that tells of the bus's life could not be started.
    #[error("could not start the thread that tells of the bus's life: {0}")]
    Threads(#[source] std::io::Error),
    /// The bus has an engine that has to be started, and `build` starts none.
    #[error("the bus has an engine that has to be started: call `start` instead of `build`")]
    NeedsStart,
    /// The inline depth limit is 0 or too large for a thread's stack.
    #[error("an inline depth of {depth}: it must be from 1 to {limit}")]
    InvalidDepth {
        /// What was asked for.
        depth: usize,
        /// The largest depth.
        limit: usize,
    },
}

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
