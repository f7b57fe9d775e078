//! Who hears of what happens to events: an application's observer.

use std::time::{Duration, SystemTime};

use super::aside::CircuitState;
use super::carriers::EngineState;
use super::dead_letter::DeadLetter;
use crate::error::HandlerError;
use crate::event::{EventId, SubscriptionId};
use crate::topic::Topic;

/// Hears of every handler that ended, and of what went wrong. Set with
/// [`BusBuilder::observer`](crate::BusBuilder::observer).
///
/// The methods are called in the thread that ran the handler, after the end was counted; a panic in
/// one is caught. Keep them short.
pub trait Observer: Send + Sync + 'static {
    /// A handler ended, and no other attempt follows.
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        let _ = delivery;
    }

    /// An attempt at an event has failed, and [another](crate::Retry) follows after that time, unless the subscription is
    /// cancelled before.
    fn retried(&self, delivery: &HandledDelivery<'_>, delay: Duration) {
        let _ = (delivery, delay);
    }

    /// The [circuit](crate::CircuitBreaker) of a subscription has opened, or closed, or is half-open.
    fn circuit(&self, subscription: SubscriptionId, state: CircuitState) {
        let _ = (subscription, state);
    }

    /// A subscription was put into quarantine after so many panics in a row.
    fn quarantined(&self, subscription: SubscriptionId, panics: u32) {
        let _ = (subscription, panics);
    }

    /// An engine's state has changed.
    fn engine_state(&self, engine: &str, state: EngineState) {
        let _ = (engine, state);
    }

    /// An event was so old when a handler of the subscription would have started that it [is not worth
    /// delivering](crate::BusBuilder::ttl) any more.
    fn expired(&self, subscription: SubscriptionId, topic: &Topic, age: Duration) {
        let _ = (subscription, topic, age);
    }

    /// A subscription that is [idempotent](crate::Subscribe::idempotent) was given an event that it has handled before, or
    /// handles at this moment.
    fn duplicate(&self, subscription: SubscriptionId, topic: &Topic, event: EventId) {
        let _ = (subscription, topic, event);
    }

    /// A subscription could not handle an event, and a rule says that its [letter](DeadLetter) goes to this topic; whether a
    /// subscription has taken it there, or it is [kept](crate::BusBuilder::retain).
    fn dead_letter(&self, letter: &DeadLetter, topic: &Topic, taken: bool) {
        let _ = (letter, topic, taken);
    }

    /// Something that people should know, in words: an event of an unexpected type, a filter that
    /// panicked.
    fn warning(&self, message: &str) {
        let _ = message;
    }
}

/// A handler's end, as an [`Observer`] hears of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandledDelivery<'a> {
    /// Whose handler it was.
    pub subscription: SubscriptionId,
    /// The subscription's name, if it was given one.
    pub subscription_name: Option<&'a str>,
    /// The event's topic.
    pub topic: &'a Topic,
    /// When the event was published.
    pub published: SystemTime,
    /// Which attempt at this event it was, from 1.
    pub attempt: u32,
    /// How long the handler took.
    pub duration: Duration,
    /// What went wrong, if something did.
    pub error: Option<&'a HandlerError>,
}
