//! A bounded queue of many producers and many consumers, allocated on its first push.
//!
//! `crossbeam_queue::ArrayQueue` (after Dmitry Vyukov's bounded MPMC queue) behind a `OnceLock`: a
//! subscription that never queued an event costs a few words. Its `pop` spins on a slot that a
//! pusher has claimed and not yet written; that window is a few instructions long, and it is the one
//! place where a thread that is never scheduled again can hold up another (invariant L8).

#[cfg(not(loom))]
use {crossbeam_queue::ArrayQueue, std::sync::OnceLock};

#[cfg(loom)]
use {super::Mutex, std::collections::VecDeque};

/// A bounded queue; `push` gives the value back when it is full.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    capacity: usize,
    #[cfg(not(loom))]
    /// Boxed: the queue has two padded words inline, which an unused subscription does without.
    slots: OnceLock<Box<ArrayQueue<T>>>,
    #[cfg(loom)]
    slots: Mutex<VecDeque<T>>,
}

#[cfg(not(loom))]
impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, slots: OnceLock::new() }
    }

    #[inline]
    fn slots(&self) -> &ArrayQueue<T> {
        match self.slots.get() {
            Some(slots) => slots,
            None => self.allocate(),
        }
    }

    #[cold]
    fn allocate(&self) -> &ArrayQueue<T> {
        self.slots.get_or_init(|| Box::new(ArrayQueue::new(self.capacity)))
    }

    /// Appends a value, or gives it back when the queue is full.
    #[inline]
    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        self.slots().push(value)
    }

    /// Appends a value and returns the oldest one if it had to make room.
    #[inline]
    pub(crate) fn force_push(&self, value: T) -> Option<T> {
        self.slots().force_push(value)
    }

    /// Takes the oldest value.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        self.slots.get()?.pop()
    }

    /// Says whether nothing is queued at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.get().is_none_or(|slots| slots.is_empty())
    }

    /// Says whether there is no room at this moment.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.get().is_some_and(|slots| slots.is_full())
    }
}

#[cfg(loom)]
impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, slots: Mutex::new(VecDeque::new()) }
    }

    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        let mut slots = self.slots.lock();
        if slots.len() == self.capacity {
            return Err(value);
        }
        slots.push_back(value);
        Ok(())
    }

    pub(crate) fn force_push(&self, value: T) -> Option<T> {
        let mut slots = self.slots.lock();
        let oldest = if slots.len() == self.capacity { slots.pop_front() } else { None };
        slots.push_back(value);
        oldest
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.slots.lock().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.lock().is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slots.lock().len() == self.capacity
    }
}

impl<T> Ring<T> {
    /// The largest number of values.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}
