//! What must not grow: topics that never come again, and buses that come and go. Memory, threads and file
//! descriptors are read from /proc; the limits are wide, for what is looked for grows with every turn.
//!
//! `TROLLEYBUS_SOAK` multiplies the turns. The tests take turns themselves, for what they read is the
//! process's: run them with `--nocapture` to see the figures.
#![cfg(target_os = "linux")]

#[path = "support/env.rs"]
mod env;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/signs.rs"]
mod signs;
mod support;
#[path = "support/threads.rs"]
mod threads;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::number_from_env;
use eventually::eventually;
use support::{Guard, watchdog};
use threads::threads_named;
use trolleybus::{DeliveryMode, EventBus};

/// One at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone(name: &str) -> (MutexGuard<'static, ()>, Guard) {
    let turn = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let guard = watchdog(name);
    guard.report("the process", || {
        format!("{} KiB, {} threads of buses", resident_kib(), threads_named("trolleybus"))
    });
    (turn, guard)
}

fn turns(number: u64) -> u64 {
    number * number_from_env("TROLLEYBUS_SOAK", 1)
}

/// The memory that the process holds, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line for the memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("a folder of the process").count()
}

/// More topics than any table remembers.
const FIRST: u64 = 100_000;

/// How often the topics of [`flood_of_topics`] are published.
fn events(topics: u64) -> u64 {
    2 * FIRST + topics + topics.div_ceil(10)
}

/// Publishes so many topics that are all different. Returns by how many KiB the process grew: in all, and
/// after the tables were full.
fn flood_of_topics(bus: &EventBus, prefix: &str, topics: u64, guard: &Guard) -> (u64, u64) {
    let before = resident_kib();
    for number in 0..FIRST {
        let name = format!("{prefix}.first.t{number}");
        // Twice: the second time the bus would like to remember it.
        bus.publish(&name, number).expect("publish");
        bus.publish(&name, number).expect("publish");
    }
    let full = resident_kib();
    for number in 0..topics {
        let name = format!("{prefix}.n{}.t{number}", number % 7);
        bus.publish(&name, number).expect("publish");
        if number % 10 == 0 {
            bus.publish(&name, number).expect("publish");
        }
        if number % 100_000 == 0 {
            guard.alive();
        }
    }
    let after = resident_kib();
    println!(
        "{topics} topics on {prefix}: {before} KiB before, {full} KiB with full tables, {after} KiB after"
    );
    (after.saturating_sub(before), after.saturating_sub(full))
}

#[test]
fn z2_a_million_distinct_topics_do_not_grow_the_process() {
    const CACHE: usize = 4096;
    let (_alone, guard) = alone("z2 topics");
    let topics = turns(1_000_000);
    let bus = EventBus::builder().workers(0).topic_cache(CACHE).build().expect("build");
    let grown = flood_of_topics(&bus, "nobody", topics, &guard);
    assert!(grown.0 < 64 * 1024 && grown.1 < 8 * 1024, "without subscribers: grown by {grown:?} KiB");
    let stats = bus.stats();
    assert!(stats.topics_known <= CACHE, "{stats:?}");
    assert!(stats.topics_refused > 0, "the cap was reached and not counted: {stats:?}");

    let handled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&handled);
    let all = bus
        .subscribe::<u64>("**")
        .handle_inline(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .expect("subscribe");
    let grown = flood_of_topics(&bus, "somebody", topics, &guard);
    assert!(grown.0 < 64 * 1024 && grown.1 < 8 * 1024, "with a subscriber: grown by {grown:?} KiB");
    let stats = bus.stats();
    assert!(stats.topics_known <= CACHE, "{stats:?}");
    assert!(stats.names_refused > 0, "the table of names is full and it was not counted: {stats:?}");
    // Bounded, and nothing lost.
    assert_eq!(handled.load(Ordering::Relaxed), all.stats().delivered);
    assert_eq!(all.stats().delivered, events(topics));
}

/// Makes a bus, uses it in every way, and leaves it.
fn one_life(turn: u64) {
    let bus = EventBus::builder().workers(2).delivery(DeliveryMode::Block).build().expect("build");
    let pooled = bus.subscribe::<u64>("life.*").handle(|_| ()).expect("subscribe");
    let polled = bus.subscribe::<u64>("life.+").handle_async(|_| async {}).expect("subscribe");
    let mut pulled = bus.subscribe::<u64>("life.one").receiver().expect("subscribe");
    bus.subscribe::<u64>("**").handle_inline(|_| ()).expect("subscribe").detach();
    for number in 0..10_u64 {
        assert_eq!(bus.publish("life.one", number).expect("publish").offered(), 4);
    }
    assert_eq!(pulled.try_iter().count(), 10);
    match turn % 3 {
        // Handlers may be queued or run.
        0 => drop(bus),
        1 => {
            drop((pooled, polled, pulled));
            drop(bus);
        }
        _ => assert!(bus.shutdown(support::PATIENCE).wait().complete),
    }
}

#[test]
fn s4_buses_that_come_and_go_leave_no_thread_and_no_descriptor() {
    let (_alone, guard) = alone("s4 threads");
    one_life(0);
    eventually("the threads of the first bus end", || threads_named("trolleybus") == 0);
    let descriptors = entries("/proc/self/fd");
    for turn in 0..turns(1_000) {
        one_life(turn);
        if turn % 100 == 0 {
            guard.alive();
        }
    }
    eventually("no thread is left", || threads_named("trolleybus") == 0);
    assert_eq!(entries("/proc/self/fd"), descriptors, "file descriptors");
}

#[test]
fn s5_buses_that_come_and_go_leave_no_memory() {
    const LIMIT_KIB: u64 = 4 * 1024;
    let (_alone, guard) = alone("s5 memory");
    let cycle = |turn: u64| {
        let bus = EventBus::new();
        let all = bus.subscribe::<u64>("**").handle_inline(|_| ()).expect("subscribe");
        let mut pulled = bus.subscribe::<u64>("a.b").receiver().expect("subscribe");
        bus.publish("a.b", turn).expect("publish");
        assert_eq!(*pulled.try_recv().expect("an event"), turn);
        if turn.is_multiple_of(2) {
            drop((all, pulled));
        } else {
            drop(bus);
        }
    };
    // The allocator and the thread-locals come to rest.
    (0..1_000).for_each(cycle);
    let before = resident_kib();
    for turn in 0..turns(10_000) {
        cycle(turn);
        if turn % 1_000 == 0 {
            guard.alive();
        }
    }
    let grown = resident_kib().saturating_sub(before);
    println!("create and drop: {before} KiB before, grown by {grown} KiB");
    assert!(grown < LIMIT_KIB, "{before} KiB before, grown by {grown} KiB");
}
