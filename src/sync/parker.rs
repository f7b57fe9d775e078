//! Puts one thread to sleep and wakes it.
//!
//! The real one is the token of `std::thread::park`. Under loom it is `loom::sync::Notify`, not
//! loom's own `park`: that one drops the token of a thread that is blocked on a lock meanwhile.
//! `Notify` also returns once without a reason, so every model covers a spurious wake-up.

use super::clock::Deadline;

#[cfg(not(loom))]
use {super::thread, std::sync::OnceLock};

/// A place for one thread to sleep at.
///
/// A wake-up that comes before the sleep is kept and ends the next sleep at once; several of them
/// count as one. A sleep may end without a reason: callers look at their own condition again.
#[derive(Debug)]
pub(crate) struct Parker {
    /// Written once, by the thread that sleeps here, before anybody may wake it.
    #[cfg(not(loom))]
    thread: OnceLock<thread::Thread>,
    #[cfg(loom)]
    notify: loom::sync::Notify,
}

impl Parker {
    /// A place at which nobody sleeps yet.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(not(loom))]
            thread: OnceLock::new(),
            #[cfg(loom)]
            notify: loom::sync::Notify::new(),
        }
    }

    /// Makes this the current thread's place. Comes before the first sleep, and before the thread
    /// tells anybody that it may have to be woken.
    pub(crate) fn attach(&self) {
        #[cfg(not(loom))]
        self.thread.get_or_init(thread::current);
    }

    /// Sleeps until woken, until the deadline, or for no reason.
    pub(crate) fn park_until(&self, deadline: Deadline) {
        #[cfg(not(loom))]
        match deadline.remaining() {
            None => thread::park(),
            Some(left) if left.is_zero() => {}
            Some(left) => thread::park_timeout(left),
        }
        // Time does not pass in a model.
        #[cfg(loom)]
        {
            let _ = deadline;
            self.notify.wait();
        }
    }

    /// Wakes the thread. What the caller did before is visible to it after its sleep.
    pub(crate) fn unpark(&self) {
        #[cfg(not(loom))]
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        #[cfg(loom)]
        self.notify.notify();
    }
}
