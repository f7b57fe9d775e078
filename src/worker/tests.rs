//! The pool with real threads. Every wait has a condition and a limit.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::*;
use crate::sync::clock::Deadline;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A task that calls a closure.
struct Call<F> {
    call: F,
    home: usize,
}

impl<F: Fn(&Worker<'_>) + Send + Sync + 'static> Task for Call<F> {
    fn run(self: Arc<Self>, worker: &Worker<'_>) {
        (self.call)(worker);
    }

    fn home(&self) -> usize {
        self.home
    }
}

fn task(home: usize, call: impl Fn(&Worker<'_>) + Send + Sync + 'static) -> Arc<dyn Task> {
    Arc::new(Call { call, home })
}

fn options(threads: usize, name: &str) -> PoolOptions {
    PoolOptions { threads, spin: Duration::from_micros(50), name: name.to_owned(), around: None }
}

fn pool(threads: usize, name: &str) -> Arc<Pool> {
    Pool::start(options(threads, name)).expect("threads")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Deadline::after(PATIENCE);
    while !holds() {
        assert!(!end.has_passed(), "gave up waiting: {what}");
        thread::yield_now();
    }
}

/// Where so many tasks wait for each other: they can only pass side by side.
fn meeting(of: usize) -> Arc<impl Fn() + Send + Sync> {
    let here = AtomicUsize::new(0);
    Arc::new(move || {
        here.fetch_add(1, Ordering::SeqCst);
        until("the others", || here.load(Ordering::SeqCst) >= of);
    })
}

fn patience() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Threads of this process whose name begins so.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}

#[test]
fn ten_thousand_panicking_tasks_leave_all_workers_alive() {
    let pool = pool(3, "tb-panic");
    let ran = Arc::new(AtomicUsize::new(0));
    for home in 0..10_000 {
        let ran = ran.clone();
        pool.schedule(task(home, move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
            // Not `panic!`: ten thousand messages of the panic hook.
            std::panic::resume_unwind(Box::new("a task that panics, as the test asks for"));
        }));
    }
    until("all tasks", || ran.load(Ordering::SeqCst) == 10_000);
    // All three are still there: three tasks that wait for each other.
    let meet = meeting(4);
    for home in 0..3 {
        let meet = meet.clone();
        pool.schedule(task(home, move |_| meet()));
    }
    meet();
    #[cfg(target_os = "linux")]
    assert_eq!(threads_named("tb-panic"), 3);
    pool.stop(Stop::Drain);
    assert_eq!(pool.join(patience()), 0);
}

#[test]
fn a_hundred_thousand_tasks_from_four_threads_run_exactly_once() {
    const EACH: usize = 25_000;
    for workers in [1, 2, 5] {
        let pool = pool(workers, "tb-once");
        let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..4 * EACH).map(|_| AtomicUsize::new(0)).collect());
        thread::scope(|scope| {
            for thread in 0..4 {
                let (pool, runs) = (&pool, &runs);
                scope.spawn(move || {
                    for number in thread * EACH..(thread + 1) * EACH {
                        let runs = runs.clone();
                        pool.schedule(task(number, move |_| {
                            runs[number].fetch_add(1, Ordering::Relaxed);
                        }));
                        if number % 1000 == 0 {
                            // Lets the workers fall asleep now and then.
                            thread::sleep(Duration::from_micros(200));
                        }
                    }
                });
            }
        });
        pool.stop(Stop::Drain);
        assert_eq!(pool.join(patience()), 0);
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }
}

#[test]
fn each_of_ten_thousand_single_tasks_wakes_a_sleeping_pool() {
    let pool = Pool::start(PoolOptions { spin: Duration::ZERO, ..options(2, "tb-single") }).expect("threads");
    let (sender, receiver) = mpsc::channel();
    for number in 0..10_000 {
        let sender = sender.clone();
        pool.schedule(task(number, move |_| sender.send(number).expect("the test listens")));
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(number));
    }
    assert!(pool.counters().wakes > 0);
}

