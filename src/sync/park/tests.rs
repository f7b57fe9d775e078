//! Waits of threads and tasks with a real clock.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A flag to wait for, and who waits.
#[derive(Default)]
struct Flag {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Flag {
    /// Returns when somebody waits: its waker is here, and it sleeps or is about to.
    fn await_waiter(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.state.lock().expect("lock").1.is_none() {
            assert!(Instant::now() < deadline, "nobody waits");
            thread::yield_now();
        }
    }

    fn set(&self) {
        let waker = {
            let mut state = self.state.lock().expect("lock");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for a flag: true, or false at the deadline.
struct Until {
    flag: Arc<Flag>,
    deadline: Deadline,
    polls: usize,
}

impl Until {
    fn new(flag: &Arc<Flag>, deadline: Deadline) -> Self {
        Self { flag: flag.clone(), deadline, polls: 0 }
    }
}

impl Wait for Until {
    type Output = bool;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.polls += 1;
        let mut state = self.flag.state.lock().expect("lock");
        if state.0 {
            return Poll::Ready(true);
        }
        if self.deadline.has_passed() {
            return Poll::Ready(false);
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// A wait that blocks on another one inside of its first poll.
struct Nested {
    outer: Until,
    inner: Option<Until>,
}

impl Wait for Nested {
    type Output = bool;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let polled = self.outer.poll(cx);
        if let Some(mut inner) = self.inner.take() {
            assert!(block_on(&mut inner));
        }
        polled
    }

    fn deadline(&self) -> Deadline {
        self.outer.deadline
    }
}

#[test]
fn block_on_returns_at_its_deadline_and_not_before() {
    let start = Instant::now();
    let mut wait = Until::new(&Arc::default(), Deadline::after(Duration::from_millis(30)));
    assert!(!block_on(&mut wait));
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(wait.polls < 10, "{} polls: it did not sleep", wait.polls);
}

#[test]
fn a_deadline_of_zero_ends_at_once_and_the_longest_does_not_overflow() {
    assert!(!block_on(&mut Until::new(&Arc::default(), Deadline::after(Duration::ZERO))));
    for wait in [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(1 << 40)] {
        let flag = Arc::<Flag>::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| block_on(&mut Until::new(&flag, Deadline::after(wait))));
            flag.await_waiter();
            flag.set();
            assert!(waiting.join().expect("no overflow"));
        });
    }
}

#[test]
fn ten_thousand_hand_overs_between_two_threads_lose_no_wake_up() {
    let flags: Vec<_> = (0..10_000).map(|_| (Arc::<Flag>::default(), Arc::<Flag>::default())).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (there, back) in &flags {
                assert!(block_on(&mut Until::new(there, Deadline::after(PATIENCE))));
                back.set();
            }
        });
        for (there, back) in &flags {
            there.set();
            assert!(block_on(&mut Until::new(back, Deadline::after(PATIENCE))));
        }
    });
}

#[test]
fn a_nested_block_on_does_not_eat_the_outer_wake_up() {
    for _ in 0..2000 {
        let (outer, inner) = (Arc::<Flag>::default(), Arc::<Flag>::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                outer.set();
                inner.set();
            });
            let mut nested = Nested {
                outer: Until::new(&outer, Deadline::after(PATIENCE)),
                inner: Some(Until::new(&inner, Deadline::after(PATIENCE))),
            };
            assert!(block_on(&mut nested));
        });
    }
}

#[test]
fn a_park_token_of_the_application_is_given_back() {
    let (flag, passed) = (Arc::<Flag>::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            thread::current().unpark();
            assert!(block_on(&mut Until::new(&flag, Deadline::after(PATIENCE))));
            let start = Instant::now();
            thread::park_timeout(PATIENCE);
            passed.store(start.elapsed() < PATIENCE, Ordering::Relaxed);
        });
        flag.await_waiter();
        flag.set();
        waiting.join().expect("waiting");
    });
    assert!(passed.load(Ordering::Relaxed), "the token was lost");
}

#[test]
fn a_timed_future_ends_when_woken_and_at_its_deadline() {
    let timer = Arc::new(Timer::new());
    let late =
        Timed::new(Until::new(&Arc::default(), Deadline::after(Duration::from_millis(10))), timer.clone());
    assert!(!smol::block_on(late));
    let flag = Arc::<Flag>::default();
    let timed = Timed::new(Until::new(&flag, Deadline::after(PATIENCE)), timer.clone());
    thread::scope(|scope| {
        scope.spawn(|| flag.set());
        assert!(smol::block_on(timed));
    });
    timer.stop_and_join();
}

#[test]
fn a_timed_future_that_is_dropped_leaves_nothing_in_the_timer() {
    let timer = Arc::new(Timer::new());
    let mut timed = Timed::new(Until::new(&Arc::default(), Deadline::after(PATIENCE)), timer.clone());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut timed).poll(&mut cx).is_pending());
    assert!(Pin::new(&mut timed).poll(&mut cx).is_pending());
    assert_eq!(timer.len(), 1);
    drop(timed);
    assert_eq!(timer.len(), 0);
}
