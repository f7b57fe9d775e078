//! What this thread is in the middle of: which handlers run on it, and how deep inline handlers nest.
//!
//! With it a publish can tell that it would wait for itself (R2) or recurse without end (R3). It is
//! asked at every inline handler, so it is a plain array: no allocation, and nothing to be dropped at
//! the thread's end, when a destructor may still publish.

use std::cell::Cell;

use smallvec::SmallVec;

use crate::sync::thread::thread_local;

/// The deepest that inline handlers may be allowed to nest.
pub(crate) const MAX_DEPTH: usize = 128;

/// How many running handlers a thread remembers: inline ones to the full depth, and some lanes that a
/// handler polls by itself. One beyond that is not remembered, and then only a deadline ends its wait
/// for itself.
const REMEMBERED: usize = MAX_DEPTH + 32;

/// A subscription of the process; the ids of two buses can be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionKey(u64);

impl SubscriptionKey {
    const NONE: Self = Self(0);

    pub(crate) fn next() -> Self {
        Self(crate::sync::next_number())
    }
}

/// A handler on this thread's stack: its subscription, and the lane that it occupies (0: none, inline).
pub(super) type Frame = (SubscriptionKey, usize);

struct Stack {
    frames: [Cell<Frame>; REMEMBERED],
    /// Handlers that run, the forgotten ones included.
    len: Cell<usize>,
    /// Publishes with inline handlers that nest.
    depth: Cell<usize>,
}

impl Stack {
    const fn new() -> Self {
        Self {
            frames: [const { Cell::new((SubscriptionKey::NONE, 0)) }; REMEMBERED],
            len: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// The handlers that run, from the outermost.
    fn running(&self) -> impl Iterator<Item = Frame> {
        self.frames.iter().take(self.len.get()).map(Cell::get)
    }
}

thread_local! {
    static STACK: Stack = const { Stack::new() };
}

/// While it lives, the thread counts as running a handler of that subscription.
#[derive(Debug)]
pub(crate) struct Running(());

impl Running {
    /// An inline handler begins.
    #[inline]
    pub(crate) fn enter(key: SubscriptionKey) -> Self {
        Self::enter_lane(key, 0)
    }

    /// Handlers of a lane begin, which is told from the subscription's others by any number but 0.
    #[inline]
    pub(crate) fn enter_lane(key: SubscriptionKey, lane: usize) -> Self {
        STACK.with(|stack| {
            let len = stack.len.get();
            if let Some(place) = stack.frames.get(len) {
                place.set((key, lane));
            }
            stack.len.set(len + 1);
        });
        Self(())
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        STACK.with(|stack| stack.len.set(stack.len.get() - 1));
    }
}

/// Says whether a handler of that subscription runs further down this thread's stack.
pub(crate) fn is_running(key: SubscriptionKey) -> bool {
    running_count(key) > 0
}

/// How many handlers of that subscription run further down this thread's stack.
pub(crate) fn running_count(key: SubscriptionKey) -> u64 {
    STACK.with(|stack| stack.running().filter(|(running, _)| *running == key).count() as u64)
}

/// The lanes that cannot go on before this thread's innermost handler does.
pub(super) fn occupied_lanes() -> SmallVec<[Frame; 1]> {
    STACK.with(|stack| stack.running().filter(|(_, lane)| *lane != 0).collect())
}

/// While it lives, inline handlers nest one deeper on this thread.
#[derive(Debug)]
pub(crate) struct Nested(());

impl Nested {
    /// Goes one deeper, or refuses when `limit` is reached.
    #[inline]
    pub(crate) fn enter(limit: usize) -> Option<Self> {
        STACK.with(|stack| {
            let depth = stack.depth.get();
            if depth >= limit {
                return None;
            }
            stack.depth.set(depth + 1);
            Some(Self(()))
        })
    }
}

impl Drop for Nested {
    #[inline]
    fn drop(&mut self) {
        STACK.with(|stack| stack.depth.set(stack.depth.get() - 1));
    }
}
