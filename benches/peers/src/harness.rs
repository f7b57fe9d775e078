//! Runs the contestants of a scenario in turns and keeps what each round gave.
//!
//! All contestants of one group run in every round, in an order that rotates, so that whatever disturbs
//! the machine disturbs all of them. A ratio is taken within a round; the figure that counts is the median
//! of these ratios. Before each round a probe that only needs ALUs runs on as many threads as the scenario
//! uses cores, and during the round it is counted what other processes used: a round that was not ours alone
//! is left out where enough others remain.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::probe::{self, Usage};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds of every group.
    pub rounds: usize,
    /// Run only groups whose name contains this, or that serve the bar of this number.
    pub only: Option<String>,
    /// A smoke run: short rounds, large tables shrunk.
    pub quick: bool,
}

/// A round that is slower than the best one by more than this is not quiet.
const QUIET: f64 = 1.15;

/// Nor is one of a two-core scenario in which others used more than this share of the CPUs.
const FOREIGN: f64 = 0.1;

/// One contestant: publishes about `n` events, says how long that took and how many operations it was.
pub struct Case {
    /// Unique within its group.
    pub name: String,
    run: Box<dyn FnMut(usize) -> f64>,
    /// Events per round, found by calibration unless it was fixed.
    events: Option<usize>,
    /// Events that a round has at least.
    least: usize,
}

impl Case {
    /// Makes a contestant that works on the calling thread and is charged that thread's CPU time; `work`
    /// returns how many operations it did.
    pub fn cpu(name: impl Into<String>, mut work: impl FnMut(usize) -> u64 + 'static) -> Self {
        let run = move |n: usize| {
            let start = probe::thread_cpu();
            let operations = work(n);
            let spent = probe::thread_cpu().saturating_sub(start);
            per_operation(spent, operations)
        };
        Self { name: name.into(), run: Box::new(run), events: None, least: 1 }
    }

    /// Makes a contestant that uses several threads and measures wall time itself.
    pub fn wall(name: impl Into<String>, mut work: impl FnMut(usize) -> (Duration, u64) + 'static) -> Self {
        let run = move |n: usize| {
            let (spent, operations) = work(n);
            per_operation(spent, operations)
        };
        Self { name: name.into(), run: Box::new(run), events: None, least: 1 }
    }

    /// Makes a contestant that returns its figure in nanoseconds (a latency, a cost), from `n` samples.
    pub fn figure(name: impl Into<String>, samples: usize, run: impl FnMut(usize) -> f64 + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run), events: Some(samples), least: 1 }
    }
}

impl Case {
    /// The same contestant with at least this many events a round: for one that stalls now and then, or whose queue
    /// would never fill in a short round.
    pub fn at_least(mut self, events: usize) -> Self {
        self.least = events;
        self
    }
}

fn per_operation(spent: Duration, operations: u64) -> f64 {
    spent.as_nanos() as f64 / operations.max(1) as f64
}

/// One scenario: its contestants and how they are run.
pub struct Group {
    /// For example `S2c.8`.
    pub name: &'static str,
    /// Whether two cores are at work (the probe then runs on two).
    pub two_core: bool,
    /// The contestants.
    pub cases: Vec<Case>,
}

/// What a group gave: for each case one figure per round.
pub struct Samples {
    /// The group's name.
    pub group: &'static str,
    names: Vec<String>,
    rounds: Vec<Vec<f64>>,
    /// The rounds that count.
    kept: Vec<usize>,
    /// Whether noisy rounds had to be kept, because too few were quiet.
    pub noisy: bool,
    /// The ALU probe of the rounds, worst over median.
    pub noise: f64,
    /// The share of all CPUs that other processes used, median of the rounds.
    pub foreign: f64,
}

impl Samples {
    /// Returns the median figure of a case, in nanoseconds per operation.
    pub fn median(&self, case: &str) -> Option<f64> {
        let column = self.column(case)?;
        Some(median(self.kept.iter().map(|&round| self.rounds[round][column]).collect()))
    }

    /// Returns the median of the per-round quotients `a / b`.
    pub fn quotient(&self, a: &str, b: &str) -> Option<f64> {
        let (a, b) = (self.column(a)?, self.column(b)?);
        Some(median(self.kept.iter().map(|&round| self.rounds[round][a] / self.rounds[round][b]).collect()))
    }

    /// Lists the contestants.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Says how many rounds count, of how many.
    pub fn kept(&self) -> (usize, usize) {
        (self.kept.len(), self.rounds.len())
    }

    fn column(&self, case: &str) -> Option<usize> {
        self.names.iter().position(|name| name == case)
    }
}

