//! The two words that carry a subscription's hand-over: [`Gate`] on the publishers' cache line and
//! [`Taken`] on the consumers'.
//!
//! # Orderings
//!
//! Every access that decides something is a read-modify-write with `AcqRel`. Read-modify-writes on
//! one word are totally ordered, and each acquires what the earlier ones released, so the protocols
//! below need no `SeqCst` fence and loom can check them whole. `README.md` beside this file tells
//! the protocols; the models are in `models.rs`.

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
    /// One accepted event.
    const ONE: u64 = 1 << 8;

    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Looks at the gate.
    #[inline]
    pub(crate) fn view(&self) -> GateView {
        // Acquire: whoever sees a booking also sees the push before it.
        GateView(self.0.load(Ordering::Acquire))
    }

    /// Books one accepted event, which is in the ring already, and returns what stood here before.
    #[inline]
    pub(crate) fn book(&self) -> GateView {
        // Release: the push comes before the booking for whoever sees the booking. Acquire: if the
        // old value says CLOSED, what the closer did before is visible.
        GateView(self.0.fetch_add(Self::ONE, Ordering::AcqRel))
    }

    /// Sets ACTIVE; true if it was this call that set it, and so has to wake the consumer.
    #[inline]
    pub(crate) fn activate(&self) -> bool {
        // AcqRel: see `rest`, whose counterpart this is.
        self.0.fetch_or(Self::ACTIVE, Ordering::AcqRel) & Self::ACTIVE == 0
    }

    /// Clears ACTIVE if nothing is booked beyond what was taken.
    ///
    /// The comparison and the clearing are one step: a booking either comes before it, and it fails,
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
        // AcqRel: a publisher that books after this sees that the subscription is closing; one that
        // booked before has its push visible to the closer.
        self.0.fetch_or(Self::CLOSED, Ordering::AcqRel) & Self::CLOSED == 0
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

    pub(crate) fn is_bypassed(self) -> bool {
        self.0 & Gate::BYPASSED != 0
    }

    /// How many accepted events have not been taken: what is queued.
    ///
    /// Negative for a moment when a consumer took an event whose publisher stands between its push
    /// and its booking. The difference is kept in 36 bits, which 2^35 queued events would overflow.
    #[inline]
    pub(crate) fn ahead_of(self, taken: TakenView) -> i64 {
        // Both counts at the top of their words: the sign of the difference comes out by itself.
        let difference = (self.accepted() << Taken::COUNT_SHIFT).wrapping_sub(taken.0 & Taken::COUNTS);
        difference.cast_signed() >> Taken::COUNT_SHIFT
    }
}

/// The consumers' word: how many events were taken out, how many publishers wait for room, and three
/// flags.
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
    /// An event was put aside because of a pause; it goes before the ring.
    const ASIDE: u64 = 1 << 3;
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

    /// Books one event that was popped, and returns what stood here before: whether it may be
    /// handled, and whether publishers wait for the room that it leaves.
    #[inline]
    pub(crate) fn take(&self) -> TakenView {
        // Release: a publisher that announces itself later (`wait`) sees the pop. Acquire: if
        // CANCELLED was set before, the canceller may have returned, and no handler starts.
        TakenView(self.0.fetch_add(1 << Self::COUNT_SHIFT, Ordering::AcqRel))
    }

    /// Takes back a `take`: the event has been put aside, and counts as queued again. The view is
    /// what stands here now.
    pub(crate) fn put_aside(&self) -> TakenView {
        // One step for both: minus one event, plus the flag (which is clear: one event at a time).
        let change = Self::ASIDE.wrapping_sub(1 << Self::COUNT_SHIFT);
        TakenView(self.0.fetch_add(change, Ordering::AcqRel).wrapping_add(change))
    }

    /// The event that was put aside has been fetched.
    pub(crate) fn fetched(&self) {
        self.0.fetch_and(!Self::ASIDE, Ordering::AcqRel);
    }

    /// Announces a publisher that is about to wait for room.
    ///
    /// After this the publisher tries once more: either the pop before some `take` is visible to it,
    /// or that `take` sees the announcement and wakes it.
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

    /// Neither paused, nor cancelled, nor with an event put aside: the ring may be popped.
    #[inline]
    pub(crate) fn may_pop(self) -> bool {
        self.0 & (Taken::CANCELLED | Taken::PAUSED | Taken::ASIDE) == 0
    }

    /// Any of the things that need more than handling the event: one test on the hot path.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & (Taken::CANCELLED | Taken::PAUSED | Taken::WAITERS) == 0
    }

    #[inline]
    pub(crate) fn waiters(self) -> u64 {
        (self.0 & Taken::WAITERS) >> 4
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn z4_the_count_of_the_gate_wraps_after_two_to_the_56th_and_keeps_its_flags() {
        let last = (1 << 56) - 1;
        let gate = Gate(AtomicU64::new(last << 8 | Gate::ACTIVE));
        assert_eq!(gate.view().accepted(), last);
        assert!(gate.book().is_active());
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
                gate.book();
                assert_eq!(gate.view().ahead_of(taken.view()), queued);
            }
            for queued in (0..8).rev() {
                taken.take();
                assert_eq!(gate.view().ahead_of(taken.view()), queued);
            }
            taken.take();
            assert_eq!(gate.view().ahead_of(taken.view()), -1, "taken before it was booked");
            assert!(gate.rest(&taken).is_some());
        }
    }

    #[test]
    fn waiting_publishers_and_flags_do_not_touch_the_count() {
        let taken = Taken::new();
        taken.wait();
        taken.wait();
        assert_eq!(taken.take().waiters(), 2);
        taken.stop_waiting();
        taken.pause();
        let view = taken.view();
        assert!(view.is_paused() && view.waiters() == 1);
        assert!(taken.park() && taken.resume() && !taken.resume());
        let gate = Gate::new();
        gate.book();
        assert_eq!(gate.view().ahead_of(taken.view()), 0);
    }
}
