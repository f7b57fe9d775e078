//! How a follower reads: its consumer puts into the queue what is kept, until publishers reach it there.

use smallvec::SmallVec;

use super::follower::Follower;
use super::log::{Log, LogState};
use crate::dispatch::inlet::{Inlet, Queued};
use crate::dispatch::slot::Slot;
use crate::dispatch::take::Next;
use crate::event::AnyEvent;
use crate::guard::drop_guarded;
use crate::history::Kept;
use crate::queue::Refused;

/// So many events are read at a time.
const BATCH: usize = if cfg!(loom) { 2 } else { 32 };

/// What a slot says to an event that is kept. Nothing is counted yet.
pub(super) enum Judged {
    Offer,
    Filtered,
    /// It is of another type.
    Skipped,
    /// The filter panicked, and threw this.
    Panicked(Box<dyn std::any::Any + Send>),
}

impl Slot {
    /// The queue of a follower is empty: reads on, and takes what came of it.
    #[cold]
    #[inline(never)]
    pub(in crate::dispatch) fn read_on<E: Queued>(&self, mut take: impl FnMut() -> Next<E>) -> Next<E> {
        let Some(follower) = self.follower.as_deref() else { return Next::Empty };
        while self.read_batch(follower) {
            let next = take();
            if !matches!(next, Next::Empty) {
                return next;
            }
        }
        Next::Empty
    }

    /// Reads a batch of one log into the queue. False if there is nothing to read, or another lane reads.
    fn read_batch(&self, follower: &Follower) -> bool {
        if !follower.is_behind() || self.is_closed() {
            return false;
        }
        let (Some(inlet), Some(reading)) = (self.inlet(), follower.begin_reading()) else { return false };
        let room = (self.spec.capacity as u64).saturating_sub(inlet.len());
        if room == 0 {
            // Publishers to other topics have filled it: there is something to take.
            return true;
        }
        let Some((log, bound)) = reading.take() else { return false };
        let now = log.keeper.now();
        let most = BATCH.min(usize::try_from(room).unwrap_or(BATCH));
        let Some(batch) = log.peek(self, follower, most, bound, now) else {
            // It does not follow there any more.
            reading.put_back(log, None);
            return true;
        };
        let (mut done, mut pushed) = (None, 0);
        for (sequence, kept) in batch {
            match self.take_in(inlet, kept.event) {
                TakenIn::Pushed => pushed = sequence,
                TakenIn::PassedBy => {}
                TakenIn::NoRoom => break,
            }
            done = Some(sequence);
        }
        let number = log.advance(self, follower, done, pushed, bound);
        reading.put_back(log, number);
        true
    }

    /// Judges an event that was read, and puts it into the queue.
    fn take_in(&self, inlet: &dyn Inlet, event: AnyEvent) -> TakenIn {
        match self.judge_kept(&event) {
            Judged::Offer => {}
            refused => {
                self.count_refused(&event, refused);
                drop_guarded(event);
                return TakenIn::PassedBy;
            }
        }
        if let Some(completion) = event.head().completion() {
            completion.reopen();
        }
        let refused = match inlet.push_kept(event) {
            Ok(awake) => {
                self.accepted(inlet.gate(), awake);
                return TakenIn::Pushed;
            }
            Err(Refused::Full(event) | Refused::Closed(event)) => event,
        };
        if let Some(completion) = refused.head().completion() {
            self.hooks.completed(completion.withdraw());
        }
        drop_guarded(refused);
        TakenIn::NoRoom
    }

    /// Judges an event by its type and the filter, which is the application's.
    pub(super) fn judge_kept(&self, event: &AnyEvent) -> Judged {
        if self.spec.wants.is_some_and(|wanted| wanted.id() != event.payload_type()) {
            return Judged::Skipped;
        }
        let Some(filter) = &self.spec.filter else { return Judged::Offer };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| filter.admits_kept(event))) {
            Ok(Some(true)) => Judged::Offer,
            Ok(Some(false)) => Judged::Filtered,
            Ok(None) => Judged::Skipped,
            Err(payload) => Judged::Panicked(payload),
        }
    }

    /// Counts an event that was judged and not offered.
    pub(super) fn count_refused(&self, event: &AnyEvent, judged: Judged) {
        match judged {
            Judged::Offer => {}
            Judged::Filtered => self.stripes.mine().count_filtered(),
            Judged::Skipped => self.skip_named(event.topic(), event.type_name()),
            Judged::Panicked(payload) => {
                self.stripes.mine().count_filtered();
                self.hooks.filter_panicked(self, event.head(), payload);
            }
        }
    }
}

/// What became of an event that was read.
enum TakenIn {
    Pushed,
    /// It was filtered, or is of another type.
    PassedBy,
    /// The queue is full, or closed.
    NoRoom,
}

impl Log {
    /// What a follower has to read next. `None` if it does not follow here.
    fn peek(
        &self,
        slot: &Slot,
        follower: &Follower,
        most: usize,
        bound: u64,
        now: u64,
    ) -> Option<SmallVec<[(u64, Kept); 32]>> {
        let mut state = self.lock_to_read(now);
        let LogState { shelf, places, .. } = &mut *state;
        let (shelf, mut places) = (&*shelf, places.iter_mut());
        let place = places.find(|place| place.slot.id == slot.id && !place.live)?;
        let pushed = place.pushed;
        place.next(shelf, |first, last| follower.lose(&self.topic, first, last, pushed));
        Some(place.read(shelf, most, bound))
    }

    /// A follower has read up to there. Returns the number of the next event; `None` if publishers reach it from here on,
    /// or it does not follow any more.
    fn advance(
        &self,
        slot: &Slot,
        follower: &Follower,
        done: Option<u64>,
        pushed: u64,
        bound: u64,
    ) -> Option<u64> {
        let mut state = self.state.lock();
        let LogState { shelf, places, .. } = &mut *state;
        let place = places.iter_mut().find(|place| place.slot.id == slot.id && !place.live)?;
        if let Some(done) = done {
            place.advance(done);
        }
        place.pushed = place.pushed.max(pushed);
        let pushed = place.pushed;
        let next = place.next(shelf, |first, last| follower.lose(&self.topic, first, last, pushed));
        // Not before all others have come to their end, too: what is published here meanwhile would get ahead of what is
        // kept there.
        if next.is_none() && bound == u64::MAX && place.is_at_end(shelf.store().next()) {
            place.live = true;
            return None;
        }
        Some(next.unwrap_or(u64::MAX))
    }
}
