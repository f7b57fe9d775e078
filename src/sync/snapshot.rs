//! A shared pointer that readers load without a lock and writers replace as a whole.
//!
//! `arc-swap` behind one small type, so that loom can have a locked stand-in.

use std::sync::Arc;

#[cfg(loom)]
use super::Mutex;

/// Holds one `Arc<T>`; loads are lock-free, stores replace the value.
#[derive(Debug)]
pub(crate) struct Snapshot<T> {
    #[cfg(not(loom))]
    inner: arc_swap::ArcSwap<T>,
    #[cfg(loom)]
    inner: Mutex<Arc<T>>,
}

/// A borrowed snapshot. Cheap to take; never held over anything that waits (it occupies one of the
/// few fast slots that `arc-swap` has per thread).
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    #[cfg(not(loom))]
    inner: arc_swap::Guard<Arc<T>>,
    #[cfg(loom)]
    inner: Arc<T>,
}

impl<T> Snapshot<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self {
            #[cfg(not(loom))]
            inner: arc_swap::ArcSwap::new(value),
            #[cfg(loom)]
            inner: Mutex::new(value),
        }
    }

    /// Loads the current value for a short pass that cannot wait.
    #[inline]
    pub(crate) fn load(&self) -> Loaded<T> {
        Loaded {
            #[cfg(not(loom))]
            inner: self.inner.load(),
            #[cfg(loom)]
            inner: self.inner.lock().clone(),
        }
    }

    /// Loads the current value, to be kept.
    pub(crate) fn load_full(&self) -> Arc<T> {
        #[cfg(not(loom))]
        return self.inner.load_full();
        #[cfg(loom)]
        return self.inner.lock().clone();
    }

    /// Replaces the value and returns the old one, so that the caller decides where it is dropped:
    /// the last reference to a list may drop user code, which must not happen under a lock.
    #[must_use = "the old value may hold user code: drop it outside every lock"]
    pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
        #[cfg(not(loom))]
        return self.inner.swap(value);
        #[cfg(loom)]
        return std::mem::replace(&mut *self.inner.lock(), value);
    }
}

impl<T> std::ops::Deref for Loaded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}
