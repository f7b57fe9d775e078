//! Each thread keeps the block of the last event that came to its end there, for the next one.
//!
//! An event whose handlers all run inline is made and ended by one thread. To free its block and to allocate the same
//! one again is a fifth of what such a publish costs.

use std::cell::Cell;
use std::mem::needs_drop;
use std::sync::Arc;

use super::event::Inner;
use super::{AnyEvent, Event};

/// The most bytes that a kept block may have, so that a thread which publishes something big once does not hold on to
/// it.
const MOST: usize = 256;

thread_local! {
    /// An event that nobody else holds.
    static SPARE: Cell<Option<AnyEvent>> = const { Cell::new(None) };
}

/// Whether blocks of such events are kept: what the payload holds must not outlive the event. loom's threads share
/// what is local to one of the system's.
const fn is_kept<T>() -> bool {
    cfg!(not(loom)) && !needs_drop::<T>() && size_of::<Inner<T>>() <= MOST
}

/// The block of an earlier event with a payload of this type, if there is one.
#[inline]
pub(super) fn take<T: Send + Sync + 'static>() -> Option<Arc<Inner<T>>> {
    if !is_kept::<T>() {
        return None;
    }
    // A thread that is about to end may have none any more.
    SPARE.try_with(Cell::take).ok()??.downcast_judged::<T>().map(|event| event.0)
}

/// Ends a reference to an event without extras, and keeps the block if it was the last one; the event if that is to be
/// dropped.
#[inline]
pub(super) fn keep<T: Send + Sync + 'static>(event: Event<T>) -> Option<Event<T>> {
    if !is_kept::<T>() || Arc::strong_count(&event.0) > 1 {
        return Some(event);
    }
    let _ = SPARE.try_with(|spare| spare.set(Some(event.into_any())));
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::event::{Extras, PayloadKind, Raw};
    use crate::sync::clock::Stamp;
    use crate::sync::thread;
    use crate::topic::Topic;

    fn event<T: Send + Sync + 'static>(topic: &str, payload: T) -> Event<T> {
        let topic = Topic::new(topic).expect("a valid topic");
        Event::build(topic, Stamp::coarse(), PayloadKind::Local, None, payload)
    }

    fn is_spare() -> bool {
        let spare = SPARE.take();
        let is_spare = spare.is_some();
        SPARE.set(spare);
        is_spare
    }

    #[test]
    fn a_block_is_used_again_with_nothing_of_the_event_before() {
        event("a.b", 7_u64).retire();
        let extras = Extras { key: Some("k".into()), ..Extras::default() };
        let topic = Topic::new("c.d").expect("a valid topic");
        let second = Event::build(topic, Stamp::precise(), PayloadKind::Serde, Some(extras.into()), 8_u64);
        assert!(!is_spare(), "it is in use");
        assert_eq!((second.topic().as_str(), *second, second.key()), ("c.d", 8, Some("k")));
        assert_eq!(second.clone().into_any().kind(), PayloadKind::Serde);
        drop(second);
        event("a.b", 9_u64).retire();
        let third = event("e.f", 10_u64);
        assert_eq!((third.topic().as_str(), *third, third.key()), ("e.f", 10, None));
        assert_eq!(third.try_into_payload().expect("the sole owner"), 10);
    }

    #[test]
    fn what_somebody_holds_or_has_to_drop_or_is_big_is_not_kept() {
        SPARE.set(None);
        let held = event("a.b", 1_u8);
        let other = held.clone();
        held.retire();
        assert_eq!(other.try_into_payload().expect("the sole owner"), 1);
        event("a.b", String::from("text")).retire();
        event("a.b", Raw::from("text")).retire();
        event("a.b", [0_u8; MOST]).retire();
        assert!(!is_spare());
        event("a.b", [0_u8; MOST - 40]).retire();
        assert!(is_spare());
    }

    #[test]
    fn payloads_of_several_types_and_threads_get_their_own() {
        for round in 0..3_u8 {
            let (byte, word) = (event("a.b", round), event("a.b", u16::from(round)));
            assert_eq!((*byte, *word), (round, u16::from(round)));
            byte.retire();
            word.retire();
            let elsewhere = thread::Builder::new().spawn(move || {
                assert!(!is_spare());
                let event = event("a.b", round);
                assert_eq!(*event, round);
                event.retire();
            });
            elsewhere.expect("a thread").join().expect("no panic");
        }
    }

    #[test]
    fn a_thread_that_ends_publishes_without_a_spare() {
        struct AtTheEnd;
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                event("a.b", 5_u32).retire();
                assert_eq!(*event("a.b", 6_u32), 6);
            }
        }
        std::thread_local!(static LAST: AtTheEnd = const { AtTheEnd });
        let ends = || {
            LAST.with(|_| ());
            event("a.b", 4_u32).retire();
        };
        // Its destructors run in one order or the other.
        thread::Builder::new().spawn(ends).expect("a thread").join().expect("no panic");
        let ends = || {
            event("a.b", 4_u32).retire();
            LAST.with(|_| ());
        };
        thread::Builder::new().spawn(ends).expect("a thread").join().expect("no panic");
    }
}
