//! The only place that names atomics, locks, threads and clocks.
//!
//! Everything else in the crate takes them from here, so that `--cfg loom` swaps the real ones for
//! loom's, and `clippy.toml` can forbid the real ones everywhere else.
//!
//! | module | what it gives |
//! |---|---|
//! | [`atomic`] | the atomics |
//! | [`Mutex`] | a lock that does not poison |
//! | [`Exclusive`] | a value that only its owner touches |
//! | [`snapshot`] | a shared pointer that readers load without a lock (`ArcSwap`) |
//! | [`cell`] | a cell that loom watches |
//! | [`ready`] | an unbounded queue of what is ready to run (`SegQueue`) |
//! | [`parker`] | puts one thread to sleep and wakes it |
//! | [`park`] | one wait for threads and tasks, with a deadline |
//! | [`latch`] | a mark that is set once, and that threads wait for |
//! | [`fence`] | a pair of fences of which the side that comes seldom pays |
//! | [`coop`] | gives way to the other tasks of a runtime now and then |
//! | [`clock`] | the coarse clock, deadlines that cannot overflow |
//! | [`timer`] | wakes tasks at a deadline |
//! | [`alarm`] | the same, by the clock of a bus |
//!
//! loom cannot see into `arc-swap` and `crossbeam-queue` (the ready lists): under loom their place is taken
//! by stand-ins with the same contract. loom then checks our protocols, not their code.
//!
//! The real ones leave this folder as type aliases and functions, not as re-exports: the lints of
//! `clippy.toml` see through a re-export, and would refuse our own names in the rest of the crate.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod alarm;
pub(crate) mod cell;
pub(crate) mod clock;
pub(crate) mod coop;
pub(crate) mod fence;
pub(crate) mod latch;
pub(crate) mod park;
pub(crate) mod parker;
pub(crate) mod ready;
pub(crate) mod snapshot;
#[cfg_attr(loom, path = "timer_loom.rs")]
pub(crate) mod timer;

mod deadline;
mod exclusive;
mod mutex;

pub(crate) use exclusive::Exclusive;
pub(crate) use mutex::{Mutex, MutexGuard, unlock_fair};

/// A `static` that is made when it is first used; under loom each execution of a model makes it anew.
#[cfg(not(loom))]
macro_rules! process_wide {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $start:expr;)+) => {
        $($(#[$attribute])* static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $start);)+
    };
}
#[cfg(loom)]
macro_rules! process_wide {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $start:expr;)+) => {
        loom::lazy_static! { $($(#[$attribute])* static ref $name: $type = $start;)+ }
    };
}
pub(crate) use process_wide;

/// A value that is set once; of `std` under loom too, where no protocol may depend on it.
pub(crate) use std::sync::OnceLock;

/// Atomics: loom's under `--cfg loom`.
pub(crate) mod atomic {
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::Ordering;

    #[cfg(not(loom))]
    pub(crate) type AtomicBool = std::sync::atomic::AtomicBool;
    #[cfg(not(loom))]
    pub(crate) type AtomicU8 = std::sync::atomic::AtomicU8;
    #[cfg(not(loom))]
    pub(crate) type AtomicU32 = std::sync::atomic::AtomicU32;
    #[cfg(not(loom))]
    pub(crate) type AtomicU64 = std::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    pub(crate) type AtomicUsize = std::sync::atomic::AtomicUsize;

    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

    /// For what a model counts beside its protocol: of `std`, so that it costs the model no step.
    #[cfg(all(test, loom))]
    pub(crate) type FigureU32 = std::sync::atomic::AtomicU32;
}

/// Keys for hash tables whose contents come from outside: random ones; fixed under loom, where a model
/// must run the same way each time.
pub(crate) fn hash_keys() -> ahash::RandomState {
    if cfg!(loom) { ahash::RandomState::with_seeds(1, 2, 3, 4) } else { ahash::RandomState::new() }
}

/// Threads: loom's under `--cfg loom`.
pub(crate) mod thread {
    #[cfg(loom)]
    pub(crate) use loom::thread::{Builder, JoinHandle, current, yield_now};
    #[cfg(not(loom))]
    pub(crate) use std::thread::{Thread, available_parallelism};

    /// A model runs the same way on every machine.
    #[cfg(loom)]
    pub(crate) fn available_parallelism() -> std::io::Result<std::num::NonZeroUsize> {
        Ok(std::num::NonZeroUsize::MIN)
    }

    #[cfg(loom)]
    pub(crate) use loom::hint::spin_loop;

    /// loom's thread-locals have no `const` form: without it, all threads of a model would share one.
    #[cfg(loom)]
    macro_rules! loom_thread_local {
        ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $start:expr };)+) => {
            loom::thread_local! { $($(#[$attribute])* static $name: $type = $start;)+ }
        };
        ($($all:tt)+) => { loom::thread_local! { $($all)+ } };
    }
    #[cfg(loom)]
    pub(crate) use loom_thread_local as thread_local;
    #[cfg(not(loom))]
    pub(crate) use std::{hint::spin_loop, thread_local};

    #[cfg(not(loom))]
    pub(crate) type Builder = std::thread::Builder;
    #[cfg(not(loom))]
    pub(crate) type JoinHandle<T> = std::thread::JoinHandle<T>;

    /// A number of the calling thread. Threads are numbered as they first ask, so that neighbours in time
    /// differ.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn number() -> usize {
        use std::cell::Cell;
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        std::thread_local! {
            static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        let mine = MINE.get();
        if mine != usize::MAX {
            return mine;
        }
        // Relaxed: any number will do.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        MINE.set(number);
        number
    }

    /// The number of the model's thread, which is the same in every execution.
    #[cfg(loom)]
    pub(crate) fn number() -> usize {
        let id = format!("{:?}", current().id());
        id.trim_matches(|character: char| !character.is_ascii_digit()).parse().unwrap_or(0)
    }

    /// A handle of the calling thread.
    #[cfg(not(loom))]
    pub(crate) fn current() -> Thread {
        std::thread::current()
    }

    /// Blocks the calling thread until somebody unparks it, or for no reason.
    #[cfg(not(loom))]
    pub(crate) fn park() {
        std::thread::park();
    }

    /// Blocks the calling thread like [`park`], at most that long.
    #[cfg(not(loom))]
    pub(crate) fn park_timeout(longest: std::time::Duration) {
        std::thread::park_timeout(longest);
    }

    /// Lets other threads run.
    #[cfg(not(loom))]
    pub(crate) fn yield_now() {
        std::thread::yield_now();
    }
}

/// Two fields on different cache lines do not slow each other's writers down.
///
/// 64 bytes, not the 128 of `crossbeam_utils::CachePadded`: there are three of these in every
/// subscription, and a hundred thousand subscriptions must fit.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line<T>(pub(crate) T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
