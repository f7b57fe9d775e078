//! Which inline handlers run now, and in which thread.
//!
//! Inline handlers run in any number of publishers at a time. Each publishing thread has a *record* with a
//! word for each level of nesting: the subscription whose handler runs there, or nothing. To go from one
//! handler to the next is one store to a word that nobody else writes to; the subscription itself is only read.
//! So publishers of one topic share no line that they write.
//!
//! # Orderings
//!
//! A publisher stores to its word, and then looks at the gates of the subscription that it left and of the one
//! that it enters. Whoever closes a subscription marks its gate, and then looks at all words. Between the two steps
//! each side has its half of an asymmetric pair of fences (`sync/fence.rs`), so one of the two sees the other:
//!
//! - entering: either the closer finds the handler (it has started), or the publisher finds the gate barred and
//!   does not start it (invariant V3);
//! - leaving: either the closer finds the handler gone, or the publisher finds the gate closed, and tells those who
//!   wait for the end.
//!
//! In a round (`rounds.rs`) one mark stands for the gates of a whole chunk: it is made after the gate's, and before the
//! fence.
//!
//! The closer's fence stands behind the mark, once; whoever looks at the words later needs none.
//!
//! How many words a record uses only grows, and is stored before the word: who sees the one sees the other.

use std::cell::{Cell, OnceCell};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use super::scope::SubscriptionKey;
use super::slot::Slot;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::fence::{self, Light};
use crate::sync::thread::thread_local;
use crate::sync::{Mutex, OnceLock, process_wide};

/// The deepest that inline handlers may be allowed to nest.
pub(crate) const MAX_DEPTH: usize = 128;

/// So many words stand in the record itself. Under loom all that there are: it does not see that the lock of
/// the others orders their making before their use.
const SHALLOW: usize = 2;

/// What a publishing thread shows to those who end subscriptions.
#[derive(Debug)]
struct Record {
    /// No other thread that lives has this number.
    number: NonZeroU32,
    /// How many words were ever used. Raised by the thread.
    used: AtomicUsize,
    /// The key of the subscription whose handler runs at this depth, or 0.
    shallow: [AtomicUsize; SHALLOW],
    deep: OnceLock<Box<[AtomicUsize]>>,
}

impl Record {
    fn new(number: NonZeroU32) -> Self {
        let (used, shallow) = (AtomicUsize::new(1), std::array::from_fn(|_| AtomicUsize::new(0)));
        Self { number, used, shallow, deep: OnceLock::new() }
    }

    #[inline]
    fn word(&self, depth: usize) -> &AtomicUsize {
        match self.shallow.get(depth) {
            Some(word) => word,
            None => self.deep_word(depth),
        }
    }

    #[cold]
    fn deep_word(&self, depth: usize) -> &AtomicUsize {
        let words = || (SHALLOW..MAX_DEPTH).map(|_| AtomicUsize::new(0)).collect();
        &self.deep.get_or_init(words)[depth - SHALLOW]
    }

    /// How many handlers of a subscription run in this thread, as far as it shows.
    fn count(&self, key: SubscriptionKey) -> u64 {
        // Acquire: the words are there, and who no longer finds a handler sees what it did.
        let used = self.used.load(Ordering::Acquire);
        let runs = |depth: &usize| self.word(*depth).load(Ordering::Acquire) == key.address();
        (0..used).filter(runs).count() as u64
    }
}

/// The records of all threads that live.
#[derive(Debug)]
pub(crate) struct Threads {
    records: Vec<Arc<Record>>,
    /// Numbers of threads that are gone. The lock hands over what the old owner of a number did.
    free: Vec<NonZeroU32>,
    next: NonZeroU32,
}

process_wide! {
    /// Of the process, not of a bus: a thread has one record, whatever it publishes to.
    static THREADS: Arc<Mutex<Threads>> =
        Arc::new(Mutex::new(Threads { records: Vec::new(), free: Vec::new(), next: NonZeroU32::MIN }));
}

/// Counts the running handlers of an inline subscription, in all threads. Exact for whoever has closed it
/// ([`see_mark`]): those that are found tell `Slot::announce_quiet` when they leave.
pub(super) fn running(key: SubscriptionKey) -> u64 {
    THREADS.lock().records.iter().map(|record| record.count(key)).sum()
}

