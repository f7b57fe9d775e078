//! A queue as publishers and closers see it: without the type in which it holds its events.
//!
//! A typed subscription's queue holds [`Event<T>`](crate::Event), one pointer each; only one for any type
//! holds [`AnyEvent`]. So the type is judged once, at the push, and consumers take what they asked for.

use std::any::Any;

use super::passing::{Passing, Whole};
use crate::event::AnyEvent;
use crate::queue::{Gate, GateView, Refused, Ring, Taken};

/// The form in which a queue holds its events.
pub(crate) trait Queued: Whole + Send + Sync + Sized + 'static {
    /// One more reference to an event, if it is of this form.
    fn share(event: &Passing<'_>) -> Option<Self>;

    /// From the form without a type. Only for events that this queue was offered before.
    fn from_any(event: AnyEvent) -> Self;

    fn into_any(self) -> AnyEvent;
}

/// What came of an attempt to put an event into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// It is in. The flag says whether the consumer is awake.
    Accepted(bool),
    Full,
    Closed,
    /// It is of another type.
    Skipped,
}

/// The publishers' and the closers' end of a queue.
pub(crate) trait Inlet: Any + Send + Sync {
    /// Puts one more reference to the event in, if there is room.
    fn push(&self, event: &Passing<'_>) -> Push;

    /// Puts an event in that was kept back for want of room.
    fn push_kept(&self, event: AnyEvent) -> Result<bool, Refused<AnyEvent>>;

    fn gate(&self) -> &Gate;

    fn taken(&self) -> &Taken;

    /// How many events are queued.
    fn len(&self) -> u64;

    fn is_full(&self) -> bool;

    /// Says whether the next event can be taken now, and is not only promised.
    fn has_next(&self) -> bool;

    /// Clears the consumer's mark if nothing is queued; see [`Gate::rest`]. The flag says whether the queue
    /// is closed.
    fn rest(&self) -> Option<bool>;

    /// Takes the oldest event, whatever the consumer is to do.
    fn discard(&self) -> Option<AnyEvent>;

    /// When the oldest event was published.
    fn oldest_tick(&self) -> Option<u32>;

    /// Takes the oldest event as a consumer does, for models.
    #[cfg(all(test, loom))]
    fn pop_any(&self) -> crate::queue::Popped<AnyEvent>;
}

impl<E: Queued> Inlet for Ring<E> {
    #[inline]
    fn push(&self, event: &Passing<'_>) -> Push {
        let Some(shared) = E::share(event) else { return Push::Skipped };
        match self.push(shared, event.head().tick()) {
            Ok(awake) => Push::Accepted(awake),
            Err(Refused::Full(_)) => Push::Full,
            Err(Refused::Closed(_)) => Push::Closed,
        }
    }

    fn push_kept(&self, event: AnyEvent) -> Result<bool, Refused<AnyEvent>> {
        let tick = event.head().tick();
        self.push(E::from_any(event), tick).map_err(|refused| match refused {
            Refused::Full(event) => Refused::Full(event.into_any()),
            Refused::Closed(event) => Refused::Closed(event.into_any()),
        })
    }

    fn gate(&self) -> &Gate {
        self.gate()
    }

    fn taken(&self) -> &Taken {
        self.taken()
    }

    fn len(&self) -> u64 {
        self.len()
    }

    fn is_full(&self) -> bool {
        self.is_full()
    }

    fn has_next(&self) -> bool {
        self.oldest_tick().is_some()
    }

    fn rest(&self) -> Option<bool> {
        self.gate().rest(self.taken()).map(GateView::is_closed)
    }

    fn discard(&self) -> Option<AnyEvent> {
        self.discard().map(E::into_any)
    }

    fn oldest_tick(&self) -> Option<u32> {
        self.oldest_tick()
    }

    #[cfg(all(test, loom))]
    fn pop_any(&self) -> crate::queue::Popped<AnyEvent> {
        use crate::queue::Popped;
        match self.pop() {
            Popped::Value(event, wanted) => Popped::Value(event.into_any(), wanted),
            Popped::Empty(wanted) => Popped::Empty(wanted),
            Popped::Paused => Popped::Paused,
            Popped::Cancelled => Popped::Cancelled,
        }
    }
}