#[test]
fn the_last_handle_may_be_dropped_on_a_worker() {
    let pool = pool(2, "tb-last");
    let (sender, receiver) = mpsc::channel();
    let handle = Mutex::new(Some(pool.clone()));
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    pool.schedule(task(0, move |_| {
        wait.lock().expect("lock").recv().expect("go");
        let pool = handle.lock().expect("lock").take().expect("handle");
        assert!(pool.is_worker_of_this());
        drop(pool);
        sender.send(()).expect("the test listens");
    }));
    drop(pool);
    go.send(()).expect("the task listens");
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(()));
    #[cfg(target_os = "linux")]
    until("the threads to go", || threads_named("tb-last") == 0);
}

#[test]
fn two_workers_that_join_their_own_pool_do_not_wait_for_each_other() {
    let pool = pool(2, "tb-mutual");
    let (sender, receiver) = mpsc::channel();
    let meet = meeting(2);
    for home in 0..2 {
        let (weak, sender, meet) = (Arc::downgrade(&pool), sender.clone(), meet.clone());
        pool.schedule(task(home, move |_| {
            let pool = weak.upgrade().expect("pool");
            meet();
            pool.stop(Stop::Drain);
            sender.send(pool.join(Deadline::NEVER)).expect("the test listens");
        }));
    }
    for _ in 0..2 {
        let left = receiver.recv_timeout(PATIENCE).expect("join returns");
        assert!((1..=2).contains(&left), "{left} left");
    }
    assert_eq!(pool.join(patience()), 0);
}

