//! What a worker does all day: find a task, run it; search, sleep; leave.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::sleep::Sleep;
use super::{Stop, Task};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::sync::clock::{Instant, now};
use crate::sync::ready::Ready;
use crate::sync::thread::{spin_loop, thread_local, yield_now};
use crate::sync::{Line, Mutex};

/// What is ready to run on one worker.
pub(super) type Queue = Ready<Arc<dyn Task>>;

/// Every so many tasks a worker looks at the others' queues before its own: else a worker that never
/// runs dry would never help one that is stuck in a long task.
const HELP: u32 = 32;

/// Looks at the queues between two yields of a search.
const LOOKS: u32 = 16;

/// Values of `stop`.
const RUNNING: u8 = 0;
/// Leave when nothing is ready.
const DRAINING: u8 = 1;
/// Leave after the running task.
const DISCARDING: u8 = 2;

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro has no const form")]
    /// The pool whose worker this thread is (its address while it lives), or 0.
    static POOL_OF_THREAD: std::cell::Cell<usize> = std::cell::Cell::new(0);
}

/// What the handle of a pool and its workers share.
pub(super) struct Shared {
    /// One per worker. Pushed by all, popped mostly by its worker.
    ready: Box<[Line<Queue>]>,
    sleep: Sleep,
    spin: Duration,
    /// RUNNING, DRAINING or DISCARDING; only grows. Written by `stop`, read by the workers.
    stop: Line<AtomicU8>,
    /// Written by its worker alone.
    figures: Box<[Line<Figures>]>,
    /// A panic or a misbehaving hook has been reported.
    reported: AtomicBool,
    pub(super) ending: Mutex<Ending>,
}

/// What a worker counts.
#[derive(Debug, Default)]
struct Figures {
    parks: AtomicU64,
    steals: AtomicU64,
}

/// Who is still there, and who waits for the others to leave.
#[derive(Debug)]
pub(super) struct Ending {
    /// Workers that have not left yet, by number.
    pub(super) here: Vec<bool>,
    /// Workers of this very pool that wait for the others.
    pub(super) waiting_workers: usize,
    /// Woken when a worker leaves, or begins to wait itself.
    pub(super) wakers: Vec<Waker>,
}

impl Ending {
    /// How many have not left.
    pub(super) fn count(&self) -> usize {
        self.here.iter().filter(|here| **here).count()
    }
}

/// The worker that runs a task, as the task sees it.
#[derive(Clone, Copy)]
pub(crate) struct Worker<'a> {
    shared: &'a Shared,
    me: usize,
}

impl std::fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("number", &self.me).finish_non_exhaustive()
    }
}

impl Worker<'_> {
    /// Says whether something is in this worker's ready queue: then a task should end soon.
    pub(crate) fn others_wait(&self) -> bool {
        !self.shared.ready[self.me].is_empty()
    }

    /// Says whether the pool was told to leave ready tasks alone: nobody runs a task again.
    pub(crate) fn is_stopping(&self) -> bool {
        // Acquire: see `work`.
        self.shared.stop.load(Ordering::Acquire) == DISCARDING
    }

    /// Puts a task back that is to go on after the others. Wakes nobody: this worker looks at all
    /// queues when the running task returns, so call it at the end of that.
    pub(crate) fn again(&self, task: Arc<dyn Task>) {
        let home = task.home() % self.shared.ready.len();
        self.shared.ready[home].push(task);
    }
}

