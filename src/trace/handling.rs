//! The span of a handler, and what the events that it publishes inherit.

use std::sync::Arc;

use tracing::field::{Empty, display};
use tracing::{Level, Span};

use super::bus::{Hex, Kind};
use super::context::{TRACEPARENT, TraceContext};
use super::local::{self, Before, Current, Entered, Guarded};
use super::{TARGET, carrier};
use crate::dispatch::{Hooks, Slot, SubscriptionKind};
use crate::error::HandlerError;
use crate::event::{EventId, Head};
use crate::tenant::Tenant;

/// A run of a handler, whether it is traced or not.
#[derive(Debug, Default)]
pub(crate) struct Handling {
    state: State,
    /// While it is resumed: what the thread was in the middle of before.
    before: Option<Before>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    NotTraced,
    /// The event was published by a collector, or by a handler of what one has published.
    Muted,
    Open(Box<Open>),
}

/// A run with a span.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) span: Guarded,
    pub(super) current: Arc<Current>,
}

impl Handling {
    /// A handler of a bus that is traced. What a receiver takes it handles elsewhere, if at all.
    #[cold]
    pub(super) fn begin(kind: &Kind, slot: &Slot, event: &Head) -> Self {
        let state = if event.is_muted() {
            State::Muted
        } else if slot.spec.kind == SubscriptionKind::Receiver {
            State::NotTraced
        } else {
            State::Open(Box::new(Open::begin(kind, slot, event)))
        };
        Self { state, before: None }
    }

    /// Within the span, the handler runs.
    pub(crate) fn enter(&self) -> Entered<'_> {
        match &self.state {
            State::Open(open) => open.span.handle(Some(Arc::clone(&open.current))),
            State::Muted => Entered::muted(),
            State::NotTraced => Entered::nothing(),
        }
    }

    /// The same for a handler that is left by [`suspend`](Self::suspend).
    pub(crate) fn resume(&mut self) {
        self.before = Some(self.enter().keep());
    }

    /// Leaves the span.
    pub(crate) fn suspend(&mut self) {
        if let Some(before) = self.before.take() {
            let span = match &self.state {
                State::Open(open) => Some(&open.span),
                State::Muted | State::NotTraced => None,
            };
            drop(Entered::of(span, before));
        }
    }

    /// The handler has ended: records how, and tells of a failure. False if that was not told.
    pub(crate) fn ended(&self, slot: &Slot, event: &Head, error: Option<&HandlerError>) -> bool {
        let State::Open(open) = &self.state else { return false };
        let span = &open.span;
        let outcome = match error {
            None => "ok",
            Some(error) if error.is_panic() => "panic",
            Some(_) => "error",
        };
        span.record(|span| {
            span.record("outcome", outcome);
            if let Some(error) = error {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", outcome);
                span.record("error", display(error));
            }
        });
        let Some(error) = error else { return true };
        local::call(|| {
            // The level of an event is part of its call.
            macro_rules! tell {
                ($level:expr) => {
                    tracing::event!(
                        target: TARGET,
                        parent: span.0.id(),
                        $level,
                        topic = event.topic().as_str(),
                        subscription = %slot.id,
                        subscription.name = slot.spec.name.as_deref(),
                        %error,
                        "handler failed"
                    )
                };
            }
            if error.is_panic() { tell!(Level::ERROR) } else { tell!(Level::WARN) }
        });
        true
    }
}

impl Open {
    /// Makes the span of a handler.
    ///
    /// Its parent is the publish call if it runs within that. If not, it has no parent in this process: the call is over,
    /// or goes on beside it, or was in another process, and its span is not held open for those who come later. Then the
    /// event's context says who its parent is.
    pub(super) fn begin(kind: &Kind, slot: &Slot, event: &Head) -> Self {
        let (id, metadata) = (event.id(), event.metadata());
        let within = slot.is_inline() && local::is_publishing();
        let came_with = TraceContext::of(metadata);
        if came_with.is_none() && metadata.get(TRACEPARENT).is_some() {
            carrier::tell_malformed(TRACEPARENT);
        }
        let correlation = metadata.get(carrier::CORRELATION).map(Box::from);
        let mut current = Current { id, correlation, trace: came_with };
        let parent = current.trace.as_ref().map(TraceContext::span_id);
        if matches!(kind, Kind::W3c) {
            let trace = current.trace.as_ref().map_or_else(TraceContext::new_trace, TraceContext::next);
            current.trace = Some(trace);
        }
        let own = current.trace.as_ref().filter(|_| matches!(kind, Kind::W3c));
        let span =
            Guarded::make(|| make_span(slot, event, id, within, own, parent, current.first_of_chain()));
        match (kind, &mut current.trace) {
            (Kind::W3c, Some(trace)) if !span.0.is_disabled() && parent.is_none() => trace.sample(),
            (Kind::Custom(propagator), _) if !within => {
                local::call(|| propagator.extract(&span.0, metadata));
            }
            _ => {}
        }
        Self { span, current: Arc::new(current) }
    }
}

fn make_span(
    slot: &Slot,
    event: &Head,
    id: EventId,
    within: bool,
    own: Option<&TraceContext>,
    parent_id: Option<u64>,
    conversation: Option<EventId>,
) -> Span {
    let (topic, spec) = (event.topic(), &slot.spec);
    let hooks: &Hooks = &slot.hooks;
    let ids = own.map(|own| (own.trace_id(), own.span_id()));
    // Whose parent it is is part of the call.
    macro_rules! handle {
        ($($parent:tt)*) => {
            tracing::debug_span!(
                target: TARGET,
                $($parent)*
                "handle",
                otel.kind = "consumer",
                otel.name = %format_args!("handle {topic}"),
                otel.status_code = Empty,
                messaging.system = "trolleybus",
                messaging.operation.name = "handle",
                messaging.operation.type = "process",
                messaging.destination.name = topic.as_str(),
                messaging.destination.subscription.name = spec.name.as_deref(),
                messaging.consumer.group.name = spec.group.as_ref().map(|group| &*group.name),
                messaging.message.id = %id,
                messaging.message.conversation_id = conversation.map(display),
                topic = topic.as_str(),
                tenant = event.tenant().map(Tenant::as_str),
                engine = hooks.engine_name(event.engine()),
                subscription = %slot.id,
                trace_id = ids.map(|(trace, _)| display(Hex(trace, 32))),
                span_id = ids.map(|(_, span)| display(Hex(span.into(), 16))),
                parent_id = own.and(parent_id).map(|parent| display(Hex(parent.into(), 16))),
                outcome = Empty,
                error = Empty,
                error.type = Empty,
            )
        };
    }
    if within { handle!() } else { handle!(parent: None,) }
}
