//! Building an event.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::form::Form;
use super::manner::Manner;
use super::publish::{self, Publish};
use crate::dispatch::{Patience, Receipt};
use crate::error::{PublishError, PublishRefusal};
use crate::event::{Completion, EventId, Extras, MetadataError, Outcome};
use crate::subscribe::Realm;
use crate::sync::clock::Deadline;

/// An event with more than a topic and a payload. Begun by [`EventBus::event`](crate::EventBus::event).
///
/// ```
/// # use std::time::Duration;
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let mut orders = bus.subscribe::<u32>("order.*").receiver()?;
/// bus.event("order.placed", 7_u32).key("customer-3").meta("source", "shop").publish()?;
/// let order = orders.recv()?;
/// assert_eq!((order.key(), order.meta("source")), (Some("customer-3"), Some("shop")));
/// # Ok(()) }
/// ```
#[must_use = "an event is published by `publish` and its kin"]
pub struct EventBuilder<T> {
    realm: Arc<Realm>,
    topic: String,
    payload: T,
    extras: Extras,
    wait: Option<Duration>,
    error: Option<MetadataError>,
}

impl<T: Send + Sync + 'static> EventBuilder<T> {
    pub(super) fn new(realm: Arc<Realm>, topic: &str, payload: T) -> Self {
        Self { realm, topic: topic.to_owned(), payload, extras: Extras::default(), wait: None, error: None }
    }

    /// Sets the key: events of one key belong together.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.extras.key = Some(key.into().into_boxed_str());
        self
    }

    /// Sets a piece of metadata. A name or value that is refused makes the publish fail.
    pub fn meta(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        if let Err(error) = self.extras.metadata.set(name, value) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Sets the event's id. Without, one is made when somebody asks for it.
    pub fn id(mut self, id: EventId) -> Self {
        let cell = std::sync::OnceLock::new();
        let _ = cell.set(id);
        self.extras.id = cell;
        self
    }

    /// Sets how long the event is worth delivering, whatever [the bus](crate::BusBuilder::ttl) says: a handler that would start
    /// later does not, and the event is counted as expired. Engines carry it along.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.extras.ttl = Some(ttl);
        self
    }

    /// Sets how long the publish may wait for room in full queues, counted from the publish call;
    /// then those drop the event and count it as `timeout`.
    pub fn deadline(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Sets what is called, once, when every subscription that was given the event is done with it: in
    /// the thread that was the last. If nobody subscribes, that is at once; if the publish is refused, it
    /// is dropped uncalled.
    pub fn on_complete(mut self, callback: impl FnOnce(Outcome) + Send + 'static) -> Self {
        self.extras.completion = Some(Arc::new(Completion::new(Box::new(callback))));
        self
    }

    /// Publishes the event. See [`EventBus::publish`](crate::EventBus::publish).
    ///
    /// # Errors
    ///
    /// As there; and if metadata was refused.
    ///
    /// # Blocking
    ///
    /// As there.
    pub fn publish(self) -> Result<Receipt, PublishError<T>>
    where
        T: Serialize,
    {
        self.send(Form::SERDE, Patience::Wait)
    }

    /// Publishes the event with a payload that cannot travel over a broker. See
    /// [`EventBus::publish_local`](crate::EventBus::publish_local).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    ///
    /// # Blocking
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_local(self) -> Result<Receipt, PublishError<T>> {
        self.send(Form::LOCAL, Patience::Wait)
    }

    /// Publishes the event and never waits. See [`EventBus::try_publish`](crate::EventBus::try_publish).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn try_publish(self) -> Result<Receipt, PublishError<T>>
    where
        T: Serialize,
    {
        self.send(Form::SERDE, Patience::Never)
    }

    /// Publishes the event when it is awaited. See
    /// [`EventBus::publish_async`](crate::EventBus::publish_async).
    pub fn publish_async(self) -> Publish<T>
    where
        T: Serialize,
    {
        let realm = Arc::clone(&self.realm);
        match self.finish(Form::SERDE) {
            Ok((topic, payload, manner, deadline)) => Publish::new(realm, &topic, payload, manner, deadline),
            Err(error) => Publish::refused(realm, error),
        }
    }

    fn send(self, form: &'static Form<T>, patience: Patience) -> Result<Receipt, PublishError<T>> {
        let realm = Arc::clone(&self.realm);
        let (topic, payload, manner, deadline) = self.finish(form)?;
        publish::publish(&realm, &topic, payload, manner, patience, deadline)
    }

    /// The topic, what goes there and how, and for how long it may wait.
    fn finish(self, form: &'static Form<T>) -> Result<(String, T, Manner<T>, Deadline), PublishError<T>> {
        let Self { realm, topic, payload, extras, wait, error } = self;
        if let Some(error) = error {
            return Err(publish::refuse(&realm, &topic, PublishRefusal::InvalidMetadata(error), payload));
        }
        let manner = Manner { form, extras: Some(Box::new(extras)) };
        Ok((topic, payload, manner, wait.map_or(Deadline::NEVER, Deadline::after)))
    }
}

impl<T> fmt::Debug for EventBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}
