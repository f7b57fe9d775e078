//! The same handler as an inline, a pooled and an async one; threads counted by name.

#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use trolleybus::{Delivery, Event, HandlerError, Subscribe, Subscription};

/// Who runs a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Inline,
    Pooled,
    Async,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Inline, Kind::Pooled, Kind::Async];

impl Kind {
    /// Subscribes with a handler that gets the number in the event, and cannot fail.
    pub(crate) fn handle<F: Fn(u32) + Send + Sync + 'static>(
        self,
        builder: Subscribe<Event<u32>>,
        handler: F,
    ) -> Subscription {
        self.try_handle(builder, move |number, _| {
            handler(number);
            Ok(())
        })
    }

    /// Subscribes with a handler that may fail and asks for its delivery. The async one is pending
    /// once before it begins.
    pub(crate) fn try_handle<F>(self, builder: Subscribe<Event<u32>>, handler: F) -> Subscription
    where
        F: Fn(u32, &Delivery) -> Result<(), HandlerError> + Send + Sync + 'static,
    {
        match self {
            Self::Inline => builder.handle_inline_with(move |event, delivery| handler(**event, delivery)),
            Self::Pooled => builder.handle_with(move |event, delivery| handler(**event, delivery)),
            Self::Async => {
                let handler = Arc::new(handler);
                builder.handle_async_with(move |event, delivery| {
                    let handler = Arc::clone(&handler);
                    async move {
                        YieldOnce::default().await;
                        handler(*event, &delivery)
                    }
                })
            }
        }
        .expect("subscribe")
    }
}

/// Pending once.
#[derive(Default)]
pub(crate) struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Polls a future once, with a waker that wakes nobody.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// How many threads of this process have a name that begins so (the system cuts names at 15 bytes).
pub(crate) fn threads_named(prefix: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("the threads of this process")
        .flatten()
        .filter(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(prefix))
        })
        .count()
}
