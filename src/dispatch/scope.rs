//! What this thread is in the middle of: which lanes run on it. (`frames.rs` knows its inline handlers.)
//!
//! With it a publish can tell that it would wait for itself (R2). It is a plain array: no allocation, and
//! nothing to be dropped at the thread's end, when a destructor may still publish.

use std::cell::Cell;

use crate::sync::thread::thread_local;

/// How many running lanes a thread remembers: one, and some that a handler polls by itself. One beyond that is
/// not remembered, and then only a deadline ends its wait for itself.
const REMEMBERED: usize = 32;

/// A subscription of the process; the ids of two buses can be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionKey(usize);

impl SubscriptionKey {
    const NONE: Self = Self(0);

    /// From the address of its slot.
    pub(super) fn of(address: usize) -> Self {
        Self(address)
    }

    /// The address of its slot, which is a multiple of eight and not 0.
    pub(super) fn address(self) -> usize {
        self.0
    }
}

struct Stack {
    keys: [Cell<SubscriptionKey>; REMEMBERED],
    /// Lanes that run, the forgotten ones included.
    len: Cell<usize>,
}

thread_local! {
    static STACK: Stack = const {
        Stack { keys: [const { Cell::new(SubscriptionKey::NONE) }; REMEMBERED], len: Cell::new(0) }
    };
}

/// A lane of a subscription, told from the subscription's others by a number.
pub(super) type LaneKey = (SubscriptionKey, usize);

thread_local! {
    static LANE: Cell<Option<LaneKey>> = const { Cell::new(None) };
}

/// While it lives, the handlers on this thread occupy that lane.
#[derive(Debug)]
pub(crate) struct Occupied(Option<LaneKey>);

impl Occupied {
    pub(crate) fn enter(key: SubscriptionKey, lane: usize) -> Self {
        Self(LANE.with(|occupied| occupied.replace(Some((key, lane)))))
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        LANE.with(|occupied| occupied.set(self.0));
    }
}

/// The lane that cannot go on before this thread's innermost handler does.
pub(super) fn occupied_lane() -> Option<LaneKey> {
    LANE.with(Cell::get)
}

/// While it lives, the thread counts as running a lane of that subscription.
#[derive(Debug)]
pub(crate) struct Running(());

impl Running {
    #[inline]
    pub(crate) fn enter(key: SubscriptionKey) -> Self {
        STACK.with(|stack| {
            let len = stack.len.get();
            if let Some(place) = stack.keys.get(len) {
                place.set(key);
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
    let lanes = STACK.with(|stack| {
        let running = stack.keys.iter().take(stack.len.get());
        running.filter(|place| place.get() == key).count() as u64
    });
    lanes + super::frames::running_here(key)
}
