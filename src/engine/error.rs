//! How an engine fails.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// Why an engine could not do what it was asked for.
///
/// An error of [`Engine::publish`](super::Engine::publish) says that the event was surely not stored, unless it
/// [is marked](Self::may_be_stored) as one after which nobody knows.
///
/// ```
/// use trolleybus::engine::{EngineError, EngineErrorKind};
///
/// let lost = EngineError::new(EngineErrorKind::Connection, "no answer from the broker").may_be_stored();
/// assert!(lost.is_unknown());
/// ```
#[derive(Clone)]
pub struct EngineError {
    // Boxed: results of publish calls pass through several hands, and are small when all is well.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: EngineErrorKind,
    message: Box<str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    unknown: bool,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// A setting is missing or wrong.
    Configuration,
    /// The broker is not there, or the connection to it broke.
    Connection,
    /// The broker does not accept who we say we are, or does not allow what we asked for.
    Authorization,
    /// The engine cannot do that. See [`Capabilities`](super::Capabilities).
    Unsupported,
    /// The event is larger than the broker takes.
    TooLarge,
    /// The broker refused it for another reason.
    Rejected,
    /// There was no answer in time.
    Timeout,
    /// The engine is stopped.
    Stopped,
    /// The engine's code panicked.
    Panicked,
    /// Anything else.
    Other,
}

impl EngineError {
    /// Makes an error with a message, which must hold no secrets.
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        let message = message.into().into_boxed_str();
        Self { inner: Box::new(Inner { kind, message, source: None, unknown: false }) }
    }

    /// Adds the error that led to this one.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    /// Says that nobody knows whether the event was stored: the connection broke after it was sent, or there was no
    /// answer in time.
    #[must_use]
    pub fn may_be_stored(mut self) -> Self {
        self.inner.unknown = true;
        self
    }

    /// Returns what kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        self.inner.kind
    }

    /// Says whether the event may have been stored all the same.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.inner.unknown
    }

    /// An engine's code panicked; after a publish nobody knows how far it came.
    pub(crate) fn panicked(what: &str, message: &str) -> Self {
        Self::new(EngineErrorKind::Panicked, format!("{what} panicked: {message}")).may_be_stored()
    }

    /// There was no answer in time.
    pub(crate) fn timed_out(what: &str) -> Self {
        Self::new(EngineErrorKind::Timeout, format!("{what} did not end in time")).may_be_stored()
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if self.inner.unknown {
            f.write_str(" (it may have been done all the same)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineError")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("unknown", &self.inner.unknown)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

// What led to it is only looked at.
impl UnwindSafe for EngineError {}
impl RefUnwindSafe for EngineError {}

/// Two errors are equal that say the same.
impl PartialEq for EngineError {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.inner, &other.inner);
        (one.kind, &one.message, one.unknown) == (other.kind, &other.message, other.unknown)
    }
}

impl Eq for EngineError {}
