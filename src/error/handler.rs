//! What became of a handler.

use std::any::Any;
use std::fmt;
use std::time::Duration;

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
    Timeout(Duration),
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

    /// The handler was still pending after that time.
    pub(crate) fn timed_out(after: Duration) -> Self {
        Self::of(Cause::Timeout(after))
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
            Cause::Timeout(_) => self.to_string(),
        }
    }

    /// Says whether the handler panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.cause, Cause::Panic(_))
    }

    /// Says whether the handler was still pending when the time of an
    /// [attempt](crate::Subscribe::attempt_timeout) was over.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.cause, Cause::Timeout(_))
    }

    /// The error that the handler returned, if it was one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match &self.inner.cause {
            Cause::Error(error) => Some(error.as_ref()),
            Cause::Message(_) | Cause::Panic(_) | Cause::Timeout(_) => None,
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
            Cause::Timeout(after) => write!(f, "the handler was still pending after {after:?}"),
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
            Cause::Timeout(after) => debug.field("timeout", after),
        };
        debug.field("permanent", &self.inner.permanent).finish()
    }
}
