//! Panics in a row, counted by the threads that run a subscription's handlers.
//!
//! The handlers do not panic, for loom would take that for a model that fails: they end with what is left of a
//! panic that was caught.

use std::num::NonZeroU32;
use std::sync::Arc;

use loom::thread::{JoinHandle, spawn};

use super::support::{Bell, Figure, close_account, ends, publish, slot_with, spec};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Hooks, Next, Observer};
use crate::error::HandlerError;
use crate::event::{AnyEvent, SubscriptionId};

/// Counts the quarantines that it hears of.
struct Hears(Figure);

impl Observer for Hears {
    fn quarantined(&self, _subscription: SubscriptionId, _panics: u32) {
        self.0.raise();
    }
}

/// A slot with two lanes, an event in the hand of each, and the count of its quarantines: after `limit` panics.
fn two_running(limit: u32) -> (Arc<Slot>, [AnyEvent; 2], Figure) {
    let heard = Figure::default();
    let mut spec = spec(&["t"], 2, DeliveryMode::Drop);
    spec.concurrency = 2;
    let hooks =
        Hooks::new(Some(Arc::new(Hears(heard.clone()))), NonZeroU32::new(limit), Box::default(), None);
    let slot = slot_with(hooks, spec, |_| ends(2, Bell::default()));
    let events = [1_u64, 2].map(|number| {
        publish(&slot, number);
        let Next::Event(event) = slot.take_any() else { panic!("it is queued") };
        event
    });
    (slot, events, heard)
}

/// Ends a handler with a panic.
fn panic_over(slot: &Arc<Slot>, event: &AnyEvent) {
    slot.run(event, || Err(HandlerError::panicked(Box::new("oh"))));
}

/// Does so in another lane.
fn panicking_lane(slot: &Arc<Slot>, event: AnyEvent) -> JoinHandle<()> {
    let slot = Arc::clone(slot);
    spawn(move || panic_over(&slot, &event))
}

/// Two lanes panic at a time, and that is one quarantine.
fn two_panics_are_one_quarantine(limit: u32) {
    loom::model(move || {
        let (slot, [one, two], heard) = two_running(limit);
        let other = panicking_lane(&slot, one);
        panic_over(&slot, &two);
        other.join().expect("lane");
        assert!(slot.is_paused(), "a panic was lost");
        assert_eq!(heard.get(), 1);
        close_account(slot, 2, 2);
    });
}

/// Two lanes panic at a time, and two panics are the limit: the subscription is in quarantine.
///
/// Broken by a count that is loaded and stored (one panic is lost).
#[test]
fn p4_two_panics_at_a_time_are_two() {
    two_panics_are_one_quarantine(2);
}

/// Two lanes panic at a time, and one panic is the limit: the subscription is put into quarantine once.
///
/// Broken by a pause whenever the limit is reached or passed (the second panic tells of it again).
#[test]
fn p4_a_panic_beyond_the_limit_is_no_second_quarantine() {
    two_panics_are_one_quarantine(1);
}

/// A subscription is resumed while the panic happens that puts it into quarantine: it is in quarantine, or the
/// next panic puts it there.
///
/// Broken by a `resume` that forgets the panics before it ends the pause (the pause is over, and the count is
/// that of a quarantine: no panic reaches the limit any more).
#[test]
fn p4_a_resume_against_the_last_panic() {
    loom::model(|| {
        let (slot, [one, two], heard) = two_running(1);
        let other = panicking_lane(&slot, one);
        slot.resume();
        other.join().expect("lane");
        assert_eq!(heard.get(), 1);
        panic_over(&slot, &two);
        assert!(slot.is_paused(), "there is no quarantine any more");
        close_account(slot, 2, 2);
    });
}
