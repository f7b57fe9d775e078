//! When the queued events were published, for statistics.
//!
//! A ring cannot be looked into without popping, so the publish times stand beside it, by the number under
//! which each event was booked. That number can differ from the place in the ring by the number of concurrent
//! publishers, which is near enough for an age in milliseconds.

use std::sync::OnceLock;

use crate::sync::atomic::{FigureU32, Ordering};

/// The ticks (see `clock::tick_age`) of the events in a queue. Allocated by the first one.
#[derive(Debug, Default)]
pub(super) struct Ages {
    ticks: OnceLock<Box<[FigureU32]>>,
}

impl Ages {
    /// Notes the tick of the event with this number, in a queue of that capacity.
    #[inline]
    pub(super) fn note(&self, number: u64, tick: u32, capacity: usize) {
        let ticks = self.ticks.get_or_init(|| {
            // A power of two: a division would cost as much as the booking.
            (0..capacity.next_power_of_two()).map(|_| FigureU32::new(0)).collect()
        });
        // Relaxed: a statistic.
        ticks[place(number, ticks.len())].store(tick, Ordering::Relaxed);
    }

    /// The tick of the event with this number, if it is still queued.
    pub(super) fn of(&self, number: u64) -> Option<u32> {
        let ticks = self.ticks.get()?;
        Some(ticks[place(number, ticks.len())].load(Ordering::Relaxed))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are all that counts")]
fn place(number: u64, len: usize) -> usize {
    number as usize & (len - 1)
}
