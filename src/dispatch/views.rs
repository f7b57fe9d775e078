//! Chunks of slots, seen with the eyes of one payload type.
//!
//! To hand an event to a subscription takes its type: is this the queue of an `Event<T>`, or a handler of one? Asked
//! at each subscription of each publish, that is a call through a vtable and a comparison whose operands come back
//! through memory, and costs as much as the rest of an inline handler's call. A *view* has the answers of a chunk of
//! slots for one type. It is made by the first event of that type which passes the chunk, and lives as long as the
//! chunk, which changes together with its slots. Where all handlers of a chunk run inline it counts them, too
//! (`rounds.rs`).

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use smallvec::SmallVec;

use super::chunks::PartSlots;
use super::homes::Home;
use super::rounds::Round;
use super::slot::{Handle, Sink, Slot};
use crate::event::{AnyEvent, Event};
use crate::queue::Ring;
use crate::sync::OnceLock;

/// So many types of payload have views of a chunk; events of others ask each slot. A chunk may stand in the lists of many
/// topics, each with a type of its own; but with twice as many to look through, the last would be no faster than to ask.
const MOST: usize = 16;

/// How an `Event<T>` gets to a subscription.
pub(super) enum Way<T> {
    /// Into a queue that holds such events.
    Queue(Arc<Ring<Event<T>>>),
    /// Into a queue that holds events of any type.
    AnyQueue(Arc<Ring<AnyEvent>>),
    /// To a handler of such events, in this thread.
    Inline(Arc<dyn Handle<Event<T>>>),
    /// To a handler of events of any type, in this thread.
    AnyInline(Arc<dyn Handle<AnyEvent>>),
    /// The slot is to be asked: it has a filter, a budget, a window or several lanes, is observed, or wants another type.
    Judged,
}

impl<T: Send + Sync + 'static> Way<T> {
    fn to(slot: &Slot) -> Self {
        // With several lanes, that one of them is awake does not say that another need not be woken.
        let several_lanes = !slot.is_inline() && !slot.exclusive;
        let asks = slot.selective || slot.watched;
        if slot.filters || slot.follows || several_lanes || slot.is_inline() && asks {
            return Self::Judged;
        }
        match &slot.sink {
            Sink::Queue(inlet) => {
                let ring: Arc<dyn Any + Send + Sync> = Arc::clone(inlet) as _;
                match ring.downcast() {
                    Ok(ring) => Self::Queue(ring),
                    Err(ring) => ring.downcast().map_or(Self::Judged, Self::AnyQueue),
                }
            }
            Sink::Inline(handler) => match Arc::clone(handler).typed().downcast() {
                Ok(handler) => Self::Inline(*handler),
                Err(handler) => handler.downcast().map_or(Self::Judged, |handler| Self::AnyInline(*handler)),
            },
        }
    }
}

/// A subscription, and how an `Event<T>` gets there.
pub(super) struct Seen<T> {
    pub(super) slot: Arc<Slot>,
    pub(super) way: Way<T>,
}

/// The views of one chunk. A copy of the chunk makes its own.
#[derive(Default)]
pub(super) struct Views {
    first: OnceLock<Box<dyn AnyView>>,
}

/// A view whose type is not known.
trait AnyView: Any + Send + Sync {
    /// Those of other types.
    fn others(&self) -> &Views;
}

/// A part of a list, as an `Event<T>` sees it.
///
/// The thread that makes it also allocates what it writes with each event, often just beside it: the padding keeps that off
/// the lines that all publishers read.
#[repr(C)]
pub(super) struct View<T> {
    before: [u8; 48],
    /// One for each slot. Most topics have one subscription.
    pub(super) seen: SmallVec<[Seen<T>; 1]>,
    /// Where its handlers are counted, if all of them run inline.
    home: Option<Home>,
    /// Seldom looked at.
    others: Views,
    after: [u8; 24],
}

impl<T: Send + Sync + 'static> View<T> {
    #[cold]
    fn boxed(slots: PartSlots<'_>) -> Box<dyn AnyView> {
        let see = |slot: &Arc<Slot>| Seen { slot: Arc::clone(slot), way: Way::to(slot) };
        let seen: SmallVec<_> = slots.get().iter().map(see).collect();
        // An event that has to go another way than to handlers is judged by the slot.
        let inline = |seen: &Seen<T>| matches!(seen.way, Way::Inline(_) | Way::AnyInline(_));
        let in_rounds = matches!(slots, PartSlots::Chunk(_)) && seen.iter().all(inline);
        let home = in_rounds.then(|| Home::new(&seen));
        Box::new(Self { before: [0; 48], seen, home, others: Views::default(), after: [0; 24] })
    }

    /// Begins a round of its handlers, if all of them run inline, and this thread may.
    #[inline]
    pub(super) fn begin_round(&self, thread: NonZeroU32) -> Option<Round<'_>> {
        self.home.as_ref()?.begin(thread, &self.seen)
    }
}

