//! What the integration tests share: a watchdog, waiting for a condition, seeds and random numbers.
//!
//! Each test crate uses a part of it.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Long enough for any machine; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a test may take between two signs of life.
const LIMIT: Duration = Duration::from_secs(120);

type Report = Box<dyn Fn() -> String + Send>;

/// Ends the process when the test that holds it hangs. See [`watchdog`].
#[must_use = "the watchdog leaves when this is dropped"]
pub(crate) struct Guard {
    /// A message is a sign of life; the end of the channel is the end of the test.
    alive: Sender<()>,
    reports: Arc<Mutex<Vec<(String, Report)>>>,
}

/// Watches the calling test: unless the guard is dropped within 120 s, or [`Guard::alive`] was called since,
/// it prints the threads of the process and what was registered with [`Guard::report`], and aborts.
pub(crate) fn watchdog(name: &str) -> Guard {
    let (alive, signs) = mpsc::channel();
    let reports: Arc<Mutex<Vec<(String, Report)>>> = Arc::default();
    let (name, known) = (name.to_owned(), Arc::clone(&reports));
    std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            loop {
                match signs.recv_timeout(LIMIT) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            eprintln!("watchdog: {name} has shown no sign of life for {LIMIT:?}\n{}", threads());
            // A report may need a lock that the hanging thread holds: the threads were printed first.
            for (what, report) in known.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                eprintln!("{what}: {}", report());
            }
            std::process::abort();
        })
        .expect("a thread for the watchdog");
    Guard { alive, reports }
}

impl Guard {
    /// A sign of life: the time begins anew.
    pub(crate) fn alive(&self) {
        // The watchdog only ends with this guard, or with the process.
        let _ = self.alive.send(());
    }

    /// Registers what shall be printed when the test hangs. The same `what` replaces the earlier one.
    pub(crate) fn report(&self, what: &str, report: impl Fn() -> String + Send + 'static) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|(known, _)| known != what);
        reports.push((what.to_owned(), Box::new(report)));
    }
}

/// The threads of this process: name, state, and where in the kernel each waits.
pub(crate) fn threads() -> String {
    let mut text = String::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return "no /proc here".to_owned() };
    for task in tasks.flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let status = read("status");
        let field =
            |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).map_or("?", str::trim);
        let _ = writeln!(
            text,
            "  {} {:16} {:14} in {} ({} voluntary switches)",
            task.file_name().to_string_lossy(),
            read("comm").trim(),
            field("State:"),
            read("wchan").trim(),
            field("voluntary_ctxt_switches:"),
        );
    }
    text
}

/// Waits until something holds; fails when it does not within [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = 0_u32;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        // Others need the processor more than this one needs to know.
        looks += 1;
        if looks < 100 {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// The seed of this test: `TROLLEYBUS_SEED`, or a random one. Prints the command that replays the test.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("TROLLEYBUS_SEED") {
        Ok(text) => text.parse().expect("TROLLEYBUS_SEED is a number"),
        // Short enough to be typed.
        Err(_) => RandomState::new().hash_one(std::process::id()) >> 32,
    };
    eprintln!("seed {seed}; replay: {}", replay(seed));
    seed
}

/// The command that runs the calling test with this seed.
pub(crate) fn replay(seed: u64) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    let deliveries = std::env::var("TROLLEYBUS_STRESS_DELIVERIES")
        .map(|number| format!(" TROLLEYBUS_STRESS_DELIVERIES={number}"))
        .unwrap_or_default();
    let target = env!("CARGO_CRATE_NAME");
    format!("TROLLEYBUS_SEED={seed}{deliveries} cargo test{release} --test {target} {test} -- --nocapture")
}

/// The value of an environment variable, or a default.
pub(crate) fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")),
        Err(_) => default,
    }
}

/// Random numbers from a seed: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Another generator, for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
