//! Why a bus was not made or started, and its rules not replaced.

use std::fmt;

use thiserror::Error;

use crate::pattern::PatternError;
use crate::tenant::TenantError;
use crate::topic::TopicError;

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
    Rules(#[from] BuildError),
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
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct EngineFailure {
    /// The engine's name.
    pub engine: String,
    /// What it said.
    #[source]
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
    /// The topic of a rule for dead letters is malformed.
    #[error("invalid topic for dead letters: {0}")]
    InvalidDeadLetterTopic(#[source] TopicError),
    /// A rule for what is kept of events, or a limit of that, is out of its range.
    #[error("a retention of {what}")]
    InvalidRetention {
        /// What is wrong.
        what: &'static str,
    },
    /// A tenant's name in a rule is malformed.
    #[error("invalid tenant in a rule: {0}")]
    InvalidTenant(#[source] TenantError),
    /// A rule without a pattern, or about no tenant.
    #[error("the rule for engine \"{engine}\" has no pattern, or is about no tenant")]
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
