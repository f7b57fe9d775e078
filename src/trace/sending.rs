//! The span of a publish call, and what the event takes with it.

use tracing::Span;
use tracing::field::{Empty, display};

use super::bus::{Hex, Kind, Tracing};
use super::local::{self, Current, Entered, Guarded};
use super::{TARGET, TraceContext, carrier};
use crate::dispatch::Receipt;
use crate::event::{EventId, Extras, Metadata, Tag};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// A publish call of a bus, whether it is traced or not.
#[derive(Debug, Default)]
pub(crate) struct Sending(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    NotTraced,
    /// A collector publishes, or a handler of what one has published.
    Muted,
    Open(Box<Open>),
}

/// A publish call with a span.
#[derive(Debug)]
struct Open {
    span: Guarded,
    /// What the event's context is to be.
    context: Context,
    /// The outcome has been recorded.
    is_over: bool,
}

#[derive(Debug)]
enum Context {
    /// The application's own, or one of ours.
    W3c(TraceContext),
    /// The application's propagator makes it.
    Custom(Tracing),
}

impl Sending {
    /// The publish call of a bus that is traced.
    #[cold]
    pub(super) fn begin(
        tracing: &Tracing,
        kind: &Kind,
        topic: &Topic,
        engine: &str,
        extras: Option<&Extras>,
    ) -> Self {
        if local::is_muted() {
            return Self(State::Muted);
        }
        let none = Metadata::new();
        let metadata = extras.map_or(&none, |extras| &extras.metadata);
        let id = extras.and_then(|extras| extras.id.get());
        let tenant = extras.and_then(|extras| extras.tenant.as_ref());
        let handled = local::current();
        let (context, ids) = match kind {
            Kind::W3c => {
                let (context, ids) = own_context(metadata, handled.as_deref());
                (Context::W3c(context), Some(ids))
            }
            Kind::Custom(_) => (Context::Custom(tracing.clone()), None),
        };
        let span = Guarded::make(|| {
            tracing::debug_span!(
                target: TARGET,
                "publish",
                otel.kind = "producer",
                otel.name = %format_args!("publish {topic}"),
                otel.status_code = Empty,
                messaging.system = "trolleybus",
                messaging.operation.name = "publish",
                messaging.operation.type = "send",
                messaging.destination.name = topic.as_str(),
                messaging.message.id = id.map(display),
                messaging.message.conversation_id = conversation(metadata, handled.as_deref()).map(display),
                topic = topic.as_str(),
                tenant = tenant.map(Tenant::as_str),
                engine,
                trace_id = ids.map(|ids| display(Hex(ids.trace, 32))),
                span_id = ids.map(|ids| display(Hex(ids.span.into(), 16))),
                parent_id = ids.and_then(|ids| ids.parent).map(|parent| display(Hex(parent.into(), 16))),
                outcome = Empty,
                delivered = Empty,
                queued = Empty,
                dropped = Empty,
                failed = Empty,
                accepted_by = Empty,
                error = Empty,
                error.type = Empty,
            )
        });
        Self(State::Open(Box::new(Open { span, context, is_over: false })))
    }

    /// Within the span, the call goes on.
    pub(crate) fn enter(&self) -> Entered<'_> {
        match &self.0 {
            State::Open(open) => open.span.publish(),
            State::NotTraced | State::Muted => Entered::nothing(),
        }
    }

    /// Writes the contexts into what the event takes with it. To be called within the span.
    pub(crate) fn inject(&self, extras: &mut Option<Box<Extras>>) {
        let State::Open(open) = &self.0 else { return };
        let handled = local::current();
        let metadata = &mut extras.get_or_insert_default().metadata;
        if let Some(handled) = &handled {
            carrier::correlate(metadata, handled);
        }
        match &open.context {
            Context::W3c(context) => {
                let mut context = context.clone();
                if !open.span.0.is_disabled() {
                    context.sample();
                }
                carrier::put_context(metadata, &context);
            }
            Context::Custom(tracing) => {
                let mut written = Metadata::new();
                if let Some(propagator) = tracing.propagator() {
                    local::call(|| propagator.inject(&Span::current(), &mut written));
                }
                if !written.is_empty() {
                    carrier::put_written(metadata, &written);
                } else if let Some(context) = handled.as_ref().and_then(|handled| handled.trace.as_ref()) {
                    carrier::put_context(metadata, context);
                }
            }
        }
    }

    /// Marks the event if nothing of it is to be told.
    pub(crate) fn mark(&self, tag: Tag) -> Tag {
        if matches!(self.0, State::Muted) { tag.muted() } else { tag }
    }

    /// The bus has taken the event, or an engine has.
    pub(crate) fn taken(mut self, receipt: &Receipt) {
        let Some(open) = self.open() else { return };
        open.span.record(|span| {
            let (delivered, queued, dropped, failed) =
                (receipt.delivered(), receipt.queued(), receipt.dropped(), receipt.failed());
            let outcome = match (receipt.accepted(), receipt.offered()) {
                (Some(accepted), _) => {
                    span.record("accepted_by", &*accepted.engine);
                    "accepted"
                }
                (None, 0) => "nobody",
                (None, _) if dropped + failed > 0 => "partial",
                (None, _) => "delivered",
            };
            span.record("outcome", outcome);
            if receipt.accepted().is_none() {
                let counts =
                    [("delivered", delivered), ("queued", queued), ("dropped", dropped), ("failed", failed)];
                for (name, count) in counts {
                    span.record(name, count as u64);
                }
            }
        });
    }

    /// The bus has refused the event.
    pub(crate) fn refused(mut self, error: &dyn std::fmt::Display) {
        let Some(open) = self.open() else { return };
        open.span.record(|span| {
            span.record("outcome", "refused");
            span.record("otel.status_code", "ERROR");
            span.record("error.type", "refused");
            span.record("error", display(error));
        });
    }

    /// The span, whose outcome is about to be recorded.
    fn open(&mut self) -> Option<&Open> {
        let State::Open(open) = &mut self.0 else { return None };
        open.is_over = true;
        Some(open)
    }
}

/// A publish call that somebody dropped while it waited.
impl Drop for Sending {
    fn drop(&mut self) {
        if let State::Open(open) = &self.0
            && !open.is_over
        {
            open.span.record(|span| {
                span.record("outcome", "cancelled");
            });
        }
    }
}

/// The id of the event that a chain began with. What an application calls a chain may be anything, and is not told.
fn conversation(metadata: &Metadata, handled: Option<&Current>) -> Option<EventId> {
    match (metadata.get(carrier::CORRELATION), handled) {
        (Some(set), _) => set.parse().ok(),
        (None, Some(handled)) => handled.first_of_chain(),
        (None, None) => None,
    }
}

/// The ids of a span.
#[derive(Clone, Copy)]
struct Ids {
    trace: u128,
    span: u64,
    parent: Option<u64>,
}

/// What the event's own trace context is to be, and the ids of the span.
fn own_context(metadata: &Metadata, handled: Option<&Current>) -> (TraceContext, Ids) {
    if let Some(set) = TraceContext::of(metadata) {
        // The application's: the span joins that trace, and the event keeps what it has.
        let (trace, parent) = (set.trace_id(), Some(set.span_id()));
        let span = set.next().span_id();
        return (set, Ids { trace, span, parent });
    }
    let above = handled.and_then(|handled| handled.trace.as_ref());
    let context = above.map_or_else(TraceContext::new_trace, TraceContext::next);
    let ids =
        Ids { trace: context.trace_id(), span: context.span_id(), parent: above.map(TraceContext::span_id) };
    (context, ids)
}
