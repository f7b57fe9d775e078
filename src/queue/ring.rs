//! The ring: places, and the claims on them. The claims are those of Dmitry Vyukov's bounded queue of many
//! producers and consumers; that they carry flags as well is ours.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::place::Place;
use super::words::{Gate, GateView, Taken, TakenView};
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::{spin_loop, yield_now};

/// Looks at a place that somebody is about to leave, between two yields.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 64 };

/// A bounded queue of any number of producers and consumers, allocated by the first push.
///
/// The padding keeps the publishers' and the consumers' part on different cache lines wherever the ring lies. To
/// align it would cost an idle subscription a hundred bytes more.
#[repr(C)]
pub(crate) struct Ring<E> {
    // The publishers' part.
    gate: Gate,
    /// How many events had been taken when a publisher last looked: as long as that leaves room, it need
    /// not touch the consumers' line.
    seen: AtomicU64,
    /// In events. Signed, as differences are.
    capacity: i64,
    /// A power of two, at least the capacity. Boxed: an unused queue costs a few words.
    places: OnceLock<Box<[Place<E>]>>,

    padding: [u8; 64],

    // The consumers' part.
    taken: Taken,
}

/// A value that was not accepted.
#[derive(Debug)]
pub(crate) enum Refused<E> {
    Full(E),
    Closed(E),
}

impl<E> Refused<E> {
    /// The value.
    pub(crate) fn into_inner(self) -> E {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

/// Why no value is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    Full,
    Closed,
}

/// Values that were appended in one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) count: u64,
    /// Whether the consumer is awake.
    pub(crate) awake: bool,
}

/// Numbers in a row that a publisher has claimed, and has to put its values under.
struct Claim<'a, E> {
    places: &'a [Place<E>],
    /// As it stood before: the first number is its count.
    gate: GateView,
    count: u64,
}

impl<E> Claim<'_, E> {
    /// Puts a value under each of the numbers, and returns whether the consumer is awake.
    #[inline(always)]
    fn fill(self, values: impl Iterator<Item = E>, tick: u32) -> bool {
        for (offset, value) in (0..self.count).zip(values) {
            let number = self.gate.accepted().wrapping_add(offset);
            // SAFETY: This thread has claimed the number, and uses it once. Its place was empty before, and whoever
            // claims another number of this place finds no room before this one was taken: see README.md, "Why it
            // is sound".
            unsafe { at(self.places, number).put(value, number, tick) };
        }
        self.gate.is_active()
    }
}

/// What a consumer finds.
#[derive(Debug)]
pub(crate) enum Popped<E> {
    /// A value. The flag says that somebody waits for its room.
    Value(E, bool),
    /// Nothing, or nothing yet. The flag says that somebody waits for room all the same.
    Empty(bool),
    Paused,
    Cancelled,
}

impl<E> Ring<E> {
    pub(crate) fn new(capacity: usize) -> Self {
        let ring = Self {
            gate: Gate::new(),
            seen: AtomicU64::new(0),
            capacity: i64::try_from(capacity).unwrap_or(i64::MAX),
            places: OnceLock::new(),
            padding: [0; 64],
            taken: Taken::new(),
        };
        // loom does not see that the lock orders the making of its atomics before their use.
        #[cfg(loom)]
        ring.allocate();
        ring
    }

    /// The publishers' word.
    #[inline]
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The consumers' word.
    #[inline]
    pub(crate) fn taken(&self) -> &Taken {
        &self.taken
    }

    /// How many values are queued.
    pub(crate) fn len(&self) -> u64 {
        // In this order: what was taken was accepted before.
        let taken = self.taken.view();
        u64::try_from(self.gate.view().ahead_of(taken)).unwrap_or(0)
    }

