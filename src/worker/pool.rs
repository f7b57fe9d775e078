//! The handle of a pool: start, schedule, stop, join, drop.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::run::Shared;
use super::{Around, PoolOptions, Stop, Task};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};
use crate::sync::thread::{Builder, JoinHandle, current};

/// A fixed number of worker threads.
///
/// Dropping it stops it: ready tasks are dropped, running ones are waited for, unless a
/// [`join`](Self::join) with its own deadline came before, or the drop happens on one of its workers.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// Taken out, each with its worker's number, by whoever joins it.
    threads: Mutex<Vec<(usize, JoinHandle<()>)>>,
    /// Somebody has decided how long to wait for the threads; the drop does not wait again.
    was_joined: AtomicBool,
}

/// What a pool has counted: how often a worker slept, was woken, and took a task from another's queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) steals: u64,
}

impl Pool {
    /// Starts all threads, or none.
    ///
    /// # Errors
    ///
    /// No threads asked for, a name with a NUL in it, or the system refused a thread.
    pub(crate) fn start(options: PoolOptions) -> io::Result<Arc<Self>> {
        Self::start_with(options, Builder::spawn)
    }

    /// As [`start`](Self::start); the tests bring a `spawn` that fails.
    pub(super) fn start_with(
        options: PoolOptions,
        mut spawn: impl FnMut(Builder, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<Arc<Self>> {
        let PoolOptions { threads, spin, name, around } = options;
        if threads == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pool needs at least one thread"));
        }
        if name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a thread name cannot hold a NUL"));
        }
        // From here on a failure drops the pool, and that stops and joins what has been started.
        let pool = Arc::new(Self {
            shared: Arc::new(Shared::new(threads, spin)),
            threads: Mutex::new(Vec::with_capacity(threads)),
            was_joined: AtomicBool::new(false),
        });
        for me in 0..threads {
            let (shared, around) = (Arc::clone(&pool.shared), around.clone());
            shared.enter(me);
            let body = Box::new(move || worker_thread(&shared, me, around.as_ref()));
            match spawn(Builder::new().name(format!("{name}-{me}")), body) {
                Ok(handle) => pool.threads.lock().push((me, handle)),
                Err(error) => {
                    pool.shared.leave(me);
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    /// Gives a task to its home worker, and wakes a worker if none is looking for work.
    ///
    /// After the workers have left the task is dropped at once.
    #[inline]
    pub(crate) fn schedule(&self, task: Arc<dyn Task>) {
        self.shared.schedule(task);
    }

    /// Lets the workers leave: at once after the task that each is running, or when nothing is ready
    /// any more. A drain can become a discard, not the other way round. Does not wait.
    pub(crate) fn stop(&self, how: Stop) {
        self.shared.stop(how);
    }

    /// Waits for the workers to leave after a [`stop`](Self::stop), and returns how many have not.
    ///
    /// On a worker of this pool the current one is among them: it waits for the others, and no longer
    /// when those wait in the same way.
    ///
    /// # Blocking
    ///
    /// Until the deadline; past it only for the destructors of thread-locals of threads that are done.
    pub(crate) fn join(&self, deadline: Deadline) -> usize {
        // Relaxed: the drop has exclusive access, and so comes after.
        self.was_joined.store(true, Ordering::Relaxed);
        let is_worker = self.is_worker_of_this();
        if is_worker {
            self.shared.ending.lock().waiting_workers += 1;
            // Others that wait may be waiting for nobody else but this one.
            self.shared.wake_waiting();
        }
        let left = block_on(&mut Leaving { shared: &self.shared, deadline });
        if is_worker {
            self.shared.ending.lock().waiting_workers -= 1;
        }
        self.reap();
        left
    }

    /// Joins the threads whose workers have left.
    fn reap(&self) {
        let done: Vec<_> = {
            let ending = self.shared.ending.lock();
            self.threads.lock().extract_if(.., |(me, _)| !ending.here[*me]).collect()
        };
        let me = current().id();
        for (_, thread) in done {
            // A worker on its way out can drop the last task, and with it the last handle of the pool.
            if thread.thread().id() != me {
                // Its panics are caught where the foreign code is called.
                let _ = thread.join();
            }
        }
    }

    /// How many workers there are.
    pub(crate) fn threads(&self) -> usize {
        self.shared.threads()
    }

    /// Says whether the current thread is one of this pool's workers.
    pub(crate) fn is_worker_of_this(&self) -> bool {
        self.shared.is_current()
    }

    /// What has been counted so far.
    pub(crate) fn counters(&self) -> Counters {
        let (parks, wakes, steals) = self.shared.figures();
        Counters { parks, wakes, steals }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop(Stop::Discard);
        if self.is_worker_of_this() || self.was_joined.load(Ordering::Relaxed) {
            self.reap();
        } else {
            self.join(Deadline::NEVER);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// The wait for all workers to leave but those that wait in it themselves.
struct Leaving<'a> {
    shared: &'a Shared,
    deadline: Deadline,
}

impl Wait for Leaving<'_> {
    type Output = usize;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        // Cloned before the lock: a waker is foreign code.
        let waker = cx.waker().clone();
        let mut ending = self.shared.ending.lock();
        let here = ending.count();
        if here <= ending.waiting_workers || self.deadline.has_passed() {
            return Poll::Ready(here);
        }
        ending.wakers.push(waker);
        Poll::Pending
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// The whole life of a worker's thread.
fn worker_thread(shared: &Shared, me: usize, around: Option<&Around>) {
    /// Leaves whatever happens.
    struct Presence<'a>(&'a Shared, usize);
    impl Drop for Presence<'_> {
        fn drop(&mut self) {
            self.0.leave(self.1);
        }
    }
    let _presence = Presence(shared, me);
    let Some(around) = around else { return shared.work(me) };
    let mut is_done = false;
    let returned = shared.guard("the hook around the worker threads panicked", || {
        around(&mut || {
            // A hook that calls twice gets nothing more to wrap.
            if !is_done {
                shared.work(me);
                is_done = true;
            }
        });
    });
    if !is_done {
        if returned {
            shared.report("the hook around the worker threads did not call its argument");
        }
        shared.work(me);
    }
}
