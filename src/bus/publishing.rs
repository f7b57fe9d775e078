//! The publish calls of a bus.

use std::sync::Arc;

use serde::Serialize;

use super::form::Form;
use super::publish::{self, Publish};
use super::{EventBuilder, EventBus, Publisher};
use crate::dispatch::Receipt;
use crate::error::PublishError;
use crate::event::Raw;
use crate::topic::TopicError;

impl EventBus {
    /// Publishes an event, and waits for full queues of mode `Block` and `Timeout`.
    ///
    /// When this returns, every inline handler has returned, and every queue has accepted the event or
    /// dropped it: the receipt says which. A string literal is published as a `String`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the payload, if the topic is invalid, the bus is shut down, or inline
    /// handlers nest too deep: nobody was offered the event.
    ///
    /// # Blocking
    ///
    /// Parks the thread while a queue of mode `Block` or `Timeout` is full. In an async task use
    /// [`publish_async`](Self::publish_async).
    pub fn publish<T>(&self, topic: impl AsRef<str>, payload: T) -> Result<Receipt, PublishError<T>>
    where
        T: Serialize + Send + Sync + 'static,
    {
        publish::publish_now(&self.realm, topic.as_ref(), payload, Form::SERDE)
    }

    /// Publishes an event, and awaits room in full queues of mode `Block` and `Timeout`.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_async<T>(&self, topic: impl AsRef<str>, payload: T) -> Publish<T>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Publish::of(&self.realm, topic.as_ref(), payload, Form::SERDE)
    }

    /// Publishes an event and never waits: a full queue drops it, whatever its mode, and the receipt
    /// says so.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn try_publish<T>(&self, topic: impl AsRef<str>, payload: T) -> Result<Receipt, PublishError<T>>
    where
        T: Serialize + Send + Sync + 'static,
    {
        publish::try_now(&self.realm, topic.as_ref(), payload, Form::SERDE)
    }

    /// Publishes a payload of a type that cannot travel over a broker: one without serde.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    ///
    /// # Blocking
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_local<T>(&self, topic: impl AsRef<str>, payload: T) -> Result<Receipt, PublishError<T>>
    where
        T: Send + Sync + 'static,
    {
        publish::publish_now(&self.realm, topic.as_ref(), payload, Form::LOCAL)
    }

    /// Publishes raw bytes.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); and if the payload is larger than the bus takes.
    ///
    /// # Blocking
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_raw(
        &self,
        topic: impl AsRef<str>,
        payload: impl Into<Raw>,
    ) -> Result<Receipt, PublishError<Raw>> {
        publish::publish_now(&self.realm, topic.as_ref(), payload.into(), Form::RAW)
    }

    /// Begins to build an event with a key, metadata, an id, a time to live, or a deadline.
    pub fn event<T>(&self, topic: impl AsRef<str>, payload: T) -> EventBuilder<T>
    where
        T: Send + Sync + 'static,
    {
        EventBuilder::new(Arc::clone(&self.realm), topic.as_ref(), payload)
    }

    /// Returns a handle for one topic, which is resolved now instead of at each publish.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the topic is invalid.
    pub fn publisher<T>(&self, topic: impl AsRef<str>) -> Result<Publisher<T>, TopicError>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Publisher::new(Arc::clone(&self.realm), topic.as_ref(), Form::SERDE)
    }

    /// Returns a handle for one topic, for payloads of a type that cannot travel over a broker.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the topic is invalid.
    pub fn publisher_local<T>(&self, topic: impl AsRef<str>) -> Result<Publisher<T>, TopicError>
    where
        T: Send + Sync + 'static,
    {
        Publisher::new(Arc::clone(&self.realm), topic.as_ref(), Form::LOCAL)
    }
}
