//! Publishing with everything that an event can carry, and by futures that are given up.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trolleybus::{EventBus, Publish};

use super::check::check;
use super::input::{Build, Span};

/// Publishes an event made by the builder, by one of its faces.
pub(crate) fn publish_built(bus: &EventBus, build: Build) {
    let Build { topic, number, key, meta, ttl, deadline, complete, face } = build;
    let mut event = bus.event(topic.0, number).deadline(deadline.map_or(Duration::ZERO, Span::short));
    if let Some(key) = key {
        event = event.key(key);
    }
    for (name, value) in meta {
        event = event.meta(name, value);
    }
    if let Some(ttl) = ttl {
        event = event.ttl(ttl.0);
    }
    if let Some(panics) = complete {
        event = event.on_complete(move |outcome| {
            assert!(!format!("{outcome:?}").is_empty());
            if panics {
                // Caught by the bus; `resume_unwind` so that the fuzzer's panic hook does not abort.
                std::panic::resume_unwind(Box::new("as asked"));
            }
        });
    }
    match face % 4 {
        0 => check(event.publish().ok().as_ref()),
        1 => check(event.publish_local().ok().as_ref()),
        2 => check(event.try_publish().ok().as_ref()),
        _ => poll_once(event.publish_async()),
    }
}

/// Polls a publish once and gives it up.
pub(crate) fn poll_once<T: Send + Sync + Unpin + 'static>(future: Publish<T>) {
    if let Poll::Ready(Ok(receipt)) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        check(Some(&receipt));
    }
}
