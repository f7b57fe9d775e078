//! What a subscription with an idempotency window does with the ids of its events: claims them when a handler would
//! start, and ends the claims when it has ended. `window.rs` has the protocol.

use super::engine_tally::Figure;
use super::slot::Slot;
use super::window::{IdClaim, Window};
use crate::event::{Head, Settled};

impl Slot {
    /// Says whether an event from the queue is a duplicate, whose handler would start now; and otherwise claims its id, if
    /// there is a window.
    pub(super) fn is_duplicate(&self, event: &Head) -> bool {
        self.spec.window.as_ref().is_some_and(|window| !self.claim_id(window, event, || self.ended.repeat()))
    }

    /// Claims the id of an event whose handler would start now. False if it is a duplicate: then it has been counted, its
    /// completion settles in time, and that is all that becomes of it. A claim that was granted is ended by
    /// [`end_claim`](Self::end_claim).
    pub(super) fn claim_id(&self, window: &Window, event: &Head, count: impl FnOnce()) -> bool {
        let engine = event.engine();
        let count = || {
            count();
            if engine != 0 {
                self.hooks.count(engine, Figure::Duplicate);
            }
        };
        let claimed = window.claim(event.id(), self.time_for(window), event.shared_completion(), count);
        if claimed == IdClaim::Granted {
            return true;
        }
        self.hooks.duplicate(self, event);
        if claimed == IdClaim::Handled
            && let Some(completion) = event.completion()
        {
            self.hooks.completed(completion.settle(Settled::Done));
        }
        false
    }

    /// Ends the claim of an event's id, if there is a window: when its handler has come to its end for good, or if it does
    /// not start after all. What it settles as decides whether the id is remembered; `kept`: somebody has its dead letter.
    pub(super) fn end_claim(&self, event: &Head, settled: Settled, kept: bool) {
        let Some(window) = &self.spec.window else { return };
        let waiting = window.end(event.id(), settled == Settled::Done, self.time_for(window));
        for completion in waiting {
            if kept {
                completion.keep_dead_letter(self.id);
            }
            self.hooks.completed(completion.settle(settled));
        }
    }

    fn time_for(&self, window: &Window) -> u64 {
        if window.needs_time() { self.hooks.time.millis() } else { 0 }
    }
}
