//! A lane runs the handlers of one subscription one after the other: take, handle, count, rest.
//!
//! A subscription with concurrency n has n lanes. A lane is run by the worker pool, or polled by the
//! application's runtime (`spawn.rs`); either way it is a task with a run state, and this file is the
//! one place where events leave a queue for a handler.
//!
//! # The run state
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | IDLE | nothing to do | `Lanes::wake`, which queues the lane |
//! | QUEUED | scheduled, will run | the worker that picks it up |
//! | RUNNING | a worker is in it | that worker |
//! | NOTIFIED | running, and its handler's waker was called meanwhile | that worker, which polls again |
//! | WAITING | its handler's future is pending | the waker, which queues the lane |
//!
//! All changes are read-modify-writes with `AcqRel`: what one worker did in a lane is visible to the
//! worker that runs it next.

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::spawn::Spawned;
use super::{Pool, Task, Worker};
use crate::dispatch::{Aside, Consumer, Next, Occupied, Running, Slot};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, Ordering};

/// Nothing to do; a new event wakes the lane.
const IDLE: u8 = 0;
/// In a ready queue, or handed to the application's runtime.
const QUEUED: u8 = 1;
/// Being run.
const RUNNING: u8 = 2;
/// Being run, and its handler wants to be polled again.
const NOTIFIED: u8 = 3;
/// Its handler's future is pending.
const WAITING: u8 = 4;

/// After so many events a lane goes to the back of the queue, so that no subscription keeps a worker
/// to itself (I2).
const BATCH: usize = 64;

/// After so many events it gives way if others wait.
const FAIR_BATCH: usize = 16;

/// The part of a lane that knows its handler.
pub(crate) trait Body: Send {
    /// Takes the next event, if there is one, and handles it.
    fn step(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Step;

    /// Polls a handler's future on.
    fn resume(&mut self, slot: &Arc<Slot>, waker: &LaneWaker<'_>) -> Poll<()>;

    /// Says whether a handler's future is pending.
    fn is_busy(&self) -> bool;

    /// Drops a pending future and counts it as failed: nobody will poll it again.
    fn abandon(&mut self, slot: &Arc<Slot>);
}

/// Wakes a lane whose handler's future is pending. Made when a future is polled, for a synchronous handler needs
/// none.
pub(crate) struct LaneWaker<'a> {
    lane: &'a Arc<Lane>,
    waker: OnceCell<Waker>,
}

impl<'a> LaneWaker<'a> {
    fn new(lane: &'a Arc<Lane>) -> Self {
        Self { lane, waker: OnceCell::new() }
    }

    /// What a future is polled with.
    pub(crate) fn context(&self) -> Context<'_> {
        Context::from_waker(self.waker.get_or_init(|| Waker::from(Arc::clone(self.lane))))
    }
}

/// What one step of a lane came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An event was taken, and its handler has ended.
    Handled,
    /// An event was taken, and its handler's future has to be polled on with `resume`.
    Pending,
    Empty,
    /// Events are there, and none may start yet.
    Waits,
    Paused,
    Cancelled,
}

impl<E> From<&Next<E>> for Step {
    /// The step that finds this, and handles it if it is an event.
    fn from(next: &Next<E>) -> Self {
        match next {
            Next::Event(_) => Self::Handled,
            Next::Empty => Self::Empty,
            Next::Paused => Self::Paused,
            Next::Cancelled => Self::Cancelled,
        }
    }
}

/// One unit of a subscription's concurrency.
pub(crate) struct Lane {
    slot: Weak<Slot>,
    state: AtomicU8,
    /// Taken out while the lane runs, so that no lock is held over a handler.
    body: Mutex<Option<Box<dyn Body>>>,
    place: Place,
    home: usize,
}

/// Who runs a lane.
pub(crate) enum Place {
    Pool(Arc<Pool>),
    Spawned(Spawned),
}

/// Why a lane stopped running for now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Nothing to do, or the handler is pending: somebody will queue it.
    Rests,
    /// It has more to do and gives way.
    GivesWay,
    /// The subscription is gone.
    Ended,
}

impl Lane {
    pub(crate) fn new(slot: Weak<Slot>, body: Box<dyn Body>, place: Place, home: usize) -> Arc<Self> {
        Arc::new(Self { slot, state: AtomicU8::new(IDLE), body: Mutex::new(Some(body)), place, home })
    }

    /// Queues the lane if it is idle; false if it is not.
    fn wake_if_idle(self: &Arc<Self>) -> bool {
        let idle = self.state.compare_exchange(IDLE, QUEUED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if idle {
            self.schedule();
        }
        idle
    }

    fn schedule(self: &Arc<Self>) {
        match &self.place {
            Place::Pool(pool) => pool.schedule(Arc::clone(self) as Arc<dyn Task>),
            Place::Spawned(spawned) => spawned.wake(),
        }
    }

    /// Says whether somebody scheduled this lane; then it is to be driven.
    pub(super) fn is_queued(&self) -> bool {
        self.state.load(Ordering::Acquire) == QUEUED
    }

    /// Says whether nothing is to be done here, and no handler is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) == IDLE
    }

    pub(super) fn spawned(&self) -> Option<&Spawned> {
        match &self.place {
            Place::Spawned(spawned) => Some(spawned),
            Place::Pool(_) => None,
        }
    }

    pub(super) fn slot(&self) -> Option<Arc<Slot>> {
        self.slot.upgrade()
    }

