//! The subscribe calls of a bus.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::EventBus;
use crate::dispatch::{DeliveryMode, Wanted};
use crate::error::SubscribeError;
use crate::event::{AnyEvent, Event, Raw};
use crate::pattern::{PatternError, TopicPattern};
use crate::subscribe::{Delivered, Expect, Subscribe};
use crate::sync::hash_keys;

impl EventBus {
    /// Subscribes to events with a payload of type `T`, on topics that match the pattern.
    ///
    /// Events of another type are skipped and counted; the first one warns, naming both types.
    #[track_caller]
    pub fn subscribe<T>(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
    ) -> Subscribe<Event<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.subscribe_to(one(pattern), Some(Wanted::decoded::<T>()))
    }

    /// Subscribes to several patterns with one subscription: all or none, and an event that matches two
    /// of them comes once.
    #[track_caller]
    pub fn subscribe_many<T, P>(&self, patterns: impl IntoIterator<Item = P>) -> Subscribe<Event<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        self.subscribe_to(many(patterns), Some(Wanted::decoded::<T>()))
    }

    /// Subscribes to events whatever their type.
    #[track_caller]
    pub fn subscribe_any(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
    ) -> Subscribe<AnyEvent> {
        self.subscribe_to(one(pattern), None)
    }

    /// Subscribes to several patterns, whatever the type of the events.
    #[track_caller]
    pub fn subscribe_any_many<P>(&self, patterns: impl IntoIterator<Item = P>) -> Subscribe<AnyEvent>
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        self.subscribe_to(many(patterns), None)
    }

    /// Subscribes to events with a payload of a type that cannot travel: one without serde, a reply
    /// channel for example.
    #[track_caller]
    pub fn subscribe_local<T>(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
    ) -> Subscribe<Event<T>>
    where
        T: Send + Sync + 'static,
    {
        self.subscribe_to(one(pattern), Some(Wanted::local::<T>()))
    }

    /// Subscribes to events with a raw payload.
    #[track_caller]
    pub fn subscribe_raw(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
    ) -> Subscribe<Event<Raw>> {
        self.subscribe_to(one(pattern), Some(Wanted::raw()))
    }

    #[track_caller]
    fn subscribe_to<E: Delivered>(
        &self,
        patterns: Result<Box<[TopicPattern]>, SubscribeError>,
        wants: Option<&'static Wanted>,
    ) -> Subscribe<E> {
        Subscribe::new(Arc::clone(&self.realm), patterns, wants, Location::caller())
    }

    /// Waits for one event of type `T` that matches the pattern, at most for `timeout`. The subscription
    /// is made at once: an event published after this call is not missed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::new();
    /// let paid = bus.expect::<u32>("order.7.paid", Duration::from_secs(5))?;
    /// bus.publish("order.7.paid", 1200_u32)?;
    /// assert_eq!(*paid.wait()?, 1200);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if the pattern is invalid or the bus is shut down.
    #[track_caller]
    pub fn expect<T>(
        &self,
        pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
        timeout: Duration,
    ) -> Result<Expect<Event<T>>, SubscribeError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let receiver = self
            .subscribe::<T>(pattern)
            .capacity(1)
            // Only the first event counts: nobody is to wait to hand in a second.
            .delivery(DeliveryMode::Drop)
            .once()
            .receiver()?;
        Ok(Expect::new(receiver, timeout, Arc::clone(&self.hub().timer)))
    }
}

fn one(
    pattern: impl TryInto<TopicPattern, Error: Into<PatternError>>,
) -> Result<Box<[TopicPattern]>, SubscribeError> {
    Ok(Box::new([valid(pattern)?]))
}

fn valid<P>(pattern: P) -> Result<TopicPattern, SubscribeError>
where
    P: TryInto<TopicPattern, Error: Into<PatternError>>,
{
    pattern.try_into().map_err(|error| SubscribeError::InvalidPattern(error.into()))
}

fn many<P>(patterns: impl IntoIterator<Item = P>) -> Result<Box<[TopicPattern]>, SubscribeError>
where
    P: TryInto<TopicPattern, Error: Into<PatternError>>,
{
    let mut seen = HashSet::with_hasher(hash_keys());
    let mut all = Vec::new();
    for pattern in patterns {
        let pattern = valid(pattern)?;
        if seen.insert(pattern.clone()) {
            all.push(pattern);
        }
    }
    Ok(all.into())
}
