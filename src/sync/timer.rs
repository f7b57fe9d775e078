//! Wakes tasks at their deadlines.
//!
//! A sorted map under a lock and one thread, which is started by the first registration, sleeps until
//! the nearest deadline, and goes away by itself when there was nothing to do for a while. Threads that
//! wait have no use for it, they sleep with a timeout; it serves the `async` faces only.
//!
//! No waker is cloned, dropped or woken under the lock: a waker is the application's code (invariant
//! R5). Under loom `timer_loom.rs` takes the place of this file.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::clock::{Deadline, Instant, now};
use super::parker::Parker;
use super::{Mutex, thread};

/// How long the thread stays when nothing is registered.
const LINGER: Duration = Duration::from_secs(5);

/// When, and which one of those that are due at the same instant.
type Key = (Instant, u64);

/// Starts the thread; replaced by the tests for one that cannot.
type Spawn = fn(Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>>;

/// Wakes wakers at deadlines.
///
/// Dropping it stops it, as [`stop_and_join`](Self::stop_and_join) does.
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

/// One registration; dropping it takes it out of the timer.
#[must_use = "dropping the entry takes the registration back"]
pub(crate) struct TimerEntry {
    shared: Arc<Shared>,
    /// `None` while there is nothing to wait for: no deadline, or woken at once.
    key: Option<Key>,
}

struct Shared {
    state: Mutex<State>,
    spawn: Spawn,
    linger: Duration,
}

struct State {
    entries: BTreeMap<Key, Waker>,
    /// Tells apart what is due at the same instant.
    next: u64,
    /// The thread and the place it sleeps at, while there is one.
    thread: Option<(thread::JoinHandle<()>, Arc<Parker>)>,
    stopped: bool,
}

impl Timer {
    /// A timer without a thread yet.
    pub(crate) fn new() -> Self {
        Self::with(LINGER, |body| thread::Builder::new().name("trolleybus-timer".to_owned()).spawn(body))
    }

    pub(super) fn with(linger: Duration, spawn: Spawn) -> Self {
        let state = State { entries: BTreeMap::new(), next: 0, thread: None, stopped: false };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), spawn, linger }) }
    }

    /// Wakes `waker` when `deadline` has come, once, unless the entry is dropped before.
    ///
    /// When the timer is stopped, or its thread cannot be started, the waker is woken at once: the
    /// task then looks at its deadline again and again. That costs a core, but it ends in time.
    pub(crate) fn register(&self, deadline: Deadline, waker: &Waker) -> TimerEntry {
        let mut entry = TimerEntry { shared: Arc::clone(&self.shared), key: None };
        entry.update(deadline, waker);
        entry
    }

    /// Ends the thread and waits for that, except on the thread itself. What is registered is woken
    /// now, what comes later is woken at once.
    ///
    /// # Blocking
    ///
    /// Waits for a waker that the thread is waking at this moment.
    pub(crate) fn stop_and_join(&self) {
        let (entries, thread) = {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            (std::mem::take(&mut state.entries), state.thread.take())
        };
        for waker in entries.into_values() {
            wake(waker);
        }
        if let Some((handle, parker)) = thread {
            parker.unpark();
            if handle.thread().id() != thread::current().id() {
                // The thread's own panics are caught where wakers are woken.
                let _ = handle.join();
            }
        }
    }

    /// How many registrations are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shared.state.lock().entries.len()
    }

    /// Whether the thread is there.
    #[cfg(test)]
    pub(super) fn is_running(&self) -> bool {
        self.shared.state.lock().thread.is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

impl TimerEntry {
    /// Replaces deadline and waker.
    pub(crate) fn update(&mut self, deadline: Deadline, waker: &Waker) {
        let at = deadline.instant();
        // Cloned before the lock, and the old one dropped after it: both run the application's code.
        let waker = at.map(|_| waker.clone());
        let (_old, refused) = self.replace(at, waker);
        if let Some(waker) = refused {
            thread::yield_now();
            wake(waker);
        }
    }

    /// Takes the old registration out and puts the new one in, if there is one. Returns the old waker,
    /// and the new one if nobody would wake it: for the caller, who does not hold the lock.
    fn replace(&mut self, at: Option<Instant>, waker: Option<Waker>) -> (Option<Waker>, Option<Waker>) {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        let old = self.key.take().and_then(|key| state.entries.remove(&key));
        let (Some(at), Some(waker)) = (at, waker) else { return (old, None) };
        if state.stopped || !shared.ensure_thread(&mut state) {
            return (old, Some(waker));
        }
        if let Some((_, parker)) = &state.thread
            && state.entries.first_key_value().is_none_or(|(&(first, _), _)| at < first)
        {
            parker.unpark();
        }
        let key = (at, state.next);
        state.next = state.next.wrapping_add(1);
        state.entries.insert(key, waker);
        self.key = Some(key);
        (old, None)
    }
}

impl Drop for TimerEntry {
    fn drop(&mut self) {
        // The waker is dropped after the lock is released.
        if self.key.is_some() {
            let _old = self.replace(None, None);
        }
    }
}

impl Shared {
    /// Sees to it that there is a thread; says whether there is.
    fn ensure_thread(self: &Arc<Self>, state: &mut State) -> bool {
        if state.thread.is_none() {
            let parker = Arc::new(Parker::new());
            let (shared, place) = (Arc::clone(self), Arc::clone(&parker));
            // Under the lock, so that there is only one. It waits for the lock first.
            let Ok(handle) = (self.spawn)(Box::new(move || shared.run(&place))) else { return false };
            state.thread = Some((handle, parker));
        }
        true
    }

    /// The thread: wakes what is due, sleeps until the next deadline.
    fn run(&self, parker: &Parker) {
        parker.attach();
        let mut due = Vec::new();
        let mut empty_until = None;
        loop {
            let now = now();
            let next = {
                let mut state = self.state.lock();
                if state.stopped {
                    return;
                }
                while let Some(first) = state.entries.first_entry()
                    && first.key().0 <= now
                {
                    due.push(first.remove());
                }
                let next = state.entries.first_key_value().map(|(&(at, _), _)| at);
                if next.is_some() || !due.is_empty() {
                    empty_until = None;
                } else if empty_until.is_some_and(|end| end <= now) {
                    // Nothing for a while: go. A registration after this finds no thread.
                    state.thread = None;
                    return;
                }
                next
            };
            if due.is_empty() {
                let idle = *empty_until.get_or_insert(now.checked_add(self.linger).unwrap_or(now));
                let until = next.unwrap_or(idle);
                parker.park_until(Deadline::after(until.saturating_duration_since(now)));
            }
            due.drain(..).for_each(wake);
        }
    }
}

/// Wakes, and survives a waker that panics: the other tasks need the thread.
fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // A payload whose drop panics as well is not worth a second thought.
        std::mem::forget(payload);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

impl fmt::Debug for TimerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerEntry").field("at", &self.key.map(|(at, _)| at)).finish_non_exhaustive()
    }
}
#[cfg(test)]
mod tests;
