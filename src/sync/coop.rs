//! Giving way to the other tasks of an async runtime.
//!
//! A runtime can only switch tasks, and look at its timers and sockets, when a task returns `Pending`.
//! Futures of this crate are often ready at once (there is room, there is an event), so a task that
//! publishes or receives in a loop would never return, and would starve all others on a runtime with one
//! thread. Therefore every [`BUDGET`]th poll that could be ready is pending instead, before it does
//! anything, with the task woken already.
//!
//! The count is kept per thread, not per task: a task need not have one, and who polls often enough to
//! matter pays for most of it. It costs a few nanoseconds a poll.

// loom's `thread_local` takes no const block.
#![allow(clippy::missing_const_for_thread_local)]

use std::cell::Cell;
use std::task::{Context, Poll};

use super::thread::thread_local;

/// So many polls may be ready in a row, as many as with tokio's own futures. tokio looks at its timers
/// after 61 polls of tasks: with one hot task that is every 8,000 events, some milliseconds.
const BUDGET: u8 = 128;

thread_local! {
    /// Polls that this thread may still answer at once.
    static LEFT: Cell<u8> = Cell::new(BUDGET);
}

/// Asks before a poll that may be ready at once. Pending: it is the others' turn, and the task has been
/// woken to come back.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    // A thread that is ending has no count any more, and no loop either.
    let left = LEFT.try_with(|left| left.replace(left.get().wrapping_sub(1))).unwrap_or(BUDGET);
    if left > 0 { Poll::Ready(()) } else { give_way(cx) }
}

#[cold]
fn give_way(cx: &mut Context<'_>) -> Poll<()> {
    let _ = LEFT.try_with(|left| left.set(BUDGET));
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn i4_one_poll_in_a_budget_gives_way() {
        let mut cx = Context::from_waker(Waker::noop());
        let pending = (0..10 * (usize::from(BUDGET) + 1)).filter(|_| poll_proceed(&mut cx).is_pending());
        assert_eq!(pending.count(), 10);
    }
}
