//! What this thread is in the middle of: which handlers run on it, and how deep inline handlers nest.
//!
//! With it a publish can tell that it would wait for itself (R2) or recurse without end (R3).

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use crate::event::SubscriptionId;
use crate::sync::thread::thread_local;

thread_local! {
    static RUNNING: RefCell<SmallVec<[SubscriptionKey; 8]>> = RefCell::new(SmallVec::new());
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A subscription of one bus; ids of two buses can be alike.
pub(crate) type SubscriptionKey = (usize, SubscriptionId);

/// While it lives, the thread counts as running a handler of that subscription.
#[derive(Debug)]
pub(crate) struct Running(());

impl Running {
    pub(crate) fn enter(key: SubscriptionKey) -> Self {
        RUNNING.with(|stack| stack.borrow_mut().push(key));
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|stack| stack.borrow_mut().pop());
    }
}

/// Says whether a handler of that subscription runs further down this thread's stack.
pub(crate) fn is_running(key: SubscriptionKey) -> bool {
    RUNNING.with(|stack| stack.borrow().contains(&key))
}

/// How many handlers of that subscription run further down this thread's stack.
pub(crate) fn running_count(key: SubscriptionKey) -> u64 {
    RUNNING.with(|stack| stack.borrow().iter().filter(|running| **running == key).count() as u64)
}

/// While it lives, inline handlers nest one deeper on this thread.
#[derive(Debug)]
pub(crate) struct Nested(());

impl Nested {
    /// Goes one deeper, or refuses when `limit` is reached.
    #[inline]
    pub(crate) fn enter(limit: usize) -> Option<Self> {
        DEPTH.with(|depth| {
            if depth.get() >= limit {
                return None;
            }
            depth.set(depth.get() + 1);
            Some(Self(()))
        })
    }
}

impl Drop for Nested {
    #[inline]
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}