    /// Runs the lane until it has nothing to do, or gives way.
    pub(super) fn drive(self: &Arc<Self>, others_wait: impl Fn() -> bool) -> Stopped {
        let Some(slot) = self.slot.upgrade() else { return Stopped::Ended };
        self.state.store(RUNNING, Ordering::Release);
        let Some(mut body) = self.body.lock().take() else { return Stopped::Ended };
        let _running = Running::enter(slot.key());
        let _occupied = Occupied::enter(slot.key(), std::ptr::from_ref::<Self>(self).addr());
        let waker = LaneWaker::new(self);
        let mut handled = 0;
        let mut pending = body.is_busy() && body.resume(&slot, &waker).is_pending();
        loop {
            if pending {
                *self.body.lock() = Some(body);
                if self.change(RUNNING, WAITING) {
                    return Stopped::Rests;
                }
                // Woken while it was polled: poll again.
                self.state.store(RUNNING, Ordering::Release);
                let Some(again) = self.body.lock().take() else { return Stopped::Ended };
                body = again;
                pending = body.resume(&slot, &waker).is_pending();
                continue;
            }
            if handled >= BATCH || (handled >= FAIR_BATCH && others_wait()) {
                return self.give_way(body);
            }
            match body.step(&slot, &waker) {
                Step::Handled => handled += 1,
                Step::Pending => {
                    handled += 1;
                    pending = true;
                }
                Step::Paused => {
                    if slot.park() {
                        *self.body.lock() = Some(body);
                        self.state.swap(IDLE, Ordering::AcqRel);
                        if !(slot.was_unparked() && self.change(IDLE, RUNNING)) {
                            return Stopped::Rests;
                        }
                        let Some(again) = self.body.lock().take() else { return Stopped::Ended };
                        body = again;
                    }
                }
                // Where events came, more will come: to rest and be woken costs more than to look again
                // after the others had their turn.
                Step::Empty if handled > 0 => return self.give_way(body),
                Step::Waits => {
                    *self.body.lock() = Some(body);
                    self.state.swap(IDLE, Ordering::AcqRel);
                    // Whoever waits for this lane's last handler is told.
                    slot.after_run();
                    // Who has made a start possible since the look found this lane running, and could not queue it. It need
                    // not be known that something is queued: publishers believe that this lane is awake.
                    if !(slot.may_start_aside(true) && self.change(IDLE, RUNNING)) {
                        return Stopped::Rests;
                    }
                    let Some(again) = self.body.lock().take() else { return Stopped::Ended };
                    body = again;
                }
                Step::Empty | Step::Cancelled => {
                    if !slot.rest() {
                        // Claimed and not there: its publisher is between two steps. Others first.
                        if !slot.has_next() {
                            return self.give_way(body);
                        }
                        continue;
                    }
                    *self.body.lock() = Some(body);
                    self.state.swap(IDLE, Ordering::AcqRel);
                    // A publisher that found the lane resting but not yet idle could not queue it; nor could the alarm of what
                    // was set aside.
                    if !((slot.was_woken() || slot.may_start_aside(false)) && self.change(IDLE, RUNNING)) {
                        return Stopped::Rests;
                    }
                    let Some(again) = self.body.lock().take() else { return Stopped::Ended };
                    body = again;
                }
            }
        }
    }

    fn give_way(&self, body: Box<dyn Body>) -> Stopped {
        *self.body.lock() = Some(body);
        self.state.store(QUEUED, Ordering::Release);
        Stopped::GivesWay
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Nobody will run this lane again: its subscription ends, and a pending handler with it.
    pub(super) fn abandon(&self) {
        let Some(slot) = self.slot.upgrade() else { return };
        slot.cancel(crate::event::DropReason::Cancelled);
        // The body is not here while a worker is in the lane; then the handler comes to its end.
        let body = self.body.lock().take();
        if let Some(mut body) = body {
            body.abandon(&slot);
        }
        slot.after_run();
    }
}

impl Task for Lane {
    fn run(self: Arc<Self>, worker: &Worker<'_>) {
        match self.drive(|| worker.others_wait()) {
            Stopped::GivesWay => worker.again(self),
            // The pool was stopped meanwhile, and whoever stopped it may have looked for pending handlers
            // while this one was being polled. The lock around the body orders the two looks.
            Stopped::Rests if worker.is_stopping() => self.abandon(),
            Stopped::Rests | Stopped::Ended => {}
        }
    }

    fn home(&self) -> usize {
        self.home
    }
}

impl Wake for Lane {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// A handler's future can go on.
    fn wake_by_ref(self: &Arc<Self>) {
        loop {
            if self.change(WAITING, QUEUED) {
                return self.schedule();
            }
            if self.change(RUNNING, NOTIFIED) {
                return;
            }
            // Neither: it is queued, notified, or idle with no future. Unless it changed just now.
            if !matches!(self.state.load(Ordering::Acquire), WAITING | RUNNING) {
                return;
            }
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("state", &self.state).field("home", &self.home).finish_non_exhaustive()
    }
}

/// The lanes of one subscription: the consumer of its queue.
pub(crate) struct Lanes {
    lanes: Box<[Arc<Lane>]>,
    /// What they have set aside, if they do such things.
    aside: Option<Arc<dyn Aside>>,
}

impl Lanes {
    pub(crate) fn new(lanes: Box<[Arc<Lane>]>, aside: Option<Arc<dyn Aside>>) -> Self {
        Self { lanes, aside }
    }
}

impl Consumer for Lanes {
    fn wake(&self) {
        // A lane that is not idle looks at the queue again before it is.
        let _ = self.lanes.iter().any(Lane::wake_if_idle);
    }

    fn closed(&self) {
        for lane in &self.lanes {
            lane.wake_if_idle();
        }
    }

    fn aside(&self) -> Option<&dyn Aside> {
        self.aside.as_deref()
    }

    fn abandon(&self) {
        for lane in &self.lanes {
            if matches!(lane.place, Place::Pool(_)) {
                lane.abandon();
            }
        }
    }
}
