//! A bus with the options of the input.

use trolleybus::{BuildError, DeliveryMode, EventBus, Observer};

use super::input::{Mode, Setup, Size};

/// The largest raw payload of the buses made here.
const MAX_RAW: usize = 64;

/// Keeps failures and warnings off standard error.
struct Deaf;

impl Observer for Deaf {}

pub(crate) fn mode(mode: Mode) -> DeliveryMode {
    match mode {
        Mode::Drop => DeliveryMode::Drop,
        Mode::DropOldest => DeliveryMode::DropOldest,
        // `Block` would wait for receivers that only this thread empties: each publish has a deadline.
        Mode::Block => DeliveryMode::Block,
        Mode::Timeout(span) => DeliveryMode::Timeout(span.short()),
    }
}

pub(crate) fn build_bus(setup: &Setup) -> Result<EventBus, BuildError> {
    let mut builder = EventBus::builder()
        .workers(usize::from(setup.workers % 3))
        .spin(setup.spin.short())
        .max_raw_payload(MAX_RAW)
        .observer(Deaf);
    if let Some(Size(capacity)) = setup.capacity {
        builder = builder.capacity(capacity);
    }
    if let Some(Size(depth)) = setup.depth {
        // Deep recursion with the stack frames of ASan: not what is looked for here.
        builder = builder.inline_depth(if depth <= 1024 { depth.min(16) } else { depth });
    }
    if let Some(chosen) = setup.mode {
        builder = builder.delivery(mode(chosen));
    }
    if let Some(panics) = setup.quarantine {
        builder = builder.quarantine_after(panics);
    }
    if let Some(Size(topics)) = setup.cache {
        builder = builder.topic_cache(topics);
    }
    if setup.rotate {
        builder = builder.rotate_order();
    }
    if setup.precise {
        builder = builder.precise_time();
    }
    builder.build()
}
