//! What this thread is in the middle of: which event it handles, whether it publishes, and whether it is inside of a
//! collector.
//!
//! A collector is code of the application: it may panic, and it may publish. Its panics are caught here. What is published
//! while a thread is inside of one is *muted*: it makes no span, it is marked, and so is what its handlers publish in turn. A
//! collector that publishes whatever it hears therefore hears of its own events nothing, and comes to an end.

use std::cell::Cell;
use std::sync::Arc;

use tracing::Span;

use super::TraceContext;
use crate::event::EventId;
use crate::guard::guarded;
use crate::sync::thread::thread_local;

/// The event that is being handled, as far as those that are published meanwhile have to know it.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) id: EventId,
    /// What it names as the beginning of its chain, if it is not that itself.
    pub(super) correlation: Option<Box<str>>,
    /// The trace, and the span that handles the event; that which the event came with, if another system makes the ids.
    pub(super) trace: Option<TraceContext>,
}

impl Current {
    /// The event that its chain began with, if that is one's id.
    pub(super) fn first_of_chain(&self) -> Option<EventId> {
        self.correlation.as_deref().map_or(Some(self.id), |chain| chain.parse().ok())
    }
}

struct Local {
    muted: Cell<bool>,
    /// The innermost that this thread is in is a publish call, not a handler.
    publishing: Cell<bool>,
    current: Cell<Option<Arc<Current>>>,
}

thread_local! {
    static LOCAL: Local = const {
        Local { muted: Cell::new(false), publishing: Cell::new(false), current: Cell::new(None) }
    };
}

/// Looks at the thread's state. A thread that is about to end may have none any more, and is as one that has just begun.
fn with<R>(look: impl FnOnce(&Local) -> R) -> Option<R> {
    LOCAL.try_with(look).ok()
}

/// Says whether nothing that happens now is to be told to a collector.
pub(super) fn is_muted() -> bool {
    with(|local| local.muted.get()).unwrap_or(false)
}

/// Says whether this thread is in a publish call, outside of handlers.
pub(super) fn is_publishing() -> bool {
    with(|local| local.publishing.get()).unwrap_or(false)
}

/// The event that this thread handles.
pub(super) fn current() -> Option<Arc<Current>> {
    with(|local| {
        let current = local.current.take();
        local.current.set(current.clone());
        current
    })?
}

/// Calls code of a collector, or of a propagator; nothing if it panics.
pub(super) fn call<R>(code: impl FnOnce() -> R) -> Option<R> {
    let mut result = None;
    let before = with(|local| local.muted.replace(true));
    guarded(|| result = Some(code()));
    if let Some(before) = before {
        with(|local| local.muted.set(before));
    }
    result
}

/// A span, of a collector that may panic.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Span);

impl Guarded {
    /// A span that nobody collects.
    pub(super) fn none() -> Self {
        Self(Span::none())
    }

    /// Makes a span.
    pub(super) fn make(make: impl FnOnce() -> Span) -> Self {
        call(make).map_or_else(Self::none, Self)
    }

    /// Records something of a span.
    pub(super) fn record(&self, record: impl FnOnce(&Span)) {
        if !self.0.is_disabled() {
            call(|| record(&self.0));
        }
    }

    /// Within the span, a publish call goes on.
    pub(super) fn publish(&self) -> Entered<'_> {
        Entered::begin(Some(self), |local| Before {
            publishing: Some(local.publishing.replace(true)),
            ..Before::default()
        })
    }

    /// Within the span, an event is handled, or none.
    pub(super) fn handle(&self, current: Option<Arc<Current>>) -> Entered<'_> {
        Entered::begin(Some(self), |local| Before {
            publishing: Some(local.publishing.replace(false)),
            current: Some(local.current.replace(current)),
            muted: None,
        })
    }
}

impl Clone for Guarded {
    fn clone(&self) -> Self {
        if self.0.is_disabled() { Self::none() } else { Self::make(|| self.0.clone()) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.0.is_disabled() {
            call(|| drop(std::mem::replace(&mut self.0, Span::none())));
        }
    }
}

/// While it lives, the thread is in the middle of something more.
#[must_use = "the span is left when this is dropped"]
pub(crate) struct Entered<'a> {
    span: Option<&'a Guarded>,
    before: Before,
}

/// What a thread was in the middle of before it entered something.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// `None`, all of them: it has not changed.
    muted: Option<bool>,
    publishing: Option<bool>,
    current: Option<Option<Arc<Current>>>,
}

impl<'a> Entered<'a> {
    /// Nothing is entered.
    pub(super) fn nothing() -> Self {
        Self { span: None, before: Before::default() }
    }

    /// Until this ends, nothing is told to a collector.
    pub(super) fn muted() -> Self {
        Self::begin(None, |local| Before { muted: Some(local.muted.replace(true)), ..Before::default() })
    }

    fn begin(span: Option<&'a Guarded>, change: impl FnOnce(&Local) -> Before) -> Self {
        let before = with(change).unwrap_or_default();
        let span = span.filter(|span| !span.0.is_disabled());
        if let Some(span) = span {
            // What is entered is left, also when a layer of the collector has panicked in between.
            call(|| span.0.with_subscriber(|(id, collector)| collector.enter(id)));
        }
        Self { span, before }
    }

    /// Leaves it.
    pub(crate) fn leave(self) {}

    /// Stays in it: who calls this leaves it by [`of`](Self::of).
    pub(super) fn keep(mut self) -> Before {
        self.span = None;
        std::mem::take(&mut self.before)
    }

    /// What was entered and kept.
    pub(super) fn of(span: Option<&'a Guarded>, before: Before) -> Self {
        Self { span: span.filter(|span| !span.0.is_disabled()), before }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.span {
            call(|| span.0.with_subscriber(|(id, collector)| collector.exit(id)));
        }
        let Before { muted, publishing, current } = std::mem::take(&mut self.before);
        with(|local| {
            if let Some(muted) = muted {
                local.muted.set(muted);
            }
            if let Some(publishing) = publishing {
                local.publishing.set(publishing);
            }
            if let Some(current) = current {
                local.current.set(current);
            }
        });
    }
}
