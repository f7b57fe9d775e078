//! Receivers as iterators and as streams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use event_listener::EventListener;
use futures_core::Stream;

use super::Receiver;
use crate::subscribe::{Delivered, Subscription};
use crate::sync::coop;

/// Blocking iterator. See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, E: Delivered> {
    pub(super) receiver: &'a mut Receiver<E>,
}

impl<E: Delivered> Iterator for Iter<'_, E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.receiver.recv().ok()
    }
}

/// Iterator over what is queued. See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, E: Delivered> {
    pub(super) receiver: &'a mut Receiver<E>,
}

impl<E: Delivered> Iterator for TryIter<'_, E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.receiver.try_recv().ok()
    }
}

/// A receiver that is consumed by iterating, blocking for each event.
#[derive(Debug)]
pub struct IntoIter<E: Delivered> {
    pub(super) receiver: Receiver<E>,
}

impl<E: Delivered> Iterator for IntoIter<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.receiver.recv().ok()
    }
}

impl<E: Delivered> IntoIterator for Receiver<E> {
    type Item = E;
    type IntoIter = IntoIter<E>;

    fn into_iter(self) -> IntoIter<E> {
        IntoIter { receiver: self }
    }
}

impl<'a, E: Delivered> IntoIterator for &'a mut Receiver<E> {
    type Item = E;
    type IntoIter = Iter<'a, E>;

    fn into_iter(self) -> Iter<'a, E> {
        self.iter()
    }
}

/// A receiver as a stream. See [`Receiver::into_stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct EventStream<E: Delivered> {
    pub(super) receiver: Receiver<E>,
    pub(super) listener: Option<EventListener>,
}

impl<E: Delivered> EventStream<E> {
    /// Returns the receiver again.
    pub fn into_receiver(self) -> Receiver<E> {
        self.receiver
    }

    /// Returns the handle of the subscription.
    pub fn subscription(&self) -> &Subscription {
        self.receiver.subscription()
    }
}

impl<E: Delivered> Stream for EventStream<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        // As for `recv_async`: no event is taken when it is the others' turn.
        ready!(coop::poll_proceed(cx));
        let Self { receiver, listener } = &mut *self;
        receiver.poll_next(listener, cx).map(Result::ok)
    }
}

impl<E: Delivered> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("subscription", self.subscription()).finish_non_exhaustive()
    }
}
