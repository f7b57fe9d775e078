//! An unbounded queue of many producers and many consumers: what is ready to run on one worker.
//!
//! `crossbeam_queue::SegQueue`. Under loom its place is taken by a stand-in that is *weaker* than the
//! real one: a look at an empty queue takes no lock and orders nothing. So a model that passes does not
//! owe it to the stand-in's lock; the sleep protocol must bring the ordering itself.

#[cfg(not(loom))]
use crossbeam_queue::SegQueue;

#[cfg(loom)]
use {
    super::Mutex,
    super::atomic::{AtomicUsize, Ordering},
    std::collections::VecDeque,
};

/// A queue of values that are ready to be worked on.
#[derive(Debug)]
pub(crate) struct Ready<T> {
    #[cfg(not(loom))]
    queue: SegQueue<T>,
    #[cfg(loom)]
    queue: Mutex<VecDeque<T>>,
    #[cfg(loom)]
    length: AtomicUsize,
}

#[cfg(not(loom))]
impl<T> Ready<T> {
    pub(crate) fn new() -> Self {
        Self { queue: SegQueue::new() }
    }

    /// Appends a value.
    #[inline]
    pub(crate) fn push(&self, value: T) {
        self.queue.push(value);
    }

    /// Takes the oldest value.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Says whether nothing is queued at this moment.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(loom)]
impl<T> Ready<T> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(VecDeque::new()), length: AtomicUsize::new(0) }
    }

    pub(crate) fn push(&self, value: T) {
        let mut queue = self.queue.lock();
        queue.push_back(value);
        // Relaxed on purpose, see the head of the file.
        self.length.store(queue.len(), Ordering::Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let value = queue.pop_front();
        self.length.store(queue.len(), Ordering::Relaxed);
        value
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed on purpose, see the head of the file.
        self.length.load(Ordering::Relaxed) == 0
    }
}