    /// Says whether there is no room at this moment.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.capacity.unsigned_abs()
    }

    /// Appends a value, and returns whether the consumer is awake.
    #[inline(always)]
    pub(crate) fn push(&self, value: E, tick: u32) -> Result<bool, Refused<E>> {
        match self.claim(1) {
            Ok(claim) => Ok(claim.fill(std::iter::once(value), tick)),
            Err(Shut::Full) => Err(Refused::Full(value)),
            Err(Shut::Closed) => Err(Refused::Closed(value)),
        }
    }

    /// Appends as many values as there is room for, in one step, and leaves the rest where they are.
    ///
    /// The iterator is one of ours: it goes on between the claim and the last put, so it runs no code of the
    /// application, does not panic, and has as many values as it says.
    pub(crate) fn push_run(
        &self,
        values: &mut impl ExactSizeIterator<Item = E>,
        tick: u32,
    ) -> Result<Run, Shut> {
        let claim = self.claim(values.len() as u64)?;
        Ok(Run { count: claim.count, awake: claim.fill(values, tick) })
    }

    /// Claims the next numbers for this thread: as many as are wanted, or for which there is room, and at least one.
    #[inline(always)]
    fn claim(&self, wanted: u64) -> Result<Claim<'_, E>, Shut> {
        let places = match self.places.get() {
            Some(places) => places,
            None => self.allocate(),
        };
        let mut gate = self.gate.view();
        loop {
            if gate.is_closed() {
                return Err(Shut::Closed);
            }
            let room = self.room(gate, wanted);
            if room == 0 {
                return Err(Shut::Full);
            }
            let count = (0..room)
                .take_while(|offset| at(places, gate.accepted().wrapping_add(*offset)).is_empty())
                .count() as u64;
            if count == 0 {
                // A consumer has claimed what is here, and is about to take it out. Or it is what another
                // publisher has put here meanwhile, under this very number.
                let place = at(places, gate.accepted());
                wait_until(|| place.is_empty() || self.gate.view() != gate);
                gate = self.gate.view();
                continue;
            }
            match self.gate.claim(gate, count) {
                Ok(()) => return Ok(Claim { places, gate, count }),
                Err(now) => gate = now,
            }
        }
    }

    /// For how many more there is room in a queue with this gate, as far as they are wanted. For all of them, if the
    /// gate has moved on since.
    #[inline(always)]
    fn room(&self, gate: GateView, wanted: u64) -> u64 {
        let room = |taken: TakenView| {
            let room = self.capacity.saturating_sub(gate.ahead_of(taken));
            u64::try_from(room).unwrap_or(0).min(wanted)
        };
        // Acquire, and Release below: who relies on what another publisher saw, sees what that one saw.
        let seen = room(TakenView::of_count(self.seen.load(Ordering::Acquire)));
        if seen == wanted {
            return seen;
        }
        let taken = self.taken.view();
        self.seen.store(taken.count(), Ordering::Release);
        room(taken)
    }

    /// Takes the oldest value, unless the consumer is to pause or to end.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Popped<E> {
        let mut taken = self.taken.view();
        loop {
            if !taken.may_pop() {
                return if taken.is_cancelled() { Popped::Cancelled } else { Popped::Paused };
            }
            let waiters = taken.waiters() > 0;
            let Some(places) = self.places.get() else { return Popped::Empty(waiters) };
            let place = at(places, taken.count());
            if place.tick_of(taken.count()).is_none() {
                return Popped::Empty(waiters);
            }
            match self.taken.claim(taken) {
                // SAFETY: The value of this number is here, and the number was claimed by this thread.
                Ok(()) => return Popped::Value(unsafe { place.take() }, waiters),
                Err(now) => taken = now,
            }
        }
    }

    /// Takes the oldest value, whatever the consumer is to do. Waits for a publisher that has claimed a place
    /// and not yet filled it, a window of a few instructions.
    pub(crate) fn discard(&self) -> Option<E> {
        let places = self.places.get()?;
        let mut taken = self.taken.view();
        loop {
            if self.gate.view().ahead_of(taken) <= 0 {
                return None;
            }
            let place = at(places, taken.count());
            if place.tick_of(taken.count()).is_none() {
                // Being put in, or taken out by another.
                wait_until(|| {
                    place.tick_of(taken.count()).is_some() || self.taken.view().count() != taken.count()
                });
                taken = self.taken.view();
                continue;
            }
            match self.taken.claim(taken) {
                // SAFETY: As in `pop`.
                Ok(()) => return Some(unsafe { place.take() }),
                Err(now) => taken = now,
            }
        }
    }

    /// The tick of the oldest value.
    #[inline]
    pub(crate) fn oldest_tick(&self) -> Option<u32> {
        let number = self.taken.view().count();
        at(self.places.get()?, number).tick_of(number)
    }

    #[cold]
    fn allocate(&self) -> &[Place<E>] {
        let places = self.capacity.unsigned_abs().next_power_of_two();
        self.places.get_or_init(|| (0..places).map(|_| Place::new()).collect())
    }
}

/// The place of a number.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are all that counts")]
fn at<E>(places: &[Place<E>], number: u64) -> &Place<E> {
    &places[number as usize & (places.len() - 1)]
}

/// Waits for another thread to do its next few instructions.
#[cold]
fn wait_until(holds: impl Fn() -> bool) {
    loop {
        for _ in 0..LOOKS {
            if holds() {
                return;
            }
            spin_loop();
        }
        if holds() {
            return;
        }
        yield_now();
    }
}

impl<E> Drop for Ring<E> {
    fn drop(&mut self) {
        while self.discard().is_some() {}
    }
}

// A value is in the ring or out of it: a panic finds nothing half done.
impl<E> UnwindSafe for Ring<E> {}
impl<E> RefUnwindSafe for Ring<E> {}

impl<E> fmt::Debug for Ring<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("len", &self.len()).field("capacity", &self.capacity).finish()
    }
}