impl<T> Drop for View<T> {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.leave(&self.seen);
        }
    }
}

impl<T: Send + Sync + 'static> AnyView for View<T> {
    fn others(&self) -> &Views {
        &self.others
    }
}

impl Views {
    /// These slots, whose views these are, as an `Event<T>` sees them.
    #[inline]
    pub(super) fn of<T: Send + Sync + 'static>(&self, slots: PartSlots<'_>) -> Option<&View<T>> {
        let mut views = self;
        for _ in 0..MOST {
            let view: &dyn AnyView = &**views.first.get_or_init(|| View::<T>::boxed(slots));
            if let Some(view) = (view as &dyn Any).downcast_ref::<View<T>>() {
                return Some(view);
            }
            views = view.others();
        }
        None
    }
}

impl Clone for Views {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{EventBus, Receiver};

    /// Subscriptions of all kinds of one topic to payloads of one type.
    struct Typed<T: Send + Sync + 'static> {
        receivers: Vec<Receiver<Event<T>>>,
        handled: Arc<AtomicUsize>,
        published: usize,
    }

    impl<T: Clone + Send + Sync + 'static> Typed<T> {
        fn subscribe(bus: &EventBus, each: usize) -> Self {
            let handled = Arc::new(AtomicUsize::new(0));
            let subscribe = || bus.subscribe_local::<T>("a.b");
            let receivers = (0..each)
                .map(|_| {
                    let handled = Arc::clone(&handled);
                    let count = move |_: &Event<T>| {
                        handled.fetch_add(1, Ordering::Relaxed);
                    };
                    subscribe().handle_inline(count).expect("subscribe").detach();
                    subscribe().receiver().expect("subscribe")
                })
                .collect();
            Self { receivers, handled, published: 0 }
        }

        /// Publishes one, which all of this type get, and `any` others; the `others` are of other types.
        fn publish(&mut self, bus: &EventBus, payload: T, any: usize, others: usize) {
            let receipt = bus.publish_local("a.b", payload).expect("publish");
            let each = self.receivers.len();
            assert_eq!((receipt.delivered(), receipt.queued()), (each, each + any));
            assert_eq!(receipt.skipped(), others);
            self.published += 1;
            assert_eq!(self.handled.load(Ordering::Relaxed), self.published * each);
            for receiver in &mut self.receivers {
                assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_err());
            }
        }
    }

    /// Publishes payloads of 16 types that nobody asks for by name: they take all views.
    fn take_the_views(bus: &EventBus, each: usize) {
        macro_rules! publish {
            ($($len:literal)*) => {
                $(
                    let receipt = bus.publish_local("a.b", [0_u8; $len]).expect("publish");
                    assert_eq!((receipt.queued(), receipt.skipped()), (each, 6 * 2 * each));
                )*
            };
        }
        publish!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }

    #[test]
    fn payloads_of_more_types_than_have_views_find_those_who_ask_for_them() {
        for (each, early) in [1, 2, 5, 40].into_iter().flat_map(|each| [(each, false), (each, true)]) {
            let bus = EventBus::new();
            let mut bytes = Typed::<u8>::subscribe(&bus, each);
            let mut any: Vec<_> =
                (0..each).map(|_| bus.subscribe_any("a.*").receiver().expect("subscribe")).collect();
            let mut words = Typed::<u16>::subscribe(&bus, each);
            let mut texts = Typed::<String>::subscribe(&bus, each);
            let mut units = Typed::<()>::subscribe(&bus, each);
            let mut signs = Typed::<char>::subscribe(&bus, each);
            let mut flags = Typed::<bool>::subscribe(&bus, each);
            if early {
                take_the_views(&bus, each);
            }
            for _ in 0..3 {
                let others = 5 * 2 * each;
                bytes.publish(&bus, 1, each, others);
                words.publish(&bus, 1, each, others);
                texts.publish(&bus, "text".into(), each, others);
                units.publish(&bus, (), each, others);
                signs.publish(&bus, '+', each, others);
                flags.publish(&bus, true, each, others);
            }
            for receiver in &mut any {
                assert_eq!(receiver.try_iter().count(), 3 * 6 + if early { 16 } else { 0 });
            }
            assert!(bus.stats().total.is_balanced());
        }
    }

    #[test]
    fn a_topic_with_one_subscription_and_payloads_of_many_types() {
        let bus = EventBus::new();
        let mut texts = Typed::<String>::subscribe(&bus, 1);
        for _ in 0..2 {
            let bytes = bus.publish_local("a.b", 1_u8).expect("publish");
            let words = bus.publish_local("a.b", 2_u16).expect("publish");
            for receipt in [bytes, words] {
                assert_eq!((receipt.skipped(), receipt.offered()), (2, 0));
            }
            texts.publish(&bus, "text".into(), 0, 0);
        }
    }
}
