//! Why a subscription was not made.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::dispatch::{DeliveryMode, IdempotencyWindow, SubscriptionKind};
use crate::pattern::PatternError;
use crate::subscribe::{CircuitBreakerError, RetryError};

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
    /// The subscription reaches topics of an engine that [never drops](crate::MemoryEngine::lossless), and asks for a mode that
    /// does.
    #[error("the delivery mode {mode:?}: an engine that it reaches never drops, and takes only Block")]
    NeverDrops {
        /// What was asked for.
        mode: DeliveryMode,
    },
    /// At least one handler must run at a time, and not more than the limit.
    #[error("a concurrency of {concurrency}: it must be from 1 to {limit}")]
    InvalidConcurrency {
        /// What was asked for.
        concurrency: usize,
        /// The most handlers of one subscription at a time.
        limit: usize,
    },
    /// Only handlers that run on workers can be tried again, wait for others, or be given up.
    #[error("{option} is not for a subscription of the kind {kind}")]
    NotForKind {
        /// What was asked for.
        option: &'static str,
        /// How the subscription gets its events.
        kind: SubscriptionKind,
    },
    /// The policy for retries makes no sense.
    #[error("retry: {0}")]
    Retry(#[from] RetryError),
    /// The circuit breaker makes no sense.
    #[error("circuit breaker: {0}")]
    CircuitBreaker(#[from] CircuitBreakerError),
    /// An attempt must be allowed to take some time.
    #[error("an attempt timeout of {timeout:?}: it must be more than nothing and at most {limit:?}")]
    InvalidAttemptTimeout {
        /// What was asked for.
        timeout: Duration,
        /// The longest.
        limit: Duration,
    },
    /// `take(0)`: the subscription would get nothing.
    #[error("a subscription that takes no event")]
    TakesNothing,
    /// The window of an [idempotent](crate::Subscribe::idempotent) subscription remembers at least one event, and not more than
    /// the limit.
    #[error("an idempotency window of {events} events: it must be from 1 to {limit}")]
    InvalidWindowSize {
        /// What was asked for.
        events: usize,
        /// The most events that a window remembers.
        limit: usize,
    },
    /// A window remembers events for more than no time, and not longer than the limit.
    #[error("an idempotency window of {} ms: it must be more than 0, and at most {} days", age.as_millis(), limit.as_secs() / 86_400)]
    InvalidWindowAge {
        /// What was asked for.
        age: Duration,
        /// The longest time that a window can be limited to.
        limit: Duration,
    },
    /// The [idempotent](crate::Subscribe::idempotent) members of a group share one window, so that all ask for the same.
    #[error("group \"{group}\": its members share an idempotency window of {}", Words(*shared))]
    WindowDiffers {
        /// The name of the group.
        group: String,
        /// What the other members have.
        shared: IdempotencyWindow,
    },
    /// A group without a name.
    #[error("a group needs a name")]
    EmptyGroupName,
    /// The handler would need the worker pool, and the bus was built with no worker.
    #[error("the bus has no worker to run a pooled handler")]
    NoWorkers,
    /// Nothing is [kept](crate::BusBuilder::retain) of the topics, so it can only start from now.
    #[error("no history is kept of these topics: a subscription can only start from now")]
    NoHistory,
    /// It cannot start there.
    #[error("a subscription cannot start at {start:?}: {what}")]
    InvalidStart {
        /// What was asked for.
        start: crate::subscribe::Start,
        /// Why not.
        what: &'static str,
    },
    /// Its topic has not come so far.
    #[error("a subscription cannot start at event {sequence}: the next one will be number {next}")]
    BeyondEnd {
        /// What was asked for.
        sequence: u64,
        /// The number of the next event.
        next: u64,
    },
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

/// A window in words.
struct Words(IdempotencyWindow);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.0.events())?;
        self.0.age().map_or(Ok(()), |age| write!(f, " and {} ms", age.as_millis()))
    }
}
