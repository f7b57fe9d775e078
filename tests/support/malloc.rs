//! A global allocator that weighs what a thread holds, block by block, as glibc's malloc does.
//!
//! Blocks are counted on the thread that asks for them or gives them back, so that what runs beside a measurement does
//! not count.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Weighs, and passes every call on to the system's allocator.
pub(crate) struct Weighing;

/// What one thread has asked for, from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// Blocks allocated.
    pub(crate) made: u64,
    /// Bytes asked for, unrounded.
    pub(crate) asked: u64,
    /// Blocks held; below zero where others allocated what this thread gave back.
    pub(crate) blocks: isize,
    /// Bytes held, as malloc rounds them.
    pub(crate) held: isize,
}

thread_local! {
    static TALLY: Cell<Tally> = const { Cell::new(Tally { made: 0, asked: 0, blocks: 0, held: 0 }) };
}

/// Reads the tally of the calling thread.
pub(crate) fn tally() -> Tally {
    TALLY.get()
}

/// What malloc takes for a request: with its head of 8 bytes a multiple of 16, and at least 32.
fn rounded(layout: Layout) -> isize {
    // An aligned block is cut out of a larger one; what is cut off goes back, but its head stays.
    let cut = if layout.align() > 16 { 16 } else { 0 };
    // A layout has at most `isize::MAX` bytes.
    ((layout.size() + 8).next_multiple_of(16).max(32) + cut) as isize
}

fn note(change: impl FnOnce(&mut Tally)) {
    // Not at the end of a thread, when its locals are gone.
    let _ = TALLY.try_with(|cell| {
        let mut tally = cell.get();
        change(&mut tally);
        cell.set(tally);
    });
}

// SAFETY: every call goes on to the system's allocator as it came. What the trait provides, growing and zeroed blocks,
// is made of these two.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(|tally| {
            tally.made += 1;
            tally.asked += layout.size() as u64;
            tally.blocks += 1;
            tally.held += rounded(layout);
        });
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(|tally| {
            tally.blocks -= 1;
            tally.held -= rounded(layout);
        });
        // SAFETY: the block came from the system's allocator with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;
