//! The same handler as an inline, a pooled and an async one.

use std::sync::Arc;

use trolleybus::{Delivery, Event, HandlerError, Subscribe, Subscription};

use super::yield_once::YieldOnce;

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
