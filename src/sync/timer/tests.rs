//! The timer under load, at its end, and without a thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

fn after(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Deadline::after(PATIENCE);
    while !holds() {
        assert!(!end.has_passed(), "gave up waiting: {what}");
        thread::yield_now();
    }
}

#[test]
fn thousands_of_random_deadlines_all_wake_once_and_not_early() {
    struct Check {
        at: Instant,
        woken: AtomicUsize,
        early: Arc<AtomicBool>,
    }
    impl Wake for Check {
        fn wake(self: Arc<Self>) {
            if now() < self.at {
                self.early.store(true, Ordering::SeqCst);
            }
            self.woken.fetch_add(1, Ordering::SeqCst);
        }
    }
    let timer = Timer::new();
    let early = Arc::new(AtomicBool::new(false));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let kept: Vec<_> = (0..5000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let deadline = Deadline::after(Duration::from_micros((seed >> 33) % 300_000));
            let at = deadline.instant().expect("finite");
            let check = Arc::new(Check { at, woken: AtomicUsize::new(0), early: Arc::clone(&early) });
            (timer.register(deadline, &Waker::from(Arc::clone(&check))), check)
        })
        .collect();
    until("every deadline", || kept.iter().all(|(_, check)| check.woken.load(Ordering::SeqCst) > 0));
    assert!(kept.iter().all(|(_, check)| check.woken.load(Ordering::SeqCst) == 1));
    assert!(!early.load(Ordering::SeqCst), "woken before the deadline");
    assert_eq!(timer.len(), 0);
}

#[test]
fn a_cancelled_entry_is_gone_at_once_and_its_waker_freed() {
    let timer = Timer::new();
    let (count, waker) = counting();
    let entries: Vec<_> = (0..1000).map(|_| timer.register(after(600_000), &waker)).collect();
    assert_eq!(timer.len(), 1000);
    drop(entries);
    assert_eq!(timer.len(), 0);
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1);
    assert_eq!(count.get(), 0);
}

#[test]
fn an_updated_entry_wakes_the_new_waker_at_the_new_deadline_only() {
    let timer = Timer::new();
    let ((old, old_waker), (new, new_waker)) = (counting(), counting());
    let mut entry = timer.register(after(600_000), &old_waker);
    entry.update(after(1), &new_waker);
    assert_eq!(timer.len(), 1);
    until("the new deadline", || new.get() == 1);
    assert_eq!(old.get(), 0);
    entry.update(Deadline::NEVER, &new_waker);
    assert_eq!(timer.len(), 0);
}

#[test]
fn a_nearer_deadline_overtakes_the_one_that_the_thread_sleeps_for() {
    let timer = Timer::new();
    let ((far, far_waker), (near, near_waker)) = (counting(), counting());
    let _far = timer.register(after(600_000), &far_waker);
    let _near = timer.register(after(1), &near_waker);
    until("the nearer one", || near.get() == 1);
    assert_eq!(far.get(), 0);
}

#[test]
fn no_deadline_and_a_huge_one_never_wake() {
    let timer = Timer::new();
    let (count, waker) = counting();
    let never = timer.register(Deadline::NEVER, &waker);
    let huge = timer.register(Deadline::after(Duration::MAX), &waker);
    let long = timer.register(Deadline::after(Duration::from_secs(1 << 40)), &waker);
    let (soon, soon_waker) = counting();
    let _soon = timer.register(after(1), &soon_waker);
    until("another one", || soon.get() == 1);
    assert_eq!(count.get(), 0);
    drop((never, huge, long));
}

#[test]
fn the_thread_goes_when_it_is_idle_and_comes_back() {
    let timer = Timer::with(Duration::from_millis(5), |body| thread::Builder::new().spawn(body));
    for _ in 0..3 {
        let (count, waker) = counting();
        let entry = timer.register(after(1), &waker);
        assert!(timer.is_running());
        until("the deadline", || count.get() == 1);
        drop(entry);
        until("the thread to go", || !timer.is_running());
    }
}

#[test]
fn stopping_wakes_what_is_registered_and_what_comes_later() {
    let timer = Timer::new();
    let (count, waker) = counting();
    let mut first = timer.register(after(600_000), &waker);
    timer.stop_and_join();
    assert_eq!(count.get(), 1);
    let _second = timer.register(after(600_000), &waker);
    assert_eq!(count.get(), 2);
    first.update(after(600_000), &waker);
    assert_eq!(count.get(), 3);
    assert_eq!(timer.len(), 0);
    timer.stop_and_join();
}

#[test]
fn a_timer_whose_thread_cannot_start_wakes_at_once() {
    let timer = Timer::with(LINGER, |_| Err(io::Error::from(io::ErrorKind::OutOfMemory)));
    let (count, waker) = counting();
    let _entry = timer.register(after(600_000), &waker);
    assert_eq!(count.get(), 1);
    assert_eq!(timer.len(), 0);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_waker_on_the_timers_thread() {
    struct Last {
        timer: Mutex<Option<Timer>>,
        done: AtomicBool,
    }
    impl Wake for Last {
        fn wake(self: Arc<Self>) {
            let timer = self.timer.lock().take();
            drop(timer);
            self.done.store(true, Ordering::SeqCst);
        }
    }
    let last = Arc::new(Last { timer: Mutex::new(None), done: AtomicBool::new(false) });
    let timer = Timer::new();
    let entry = timer.register(after(20), &Waker::from(Arc::clone(&last)));
    *last.timer.lock() = Some(timer);
    until("the waker to drop the timer", || last.done.load(Ordering::SeqCst));
    drop(entry);
}

#[test]
fn a_waker_that_panics_does_not_take_the_others_along() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics, as the test asks for");
        }
    }
    let timer = Timer::new();
    let _bad = timer.register(after(1), &Waker::from(Arc::new(Panics)));
    let (count, waker) = counting();
    let _good = timer.register(after(3), &waker);
    until("the one after it", || count.get() == 1);
}
