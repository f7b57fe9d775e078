//! What this thread is in the middle of: which handlers run on it, and how deep inline handlers nest.
//!
//! With it a publish can tell that it would wait for itself (R2) or recurse without end (R3).

use std::cell::{Cell, RefCell};

use crate::event::SubscriptionId;

std::thread_local! {
    /// The innermost. Most handlers do not nest, and a cell without a destructor costs next to nothing.
    static INNERMOST: Cell<Option<SubscriptionKey>> = const { Cell::new(None) };
    /// Those further down.
    static OUTER: RefCell<Vec<SubscriptionKey>> = const { RefCell::new(Vec::new()) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A subscription of one bus; ids of two buses can be alike.
pub(crate) type SubscriptionKey = (usize, SubscriptionId);

/// While it lives, the thread counts as running a handler of that subscription.
#[derive(Debug)]
pub(crate) struct Running {
    nests: bool,
}

impl Running {
    #[inline]
    pub(crate) fn enter(key: SubscriptionKey) -> Self {
        let outer = INNERMOST.replace(Some(key));
        if let Some(outer) = outer {
            OUTER.with_borrow_mut(|stack| stack.push(outer));
        }
        Self { nests: outer.is_some() }
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        INNERMOST.set(if self.nests { OUTER.with_borrow_mut(Vec::pop) } else { None });
    }
}

/// Says whether a handler of that subscription runs further down this thread's stack.
pub(crate) fn is_running(key: SubscriptionKey) -> bool {
    INNERMOST.get() == Some(key) || OUTER.with_borrow(|stack| stack.contains(&key))
}

/// How many handlers of that subscription run further down this thread's stack.
pub(crate) fn running_count(key: SubscriptionKey) -> u64 {
    let outer = OUTER.with_borrow(|stack| stack.iter().filter(|running| **running == key).count() as u64);
    outer + u64::from(INNERMOST.get() == Some(key))
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
