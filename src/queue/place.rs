//! One place of the ring: a value that one thread puts in and another takes out.
//!
//! # Safety
//!
//! This file is the one exception to the crate's ban on `unsafe`. What its two functions ask for is kept by
//! `ring.rs`, the only file that can see them; `README.md` beside this file has the argument.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::cell::UnsafeCell;

/// Nothing is here.
const EMPTY: u64 = 0;
/// Something is here: the event with the number in bits 1 to 31, of the tick in bits 32 and up.
const FULL: u64 = 1;

/// A place for one value.
#[derive(Debug)]
pub(super) struct Place<E> {
    state: AtomicU64,
    value: UnsafeCell<MaybeUninit<E>>,
}

// SAFETY: The value is moved in by one thread and out by another, never borrowed by two: `put` and `take`
// demand that their callers exclude each other, and `state` hands the value over (Release, Acquire).
unsafe impl<E: Send> Sync for Place<E> {}

impl<E> Place<E> {
    pub(super) fn new() -> Self {
        Self { state: AtomicU64::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Says whether the last value has been taken out.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // Acquire: whoever took the last value has done with the place.
        self.state.load(Ordering::Acquire) == EMPTY
    }

    /// The tick of the event with this number, if that is what is here.
    ///
    /// The number tells it from the one that stood here a round before: a consumer may have claimed that
    /// one, and not yet taken it out.
    #[inline]
    pub(super) fn tick_of(&self, number: u64) -> Option<u32> {
        // Acquire: the value is here when its state is.
        let state = self.state.load(Ordering::Acquire);
        (state & u64::from(u32::MAX) == mark(number)).then_some((state >> 32) as u32)
    }

    /// Puts a value in, under its number.
    ///
    /// # Safety
    ///
    /// The caller has found the place [empty](Self::is_empty), and is the only one that may put something
    /// in since then.
    #[inline]
    pub(super) unsafe fn put(&self, value: E, number: u64, tick: u32) {
        // SAFETY: Empty, so nobody takes; and the caller excludes others who put.
        self.value.with_mut(|here| unsafe { (*here).write(value) });
        // Release: with the value.
        self.state.store(mark(number) | (u64::from(tick) << 32), Ordering::Release);
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// The caller has found a value [here](Self::tick_of), and is the only one that may take it.
    #[inline]
    pub(super) unsafe fn take(&self) -> E {
        // SAFETY: The state said that a value was put in, and its load made that visible; the caller
        // excludes others who take, so it is read out once. Nobody puts before the state says empty.
        let value = self.value.with_mut(|here| unsafe { (*here).assume_init_read() });
        // Release: the place is read before it is empty.
        self.state.store(EMPTY, Ordering::Release);
        value
    }
}

#[inline]
fn mark(number: u64) -> u64 {
    FULL | ((number << 1) & u64::from(u32::MAX))
}