impl Shared {
    pub(super) fn new(threads: usize, spin: Duration) -> Self {
        let ending = Ending { here: vec![false; threads], waiting_workers: 0, wakers: Vec::new() };
        Self {
            ready: (0..threads).map(|_| Line(Queue::new())).collect(),
            sleep: Sleep::new(threads),
            spin,
            stop: Line(AtomicU8::new(RUNNING)),
            figures: (0..threads).map(|_| Line(Figures::default())).collect(),
            reported: AtomicBool::new(false),
            ending: Mutex::new(ending),
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.ready.len()
    }

    #[inline]
    pub(super) fn schedule(&self, task: Arc<dyn Task>) {
        let home = task.home() % self.ready.len();
        self.ready[home].push(task);
        if self.sleep.notify(home) {
            self.discard();
        }
    }

    pub(super) fn stop(&self, how: Stop) {
        let how = match how {
            Stop::Drain => DRAINING,
            Stop::Discard => DISCARDING,
        };
        // AcqRel: what was scheduled before is visible to a worker that drains.
        self.stop.fetch_max(how, Ordering::AcqRel);
        self.sleep.stop();
    }

    /// Says whether the current thread is a worker of this pool.
    pub(super) fn is_current(&self) -> bool {
        POOL_OF_THREAD.try_with(|pool| pool.get() == std::ptr::from_ref(self).addr()).unwrap_or(false)
    }

    /// Parks, wakes and steals so far.
    pub(super) fn figures(&self) -> (u64, u64, u64) {
        // Relaxed: figures for people.
        let sum = |field: fn(&Figures) -> &AtomicU64| {
            self.figures.iter().map(|figures| field(figures).load(Ordering::Relaxed)).sum()
        };
        (sum(|figures| &figures.parks), self.sleep.wakes(), sum(|figures| &figures.steals))
    }

    /// The body of a worker: returns when the pool stops.
    pub(super) fn work(&self, me: usize) {
        self.sleep.attach(me);
        let _ = POOL_OF_THREAD.try_with(|pool| pool.set(std::ptr::from_ref(self).addr()));
        let worker = Worker { shared: self, me };
        let mut idle = Idle::new(self.spin);
        let mut turn: u32 = 0;
        let mut searching = false;
        loop {
            // Read before the look at the queues. Acquire: a worker that drains sees every task that was
            // scheduled before the stop.
            let stop = self.stop.load(Ordering::Acquire);
            if stop == DISCARDING {
                break;
            }
            turn = turn.wrapping_add(1);
            if let Some(task) = self.next(me, turn) {
                if std::mem::take(&mut searching) {
                    self.sleep.found(me, &self.ready);
                }
                idle.over();
                self.run(task, &worker);
                continue;
            }
            if stop == DRAINING {
                break;
            }
            if idle.may_search() && (searching || self.sleep.try_search(me)) {
                searching = true;
                if idle.search(|| self.is_any_ready() || self.stop.load(Ordering::Relaxed) != RUNNING) {
                    continue;
                }
            }
            let stopping = self.sleep.announce(me, std::mem::replace(&mut searching, true));
            // The second look, after the announcement: see "Why nothing is lost" in the README.
            if stopping || self.is_any_ready() {
                self.sleep.retract(me);
            } else {
                add_one(&self.figures[me].parks);
                self.sleep.park(me);
                idle.awake();
            }
        }
        if searching {
            self.sleep.found(me, &self.ready);
        }
        let _ = POOL_OF_THREAD.try_with(|pool| pool.set(0));
    }

    fn is_any_ready(&self) -> bool {
        self.ready.iter().any(|queue| !queue.is_empty())
    }

    /// The next task: mostly the oldest of the own queue, else one of the others'.
    fn next(&self, me: usize, turn: u32) -> Option<Arc<dyn Task>> {
        let workers = self.ready.len();
        if !turn.is_multiple_of(HELP)
            && let Some(task) = self.ready[me].pop()
        {
            return Some(task);
        }
        // The neighbour that is asked first changes, so that none is always the last to be helped.
        let first = (turn / HELP) as usize;
        for step in 0..workers - 1 {
            let other = (me + 1 + (first + step) % (workers - 1)) % workers;
            if let Some(task) = self.ready[other].pop() {
                add_one(&self.figures[me].steals);
                return Some(task);
            }
        }
        self.ready[me].pop()
    }

    fn run(&self, task: Arc<dyn Task>, worker: &Worker<'_>) {
        self.guard("a task of the worker pool panicked; its worker carries on", || task.run(worker));
    }

    /// Runs code that is not ours; a panic of it is reported (the first one) and goes no further. Says
    /// whether it returned.
    pub(super) fn guard(&self, what: &str, code: impl FnOnce()) -> bool {
        match catch(code) {
            Ok(()) => true,
            Err(payload) => {
                // The payload is not ours either: its drop may panic again.
                if let Err(second) = catch(|| drop(payload)) {
                    std::mem::forget(second);
                }
                self.report(what);
                false
            }
        }
    }

    /// Tells standard error, once in the life of the pool.
    pub(super) fn report(&self, what: &str) {
        // Relaxed: a flag of its own.
        if !self.reported.swap(true, Ordering::Relaxed) {
            // Not `eprintln!`: that panics when standard error is closed.
            let _ = writeln!(std::io::stderr(), "trolleybus: {what} (told once)");
        }
    }

    /// A worker's thread is about to run or has been started.
    pub(super) fn enter(&self, me: usize) {
        self.ending.lock().here[me] = true;
    }

    /// A worker's thread is done. The last one drops what is still queued.
    pub(super) fn leave(&self, me: usize) {
        let is_last = {
            let mut ending = self.ending.lock();
            ending.here[me] = false;
            ending.count() == 0
        };
        if is_last {
            self.sleep.close();
            self.discard();
        }
        self.wake_waiting();
    }

    /// Wakes whoever waits for the workers to leave.
    pub(super) fn wake_waiting(&self) {
        let wakers = std::mem::take(&mut self.ending.lock().wakers);
        for waker in wakers {
            self.guard("a waker panicked", || waker.wake());
        }
    }

    /// Drops all ready tasks; nobody is there to run them.
    pub(super) fn discard(&self) {
        for queue in &self.ready {
            while let Some(task) = queue.pop() {
                self.guard("a task panicked when it was dropped", || drop(task));
            }
        }
    }
}

/// Adds one to a figure that only this thread writes: a load and a store are cheaper than an RMW.
fn add_one(figure: &AtomicU64) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

#[cfg(not(loom))]
fn catch(code: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    // Unwind safe: what the code leaves half done is its own; ours is not touched by it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(code))
}

/// A panic under loom is a failed model, and must not be caught.
#[cfg(loom)]
fn catch(code: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    code();
    Ok(())
}

/// How long a worker without work goes on looking for some.
///
/// It searches for `spin` at the most, and only if that paid or would have paid the last time: after a
/// silence of more than twice that it sleeps at once. So a pool in use answers within the time that a
/// cache line takes, and one that is not in use costs nothing.
struct Idle {
    spin: Duration,
    /// When the worker ran out of work; `None` while it has some.
    since: Option<Instant>,
    /// The last silence was a short one.
    is_warm: bool,
}

impl Idle {
    fn new(spin: Duration) -> Self {
        Self { spin, since: None, is_warm: false }
    }

    /// There is work again.
    fn over(&mut self) {
        self.since = None;
    }

    fn may_search(&mut self) -> bool {
        if self.spin.is_zero() {
            return false;
        }
        let _ = self.since.get_or_insert_with(now);
        self.is_warm
    }

    /// Looks until something is found (true) or the time is over.
    fn search(&self, mut found: impl FnMut() -> bool) -> bool {
        let Some(since) = self.since else { return false };
        loop {
            for _ in 0..LOOKS {
                if found() {
                    return true;
                }
                spin_loop();
            }
            if now().saturating_duration_since(since) >= self.spin {
                return false;
            }
            // The thread that will schedule the next task may be waiting for this core.
            yield_now();
        }
    }

    /// The worker was woken.
    fn awake(&mut self) {
        if let Some(since) = self.since {
            self.is_warm = now().saturating_duration_since(since) <= self.spin.saturating_mul(2);
        }
    }
}
