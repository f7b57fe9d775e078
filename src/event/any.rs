//! The view of an event whose payload's type is not known.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use super::event::Inner;
use super::head::{Head, accessors};
use super::{Event, PayloadKind, Raw};

/// An event of any payload: the same event as an [`Event<T>`], in the same allocation.
///
/// `Debug` prints neither the payload nor the key nor the metadata.
#[derive(Clone)]
pub struct AnyEvent(pub(super) Arc<dyn Erased>);

/// What can be asked of an event without knowing its payload's type.
///
/// `Any` is a supertrait so that `Arc<dyn Erased>` turns into `Arc<dyn Any>`, which knows how to find
/// the type again, without unsafe code.
pub(super) trait Erased: Any + Send + Sync {
    /// The [`Event<T>`], for who can ask whether it is the one that he looks for.
    fn into_typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync>;
    fn head(&self) -> &Head;
    fn payload_type(&self) -> TypeId;
    fn type_name(&self) -> &'static str;
}

impl<T: Send + Sync + 'static> Erased for Inner<T> {
    fn into_typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync> {
        Box::new(Event(self))
    }

    #[inline]
    fn head(&self) -> &Head {
        &self.head
    }

    #[inline]
    fn payload_type(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

impl AnyEvent {
    #[inline]
    pub(crate) fn head(&self) -> &Head {
        self.0.head()
    }

    /// The payload's type.
    #[inline]
    pub(crate) fn payload_type(&self) -> TypeId {
        self.0.payload_type()
    }

    accessors!();

    /// Returns the payload if it is a `T`.
    #[must_use]
    #[inline]
    pub fn payload<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref::<Inner<T>>().map(|inner| &inner.payload)
    }

    /// Says whether the payload is a `T`.
    #[must_use]
    #[inline]
    pub fn is<T: Send + Sync + 'static>(&self) -> bool {
        self.payload_type() == TypeId::of::<T>()
    }

    /// Returns the typed view of the same event.
    ///
    /// # Errors
    ///
    /// Gives the event back if its payload is not a `T`.
    #[inline]
    pub fn downcast<T: Send + Sync + 'static>(self) -> Result<Event<T>, Self> {
        if !self.is::<T>() {
            return Err(self);
        }
        let any: Arc<dyn Any + Send + Sync> = self.0;
        match any.downcast::<Inner<T>>() {
            Ok(inner) => Ok(Event(inner)),
            Err(_) => unreachable!("the payload's type was compared above"),
        }
    }

    /// The typed view, for whoever knows the type: asks for it once, where [`downcast`](Self::downcast)
    /// asks twice to be able to give the event back.
    #[inline]
    pub(crate) fn downcast_judged<T: Send + Sync + 'static>(self) -> Option<Event<T>> {
        let any: Arc<dyn Any + Send + Sync> = self.0;
        any.downcast::<Inner<T>>().ok().map(Event)
    }

    /// The `Event<T>`, to downcast to.
    pub(crate) fn into_typed(self) -> Box<dyn Any + Send + Sync> {
        self.0.into_typed()
    }

    /// Returns the name of the payload's type, for people to read.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// Returns how the payload can travel.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> PayloadKind {
        self.head().kind()
    }

    /// Returns the bytes if the payload is [`Raw`].
    #[must_use]
    pub fn raw(&self) -> Option<&[u8]> {
        self.payload::<Raw>().map(|raw| &**raw)
    }
}

impl<T: Send + Sync + 'static> From<Event<T>> for AnyEvent {
    fn from(event: Event<T>) -> Self {
        event.into_any()
    }
}

impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().debug("AnyEvent", self.type_name(), f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::clock::Stamp;
    use crate::topic::Topic;

    fn event<T: Send + Sync + 'static>(kind: PayloadKind, payload: T) -> AnyEvent {
        let topic = Topic::new("a.b").expect("a valid topic");
        Event::build(topic, Stamp::coarse(), kind, None, payload).into()
    }

    #[test]
    fn a_payload_is_found_under_its_own_type_only() {
        let event = event(PayloadKind::Serde, 5_u32);
        assert_eq!(event.payload::<u32>(), Some(&5));
        assert_eq!(event.payload::<i32>(), None);
        assert!(event.is::<u32>());
        assert!(!event.is::<i32>());
        assert_eq!(event.payload_type(), TypeId::of::<u32>());
        assert_eq!(event.type_name(), "u32");
        assert_eq!(event.kind(), PayloadKind::Serde);
    }

    #[test]
    fn downcast_returns_the_same_event_typed() {
        let erased = event(PayloadKind::Local, String::from("hello"));
        let address: *const _ = erased.payload::<String>().expect("a string");
        let id = erased.id();
        let typed = erased.downcast::<String>().expect("a string");
        assert!(std::ptr::eq(typed.payload(), address));
        assert_eq!(typed.id(), id);
        assert_eq!(typed.try_into_payload().expect("the sole owner"), "hello");
    }

    #[test]
    fn downcast_to_another_type_gives_the_event_back() {
        let erased = event(PayloadKind::Local, 5_u8);
        let id = erased.id();
        let back = erased.downcast::<String>().expect_err("not a string");
        assert_eq!(back.id(), id);
        assert_eq!(back.payload::<u8>(), Some(&5));
    }

    #[test]
    fn raw_bytes_are_borrowed_and_other_payloads_have_none() {
        let raw = event(PayloadKind::Raw, Raw::from("abc"));
        assert_eq!(raw.raw(), Some(&b"abc"[..]));
        assert_eq!(event(PayloadKind::Serde, b"abc".to_vec()).raw(), None);
    }

    #[test]
    fn an_event_within_an_event_is_a_payload_like_any_other() {
        let inner = event(PayloadKind::Local, 1_u8);
        let outer = event(PayloadKind::Local, inner.clone());
        assert!(outer.is::<AnyEvent>());
        assert_eq!(outer.payload::<AnyEvent>().expect("an event").payload::<u8>(), Some(&1));
        assert_eq!(outer.payload::<u8>(), None);
        drop(inner);
    }
}
