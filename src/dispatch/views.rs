//! Chunks of slots, seen with the eyes of one payload type.
//!
//! To hand an event to a subscription takes its type: is this the queue of an `Event<T>`, or a handler of one? Asked
//! at each subscription of each publish, that is a call through a vtable and a comparison whose operands come back
//! through memory, and costs as much as the rest of an inline handler's call. A *view* has the answers of a chunk of
//! slots for one type. It is made by the first event of that type which passes the chunk, and lives as long as the
//! chunk, which changes together with its slots.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use super::slot::{Handle, Sink, Slot};
use crate::event::{AnyEvent, Event};
use crate::queue::Ring;
use crate::sync::OnceLock;

/// So many types of payload have views of a chunk; events of others ask each slot.
const MOST: usize = 4;

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
    /// The slot is to be asked: it has a filter or a budget, is observed, or wants another type.
    Judged,
}

impl<T: Send + Sync + 'static> Way<T> {
    fn to(slot: &Slot) -> Self {
        if slot.filters || slot.is_inline() && (slot.limited || slot.watched) {
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

/// The views of one chunk.
#[derive(Default)]
pub(super) struct Views {
    first: OnceLock<Box<View>>,
}

struct View {
    of: TypeId,
    /// A `Box<[Way<T>]>`, one for each slot.
    ways: Box<dyn Any + Send + Sync>,
    next: Views,
}

impl View {
    fn of<T: Send + Sync + 'static>(slots: &[Arc<Slot>]) -> Self {
        let ways: Box<[Way<T>]> = slots.iter().map(|slot| Way::to(slot)).collect();
        Self { of: TypeId::of::<T>(), ways: Box::new(ways), next: Views::default() }
    }
}

impl Views {
    /// The ways to these slots, whose views these are, for an `Event<T>`.
    #[inline]
    pub(super) fn ways<T: Send + Sync + 'static>(&self, slots: &[Arc<Slot>]) -> Option<&[Way<T>]> {
        let mut place = &self.first;
        for _ in 0..MOST {
            let view = place.get_or_init(|| Box::new(View::of::<T>(slots)));
            if view.of == TypeId::of::<T>() {
                return view.ways.downcast_ref::<Box<[Way<T>]>>().map(|ways| &**ways);
            }
            place = &view.next.first;
        }
        None
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}
