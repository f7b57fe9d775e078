//! The bus: its handle, publishing, shutdown, and questions about it.
//!
//! | file | idea |
//! |---|---|
//! | `builder.rs` | [`BusBuilder`]: options and their limits |
//! | `publish.rs` | from a payload to the pass over the subscribers; [`Publish`], the future |
//! | `event_builder.rs` | [`EventBuilder`]: key, metadata, time to live, deadline |
//! | `publisher.rs`, `batch.rs` | [`Publisher`]: topic resolved once; many events in runs |
//! | `carry.rs`, `form.rs` | a publish to a topic that an engine carries; how payloads travel |
//! | `engine_options.rs`, `start.rs`, `reroute.rs` | engines and rules; the start of all or none; other rules |
//! | `shutdown.rs` | [`Shutdown`]: drain, deadline, report; dropping the bus |
//! | `introspect.rs`, `engine_stats.rs` | topics, statistics, `explain` |

mod batch;
mod builder;
mod carry;
mod engine_options;
mod engine_stats;
mod event_builder;
mod form;
mod introspect;
#[cfg(all(test, loom))]
mod models;
mod publish;
mod publisher;
mod reroute;
mod shutdown;
mod start;

use std::collections::HashSet;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use builder::BusBuilder;
#[cfg(feature = "config")]
pub(crate) use builder::default_workers;
pub use engine_options::Routes;
#[cfg(feature = "config")]
pub(crate) use engine_options::is_engine_name;
pub use engine_stats::{EngineStats, TransportStats};
pub use event_builder::EventBuilder;
pub use introspect::{BusStats, Explained, Explanation, SubscriptionStats, TopicInfo, Verdict};
pub use publish::Publish;
pub use publisher::Publisher;
pub use reroute::Rerouting;
pub use shutdown::{Shutdown, ShutdownReport, Unfinished};
pub use start::Starting;

use crate::dispatch::{DeliveryMode, Receipt, Wanted};
use crate::error::{PublishError, SubscribeError};
use crate::event::{AnyEvent, Event, Raw};
use crate::lifecycle::{LifecycleEvent, types};
use crate::pattern::{PatternError, TopicPattern};
use crate::subscribe::{Expect, Hub, Subscribe};
use crate::sync::clock::Deadline;
use crate::sync::hash_keys;
use form::Form;
use shutdown::Handle;

/// A handle of an event bus. Clones are handles of the same bus.
///
/// The bus lives as long as one of its handles; dropping the last closes it at once (see
/// [`shutdown`](Self::shutdown) for an orderly end). A handler that needs the bus holds a
/// [`WeakEventBus`], or else the bus keeps itself alive.
///
/// ```
/// use trolleybus::EventBus;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let _greeter = bus.subscribe::<String>("greet").handle_inline(|name| println!("hello, {}", **name))?;
/// let receipt = bus.publish("greet", "world")?;
/// assert_eq!(receipt.delivered(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EventBus {
    handle: Arc<Handle>,
}

/// A handle that does not keep the bus alive. See [`EventBus::downgrade`].
#[derive(Clone)]
pub struct WeakEventBus {
    handle: Weak<Handle>,
}

impl WeakEventBus {
    /// Returns a handle of the bus, if the bus still lives.
    #[must_use]
    pub fn upgrade(&self) -> Option<EventBus> {
        self.handle.upgrade().map(|handle| EventBus { handle })
    }
}

impl EventBus {
    /// Makes a bus on the memory engine with default options. It starts no thread before something
    /// needs one.
    #[must_use]
    pub fn new() -> Self {
        Self::from_hub(Arc::new(BusBuilder::new().into_default_hub()))
    }

    /// Begins to build a bus with options.
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    /// The first handle of a bus.
    fn from_hub(hub: Arc<Hub>) -> Self {
        hub.hooks.tell(|hooks| {
            LifecycleEvent::of_bus(types::BUS_STARTED)
                .with("engine", hooks.engine(0))
                .with("workers", hub.options.workers)
        });
        Self { handle: Arc::new(Handle::new(hub)) }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        self.handle.hub()
    }

    /// Returns a handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEventBus {
        WeakEventBus { handle: Arc::downgrade(&self.handle) }
    }

    /// Says whether the bus has been shut down, or is shutting down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.hub().is_closed()
    }

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
    fn subscribe_to<E: crate::subscribe::Delivered>(
        &self,
        patterns: Result<Box<[TopicPattern]>, SubscribeError>,
        wants: Option<&'static Wanted>,
    ) -> Subscribe<E> {
        Subscribe::new(Arc::clone(self.hub()), patterns, wants, Location::caller())
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
        publish::publish_now(self.hub(), topic.as_ref(), payload, Form::SERDE)
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
        Publish::new(self.hub(), topic.as_ref(), payload, Form::SERDE, None, Deadline::NEVER)
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
        publish::try_now(self.hub(), topic.as_ref(), payload, Form::SERDE)
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
        publish::publish_now(self.hub(), topic.as_ref(), payload, Form::LOCAL)
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
        publish::publish_now(self.hub(), topic.as_ref(), payload.into(), Form::RAW)
    }

    /// Begins to build an event with a key, metadata, an id, a time to live, or a deadline.
    pub fn event<T>(&self, topic: impl AsRef<str>, payload: T) -> EventBuilder<T>
    where
        T: Send + Sync + 'static,
    {
        EventBuilder::new(Arc::clone(self.hub()), topic.as_ref(), payload)
    }

    /// Returns a handle for one topic, which is resolved now instead of at each publish.
    ///
    /// # Errors
    ///
    /// [`TopicError`](crate::TopicError) if the topic is invalid.
    pub fn publisher<T>(&self, topic: impl AsRef<str>) -> Result<Publisher<T>, crate::TopicError>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Publisher::new(Arc::clone(self.hub()), topic.as_ref(), Form::SERDE)
    }

    /// Returns a handle for one topic, for payloads of a type that cannot travel over a broker.
    ///
    /// # Errors
    ///
    /// [`TopicError`](crate::TopicError) if the topic is invalid.
    pub fn publisher_local<T>(&self, topic: impl AsRef<str>) -> Result<Publisher<T>, crate::TopicError>
    where
        T: Send + Sync + 'static,
    {
        Publisher::new(Arc::clone(self.hub()), topic.as_ref(), Form::LOCAL)
    }

    /// Tells an event of the application's own to those who hear of the [bus's life](crate::lifecycle), in its place among the
    /// bus's events. False if nobody listens.
    pub fn emit(&self, event: LifecycleEvent) -> bool {
        match &self.hub().hooks.feed {
            Some(feed) => {
                feed.tell(event);
                true
            }
            None => false,
        }
    }

    /// Shuts the bus down: refuses publishes and subscriptions at once, lets what is queued be handled,
    /// and cancels the rest when `timeout` is over.
    ///
    /// The returned future drives the shutdown; see [`Shutdown`].
    pub fn shutdown(&self, timeout: Duration) -> Shutdown {
        Shutdown::new(Arc::clone(self.hub()), timeout)
    }
}

// A panic of user code is caught before it reaches the bus's state.
impl std::panic::UnwindSafe for EventBus {}
impl std::panic::RefUnwindSafe for EventBus {}
impl std::panic::UnwindSafe for WeakEventBus {}
impl std::panic::RefUnwindSafe for WeakEventBus {}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakEventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakEventBus")
            .field("alive", &(self.handle.strong_count() > 0))
            .finish_non_exhaustive()
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
