//! What this thread is in the middle of: which handlers run on it, and how deep inline handlers nest.
//!
//! With it a publish can tell that it would wait for itself (R2) or recurse without end (R3).

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use crate::event::SubscriptionId;

std::thread_local! {
    static RUNNING: RefCell<SmallVec<[Frame; 8]>> = RefCell::new(SmallVec::new());
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A subscription of one bus; ids of two buses can be alike.
pub(crate) type SubscriptionKey = (usize, SubscriptionId);

/// A handler on this thread's stack: its subscription, and the lane that it occupies (0: none, inline).
pub(super) type Frame = (SubscriptionKey, usize);

/// While it lives, the thread counts as running a handler of that subscription.
#[derive(Debug)]
pub(crate) struct Running(());

impl Running {
    /// An inline handler begins.
    pub(crate) fn enter(key: SubscriptionKey) -> Self {
        Self::enter_lane(key, 0)
    }

    /// Handlers of a lane begin, which is told from the subscription's others by any number but 0.
    pub(crate) fn enter_lane(key: SubscriptionKey, lane: usize) -> Self {
        RUNNING.with_borrow_mut(|stack| stack.push((key, lane)));
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|stack| {
            stack.pop();
        });
    }
}

/// Says whether a handler of that subscription runs further down this thread's stack.
pub(crate) fn is_running(key: SubscriptionKey) -> bool {
    RUNNING.with_borrow(|stack| stack.iter().any(|(running, _)| *running == key))
}

/// How many handlers of that subscription run further down this thread's stack.
pub(crate) fn running_count(key: SubscriptionKey) -> u64 {
    RUNNING.with_borrow(|stack| stack.iter().filter(|(running, _)| *running == key).count() as u64)
}

/// The lanes that cannot go on before this thread's innermost handler does.
pub(super) fn occupied_lanes() -> SmallVec<[Frame; 1]> {
    RUNNING.with_borrow(|stack| stack.iter().filter(|(_, lane)| *lane != 0).copied().collect())
}

/// While it lives, inline handlers nest one deeper on this thread.
#[derive(Debug)]
pub(crate) struct Nested(());

impl Nested {
    /// Goes one deeper, or refuses when `limit` is reached.
    #[inline]
    pub(crate) fn enter(limit: usize) -> Option<Self> {
        let depth = DEPTH.get();
        if depth >= limit {
            return None;
        }
        DEPTH.set(depth + 1);
        Some(Self(()))
    }
}

impl Drop for Nested {
    #[inline]
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
