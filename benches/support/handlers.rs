//! Handlers that run in the publisher's thread.

use std::hint::black_box;

use trolleybus::{EventBus, Subscription};

use super::support::Payload;

/// A subscription with a handler that reads the event in the publisher's thread.
pub(crate) fn inline(bus: &EventBus, pattern: &str) -> Subscription {
    bus.subscribe::<Payload>(pattern).handle_inline(|event| _ = black_box(event[0])).expect("subscribe")
}