/// To be called by whoever has marked the gate of an inline subscription, before the look at who runs: from here on
/// all publishers see the mark, or are seen.
pub(super) fn see_mark() {
    let mine = THIS_THREAD.try_with(|thread| thread.get().map(|thread| Arc::clone(&thread.record)));
    let mine = mine.ok().flatten();
    // A thread that is listed later gets the mark with the lock.
    let others = {
        let threads = THREADS.lock();
        threads.records.iter().any(|record| mine.as_ref().is_none_or(|mine| !Arc::ptr_eq(mine, record)))
    };
    if others {
        fence::heavy();
    }
}

/// This thread's record and how deep it is in.
#[derive(Debug)]
struct ThisThread {
    record: Arc<Record>,
    depth: Cell<usize>,
    /// Where it is to be struck off. Held, for under loom the static may be gone before the last thread is.
    threads: Arc<Mutex<Threads>>,
}

impl ThisThread {
    fn enlist() -> Rc<Self> {
        let list = Arc::clone(&THREADS);
        let mut threads = list.lock();
        let number = threads.free.pop().unwrap_or_else(|| {
            let number = threads.next;
            // There are never so many threads at a time.
            threads.next = number.saturating_add(1);
            number
        });
        let record = Arc::new(Record::new(number));
        threads.records.push(Arc::clone(&record));
        drop(threads);
        Rc::new(Self { record, depth: Cell::new(0), threads: list })
    }
}

impl Drop for ThisThread {
    fn drop(&mut self) {
        let mut threads = self.threads.lock();
        threads.records.retain(|record| !Arc::ptr_eq(record, &self.record));
        threads.free.push(self.record.number);
    }
}

thread_local! {
    static THIS_THREAD: OnceCell<Rc<ThisThread>> = const { OnceCell::new() };
}

/// How many inline handlers of a subscription run further down this thread's stack.
pub(super) fn running_here(key: SubscriptionKey) -> u64 {
    let count = |thread: &ThisThread| {
        let runs = |depth: &usize| {
            // Relaxed: what this thread has written itself.
            thread.record.word(*depth).load(Ordering::Relaxed) == key.address()
        };
        (0..thread.depth.get()).filter(runs).count() as u64
    };
    THIS_THREAD.try_with(|thread| thread.get().map_or(0, |thread| count(thread))).unwrap_or(0)
}

/// While it lives, inline handlers nest one deeper on this thread.
#[derive(Debug)]
pub(crate) struct Nested {
    thread: Rc<ThisThread>,
    /// Which word this level has.
    depth: usize,
}

impl Nested {
    /// Goes one deeper, or refuses when `limit` is reached.
    // In a call of its own it would cost a publish some thirteen instructions.
    #[inline(always)]
    pub(crate) fn enter(limit: usize) -> Option<Self> {
        // In a destructor of a thread-local the record may be gone already: one for this call then.
        let thread = THIS_THREAD
            .try_with(|thread| Rc::clone(thread.get_or_init(ThisThread::enlist)))
            .unwrap_or_else(|_| ThisThread::enlist());
        let depth = thread.depth.get();
        if depth >= limit.min(MAX_DEPTH) {
            return None;
        }
        thread.depth.set(depth + 1);
        // Relaxed: this thread alone changes it.
        if depth >= thread.record.used.load(Ordering::Relaxed) {
            // The words first, so that whoever counts them finds them. Release: with them.
            let _ = thread.record.word(depth);
            thread.record.used.store(depth + 1, Ordering::Release);
        }
        Some(Self { thread, depth })
    }

    /// The number of this thread.
    #[inline]
    fn thread(&self) -> NonZeroU32 {
        self.thread.record.number
    }
}

impl Drop for Nested {
    #[inline]
    fn drop(&mut self) {
        self.thread.depth.set(self.depth);
    }
}

/// The word that shows whose handler runs.
#[derive(Clone, Copy)]
pub(super) struct Sign<'a> {
    word: &'a AtomicUsize,
    light: Light,
}

impl Sign<'_> {
    /// Shows that the handler of this slot is entered, and that the one before was left. What follows is a look at their
    /// gates, or in a round at its mark, which stands for both.
    #[inline(always)]
    pub(super) fn show(self, slot: &Slot) {
        self.put(slot.key().address());
    }

    #[inline(always)]
    fn put(self, key: usize) {
        // Release: what the last handler did is visible to who no longer finds it. The fence: see the head of the
        // file.
        self.word.store(key, Ordering::Release);
        self.light.fence();
    }
}

