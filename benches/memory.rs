//! Prints what subscriptions and events weigh, in bytes as glibc's malloc rounds them. Asserted by
//! tests/one_allocation.rs.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{Payload, inline, payload, receiver};
use trolleybus::EventBus;

struct Weighing;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// What malloc takes for a request: 8 bytes of head, a multiple of 16, at least 32.
fn rounded(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32) + if layout.align() > 16 { 16 } else { 0 }
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(rounded(layout), Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(rounded(layout), Ordering::Relaxed);
        // SAFETY: the block came from the system's allocator with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

/// Prints the weight of one of `count` things.
fn weigh<S>(what: &str, count: usize, mut make: impl FnMut(usize) -> S) -> Vec<S> {
    let mut kept = Vec::with_capacity(count);
    let before = HELD.load(Ordering::Relaxed);
    kept.extend((0..count).map(&mut make));
    println!("memory/{what}: {} bytes", HELD.load(Ordering::Relaxed).wrapping_sub(before) / count);
    kept
}

fn main() {
    let bus = EventBus::builder().workers(1).build().expect("build");
    let topic = "bench.memory";
    let first = (inline(&bus, topic), bus.subscribe::<Payload>(topic).handle(|_| ()).expect("subscribe"));
    let names = support::names(1_000);
    drop(weigh("inline, one topic", 1_000, |_| inline(&bus, topic)));
    drop(weigh("pooled, one topic", 1_000, |_| {
        bus.subscribe::<Payload>(topic).handle(|_| ()).expect("subscribe")
    }));
    drop(weigh("receiver, one topic", 1_000, |_| receiver(&bus, topic)));
    drop(weigh("inline, with a topic of its own", 1_000, |at| inline(&bus, &names[at])));
    drop(first);
    let queue = receiver(&bus, "bench.memory.queue");
    weigh("the first event in a queue of 1024, with the queue", 1, |_| {
        bus.publish("bench.memory.queue", payload(1)).expect("publish")
    });
    weigh("each of 1023 further events", 1023, |_| {
        bus.publish("bench.memory.queue", payload(1)).expect("publish")
    });
    drop(queue);
}
