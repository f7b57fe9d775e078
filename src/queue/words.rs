//! The two words of a queue: [`Gate`] on the publishers' cache line and [`Taken`] on the consumers'.
//!
//! Each counts the events that passed it, and holds the flags that decide whether the next one may. So a
//! claim, "this number is mine, and the queue is open", is one step.
//!
//! # Orderings
//!
//! Every access that decides something is a read-modify-write with `AcqRel`. Read-modify-writes on
//! one word are totally ordered, and each acquires what the earlier ones released, so the protocols
//! need no `SeqCst` fence and loom can check them whole. `README.md` beside this file tells them.
//!
//! Only the ring can change the counts: what it does with its places relies on them.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The publishers' word: how many events were accepted, and three flags.
///
/// Bits 8.. count the accepted events: 2^56 of them, which at a hundred million events a second
/// lasts 22 years; then the count wraps, and with it the `offered` counter.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU64);

/// What a publisher or the consumer saw in the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateView(u64);

impl Gate {
    /// No event is accepted any more.
    const CLOSED: u64 = 1;
    /// The consumer is awake, or somebody has undertaken to wake it.
    const ACTIVE: u64 = 1 << 1;
    /// Events pass this subscription by (an inline one that is paused or in quarantine).
    const BYPASSED: u64 = 1 << 2;
    /// The subscription has come to its end (an inline one; a queue has its mark in [`Taken`]).
    const ENDED: u64 = 1 << 3;
    /// No inline handler starts any more, not even one that was granted.
    const BARRED: u64 = 1 << 4;
    /// One accepted event.
    const ONE: u64 = 1 << 8;

    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Looks at the gate.
    #[inline]
    pub(crate) fn view(&self) -> GateView {
        // Acquire: whoever sees the mark of a closer sees what that one did before.
        GateView(self.0.load(Ordering::Acquire))
    }

    /// Claims the next `count` numbers, if nothing has changed since the look. Returns what stands here otherwise.
    #[inline]
    pub(super) fn claim(&self, seen: GateView, count: u64) -> Result<(), GateView> {
        // AcqRel: claims, the closing and the consumer's rest are in one order. Failure, Acquire: as a look.
        self.0
            .compare_exchange_weak(
                seen.0,
                seen.0.wrapping_add(count * Self::ONE),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .map(drop)
            .map_err(GateView)
    }

    /// Sets ACTIVE; true if it was this call that set it, and so has to wake the consumer.
    #[inline]
    pub(crate) fn activate(&self) -> bool {
        // AcqRel: see `rest`, whose counterpart this is.
        self.0.fetch_or(Self::ACTIVE, Ordering::AcqRel) & Self::ACTIVE == 0
    }

    /// Clears ACTIVE if nothing was accepted beyond what was taken.
    ///
    /// The comparison and the clearing are one step: a claim either comes before it, and it fails,
    /// or after it, and then that publisher finds ACTIVE clear and wakes the consumer.
    ///
    /// Returns what stood here before, or nothing.
    pub(crate) fn rest(&self, taken: &Taken) -> Option<GateView> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            if GateView(seen).ahead_of(taken.view()) > 0 {
                return None;
            }
            match self.0.compare_exchange_weak(
                seen,
                seen & !Self::ACTIVE,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(GateView(seen)),
                Err(now) => seen = now,
            }
        }
    }

    /// Reads the newest value in the gate's modification order, and publishes what this thread did
    /// before to whoever changes the gate next.
    pub(crate) fn touch(&self) -> GateView {
        GateView(self.0.fetch_or(0, Ordering::AcqRel))
    }

    /// Closes the gate; true if this call closed it.
    pub(crate) fn close(&self) -> bool {
        self.mark_closed(Self::CLOSED)
    }

    /// Closes the gate, and no inline handler starts any more either, not even one that was granted; see
    /// `dispatch/frames.rs`.
    pub(crate) fn bar(&self) -> bool {
        self.mark_closed(Self::CLOSED | Self::BARRED)
    }

    fn mark_closed(&self, marks: u64) -> bool {
        // AcqRel: no number is claimed after this; those claimed before are visible to the closer.
        self.0.fetch_or(marks, Ordering::AcqRel) & Self::CLOSED == 0
    }

    /// Notes the end of an inline subscription; true if this call did.
    pub(crate) fn end(&self) -> bool {
        self.0.fetch_or(Self::ENDED, Ordering::AcqRel) & Self::ENDED == 0
    }

    pub(crate) fn bypass(&self) {
        self.0.fetch_or(Self::BYPASSED, Ordering::AcqRel);
    }

    pub(crate) fn stop_bypass(&self) {
        self.0.fetch_and(!Self::BYPASSED, Ordering::AcqRel);
    }
}