/// Where the inline handlers of one pass run, one after the other.
pub(crate) struct Stage<'a> {
    sign: Sign<'a>,
    /// Whose handler ran last, if its word still stands.
    last: Option<&'a Slot>,
    thread: NonZeroU32,
}

impl<'a> Stage<'a> {
    #[inline]
    pub(super) fn new(nested: &'a Nested) -> Self {
        let word = nested.thread.record.word(nested.depth);
        Self { sign: Sign { word, light: Light::new() }, last: None, thread: nested.thread() }
    }

    /// The number of this thread.
    #[inline]
    pub(super) fn thread(&self) -> NonZeroU32 {
        self.thread
    }

    /// Leaves the handler before, if there was one, and enters the one of this slot; false if the subscription was
    /// barred before.
    #[inline]
    pub(super) fn enter(&mut self, slot: &'a Slot) -> bool {
        self.change_to(slot);
        if slot.gate.view().is_barred() {
            self.leave();
            return false;
        }
        true
    }

    /// Like [`enter`](Self::enter), for a subscription that has no budget: false if it is not open.
    #[inline(always)]
    pub(super) fn enter_open(&mut self, slot: &'a Slot) -> bool {
        self.change_to(slot);
        if !slot.gate.view().is_open() {
            self.leave();
            return false;
        }
        true
    }

    /// For a round, which shows its handlers by itself. It begins with no handler [left](Self::leave) to look after, and
    /// ends with a word about who [was the last](Self::stay).
    #[inline]
    pub(super) fn sign(&self) -> Sign<'a> {
        self.sign
    }

    /// Leaves the last handler. To be called before other code of the application runs than a handler, for
    /// nobody may wait for that.
    #[inline]
    pub(super) fn leave(&mut self) {
        if let Some(last) = self.last.take() {
            self.sign.put(0);
            Self::left(last);
        }
    }

    /// Leaves the handler before, if there was one, and enters the one of this slot, whose gate the caller looks at next.
    #[inline(always)]
    fn change_to(&mut self, slot: &'a Slot) {
        self.sign.show(slot);
        if let Some(last) = self.last.replace(slot) {
            Self::left(last);
        }
    }

    /// This was the last handler that ran.
    #[inline(always)]
    pub(super) fn stay(&mut self, slot: &'a Slot) {
        self.last = Some(slot);
    }

    /// Tells those who wait for a handler that was left.
    #[inline(always)]
    fn left(last: &Slot) {
        if last.gate.view().is_closed() {
            Self::tell(last);
        }
    }

    #[cold]
    fn tell(last: &Slot) {
        last.announce_quiet();
    }
}

impl Drop for Stage<'_> {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn key(address: usize) -> SubscriptionKey {
        SubscriptionKey::of(address)
    }

    #[test]
    fn r3_nesting_ends_at_the_limit_and_at_the_hard_one() {
        let levels: Vec<_> = std::iter::from_fn(|| Nested::enter(5)).collect();
        assert_eq!(levels.len(), 5);
        drop(levels);
        // Dropped from the first to the last: the depth is that of the last one.
        assert_eq!(Nested::enter(usize::MAX).expect("a level").depth, 4);
    }

    #[test]
    fn s5_numbers_of_threads_that_are_gone_are_used_again() {
        let number = || Nested::enter(1).expect("the first level").thread().get();
        let mut highest = 0;
        for _ in 0..100 {
            let thread = crate::sync::thread::Builder::new().spawn(number).expect("a thread");
            highest = highest.max(thread.join().expect("no panic"));
        }
        // Other tests have threads, too.
        assert!(highest < 90, "100 threads in a row had numbers up to {highest}");
    }

    #[test]
    fn handlers_are_found_at_any_depth() {
        let levels: Vec<_> = std::iter::from_fn(|| Nested::enter(SHALLOW + 3)).collect();
        for (depth, level) in levels.iter().enumerate() {
            let word = level.thread.record.word(level.depth);
            word.store(if depth % 2 == 0 { 16 } else { 32 }, Ordering::Release);
        }
        assert_eq!((running_here(key(16)), running_here(key(32)), running_here(key(48))), (3, 2, 0));
        assert_eq!(running(key(16)), 3);
        for level in &levels {
            level.thread.record.word(level.depth).store(0, Ordering::Release);
        }
        assert_eq!((running(key(16)), running_here(key(32))), (0, 0));
        levels.into_iter().rev().for_each(drop);
    }
}
