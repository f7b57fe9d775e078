//! A publish to a topic with a log: keeps the event, and hands it over to those who follow.

use std::sync::Arc;

use smallvec::SmallVec;

use super::catch_up::Judged;
use super::keeper::drop_all;
use super::log::{Log, LogState};
use super::place::Place;
use crate::dispatch::pass::Patience;
use crate::dispatch::receipt::{Count, Receipt};
use crate::dispatch::scope;
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::wait::Waiting;
use crate::event::{AnyEvent, DropReason, Settled, SubscriptionId};
use crate::guard::drop_guarded;
use crate::queue::Refused;
use crate::sync::clock;

/// What followers said to an event before it was kept.
type Verdicts = SmallVec<[(SubscriptionId, Judged); 2]>;

/// What became of an event for one follower, to be dealt with when the log is unlocked.
enum Came {
    /// It is in the queue. The flag says whether the consumer is awake.
    Queued(bool),
    /// It will be read by the follower itself.
    ToBeRead,
    /// The same; and its queue is full, so the publisher waits for it.
    FellBack,
    Dropped,
    /// The filter, or another type.
    PassedBy,
    Gone,
}

/// What is left to do when the log is unlocked.
#[derive(Default)]
struct Left {
    came: SmallVec<[(Arc<Slot>, Came); 4]>,
    displaced: Vec<(Arc<Slot>, AnyEvent)>,
}

/// Keeps an event that is about to be published, and puts it into the queues of those who follow its topic. The receipt tells of
/// them; nobody else has been offered it yet.
pub(crate) fn keep(log: &Arc<Log>, event: &AnyEvent, patience: Patience) -> Receipt {
    log.publish(event, patience)
}

impl Log {
    fn publish(self: &Arc<Self>, event: &AnyEvent, patience: Patience) -> Receipt {
        let now = self.keeper.now();
        let (mut gone, mut left, mut verdicts) = (Vec::new(), Left::default(), Verdicts::new());
        let appended = loop {
            let mut state = self.state.lock();
            let unjudged = unjudged(&state, &verdicts);
            if unjudged.is_empty() {
                let appended = self.append(&mut state, event.clone(), now, &mut gone);
                self.hand_over(&mut state, event, (appended.sequence, appended.number), &verdicts, &mut left);
                break appended;
            }
            drop(state);
            // A filter is the application's. Who follows meanwhile is judged in the next round.
            verdicts.extend(unjudged.into_iter().map(|slot| (slot.id, slot.judge_kept(event))));
        };
        if appended.rank {
            self.rank(appended.number);
        }
        let receipt = left.settle(self, event, appended.sequence, verdicts, patience);
        drop_all(gone);
        self.keeper.make_room(self, appended.number, now);
        receipt
    }

    fn rank(self: &Arc<Self>, number: u64) {
        self.keeper.rank(self, number);
    }

    /// Puts the event into the queues of those who have read all before it. Under the lock, so that the queues have the order
    /// of the log, whoever publishes; a push runs no code of the application.
    fn hand_over(
        self: &Arc<Self>,
        state: &mut LogState,
        event: &AnyEvent,
        (sequence, number): (u64, u64),
        verdicts: &Verdicts,
        left: &mut Left,
    ) {
        for place in &mut state.places {
            let came = if place.live {
                let verdict = verdicts.iter().find(|(id, _)| *id == place.slot.id);
                match verdict {
                    Some((_, Judged::Offer)) | None if takes(&place.slot, event) => {
                        self.push(place, event, (sequence, number), &mut left.displaced)
                    }
                    _ => Came::PassedBy,
                }
            } else {
                Came::ToBeRead
            };
            left.came.push((Arc::clone(&place.slot), came));
        }
    }

    /// Puts the event into the queue of a follower that wants it.
    fn push(
        self: &Arc<Self>,
        place: &mut Place,
        event: &AnyEvent,
        (sequence, number): (u64, u64),
        displaced: &mut Vec<(Arc<Slot>, AnyEvent)>,
    ) -> Came {
        let slot = &place.slot;
        let (Some(inlet), Some(follower)) = (slot.inlet(), slot.follower.as_deref()) else {
            return Came::Gone;
        };
        if let Some(completion) = event.head().completion() {
            completion.open();
        }
        loop {
            match inlet.push_kept(event.clone()) {
                Ok(awake) => {
                    place.pushed = sequence;
                    return Came::Queued(awake);
                }
                Err(Refused::Closed(_)) => return Came::Gone,
                Err(Refused::Full(_)) => {}
            }
            match slot.spec.mode {
                DeliveryMode::Drop => {
                    follower.lose(&self.topic, sequence, sequence, place.pushed);
                    return Came::Dropped;
                }
                DeliveryMode::DropOldest => {
                    if let Some(oldest) = inlet.discard() {
                        if let Some(sequence) = oldest.sequence() {
                            follower.displaced(oldest.topic(), sequence);
                        }
                        displaced.push((Arc::clone(slot), oldest));
                    }
                }
                DeliveryMode::Block | DeliveryMode::Timeout(_) => {
                    follower.fall_back(self, number);
                    place.fall_back(sequence);
                    return Came::FellBack;
                }
            }
        }
    }

