//! The two forms in which a subscription gets its events.

use crate::dispatch::{Passing, Queued, Whole};
use crate::event::{AnyEvent, Event, Head};

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for crate::event::Event<T> {}
    impl Sealed for crate::event::AnyEvent {}
}

/// What a subscription hands to its handler: an [`Event<T>`] or an [`AnyEvent`]. Not to be implemented
/// elsewhere.
pub trait Delivered: sealed::Sealed + Clone + Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn look<'a>(passing: &'a PassingEvent<'a>) -> Option<&'a Self>;
    #[doc(hidden)]
    fn take(event: AnyEvent) -> Option<Self>;
    #[doc(hidden)]
    fn erase(self) -> AnyEvent;
    #[doc(hidden)]
    fn parts(&self) -> EventParts<'_>;
}

/// A queue holds events in the form in which they are handed out.
impl<E: Delivered> Queued for E {
    #[inline]
    fn share(event: &Passing<'_>) -> Option<Self> {
        E::look(&PassingEvent(event)).cloned()
    }

    fn from_any(event: AnyEvent) -> Self {
        match E::take(event) {
            Some(event) => event,
            None => unreachable!("an event that the queue was offered before"),
        }
    }

    fn into_any(self) -> AnyEvent {
        self.erase()
    }
}

impl<E: Delivered> Whole for E {
    #[inline]
    fn head(&self) -> &Head {
        self.parts().0
    }

    fn keep(&self) -> AnyEvent {
        self.clone().erase()
    }
}

/// An event on its way. Opaque.
pub struct PassingEvent<'a>(pub(crate) &'a Passing<'a>);

impl std::fmt::Debug for PassingEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassingEvent").finish_non_exhaustive()
    }
}

/// An event's head. Opaque.
#[derive(Debug)]
pub struct EventParts<'a>(pub(crate) &'a Head);

impl<T: Send + Sync + 'static> Delivered for Event<T> {
    #[inline]
    fn look<'a>(passing: &'a PassingEvent<'a>) -> Option<&'a Self> {
        passing.0.typed()
    }

    #[inline]
    fn take(event: AnyEvent) -> Option<Self> {
        event.downcast_judged()
    }

    fn erase(self) -> AnyEvent {
        self.into_any()
    }

    #[inline]
    fn parts(&self) -> EventParts<'_> {
        EventParts(self.head())
    }
}

impl Delivered for AnyEvent {
    #[inline]
    fn look<'a>(passing: &'a PassingEvent<'a>) -> Option<&'a Self> {
        Some(passing.0.any())
    }

    #[inline]
    fn take(event: AnyEvent) -> Option<Self> {
        Some(event)
    }

    fn erase(self) -> AnyEvent {
        self
    }

    #[inline]
    fn parts(&self) -> EventParts<'_> {
        EventParts(self.head())
    }
}
