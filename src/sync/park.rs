//! One wait for threads and tasks, with a deadline.
//!
//! Whatever waits in this crate (a publisher for space, a receiver for an event, a shutdown for its
//! workers) is a [`Wait`]: a state machine that is polled. A thread drives it with [`block_on`], a task
//! awaits it as a [`Timed`] future. The wait itself judges its deadline; the drivers only see to it that
//! it is polled again when the deadline has come.
//!
//! # Orderings
//!
//! The one word here is [`Unparker::state`]: a count of wake-ups and the flag PARKED. The driver reads
//! the count before it polls and sleeps only while the count is still that one, so a wake-up that comes
//! between the poll and the sleep is never lost, whoever eats the thread's park token: a nested
//! `block_on` on the same thread, or code of the application that parks by itself.
//! All accesses that matter are read-modify-writes of that word, hence totally ordered: either the
//! waker sees PARKED and unparks, or the driver sees the new count and does not sleep.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::atomic::{AtomicUsize, Ordering};
use super::clock::Deadline;
use super::parker::Parker;
use super::thread::{thread_local, yield_now};
use super::timer::{Timer, TimerEntry};

/// Something to wait for, with a deadline of its own.
pub(crate) trait Wait {
    /// What the wait comes to.
    type Output;

    /// Tries to finish. A wait that would be pending looks at its deadline first and ends if that has
    /// passed; one that stays pending has arranged for `cx`'s waker to be woken by what it waits for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// When to poll again at the latest.
    fn deadline(&self) -> Deadline;
}

/// How often a thread yields before it parks for the first time. What it waits for is mostly done by a
/// worker that runs at this moment; a yield costs half a microsecond, a sleep twenty and more.
const YIELDS: usize = if cfg!(loom) { 0 } else { 6 };

/// Set in the state while the thread sleeps or is about to.
const PARKED: usize = 1;

/// One wake-up in the state.
const WAKE: usize = 2;

/// The waker of a thread that is inside [`block_on`].
struct Unparker {
    /// Count of wake-ups (wrapping), and PARKED. Wakers write the count and clear PARKED, the thread
    /// sets PARKED.
    state: AtomicUsize,
    parker: Parker,
}

/// What a thread keeps from one [`block_on`] to the next, so that none of them allocates.
struct ThreadWaker {
    unparker: Arc<Unparker>,
    waker: Waker,
}

thread_local! {
    static THREAD_WAKER: ThreadWaker = ThreadWaker::new();
}

impl ThreadWaker {
    fn new() -> Self {
        let unparker = Arc::new(Unparker { state: AtomicUsize::new(0), parker: Parker::new() });
        unparker.parker.attach();
        Self { waker: Waker::from(Arc::clone(&unparker)), unparker }
    }
}

impl Unparker {
    /// The count of wake-ups so far.
    fn wakes(&self) -> usize {
        // Acquire: whoever sees a wake-up sees what was done before it.
        self.state.load(Ordering::Acquire) & !PARKED
    }

    /// Sleeps until a wake-up that is not counted in `seen`, or until the deadline. Says whether a park
    /// token was eaten on the way that was not meant for this wait.
    fn sleep(&self, seen: usize, deadline: Deadline) -> bool {
        let mut stray = false;
        // AcqRel: the state machine's registration comes before, what the waker did after.
        while self.state.fetch_or(PARKED, Ordering::AcqRel) & !PARKED == seen && !deadline.has_passed() {
            self.parker.park_until(deadline);
            // Relaxed: only a hint about whose token it was.
            stray |= self.state.load(Ordering::Relaxed) == seen | PARKED && !deadline.has_passed();
        }
        // Relaxed: from here on nobody sleeps; a waker that still sees PARKED unparks in vain.
        self.state.fetch_and(!PARKED, Ordering::Relaxed);
        stray
    }
}

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: what was done before the wake-up is visible to the woken poll. Acquire: not needed
        // by the wait, kept so that no two wake-ups are reordered. Only the first waker of a sleep
        // finds PARKED, so that no token is left over.
        let woken = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| {
            Some((state & !PARKED).wrapping_add(WAKE))
        });
        if woken.is_ok_and(|old| old & PARKED != 0) {
            self.parker.unpark();
        }
    }
}

/// Blocks the thread until the wait is over.
///
/// Allocates nothing after the thread's first call. May be called from inside a `poll` that another
/// `block_on` of this thread drives: neither loses a wake-up, at the price of a poll in vain.
///
/// # Blocking
///
/// Parks the thread, after a few yields.
pub(crate) fn block_on<W: Wait + ?Sized>(wait: &mut W) -> W::Output {
    // In a destructor of a thread-local the kept waker may be gone already: make one for this call.
    match THREAD_WAKER.try_with(|thread| drive(wait, thread)) {
        Ok(output) => output,
        Err(_) => drive(wait, &ThreadWaker::new()),
    }
}

fn drive<W: Wait + ?Sized>(wait: &mut W, thread: &ThreadWaker) -> W::Output {
    let unparker = &thread.unparker;
    let mut cx = Context::from_waker(&thread.waker);
    let mut yields = YIELDS;
    let mut stray = false;
    let output = loop {
        let seen = unparker.wakes();
        if let Poll::Ready(output) = wait.poll(&mut cx) {
            break output;
        }
        while yields > 0 && unparker.wakes() == seen {
            yields -= 1;
            yield_now();
        }
        stray |= unparker.sleep(seen, wait.deadline());
    };
    if stray {
        // Somebody's own park on this thread would wait for ever for the token that was eaten here.
        unparker.parker.unpark();
    }
    output
}

/// A [`Wait`] as a future: woken by what it waits for, and by the timer at its deadline.
///
/// # Cancel safety
///
/// Dropping it takes its entry out of the timer and drops the wait.
#[must_use = "a wait does nothing unless it is awaited"]
pub(crate) struct Timed<W: Wait + Unpin> {
    wait: W,
    timer: Arc<Timer>,
    /// Present from the first pending poll with a finite deadline on.
    entry: Option<TimerEntry>,
}

impl<W: Wait + Unpin> Timed<W> {
    pub(crate) fn new(wait: W, timer: Arc<Timer>) -> Self {
        Self { wait, timer, entry: None }
    }

    /// The wait itself.
    pub(crate) fn wait_mut(&mut self) -> &mut W {
        &mut self.wait
    }

    /// Turns it into the bare wait, for a thread to drive.
    pub(crate) fn into_wait(self) -> W {
        self.wait
    }
}

impl<W: Wait + Unpin> Future for Timed<W> {
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.get_mut();
        if let Poll::Ready(output) = this.wait.poll(cx) {
            this.entry = None;
            return Poll::Ready(output);
        }
        // A deadline that passed between the poll and this line is due at once in the timer.
        let deadline = this.wait.deadline();
        match &mut this.entry {
            Some(entry) => entry.update(deadline, cx.waker()),
            None if deadline == Deadline::NEVER => {}
            None => this.entry = Some(this.timer.register(deadline, cx.waker())),
        }
        Poll::Pending
    }
}

impl<W: Wait + Unpin> fmt::Debug for Timed<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("deadline", &self.wait.deadline()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