impl GateView {
    /// How many events were accepted.
    pub(crate) fn accepted(self) -> u64 {
        self.0 >> 8
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & Gate::CLOSED != 0
    }

    #[inline]
    pub(crate) fn is_active(self) -> bool {
        self.0 & Gate::ACTIVE != 0
    }

    /// Neither closed nor bypassed: one test on the hot path.
    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self.0 & (Gate::CLOSED | Gate::BYPASSED) == 0
    }

    #[inline]
    pub(crate) fn is_barred(self) -> bool {
        self.0 & Gate::BARRED != 0
    }

    pub(crate) fn is_bypassed(self) -> bool {
        self.0 & Gate::BYPASSED != 0
    }

    /// How many accepted events have not been taken: what is queued.
    ///
    /// Negative if the look at this word is older than the one at the other. The difference is kept in 36
    /// bits, which 2^35 queued events would overflow.
    #[inline]
    pub(crate) fn ahead_of(self, taken: TakenView) -> i64 {
        // Both counts at the top of their words: the sign of the difference comes out by itself.
        let difference = (self.accepted() << Taken::COUNT_SHIFT).wrapping_sub(taken.0 & Taken::COUNTS);
        difference.cast_signed() >> Taken::COUNT_SHIFT
    }
}

/// The consumers' word: how many events were taken out, how many publishers wait for room, and flags.
///
/// Bits 28.. count the events taken, modulo 2^36: only differences to the gate matter, and a queue
/// holds fewer than 2^32. Bits 4..28 count the waiting publishers.
#[derive(Debug)]
pub(crate) struct Taken(AtomicU64);

/// What somebody saw in [`Taken`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenView(u64);

impl Taken {
    /// What is still queued is discarded, no handler starts.
    const CANCELLED: u64 = 1;
    /// No handler starts until `resume`.
    const PAUSED: u64 = 1 << 1;
    /// The consumer stopped because of PAUSED and waits for `resume` to start it again.
    const PARKED: u64 = 1 << 2;
    /// One waiting publisher.
    const WAITER: u64 = 1 << 4;
    const WAITERS: u64 = ((1 << 24) - 1) << 4;
    const COUNT_SHIFT: u32 = 28;
    const COUNTS: u64 = !0 << Self::COUNT_SHIFT;

    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn view(&self) -> TakenView {
        // Acquire: pairs with the release half of every change, so that a reader that goes on to
        // read the gate sees at least the bookings which the takers saw.
        TakenView(self.0.load(Ordering::Acquire))
    }

