//! Options of a subscription about failures, and about order.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Agenda, KeyOf, Order, Terms};
use super::breaker::CircuitBreaker;
use super::builder::Subscribe;
use super::delivered::Delivered;
use super::hub::Hub;
use super::retry::{LONGEST, Retry};
use crate::dispatch::{Slot, SubscriptionKind};
use crate::error::SubscribeError;

/// What a subscription was asked to do about order and failures.
pub(super) struct Policy<E> {
    retry: Option<Retry>,
    breaker: Option<CircuitBreaker>,
    key_of: Option<KeyOf<E>>,
    pub(super) attempt_timeout: Option<Duration>,
}

impl<E> Default for Policy<E> {
    fn default() -> Self {
        Self { retry: None, breaker: None, key_of: None, attempt_timeout: None }
    }
}

impl<E: Delivered> Policy<E> {
    /// Checks the options, those included that a subscription of that kind cannot have.
    pub(super) fn check(&self, kind: SubscriptionKind) -> Result<(), SubscribeError> {
        let lanes = matches!(kind, SubscriptionKind::Pooled | SubscriptionKind::Async);
        let refused = [
            ("retry", self.retry.is_some(), lanes),
            ("circuit_breaker", self.breaker.is_some(), lanes),
            ("ordered_by_key", self.key_of.is_some(), lanes),
            ("attempt_timeout", self.attempt_timeout.is_some(), kind == SubscriptionKind::Async),
        ];
        if let Some((option, ..)) = refused.into_iter().find(|(_, asked, able)| *asked && !able) {
            return Err(SubscribeError::NotForKind { option, kind });
        }
        if let Some(retry) = &self.retry {
            retry.check()?;
        }
        if let Some(breaker) = self.breaker {
            breaker.checked()?;
        }
        match self.attempt_timeout {
            Some(timeout) if timeout.is_zero() || timeout > LONGEST => {
                Err(SubscribeError::InvalidAttemptTimeout { timeout, limit: LONGEST })
            }
            _ => Ok(()),
        }
    }

    /// The agenda of a subscription that needs one. It has been checked.
    pub(super) fn agenda(
        &self,
        hub: &Hub,
        slot: &std::sync::Weak<Slot>,
        concurrency: usize,
        limit: usize,
    ) -> Option<Arc<Agenda<E>>> {
        let circuit = self.breaker.and_then(|breaker| breaker.checked().ok());
        if self.retry.is_none() && circuit.is_none() && self.key_of.is_none() {
            return None;
        }
        let order = match (&self.key_of, concurrency) {
            (Some(_), _) => Order::ByKey,
            (None, 1) => Order::All,
            (None, _) => Order::None,
        };
        let terms = Terms { order, key_of: self.key_of.clone(), retry: self.retry.clone(), circuit, limit };
        Some(Agenda::new(std::sync::Weak::clone(slot), terms, hub.alarm()))
    }
}

impl<E: Delivered> Subscribe<E> {
    /// Tries an event again whose handler has failed, as that policy says. For handlers that run on workers.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Retry};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let bus = EventBus::new();
    /// let _stock = bus
    ///     .subscribe::<String>("order.placed")
    ///     .retry(Retry::new(5))
    ///     .handle(|order| order.parse::<u32>().map(drop))?;
    /// # Ok(()) }
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.retry = Some(retry);
        self
    }

    /// Stops trying the handler for a while when it fails again and again. For handlers that run on workers.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.policy.breaker = Some(breaker);
        self
    }

    /// Sets how long an attempt of an async handler may take: more than nothing, and at most a year. One that is still pending
    /// then is dropped, and [has failed](crate::HandlerError::is_timeout).
    ///
    /// It is noticed when the handler is pending: one that computes, or blocks its thread, cannot be stopped.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.policy.attempt_timeout = Some(timeout);
        self
    }

    /// Runs up to so many handlers at a time, from 1 to 1024, and those of one [key](crate::EventBuilder::key) one after the
    /// other: the events of a key are handled in the order in which they came, and each one's handler has ended when the next
    /// one's starts. Events without a key are in no order. For handlers that run on workers.
    ///
    /// Events that have to wait for another one of their key are set aside, so that they do not hold up the others: as many as
    /// the queue holds, beside it.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::new();
    /// let (done, lines) = std::sync::mpsc::channel();
    /// let _ledger = bus.subscribe::<String>("account.*").ordered_by_key(4).handle(move |line| {
    ///     let _ = done.send((**line).clone());
    /// })?;
    /// bus.event("account.opened", "opened 7").key("7").publish()?;
    /// bus.event("account.closed", "closed 7").key("7").publish()?;
    /// assert_eq!((lines.recv()?, lines.recv()?), ("opened 7".to_owned(), "closed 7".to_owned()));
    /// # Ok(()) }
    /// ```
    pub fn ordered_by_key(self, handlers: usize) -> Self {
        self.ordered(handlers, |hash, event| event.parts().0.key().map(|key| hash.hash_one(key)))
    }

    /// As [`ordered_by_key`](Self::ordered_by_key), with a key that a function finds in the event. It runs on a worker. If it
    /// panics, that is reported, and the event is in order with all those for which it has panicked.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let bus = EventBus::new();
    /// let _ledger = bus
    ///     .subscribe::<(u32, String)>("account.*")
    ///     .ordered_by(4, |line| line.0)
    ///     .handle(|line| println!("{}: {}", line.0, line.1))?;
    /// # Ok(()) }
    /// ```
    pub fn ordered_by<K: Hash>(self, handlers: usize, key: impl Fn(&E) -> K + Send + Sync + 'static) -> Self {
        self.ordered(handlers, move |hash, event| Some(hash.hash_one(key(event))))
    }

    fn ordered(
        mut self,
        handlers: usize,
        key: impl Fn(&ahash::RandomState, &E) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        let hash = crate::sync::hash_keys();
        self.concurrency = handlers;
        self.policy.key_of = Some(Arc::new(move |event| key(&hash, event)));
        self
    }
}
