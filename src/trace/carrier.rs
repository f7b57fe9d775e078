//! What is put into an event's metadata: only what the application has not set, and only as far as there is room, for an
//! event is worth more than its trace.

use super::TARGET;
use super::context::{TRACEPARENT, TRACESTATE, TraceContext};
use super::local::{self, Current};
use super::state;
use crate::event::Metadata;

/// The metadata of the event that a chain of events began with; the name of CloudEvents' extension "correlation".
pub(super) const CORRELATION: &str = "correlationid";

/// The metadata of the event whose handler published this one.
pub(super) const CAUSATION: &str = "causationid";

/// Says whose handler published the event.
pub(super) fn correlate(metadata: &mut Metadata, handled: &Current) {
    // In the order of the names, in which they need no further attribute outside.
    if metadata.get(CAUSATION).is_none() {
        put(metadata, CAUSATION, &handled.id.to_string());
    }
    if metadata.get(CORRELATION).is_none() {
        match &handled.correlation {
            Some(chain) => put(metadata, CORRELATION, chain),
            None => put(metadata, CORRELATION, &handled.id.to_string()),
        };
    }
}

/// Puts a trace context in, or leaves the application's. What is not well-formed goes, as the recommendation demands.
pub(super) fn put_context(metadata: &mut Metadata, context: &TraceContext) {
    if metadata.get(TRACESTATE).is_some_and(|text| !state::is_valid(text)) {
        metadata.remove(TRACESTATE);
        tell_malformed(TRACESTATE);
    }
    match metadata.get(TRACEPARENT).map(TraceContext::parse) {
        Some(Some(_)) => return,
        Some(None) => tell_malformed(TRACEPARENT),
        None => {}
    }
    if !put(metadata, TRACEPARENT, &context.traceparent()) {
        // It means nothing alone.
        metadata.remove(TRACESTATE);
    } else if let Some(state) = context.tracestate()
        && metadata.get(TRACESTATE).is_none()
    {
        put(metadata, TRACESTATE, state);
    }
}

/// Puts in what a propagator has written, unless the application has set some of it.
pub(super) fn put_written(metadata: &mut Metadata, written: &Metadata) {
    if written.iter().all(|(name, _)| metadata.get(name).is_none()) {
        for (name, value) in written.iter() {
            put(metadata, name, value);
        }
    }
}

/// Puts in what there is room for.
fn put(metadata: &mut Metadata, name: &str, value: &str) -> bool {
    metadata.set(name, value).is_ok()
}

/// Tells that something was malformed, and nothing of what it was.
pub(super) fn tell_malformed(name: &'static str) {
    if !local::is_muted() {
        local::call(|| tracing::trace!(target: TARGET, name, "malformed trace context is dropped"));
    }
}
