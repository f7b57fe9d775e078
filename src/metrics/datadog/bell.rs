//! Tells one thread, while it waits or before, that it shall end.

use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};

/// A bell that is rung once.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Written by both sides; held for a few instructions.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    /// Of the thread that listens.
    waker: Option<Waker>,
}

impl Bell {
    /// Rings, for good.
    pub(super) fn ring(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.rung = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for the bell, at most until the deadline. Says whether it has rung.
    ///
    /// # Blocking
    ///
    /// Until the bell rings or the deadline passes.
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        block_on(&mut Listening { bell: self, deadline })
    }
}

struct Listening<'a> {
    bell: &'a Bell,
    deadline: Deadline,
}

impl Wait for Listening<'_> {
    type Output = bool;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let waker = cx.waker().clone();
        let mut state = self.bell.state.lock();
        if state.rung || self.deadline.has_passed() {
            return Poll::Ready(state.rung);
        }
        // Under the lock that the ringing takes: either it finds this waker, or this found the bell rung.
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bell_is_heard_before_during_and_after_and_silence_ends_at_the_deadline() {
        let bell = Bell::default();
        assert!(!bell.wait(Deadline::after(Duration::from_millis(1))));
        std::thread::scope(|scope| {
            let listens = scope.spawn(|| bell.wait(Deadline::NEVER));
            bell.ring();
            assert!(listens.join().expect("no panic"));
        });
        assert!(bell.wait(Deadline::NEVER));
        assert!(bell.wait(Deadline::after(Duration::ZERO)));
    }
}