    /// Claims the next number, if nothing has changed since the look: neither flags nor waiting publishers.
    /// Returns what stands here otherwise.
    #[inline]
    pub(super) fn claim(&self, seen: TakenView) -> Result<(), TakenView> {
        // Release: a publisher that announces itself later (`wait`) sees that there is room. Acquire: no
        // number is claimed after CANCELLED or PAUSED. Failure, Acquire: as a look.
        self.0
            .compare_exchange_weak(
                seen.0,
                seen.0.wrapping_add(1 << Self::COUNT_SHIFT),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .map(drop)
            .map_err(TakenView)
    }

    /// Announces a publisher that is about to wait for room.
    ///
    /// After this the publisher tries once more: either it sees the room that some claim has made, or that
    /// claim sees the announcement, and the consumer wakes it.
    pub(crate) fn wait(&self) {
        self.0.fetch_add(Self::WAITER, Ordering::AcqRel);
    }

    /// Takes an announcement back.
    pub(crate) fn stop_waiting(&self) {
        self.0.fetch_sub(Self::WAITER, Ordering::AcqRel);
    }

    /// From here on no handler starts and what is queued is discarded; true if this call did it.
    /// The view is what stood here before.
    pub(crate) fn cancel(&self) -> TakenView {
        TakenView(self.0.fetch_or(Self::CANCELLED, Ordering::AcqRel))
    }

    pub(crate) fn pause(&self) {
        self.0.fetch_or(Self::PAUSED, Ordering::AcqRel);
    }

    /// Ends a pause; true if the consumer is parked and has to be woken.
    pub(crate) fn resume(&self) -> bool {
        self.0.fetch_and(!(Self::PAUSED | Self::PARKED), Ordering::AcqRel) & Self::PARKED != 0
    }

    /// The consumer parks because of a pause; false if the pause (or everything) is over by now.
    pub(crate) fn park(&self) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            if seen & Self::PAUSED == 0 || seen & Self::CANCELLED != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(seen, seen | Self::PARKED, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Reads the newest value in this word's modification order.
    pub(crate) fn touch(&self) -> TakenView {
        TakenView(self.0.fetch_or(0, Ordering::AcqRel))
    }
}

impl TakenView {
    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & Taken::CANCELLED != 0
    }

    pub(crate) fn is_paused(self) -> bool {
        self.0 & Taken::PAUSED != 0
    }

    /// The consumer said that it parks, and nobody has come to wake it.
    pub(crate) fn is_parked(self) -> bool {
        self.0 & Taken::PARKED != 0
    }

    /// Neither paused nor cancelled: one test on the hot path.
    #[inline]
    pub(crate) fn may_pop(self) -> bool {
        self.0 & (Taken::CANCELLED | Taken::PAUSED) == 0
    }

    /// How many events were taken, modulo 2^36.
    #[inline]
    pub(super) fn count(self) -> u64 {
        self.0 >> Taken::COUNT_SHIFT
    }

    /// A view of that count, and no flag.
    #[inline]
    pub(super) fn of_count(count: u64) -> Self {
        Self(count << Taken::COUNT_SHIFT)
    }

    #[inline]
    pub(crate) fn waiters(self) -> u64 {
        (self.0 & Taken::WAITERS) >> 4
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn book(gate: &Gate) {
        while gate.claim(gate.view(), 1).is_err() {}
    }

    fn take(taken: &Taken) {
        while taken.claim(taken.view()).is_err() {}
    }

    #[test]
    fn z4_the_count_of_the_gate_wraps_after_two_to_the_56th_and_keeps_its_flags() {
        let last = (1 << 56) - 1;
        let gate = Gate(AtomicU64::new(last << 8 | Gate::ACTIVE));
        assert_eq!(gate.view().accepted(), last);
        book(&gate);
        assert_eq!(gate.view().accepted(), 0, "it begins anew");
        assert!(gate.view().is_active() && !gate.view().is_closed());
    }

    #[test]
    fn z4_what_is_queued_is_right_across_the_wrap_of_either_count() {
        // The count of what was taken has 36 bits and wraps first.
        for accepted in [(1_u64 << 36) - 3, (1 << 56) - 3] {
            let gate = Gate(AtomicU64::new(accepted << 8));
            let taken = Taken(AtomicU64::new(accepted << Taken::COUNT_SHIFT));
            for queued in 1..=8 {
                book(&gate);
                assert_eq!(gate.view().ahead_of(taken.view()), queued);
            }
            for queued in (0..8).rev() {
                take(&taken);
                assert_eq!(gate.view().ahead_of(taken.view()), queued);
            }
            take(&taken);
            assert_eq!(gate.view().ahead_of(taken.view()), -1, "an older look at the gate");
            assert!(gate.rest(&taken).is_some());
        }
    }

    #[test]
    fn waiting_publishers_and_flags_do_not_touch_the_count() {
        let taken = Taken::new();
        taken.wait();
        taken.wait();
        take(&taken);
        assert_eq!(taken.view().waiters(), 2);
        taken.stop_waiting();
        taken.pause();
        let view = taken.view();
        assert!(view.is_paused() && view.waiters() == 1);
        assert!(taken.park() && taken.resume() && !taken.resume());
        let gate = Gate::new();
        book(&gate);
        assert_eq!(gate.view().ahead_of(taken.view()), 0);
    }
}
