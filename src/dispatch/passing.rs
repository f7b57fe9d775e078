//! An event on its way past the subscriptions.

use std::any::Any;
use std::cell::OnceCell;

use crate::event::{AnyEvent, Completion, Event, Head};

/// An event with its payload, in whatever form it is at hand.
pub(crate) trait Whole {
    fn head(&self) -> &Head;
    /// One more reference, to keep.
    fn keep(&self) -> AnyEvent;
}

impl Whole for Passing<'_> {
    #[inline]
    fn head(&self) -> &Head {
        self.head
    }

    fn keep(&self) -> AnyEvent {
        self.share()
    }
}

/// An event of a known type, seen without it. The dispatcher is compiled once, not once per type.
pub(crate) trait Source: Send + Sync {
    fn head(&self) -> &Head;
    /// The `Event<T>`, to downcast to: a typed inline handler borrows it.
    fn typed(&self) -> &dyn Any;
    fn payload_type_name(&self) -> &'static str;
    /// One more reference, for a queue.
    fn share(&self) -> AnyEvent;
}

impl<T: Send + Sync + 'static> Source for Event<T> {
    fn head(&self) -> &Head {
        self.head()
    }

    fn typed(&self) -> &dyn Any {
        self
    }

    fn payload_type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn share(&self) -> AnyEvent {
        self.clone().into_any()
    }
}

/// An event whose type nobody here knows, on its way to those who do.
pub(super) struct Untyped<'a> {
    event: &'a AnyEvent,
    typed: Box<dyn Any + Send + Sync>,
}

impl<'a> Untyped<'a> {
    pub(super) fn new(event: &'a AnyEvent) -> Self {
        Self { event, typed: event.clone().into_typed() }
    }
}

impl Source for Untyped<'_> {
    fn head(&self) -> &Head {
        self.event.head()
    }

    fn typed(&self) -> &dyn Any {
        &*self.typed
    }

    fn payload_type_name(&self) -> &'static str {
        self.event.type_name()
    }

    fn share(&self) -> AnyEvent {
        self.event.clone()
    }
}

/// The event of one publish call: typed for those who know its type, erased for those who do not, and
/// erased only once.
pub(crate) struct Passing<'a> {
    source: &'a dyn Source,
    head: &'a Head,
    any: OnceCell<AnyEvent>,
}

impl<'a> Passing<'a> {
    #[inline]
    pub(crate) fn new<T: Send + Sync + 'static>(event: &'a Event<T>) -> Self {
        Self { source: event, head: event.head(), any: OnceCell::new() }
    }

    /// The same, of an event whose type only who made it knows.
    pub(crate) fn of(source: &'a dyn Source) -> Self {
        Self { source, head: source.head(), any: OnceCell::new() }
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        self.head
    }

    #[inline]
    pub(crate) fn completion(&self) -> Option<&'a Completion> {
        self.head.completion()
    }

    pub(crate) fn payload_type_name(&self) -> &'static str {
        self.source.payload_type_name()
    }

    /// The event as a `T`, if it is one.
    #[inline]
    pub(crate) fn typed<T: 'static>(&self) -> Option<&Event<T>> {
        self.source.typed().downcast_ref()
    }

    /// The event without its type.
    pub(crate) fn any(&self) -> &AnyEvent {
        self.any.get_or_init(|| self.source.share())
    }

    /// One more reference, for a queue.
    #[inline]
    pub(crate) fn share(&self) -> AnyEvent {
        self.any().clone()
    }
}
