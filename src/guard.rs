//! Code of the application where its panic must go no further.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code whose panic is of no consequence: that a payload's or future's drop panics must not cost
/// somebody else their event. The panic hook has printed the message.
pub(crate) fn guarded(code: impl FnOnce()) {
    // Unwind safe: what the code leaves half done is its own.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        drop_panic(payload);
    }
}

/// Drops a value of the application.
#[inline]
pub(crate) fn drop_guarded<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        guarded(|| drop(value));
    }
}

/// Drops what a panic has thrown, which is the application's too. Its own panic is leaked, for there
/// would be no end to it.
pub(crate) fn drop_panic(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