#[test]
fn the_hook_is_called_once_per_worker_and_around_all_tasks() {
    thread_local!(static INSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    let calls = Arc::new(AtomicUsize::new(0));
    let around: Around = {
        let calls = calls.clone();
        Arc::new(move |body| {
            calls.fetch_add(1, Ordering::SeqCst);
            INSIDE.set(true);
            body();
            INSIDE.set(false);
        })
    };
    let pool = Pool::start(PoolOptions { around: Some(around), ..options(3, "tb-hook") }).expect("threads");
    let (sender, receiver) = mpsc::channel();
    for home in 0..100 {
        let sender = sender.clone();
        pool.schedule(task(home, move |_| sender.send(INSIDE.get()).expect("the test listens")));
    }
    for _ in 0..100 {
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
    }
    pool.stop(Stop::Drain);
    assert_eq!(pool.join(patience()), 0);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[test]
fn a_hook_that_panics_or_forgets_its_argument_costs_no_worker() {
    let hooks: [Around; 4] = [
        Arc::new(|_| {}),
        Arc::new(|_| std::panic::resume_unwind(Box::new("a hook that panics before"))),
        Arc::new(|body| {
            body();
            std::panic::resume_unwind(Box::new("a hook that panics after"));
        }),
        Arc::new(|body| {
            body();
            body();
        }),
    ];
    for hook in hooks {
        let pool = Pool::start(PoolOptions { around: Some(hook), ..options(2, "tb-bad") }).expect("threads");
        let meet = meeting(3);
        for home in 0..2 {
            let meet = meet.clone();
            pool.schedule(task(home, move |_| meet()));
        }
        meet();
        pool.stop(Stop::Discard);
        assert_eq!(pool.join(patience()), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn two_hundred_cycles_leave_no_thread() {
    for cycle in 0..200 {
        let pool = pool(3, "tb-cycle");
        let ran = Arc::new(AtomicUsize::new(0));
        for home in 0..10 {
            let ran = ran.clone();
            pool.schedule(task(home, move |_| {
                ran.fetch_add(1, Ordering::SeqCst);
            }));
        }
        match cycle % 3 {
            0 => {
                pool.stop(Stop::Drain);
                assert_eq!(pool.join(patience()), 0);
                assert_eq!(ran.load(Ordering::SeqCst), 10);
            }
            1 => {
                pool.stop(Stop::Discard);
                assert_eq!(pool.join(patience()), 0);
            }
            _ => drop(pool),
        }
        assert_eq!(Arc::strong_count(&ran), 1, "a task is kept");
    }
    // The kernel takes a joined thread out of the list a moment later.
    until("the threads to go", || threads_named("tb-cycle") == 0);
}

#[test]
fn join_gives_up_on_a_task_that_does_not_end_and_the_drop_does_not_wait_again() {
    let pool = pool(2, "tb-stuck");
    let (release, wait) = mpsc::channel::<()>();
    let (sender, started) = mpsc::channel();
    let wait = Mutex::new(wait);
    pool.schedule(task(0, move |_| {
        sender.send(()).expect("the test listens");
        let _ = wait.lock().expect("lock").recv();
    }));
    started.recv_timeout(PATIENCE).expect("the task starts");
    pool.stop(Stop::Drain);
    assert_eq!(pool.join(Deadline::after(Duration::from_millis(20))), 1);
    drop(pool);
    drop(release);
}

#[test]
fn a_start_that_fails_half_way_leaves_no_thread() {
    let mut started = 0;
    let result = Pool::start_with(options(4, "tb-half"), |builder, body| {
        started += 1;
        if started == 3 { Err(io::Error::from(io::ErrorKind::OutOfMemory)) } else { builder.spawn(body) }
    });
    assert_eq!(result.expect_err("the third fails").kind(), io::ErrorKind::OutOfMemory);
    #[cfg(target_os = "linux")]
    until("the threads to go", || threads_named("tb-half") == 0);
    for options in [options(0, "tb-none"), options(1, "tb\0nul")] {
        assert_eq!(Pool::start(options).expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_task_scheduled_after_the_end_is_dropped() {
    let pool = pool(2, "tb-after");
    pool.stop(Stop::Drain);
    assert_eq!(pool.join(patience()), 0);
    let held = Arc::new(());
    let inside = held.clone();
    pool.schedule(task(0, move |_| drop(inside.clone())));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_worker_that_never_runs_dry_helps_one_that_is_stuck() {
    struct Flood(std::sync::atomic::AtomicBool);
    impl Task for Flood {
        fn run(self: Arc<Self>, worker: &Worker<'_>) {
            if !self.0.load(Ordering::SeqCst) {
                worker.again(self);
            }
        }
        fn home(&self) -> usize {
            1
        }
    }
    let pool = pool(2, "tb-help");
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (stuck, is_stuck) = mpsc::channel();
    pool.schedule(task(0, move |_| {
        stuck.send(()).expect("the test listens");
        let _ = wait.lock().expect("lock").recv();
    }));
    is_stuck.recv_timeout(PATIENCE).expect("the task starts");
    let flood = Arc::new(Flood(false.into()));
    pool.schedule(flood.clone());
    pool.schedule(flood.clone());
    let (sender, helped) = mpsc::channel();
    // Whichever worker is stuck, one of these is in its queue.
    for home in 0..2 {
        let sender = sender.clone();
        pool.schedule(task(home, move |_| sender.send(home).expect("the test listens")));
    }
    let homes: HashSet<_> = (0..2).map(|_| helped.recv_timeout(PATIENCE).expect("help")).collect();
    assert_eq!(homes.len(), 2);
    assert!(pool.counters().steals > 0);
    flood.0.store(true, Ordering::SeqCst);
    drop(release);
}

#[test]
fn a_pool_of_several_groups_uses_all_its_workers() {
    let pool = pool(100, "tb-groups");
    let meet = meeting(101);
    // All for one home: the other groups must be woken, too.
    for _ in 0..100 {
        let meet = meet.clone();
        pool.schedule(task(0, move |_| meet()));
    }
    meet();
    pool.stop(Stop::Drain);
    assert_eq!(pool.join(patience()), 0);
}
