//! A handle for one topic.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::batch;
use super::carry::Detour;
use super::form::Form;
use super::manner::Manner;
use super::publish::{self, Publish};
use crate::dispatch::{Patience, Receipt, SubscriberList, TopicEntry};
use crate::error::PublishError;
use crate::subscribe::Realm;
use crate::sync::clock::Deadline;
use crate::topic::{Topic, TopicError};

/// Publishes to one topic, which was resolved when the handle was made: a publish by handle skips the
/// hashing and the lookup of the name.
///
/// It does not keep the bus alive: when the bus is gone, publishing says that it is shut down.
///
/// ```
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let ticks = bus.publisher::<u64>("market.tick")?;
/// let mut received = bus.subscribe::<u64>("market.*").receiver()?;
/// ticks.publish_batch(1..=3)?;
/// assert_eq!(received.try_iter().map(|tick| *tick).sum::<u64>(), 6);
/// # Ok(()) }
/// ```
pub struct Publisher<T: 'static> {
    pub(super) realm: Arc<Realm>,
    pub(super) entry: Arc<TopicEntry>,
    pub(super) form: &'static Form<T>,
    payload: PhantomData<fn(T)>,
}

impl<T: Send + Sync + 'static> Publisher<T> {
    pub(super) fn new(realm: Arc<Realm>, topic: &str, form: &'static Form<T>) -> Result<Self, TopicError> {
        let entry = realm.table.pin(&Topic::new(topic)?);
        Ok(Self { realm, entry, form, payload: PhantomData })
    }

    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.entry.topic
    }

    /// Says whether anybody subscribes to the topic now, or its events are [kept](crate::BusBuilder::retain), or an engine
    /// carries it, of whose other end nobody knows: whether building an event is worth it.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        let list = self.entry.list.load();
        match self.realm.table.current(&list) {
            Some(list) => has_subscribers(list),
            None => {
                let list = self.realm.table.refreshed(&self.entry);
                has_subscribers(&list)
            }
        }
    }

    /// Publishes an event. See [`EventBus::publish`](crate::EventBus::publish).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Blocking
    ///
    /// As there.
    #[inline]
    pub fn publish(&self, payload: T) -> Result<Receipt, PublishError<T>> {
        match self.run(payload, Patience::Wait) {
            Ok(receipt) if receipt.is_settled() => Ok(receipt),
            Ok(receipt) => Ok(publish::wait(&self.realm.hub, receipt, Deadline::NEVER)),
            Err(detour) => detour.wait(Deadline::NEVER),
        }
    }

    /// Publishes an event and never waits. See [`EventBus::try_publish`](crate::EventBus::try_publish).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_publish(&self, payload: T) -> Result<Receipt, PublishError<T>> {
        self.run(payload, Patience::Never).map_err(Detour::refused)
    }

    /// Publishes an event when it is awaited. See
    /// [`EventBus::publish_async`](crate::EventBus::publish_async).
    pub fn publish_async(&self, payload: T) -> Publish<T> {
        Publish::of(&self.realm, self.entry.topic.as_str(), payload, self.form)
    }

    /// Publishes events in their order, and adds their receipts up.
    ///
    /// Where all subscriptions of the topic have queues, a batch is faster than one publish after the other: a queue takes
    /// up to 32 events in one step, and its consumer is woken once for them. So many are taken from the iterator before
    /// they are published, if it [promises](Iterator::size_hint) them: one that may wait for its next item should promise
    /// none, as those of channels do. The events of such a run have one timestamp, and those who subscribe meanwhile
    /// get those of the next.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the first payload that was refused; those before it were published, those
    /// after it are dropped with the iterator.
    ///
    /// # Blocking
    ///
    /// As [`publish`](Self::publish), for each event.
    pub fn publish_batch(&self, payloads: impl IntoIterator<Item = T>) -> Result<Receipt, PublishError<T>> {
        batch::publish(self, payloads.into_iter().fuse())
    }

    #[inline]
    fn run(&self, payload: T, patience: Patience) -> Result<Receipt, Detour<T>> {
        let table = &self.realm.table;
        if let Err(refusal) = publish::admit(&self.realm.hub, &payload) {
            return Err(publish::refuse(&self.realm, self.topic().as_str(), refusal, payload).into());
        }
        let manner = Manner::of(self.form);
        let list = self.entry.list.load();
        match table.current(&list) {
            Some(list) => publish::pass(&self.realm, list, payload, manner, patience),
            None => {
                drop(list);
                let list = table.refreshed(&self.entry);
                publish::pass(&self.realm, &list, payload, manner, patience)
            }
        }
    }
}

/// Whether somebody may want the events.
fn has_subscribers(list: &SubscriberList) -> bool {
    list.is_carried() || list.log().is_some() || !list.detour().unwrap_or(list).is_empty()
}

// As for the bus itself.
impl<T: 'static> std::panic::UnwindSafe for Publisher<T> {}
impl<T: 'static> std::panic::RefUnwindSafe for Publisher<T> {}

impl<T: 'static> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        self.realm.table.pin_again(&self.entry);
        Self {
            realm: Arc::clone(&self.realm),
            entry: Arc::clone(&self.entry),
            form: self.form,
            payload: PhantomData,
        }
    }
}

impl<T: 'static> Drop for Publisher<T> {
    fn drop(&mut self) {
        self.realm.table.unpin(&self.entry);
    }
}

impl<T: 'static> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("topic", &self.entry.topic).finish_non_exhaustive()
    }
}
