//! The typed view of an event.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::head::{Head, accessors};
use super::{AnyEvent, Extras, Tag, reuse};
use crate::guard::drop_guarded;
use crate::sync::clock::Stamp;
use crate::topic::Topic;

/// An event whose payload is a `T`.
///
/// It dereferences to the payload, the very value that was published, shared by all subscriptions; a
/// clone is another reference to it. Where the payload has a method of the same name as one of the
/// event's, [`payload`](Self::payload) reaches it.
///
/// `Debug` prints neither the payload nor the key nor the metadata.
pub struct Event<T>(pub(super) Arc<Inner<T>>);

/// The one allocation of an event.
pub(super) struct Inner<T> {
    pub(super) head: Head,
    pub(super) payload: T,
}

impl<T> Event<T> {
    #[inline]
    pub(crate) fn head(&self) -> &Head {
        &self.0.head
    }

    accessors!();

    /// Returns the payload.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &T {
        &self.0.payload
    }

    /// Returns the name of the payload's type, for people to read.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        type_name::<T>()
    }

    /// Takes the payload out of the event, without a copy.
    ///
    /// # Errors
    ///
    /// Gives the event back while another clone of it exists, be it in the queue of another
    /// subscription.
    pub fn try_into_payload(self) -> Result<T, Self> {
        Arc::try_unwrap(self.0).map(|inner| inner.payload).map_err(Self)
    }
}

impl<T: Send + Sync + 'static> Event<T> {
    /// Makes an event that may end in this thread, and may have the block of one that did so. (In a call of its
    /// own it costs a single publish some nanoseconds.)
    #[inline(always)]
    pub(crate) fn build(
        topic: Topic,
        stamp: Stamp,
        tag: impl Into<Tag>,
        extras: Option<Box<Extras>>,
        payload: T,
    ) -> Self {
        if let Some(mut spare) = reuse::take()
            && let Some(Inner { head, payload: place }) = Arc::get_mut(&mut spare)
        {
            // One by one: made as a whole it would be copied twice.
            head.renew(topic, stamp, tag.into(), extras);
            *place = payload;
            return Self(spare);
        }
        Self::allocate(Head::new(topic, stamp, tag.into(), extras), payload)
    }

    /// Makes an event in a block of its own, as for a queue.
    #[inline]
    pub(crate) fn allocate(head: Head, payload: T) -> Self {
        Self(Arc::new(Inner { head, payload }))
    }

    /// Ends the publisher's reference to an event without extras. It may be the last one: a panic of the payload's drop
    /// goes no further.
    #[inline]
    pub(crate) fn retire(self) {
        if let Some(event) = reuse::keep(self) {
            drop_guarded(event);
        }
    }

    /// Forgets the payload's type; [`AnyEvent::downcast`] finds it again.
    #[must_use]
    #[inline]
    pub fn into_any(self) -> AnyEvent {
        AnyEvent(self.0)
    }
}

impl<T> Clone for Event<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Event<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.payload
    }
}

impl<T> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().debug("Event", self.type_name(), f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    use super::*;
    use crate::event::{Metadata, PayloadKind, Raw};
    use crate::sync::atomic::{AtomicUsize, Ordering};

    fn event<T: Send + Sync + 'static>(payload: T) -> Event<T> {
        let topic = Topic::new("user.created").expect("a valid topic");
        Event::build(topic, Stamp::coarse(), PayloadKind::Local, None, payload)
    }

    /// Counts its drops, and has no `Debug`.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            // Relaxed: read after the threads that drop were joined, or by the same thread.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_event_adds_40_bytes_to_its_payload() {
        assert_eq!(size_of::<Inner<[u8; 64]>>(), 104);
        assert_eq!(size_of::<Inner<()>>(), 40);
        assert_eq!(size_of::<Event<[u8; 64]>>(), 8);
        assert_eq!(size_of::<Option<Event<u8>>>(), 8);
    }

    #[test]
    fn an_event_dereferences_to_its_payload() {
        let event = event(String::from("hello"));
        assert_eq!(event.len(), 5);
        assert_eq!(event.payload(), "hello");
        assert_eq!(event.topic().as_str(), "user.created");
        assert_eq!(event.type_name(), "alloc::string::String");
        assert_eq!(event.meta("source"), None);
    }

    #[test]
    fn x1_clones_and_views_share_one_value() {
        let event = event([7_u64; 8]);
        let address: *const _ = event.payload();
        let (clone, erased) = (event.clone(), event.clone().into_any());
        assert!(std::ptr::eq(clone.payload(), address));
        assert!(std::ptr::eq(erased.payload::<[u64; 8]>().expect("the same type"), address));
        assert_eq!(clone.id(), event.id());
        assert_eq!(erased.id(), event.id());
        assert!(std::ptr::eq(clone.metadata(), erased.metadata()));
    }

    #[test]
    fn a_payload_is_dropped_once_with_the_last_clone() {
        let drops = Arc::new(AtomicUsize::new(0));
        let first = event(Counted(Arc::clone(&drops)));
        let clones = vec![first.clone().into_any(), first.clone().into_any()];
        let typed = clones[0].clone().downcast::<Counted>().expect("the same type");
        drop(first);
        drop(clones);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(typed);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_sole_owner_takes_the_payload_out() {
        let drops = Arc::new(AtomicUsize::new(0));
        let first = event(Counted(Arc::clone(&drops)));
        let second = first.clone();
        let first = first.try_into_payload().err().expect("there is a second owner");
        drop(second);
        let payload = first.try_into_payload().expect("the sole owner");
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(payload);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn debug_needs_no_debug_of_the_payload_and_shows_no_secret() {
        let mut metadata = Metadata::new();
        metadata.set("token", "canary").expect("within the limits");
        let extras = Extras { metadata, key: Some("canary".into()), ..Extras::default() };
        let topic = Topic::new("a.b").expect("a valid topic");
        let event =
            Event::build(topic, Stamp::coarse(), PayloadKind::Raw, Some(extras.into()), Raw::from("canary"));
        let before = format!("{event:?}");
        assert!(
            before.starts_with("Event { topic: \"a.b\", type: trolleybus::event::payload::Raw"),
            "{before}"
        );
        assert!(!before.contains("id:"), "printing made an id: {before}");
        let id = event.id();
        for printed in [format!("{event:?}"), format!("{:?}", event.clone().into_any())] {
            assert!(printed.contains(&id.to_string()), "{printed}");
            assert!(!printed.contains("canary"), "{printed}");
        }
        let _ = format!("{:?}", self::event(Counted(Arc::default())));
    }

    #[test]
    fn both_views_have_the_auto_traits_that_their_payload_allows() {
        fn shared<T: Send + Sync + Unpin + 'static>() {}
        fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
        shared::<Event<String>>();
        shared::<AnyEvent>();
        unwinds::<Event<String>>();
    }
}
