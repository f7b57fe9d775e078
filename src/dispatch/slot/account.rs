//! What has become of the events of a subscription so far.

use std::time::Duration;

use super::Slot;
use crate::dispatch::inlet::Inlet;
use crate::dispatch::rounds::Attendance;
use crate::dispatch::tally::{Ledger, Sinks};
use crate::dispatch::times::HandlingTimes;
use crate::sync::clock;

impl Slot {
    /// Reads the ledger: the ends first, then what was taken, then what was accepted, so that no
    /// event shows at its end that does not show at its source (invariant C2).
    pub(crate) fn ledger(&self) -> Ledger {
        let rounds = self.attendance().map(Attendance::counts).unwrap_or_default();
        let sinks = Sinks::read(&self.ended, &self.refused, rounds.ended);
        let stripes = self.stripes.sums();
        let started = self.ended.started() + rounds.started;
        // Those were taken, and have not ended.
        let (aside, retried) = self.aside().map_or((0, 0), |aside| (aside.len(), aside.retried()));
        let (taken, accepted) = self.inlet().map_or((0, 0), |inlet| {
            let taken = inlet.taken().view();
            let gate = inlet.gate().view();
            // Not negative: what was taken had been accepted, and that look is the later one.
            (gate.accepted() - u64::try_from(gate.ahead_of(taken)).unwrap_or(0), gate.accepted())
        });
        let taken = taken - aside;
        Ledger { retried, ..Ledger::read(&sinks, stripes, taken + started, accepted + started) }
    }

    /// How long its handlers took, if that is counted.
    pub(crate) fn handling_times(&self) -> Option<HandlingTimes> {
        self.times.as_ref().map(|times| times.read())
    }

    /// Says whether an event was ever queued.
    pub(in crate::dispatch) fn was_used(&self) -> bool {
        self.inlet().is_some_and(|inlet| inlet.gate().view().accepted() > 0)
    }

    /// How many events are queued, or set aside.
    pub(crate) fn queued(&self) -> u64 {
        self.inlet().map_or(0, Inlet::len) + self.set_aside()
    }

    /// Says whether nothing is queued and no handler runs, `own` of them excepted.
    pub(crate) fn is_quiet(&self, own: u64) -> bool {
        if self.is_inline() {
            return self.running_inline() <= own;
        }
        let ledger = self.ledger();
        ledger.queued == 0 && ledger.running <= own
    }

    /// How long ago the oldest queued event was published; coarse, to a few milliseconds.
    pub(crate) fn oldest_age(&self) -> Option<Duration> {
        let now = self.hooks.time.tick();
        let aside = self.aside().and_then(|aside| aside.oldest_tick(now));
        let ticks = self.inlet()?.oldest_tick().into_iter().chain(aside);
        ticks.map(|tick| clock::tick_age(tick, now)).max()
    }
}
