//! What is current in a handler, for code that runs elsewhere: receivers, and tasks that a handler spawns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tracing::Span;

use super::handling::Open;
use super::local::{self, Current, Guarded};
use crate::dispatch::Slot;
use crate::event::Head;
use crate::subscribe::Delivered;

/// Begins spans for events that a [`Receiver`](crate::Receiver) has taken. Made by
/// [`Receiver::tracer`](crate::Receiver::tracer).
#[derive(Clone)]
pub struct Tracer {
    /// Weak: it does not keep the subscription's handler or queue.
    slot: Weak<Slot>,
}

impl Tracer {
    pub(crate) fn new(slot: &Arc<Slot>) -> Self {
        Self { slot: Arc::downgrade(slot) }
    }

    /// Begins to handle an event: makes the span `handle`, as a handler has one. On a bus that is not traced the scope
    /// changes nothing.
    pub fn handle<E: Delivered>(&self, event: &E) -> Scope {
        self.begin(event.parts().0)
    }

    fn begin(&self, event: &Head) -> Scope {
        let slot = self.slot.upgrade().filter(|_| !event.is_muted());
        let kind = slot.as_ref().and_then(|slot| slot.hooks.tracing.kind());
        match (&slot, kind) {
            (Some(slot), Some(kind)) => {
                let Open { span, current } = Open::begin(kind, slot, event);
                Scope { span, current: Some(current) }
            }
            _ => Scope::current(),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}

/// The span and the event that are current in a handler. What is published within it is caused by that event.
///
/// A handler need not do anything for what it publishes itself. For a task or a thread of its own it hands on the
/// [current](Self::current) scope; and for what a receiver takes, a [`Tracer`] makes one.
///
/// ```
/// # use trolleybus::EventBus;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::builder().traced().build()?;
/// let mut orders = bus.subscribe::<u32>("order.placed").receiver()?;
/// let mut mails = bus.subscribe::<u32>("mail.sent").receiver()?;
/// let tracer = orders.tracer();
/// bus.publish("order.placed", 7_u32)?;
///
/// let order = orders.recv()?;
/// tracer.handle(&order).in_scope(|| bus.publish("mail.sent", *order))?;
/// assert_eq!(mails.recv()?.meta("causationid"), Some(order.id().to_string().as_str()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a scope is entered by `in_scope` or `instrument`"]
pub struct Scope {
    span: Guarded,
    current: Option<Arc<Current>>,
}

impl Scope {
    /// Returns what is current in this thread: nothing outside of handlers, but for a span of the application's own.
    pub fn current() -> Self {
        let span = if local::is_muted() { Guarded::none() } else { Guarded::make(Span::current) };
        Self { span, current: local::current() }
    }

    /// Returns the span, for the application to record more in it.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span.0
    }

    /// Runs code within the scope.
    pub fn in_scope<R>(&self, code: impl FnOnce() -> R) -> R {
        let _entered = self.span.handle(self.current.clone());
        code()
    }

    /// Makes a future run within the scope, in whatever threads it is polled.
    pub fn instrument<F: Future>(self, future: F) -> InScope<F> {
        InScope { scope: self, future: Some(Box::pin(future)) }
    }
}

/// A future within a scope. See [`Scope::instrument`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct InScope<F> {
    scope: Scope,
    /// Taken out when it is dropped, within the scope.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { scope, future } = &mut *self;
        match future {
            Some(future) => scope.in_scope(|| future.as_mut().poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for InScope<F> {
    fn drop(&mut self) {
        let Self { scope, future } = self;
        if let Some(future) = future.take() {
            scope.in_scope(|| drop(future));
        }
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").finish_non_exhaustive()
    }
}
