//! A mark that is set once, and that threads wait for.

use std::pin::Pin;
use std::task::{Context, Poll};

use event_listener::{Event as Listeners, EventListener};

use super::Mutex;
use super::clock::Deadline;
use super::park::{Wait, block_on};

/// Says that something has happened: that a thread has ended, say.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    is_set: Mutex<bool>,
    listeners: Listeners,
}

impl Latch {
    /// Sets it, and wakes those who wait.
    pub(crate) fn set(&self) {
        *self.is_set.lock() = true;
        self.listeners.notify(usize::MAX);
    }

    /// Waits in this thread until it is set; false if it is not at the deadline.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        block_on(&mut WaitForLatch { latch: self, deadline, listener: None })
    }
}

struct WaitForLatch<'a> {
    latch: &'a Latch,
    deadline: Deadline,
    listener: Option<EventListener>,
}

impl Wait for WaitForLatch<'_> {
    type Output = bool;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if *self.latch.is_set.lock() {
                return Poll::Ready(true);
            }
            if self.deadline.has_passed() {
                return Poll::Ready(false);
            }
            match &mut self.listener {
                // Look, listen, look again, wait.
                None => self.listener = Some(self.latch.listeners.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::sync::thread;

    #[test]
    fn it_is_waited_for_until_it_is_set_or_the_deadline() {
        let latch = Arc::new(Latch::default());
        assert!(!latch.wait(Deadline::after(Duration::ZERO)));
        let sets = Arc::clone(&latch);
        let thread = thread::Builder::new().spawn(move || sets.set()).expect("a thread");
        assert!(latch.wait(Deadline::NEVER));
        thread.join().expect("no panic");
        assert!(latch.wait(Deadline::after(Duration::ZERO)));
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;

    /// Somebody begins to wait while it is set.
    ///
    /// Broken by a `set` that notifies first, and by a wait that does not look again after it has begun to listen.
    #[test]
    fn l1_a_wait_against_the_set() {
        loom::model(|| {
            let latch = Arc::new(Latch::default());
            let sets = Arc::clone(&latch);
            let thread = loom::thread::spawn(move || sets.set());
            assert!(latch.wait(Deadline::NEVER));
            thread.join().expect("no panic");
        });
    }
}