/// Runs groups.
pub struct Harness {
    /// What was asked for.
    pub options: Options,
    watchdog: Watchdog,
}

impl Harness {
    /// Starts the watchdog.
    pub fn new(options: Options) -> Self {
        Self { options, watchdog: Watchdog::start() }
    }

    /// Says whether a group with this name, that serves these bars, is to be run.
    pub fn wants(&self, group: &str, bars: &[&str]) -> bool {
        match &self.options.only {
            None => true,
            Some(only) => group.contains(only.as_str()) || bars.contains(&only.as_str()),
        }
    }

    /// Shrinks a size in a smoke run.
    pub fn size(&self, full: usize) -> usize {
        if self.options.quick { full.min(2_000) } else { full }
    }

    /// Runs all rounds of a group.
    pub fn run(&self, mut group: Group) -> Samples {
        let quick = self.options.quick;
        let target = Duration::from_millis(match (quick, group.two_core) {
            (true, _) => 2,
            (false, false) => 25,
            (false, true) => 50,
        });
        for case in &mut group.cases {
            self.watchdog.watch(group.name, &case.name);
            match &mut case.events {
                Some(samples) if quick => *samples = (*samples / 8).max(4),
                Some(_) => {}
                None => {
                    let least = if quick { case.least / 16 } else { case.least };
                    case.events = Some(calibrate(case.run.as_mut(), target).max(least));
                }
            }
        }
        let (mut rounds, mut probes, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.options.rounds {
            probes.push(probe::alu(if group.two_core { 2 } else { 1 }));
            let usage = Usage::now();
            let mut figures = vec![0.0; group.cases.len()];
            for step in 0..group.cases.len() {
                let index = (round + step) % group.cases.len();
                let case = &mut group.cases[index];
                self.watchdog.watch(group.name, &case.name);
                figures[index] = (case.run)(case.events.unwrap_or(1));
            }
            rounds.push(figures);
            foreign.push(usage.foreign().unwrap_or(0.0));
        }
        self.watchdog.rest();
        let best = probes.iter().copied().fold(f64::INFINITY, f64::min);
        // One thread is charged its own CPU time; two cores are disturbed by everybody who runs.
        let alone = |round: usize| !group.two_core || foreign[round] <= FOREIGN;
        let quiet: Vec<usize> =
            (0..rounds.len()).filter(|&round| probes[round] <= best * QUIET && alone(round)).collect();
        let noisy = quiet.len() * 2 < rounds.len();
        let kept = if noisy { (0..rounds.len()).collect() } else { quiet };
        let names = group.cases.into_iter().map(|case| case.name).collect();
        let noise = probes.iter().copied().fold(0.0, f64::max) / median(probes);
        Samples { group: group.name, names, rounds, kept, noisy, noise, foreign: median(foreign) }
    }
}

/// Finds how many events make a round of about `target`.
fn calibrate(run: &mut dyn FnMut(usize) -> f64, target: Duration) -> usize {
    let mut events = 64;
    // What is done once, at the first event, is none of a round's work.
    run(events);
    loop {
        let start = Instant::now();
        run(events);
        let spent = start.elapsed();
        if spent * 3 >= target {
            let scale = target.as_secs_f64() / spent.as_secs_f64();
            return ((events as f64 * scale) as usize).max(1);
        }
        let grow = (target.as_secs_f64() / spent.as_secs_f64().max(1e-9)).clamp(2.0, 16.0);
        events = (events as f64 * grow) as usize;
    }
}

/// Takes the median; the mean of the middle two when there is an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Ends the program with the contestant's name when one of them hangs.
struct Watchdog {
    watched: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Watchdog {
    /// A contestant that takes longer than this hangs.
    const PATIENCE: Duration = Duration::from_secs(90);

    fn start() -> Self {
        let watched = Arc::new(Mutex::new(None::<(String, Instant)>));
        let seen = Arc::clone(&watched);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(2));
                let Ok(watched) = seen.lock() else { return };
                if let Some((name, since)) = &*watched
                    && since.elapsed() > Self::PATIENCE
                {
                    eprintln!("{name} hangs: no progress for {:?}", Self::PATIENCE);
                    std::process::exit(2);
                }
            }
        });
        Self { watched }
    }

    fn watch(&self, group: &str, case: &str) {
        if let Ok(mut watched) = self.watched.lock() {
            *watched = Some((format!("{group}, {case}"), Instant::now()));
        }
    }

    fn rest(&self) {
        if let Ok(mut watched) = self.watched.lock() {
            *watched = None;
        }
    }
}