    /// Says whether a follower has come past an event, or will get it in its turn, or does not follow any more.
    pub(in crate::dispatch) fn is_past(&self, slot: &Slot, sequence: u64) -> bool {
        let state = self.state.lock();
        let place = state.places.iter().find(|place| place.slot.id == slot.id);
        // What is not kept any more is waited for in vain.
        place.is_none_or(|place| place.is_past(sequence)) || state.shelf.store().first() > sequence
    }
}

/// Those who have still to be asked whether they want the event.
fn unjudged(state: &LogState, verdicts: &Verdicts) -> SmallVec<[Arc<Slot>; 2]> {
    let is_judged = |slot: &Slot| verdicts.iter().any(|(id, _)| *id == slot.id);
    let to_ask =
        state.places.iter().filter(|place| place.live && place.slot.filters && !is_judged(&place.slot));
    to_ask.map(|place| Arc::clone(&place.slot)).collect()
}

/// Says whether a subscription takes events of that type.
fn takes(slot: &Slot, event: &AnyEvent) -> bool {
    slot.spec.wants.is_none_or(|wanted| wanted.id() == event.payload_type())
}

impl Left {
    /// Under no lock.
    fn settle(
        self,
        log: &Arc<Log>,
        event: &AnyEvent,
        sequence: u64,
        mut verdicts: Verdicts,
        patience: Patience,
    ) -> Receipt {
        let mut receipt = Receipt::default();
        for (slot, came) in &self.came {
            match came {
                Came::Queued(awake) => {
                    receipt.count(Count::Queued);
                    if let Some(inlet) = slot.inlet() {
                        slot.accepted(inlet.gate(), *awake);
                    }
                }
                Came::ToBeRead => {
                    receipt.count(Count::Queued);
                    slot.rouse_reader();
                }
                Came::FellBack => {
                    receipt.count(Count::Queued);
                    withdraw(slot, event);
                    slot.rouse_reader();
                    // A handler that waits for itself would wait for ever; and the event is not lost.
                    if patience == Patience::Wait && !scope::is_running(slot.key()) {
                        let began = slot.has_timeout().then(clock::now);
                        receipt.put_aside(Waiting::for_reader(
                            Arc::clone(slot),
                            Arc::clone(log),
                            sequence,
                            began,
                        ));
                    }
                }
                Came::Dropped => {
                    slot.refuse(event.head(), DropReason::Full);
                    receipt.drop_one(slot.id, DropReason::Full);
                }
                Came::PassedBy => {
                    let at = verdicts.iter().position(|(id, _)| *id == slot.id);
                    let judged = at.map_or(Judged::Skipped, |at| verdicts.swap_remove(at).1);
                    receipt.count(if matches!(judged, Judged::Skipped) {
                        Count::Skipped
                    } else {
                        Count::Filtered
                    });
                    slot.count_refused(event, judged);
                }
                Came::Gone => withdraw(slot, event),
            }
        }
        for (slot, oldest) in self.displaced {
            slot.drop_displaced(oldest);
        }
        receipt
    }
}

/// That subscription does not get the event, or reads it itself.
fn withdraw(slot: &Slot, event: &AnyEvent) {
    if let Some(completion) = event.head().completion() {
        slot.hooks.completed(completion.withdraw());
    }
}

impl Slot {
    /// An event of the queue was displaced, in favour of a newer one. It counted as running until here.
    fn drop_displaced(&self, oldest: AnyEvent) {
        self.ended.drop(DropReason::Oldest);
        self.hooks.dropped_on(oldest.head(), DropReason::Oldest);
        if let Some(completion) = oldest.head().completion() {
            self.hooks.completed(completion.settle(Settled::Dropped(self.id, DropReason::Oldest)));
        }
        drop_guarded(oldest);
        // Somebody may wait for the end of what runs.
        self.after_run();
    }

    /// There is something to read: sees to it that the consumer comes.
    pub(crate) fn rouse_reader(&self) {
        if self.follower.as_deref().is_some_and(super::Follower::is_behind) {
            self.rouse();
        }
    }
}
