//! The pool of worker threads that runs whatever has become ready, and the lanes that it runs.
//!
//! The pool knows nothing of events: a [`Task`] is something that can be run for a while by a worker, and
//! comes back by being scheduled again. [`README.md`](README.md) beside this file tells how workers fall
//! asleep and are woken, and why no wake-up is lost.
//!
//! | file | what it holds |
//! |---|---|
//! | `pool.rs` | [`Pool`]: start, schedule, stop, join, drop |
//! | `run.rs` | what a worker does all day: find a task, run it, search, sleep, leave |
//! | `lane.rs` | [`Lane`]: the handlers of one subscription, one after the other |
//! | `spawn.rs` | [`Spawn`]: lanes on the application's runtime |
//! | `sleep.rs` | who searches, who sleeps, whom to wake: the protocol's one word |

mod lane;
mod pool;
mod run;
mod sleep;
mod spawn;

#[cfg(all(test, loom))]
mod lane_models;
#[cfg(all(test, loom))]
pub(crate) mod lane_support;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use lane::{Body, Lane, LaneWaker, Lanes, Place, Step};
pub(crate) use pool::Pool;
pub(crate) use run::Worker;
pub use spawn::{BoxFuture, Spawn};
pub(crate) use spawn::{LaneTask, Spawned};

/// Something that a worker can run.
pub(crate) trait Task: Send + Sync + 'static {
    /// Runs for a while. A panic is caught and reported; the worker carries on.
    fn run(self: Arc<Self>, worker: &Worker<'_>);

    /// Which worker should run it if it is free, modulo their number: the same answer every time keeps
    /// a subscription's data on one core.
    fn home(&self) -> usize;
}

/// The application's hook around the body of each worker thread. It must call its argument, once.
pub(crate) type Around = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// What a pool is made of.
#[derive(Clone)]
pub(crate) struct PoolOptions {
    /// How many workers, at least 1.
    pub(crate) threads: usize,
    /// How long an idle worker looks for work before it sleeps. Zero: not at all.
    pub(crate) spin: Duration,
    /// What the threads are called; each adds its number.
    pub(crate) name: String,
    /// Wraps the body of each worker thread, to enter a tokio runtime for example.
    pub(crate) around: Option<Around>,
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("threads", &self.threads)
            .field("spin", &self.spin)
            .field("name", &self.name)
            .field("around", &self.around.as_ref().map(|_| format_args!("<closure>")))
            .finish()
    }
}

/// What becomes of tasks that are ready when the pool stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// They are run, and what they schedule as well, until nothing is ready any more.
    Drain,
    /// They are dropped; only tasks that run at this moment are finished.
    Discard,
}
