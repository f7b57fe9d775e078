//! Lanes on the application's runtime instead of the bus's own workers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::lane::{Lane, Stopped};
use crate::sync::Mutex;

/// A future that runs handlers, to be spawned on the application's runtime.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Puts a future on the application's runtime. Given to
/// [`BusBuilder::spawn_with`](crate::BusBuilder::spawn_with).
///
/// Any `Fn(BoxFuture)` is one. With tokio:
///
/// ```no_run
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// let handle = runtime.handle().clone();
/// let bus = EventBus::builder().spawn_with(move |lane| drop(handle.spawn(lane))).build()?;
/// # Ok(()) }
/// ```
pub trait Spawn: Send + Sync + 'static {
    /// Spawns the future, which runs until its subscription ends.
    ///
    /// If the runtime drops it before, the subscription is cancelled: no publisher waits for a queue
    /// that nobody empties.
    fn spawn(&self, future: BoxFuture);
}

impl<F: Fn(BoxFuture) + Send + Sync + 'static> Spawn for F {
    fn spawn(&self, future: BoxFuture) {
        self(future);
    }
}

/// The place of a lane that runs as a task of the application's runtime.
#[derive(Default)]
pub(crate) struct Spawned {
    waker: Mutex<Option<Waker>>,
}

impl Spawned {
    pub(super) fn wake(&self) {
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").finish_non_exhaustive()
    }
}

/// The task: polled by the application's runtime, it drives its lane.
pub(crate) struct LaneTask {
    lane: Arc<Lane>,
    done: bool,
}

impl LaneTask {
    pub(crate) fn new(lane: Arc<Lane>) -> Self {
        Self { lane, done: false }
    }
}

impl Future for LaneTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(spawned) = self.lane.spawned() {
            // Before the look at the state: whoever queues the lane after it finds this waker. The
            // old one is dropped outside the lock.
            let old = spawned.waker.lock().replace(cx.waker().clone());
            drop(old);
        }
        if self.lane.is_queued() {
            match self.lane.drive(|| false) {
                Stopped::Rests => {}
                // The runtime's other tasks come first.
                Stopped::GivesWay => cx.waker().wake_by_ref(),
                Stopped::Ended => self.done = true,
            }
        }
        self.done |= self.lane.slot().is_none_or(|slot| {
            let ends = slot.is_closed() && slot.queued() == 0 && self.lane.is_idle();
            if ends {
                // With the last lane nobody is left to handle what a late publisher may bring: it is to be
                // discarded.
                slot.end_if_quiet(0);
            }
            ends
        });
        if self.done { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for LaneTask {
    fn drop(&mut self) {
        if !self.done {
            self.lane.abandon();
        }
    }
}
