//! Clocks, pinning, and what the machine's primitives cost.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::harness::median;

fn duration(time: Timespec) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Reads the CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// Reads the CPU time of the whole process.
pub fn process_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// What the machine and this process have used of the CPUs up to a moment.
pub struct Usage {
    at: Instant,
    machine: Option<Duration>,
    own: Duration,
}

impl Usage {
    /// Looks now.
    pub fn now() -> Self {
        Self { at: Instant::now(), machine: machine_cpu(), own: process_cpu() }
    }

    /// Says which share of all CPUs others used since `self`: 0 to 1. Nothing where the kernel does not say.
    pub fn foreign(&self) -> Option<f64> {
        let now = Self::now();
        let busy = now.machine?.saturating_sub(self.machine?);
        let foreign = busy.saturating_sub(now.own.saturating_sub(self.own));
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        Some(foreign.as_secs_f64() / (now.at - self.at).as_secs_f64() / cpus as f64)
    }
}

/// Reads how long all CPUs together have been busy, stolen time included; Linux counts in steps of 10 ms.
fn machine_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let mut fields =
        stat.lines().next()?.split_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let (user, nice, system, _idle, _wait) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (interrupts, soft, stolen) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Duration::from_millis((user + nice + system + interrupts + soft + stolen) * 10))
}

/// Reads a monotonic clock in nanoseconds, the same on all threads.
#[inline]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Pins the calling thread to the `place`-th CPU that the process may use; does nothing where there are fewer.
pub fn pin(place: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let usable = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).nth(place);
    if let Some(cpu) = usable {
        let mut one = CpuSet::new();
        one.set(cpu);
        // A machine that refuses to pin still measures, only with more noise.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Runs a loop that only needs ALUs on `threads` threads; returns the slowest one's nanoseconds per step.
pub fn alu(threads: usize) -> f64 {
    fn spin() -> f64 {
        const STEPS: u64 = 300_000;
        let start = Instant::now();
        let (mut a, mut b, mut c) = (black_box(1_u64), black_box(3_u64), black_box(7_u64));
        for i in 0..STEPS {
            a = a.rotate_left(5) ^ i;
            b = b.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(i);
            c = (c ^ (c >> 7)).wrapping_add(b);
        }
        black_box((a, b, c));
        start.elapsed().as_nanos() as f64 / STEPS as f64
    }
    if threads == 1 {
        return spin();
    }
    let pinned = |place| {
        thread::spawn(move || {
            pin(place);
            spin()
        })
    };
    let running: Vec<_> = (0..threads).map(pinned).collect();
    running.into_iter().filter_map(|thread| thread.join().ok()).fold(0.0, f64::max)
}

fn time(mut step: impl FnMut()) -> f64 {
    const STEPS: u32 = 100_000;
    let rounds = (0..7).map(|_| {
        let start = thread_cpu();
        for _ in 0..STEPS {
            step();
        }
        thread_cpu().saturating_sub(start).as_nanos() as f64 / f64::from(STEPS)
    });
    median(rounds.collect())
}

/// Measures how long it takes from `unpark` until the parked thread runs, both idle in between.
fn wake(samples: usize) -> f64 {
    let turn = Arc::new((AtomicUsize::new(0), AtomicU64::new(0)));
    let shared = Arc::clone(&turn);
    let sleeper = thread::spawn(move || {
        pin(1);
        let mut seen = 0;
        loop {
            let asked = shared.0.load(Ordering::Acquire);
            if asked == usize::MAX {
                return;
            }
            if asked == seen {
                thread::park();
                continue;
            }
            seen = asked;
            shared.1.store(now(), Ordering::Release);
        }
    });
    let mut waits = Vec::new();
    for sample in 1..=samples {
        thread::sleep(Duration::from_millis(1));
        turn.1.store(0, Ordering::Relaxed);
        let start = now();
        turn.0.store(sample, Ordering::Release);
        sleeper.thread().unpark();
        let woken = loop {
            let woken = turn.1.load(Ordering::Acquire);
            if woken != 0 {
                break woken;
            }
            std::hint::spin_loop();
        };
        waits.push(woken.saturating_sub(start) as f64);
    }
    turn.0.store(usize::MAX, Ordering::Release);
    sleeper.thread().unpark();
    // It cannot have panicked: it only loads, stores and parks.
    let _ = sleeper.join();
    median(waits)
}

/// Prints what the primitives cost here and how noisy the machine is.
pub fn machine(quick: bool) {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let word = AtomicU64::new(0);
    let shared = Arc::new(0_u64);
    let swap = ArcSwap::from_pointee(0_u64);
    let costs = [
        ("fetch_add", time(|| _ = black_box(word.fetch_add(1, Ordering::AcqRel)))),
        ("compare_exchange", {
            let mut old = word.load(Ordering::Relaxed);
            time(|| {
                let swapped = word.compare_exchange(old, old + 1, Ordering::AcqRel, Ordering::Acquire);
                old = swapped.map_or_else(|seen| seen, |seen| seen + 1);
            })
        }),
        ("Arc clone + drop", time(|| drop(black_box(Arc::clone(&shared))))),
        ("ArcSwap load", time(|| _ = black_box(**swap.load()))),
        ("Instant::now", time(|| _ = black_box(Instant::now()))),
        ("coarse clock", time(|| _ = black_box(crate::event::coarse_now()))),
        ("128 B block", time(|| drop(black_box(Box::new([0_u64; 16]))))),
    ];
    print!("machine: {cpus} CPUs; ns:");
    for (name, cost) in costs {
        print!(" {name} {cost:.1},");
    }
    let waker = thread::spawn(move || {
        pin(0);
        wake(if quick { 20 } else { 200 })
    });
    println!(" wake of a parked thread {:.0}", waker.join().unwrap_or(f64::NAN));
    for threads in [1, 2] {
        let probes: Vec<f64> = (0..if quick { 10 } else { 60 }).map(|_| alu(threads)).collect();
        let worst = probes.iter().copied().fold(0.0, f64::max);
        let middle = median(probes);
        println!("noise, ALU probe on {threads}: median {middle:.2} ns, max/median {:.2}", worst / middle);
    }
}
