//! Several events of one publisher on their way into queues.
//!
//! A queue takes a whole run of events in one step: one claim of its places, one look at whether its consumer has to be
//! woken. So a batch costs a publisher little more than the events themselves. What does not go that way, for want of
//! room or because a subscription has to be asked, follows event by event.

use std::sync::Arc;

use smallvec::SmallVec;

use super::list::{Part, SubscriberList};
use super::pass::{Pass, Patience};
use super::receipt::{Count, Receipt};
use super::slot::Slot;
use super::views::{Seen, Way};
use crate::event::Event;
use crate::guard::drop_guarded;
use crate::queue::{Ring, Shut};

/// The most events of a run: so many places of a queue may wait at a time for one publisher to fill them.
pub(crate) const LONGEST_RUN: usize = if cfg!(loom) { 2 } else { 32 };

/// Events of one topic, without extras, in their order.
pub(crate) type EventRun<T> = SmallVec<[Event<T>; LONGEST_RUN]>;

/// A run that some subscriptions have not taken, or not the whole of it.
pub(crate) struct Rest<T> {
    events: EventRun<T>,
    late: SmallVec<[Late; 2]>,
}

/// Who is still to be offered the events of a run, from this one on.
struct Late {
    slot: Arc<Slot>,
    from: usize,
}

/// Puts a run of events into the queues of a list that has [nothing else](SubscriberList::is_of_queues), as far as that
/// needs no waiting and nobody has to be asked. What is left is to be offered next.
pub(crate) fn pass_run<T: Send + Sync + 'static>(
    mut events: EventRun<T>,
    list: &SubscriberList,
) -> (Receipt, Rest<T>) {
    let Some(tick) = events.first().map(|event| event.head().tick()) else {
        return (Receipt::default(), Rest { events, late: SmallVec::new() });
    };
    let mut run = Run { tick, receipt: Receipt::default(), late: SmallVec::new() };
    // The last queue gets the publisher's own references, as that of a single event does, if nobody else needs them.
    let last = list.last_of_queues();
    let mut own = None;
    list.walk(0, true, |part| match part {
        Part::Judged(slot) => run.leave(slot, 0),
        Part::Seen(view) => {
            for Seen { slot, way } in &view.seen {
                match way {
                    Way::Queue(ring)
                        if run.late.is_empty() && last.is_some_and(|last| Arc::ptr_eq(last, slot)) =>
                    {
                        own = Some((slot, ring));
                    }
                    Way::Queue(ring) => run.put(slot, ring, &mut events.iter().cloned()),
                    Way::AnyQueue(ring) => {
                        run.put(slot, ring, &mut events.iter().map(|event| event.clone().into_any()));
                    }
                    Way::Judged => run.leave(slot, 0),
                    Way::Inline(_) | Way::AnyInline(_) => {}
                }
            }
        }
    });
    if let Some((slot, ring)) = own {
        let mut values = events.drain(..);
        run.put(slot, ring, &mut values);
        events = values.collect();
        // What it has taken is no longer there.
        run.late.iter_mut().for_each(|late| late.from = 0);
    }
    (run.receipt, Rest { events, late: run.late })
}

/// A run on its way past the queues.
struct Run {
    tick: u32,
    receipt: Receipt,
    late: SmallVec<[Late; 2]>,
}

impl Run {
    /// Puts as many of the events into a queue as there is room for.
    fn put<E>(&mut self, slot: &Arc<Slot>, ring: &Ring<E>, events: &mut impl ExactSizeIterator<Item = E>) {
        let all = events.len();
        match ring.push_run(events, self.tick) {
            Ok(run) => {
                let count = usize::try_from(run.count).unwrap_or(all);
                self.receipt.count_several(Count::Queued, u16::try_from(count).unwrap_or(u16::MAX));
                if !run.awake {
                    slot.rouse();
                }
                if count < all {
                    self.leave(slot, count);
                }
            }
            Err(Shut::Full) => self.leave(slot, 0),
            // As if it did not stand in the list.
            Err(Shut::Closed) => {}
        }
    }

    /// Leaves the events from that one on for later.
    fn leave(&mut self, slot: &Arc<Slot>, from: usize) {
        self.late.push(Late { slot: Arc::clone(slot), from });
    }
}

impl<T: Send + Sync + 'static> Rest<T> {
    /// Offers one event after the other to those who have not got it. Each receipt may hold queues that are to be waited
    /// for before the next one is asked for: so every subscription gets the events in their order.
    pub(crate) fn offers(&self) -> impl Iterator<Item = Receipt> {
        let all = if self.late.is_empty() { 0 } else { self.events.len() };
        (0..all).map(|number| {
            let mut pass = Pass::without_inline(&self.events[number], Patience::Wait);
            self.late
                .iter()
                .filter(|late| late.from <= number)
                .for_each(|late| pass.offer_judged(&late.slot));
            pass.into_receipt()
        })
    }
}

impl<T> Drop for Rest<T> {
    fn drop(&mut self) {
        // Each may be the last reference, and a payload's panic must not cost the next its drop.
        self.events.drain(..).for_each(drop_guarded);
    }
}
