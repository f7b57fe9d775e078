//! The hook for tracing systems that have contexts of their own.

use tracing::Span;

use crate::event::Metadata;

/// Carries the context of a tracing system from the span of a publish call to the spans of its handlers, by way of the
/// event's metadata. Set with [`BusBuilder::traced_with`](crate::BusBuilder::traced_with).
///
/// For OpenTelemetry, with its propagator and the crate `tracing-opentelemetry`:
///
/// ```text
/// struct OpenTelemetry;
///
/// impl Propagator for OpenTelemetry {
///     fn inject(&self, span: &Span, metadata: &mut Metadata) {
///         get_text_map_propagator(|propagator| {
///             propagator.inject_context(&span.context(), &mut Injector(metadata));      // Injector: set(name, value)
///         });
///     }
///     fn extract(&self, span: &Span, metadata: &Metadata) {
///         let parent = get_text_map_propagator(|propagator| propagator.extract(&Extractor(metadata)));
///         let _ = span.set_parent(parent);
///     }
/// }
/// ```
///
/// Both methods are called in the thread that publishes, or handles, under no lock; a panic in one is caught. What they
/// publish themselves is not traced.
pub trait Propagator: Send + Sync + 'static {
    /// Writes the context of a span into metadata, which is empty.
    ///
    /// The span is that of the publish call, or, if nobody collects that one, the one that is current there. What is written
    /// is added to the event's metadata, as far as there is room, unless the application has set one of its names already.
    /// If nothing is written, a context that the handled event came with is passed on.
    fn inject(&self, span: &Span, metadata: &mut Metadata);

    /// Makes what an event's metadata says the parent of a span, that of a handler which is about to start.
    ///
    /// Not called for an inline handler that runs within the publish call: the span of that one is its parent.
    fn extract(&self, span: &Span, metadata: &Metadata);
}
