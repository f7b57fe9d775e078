//! Spans, events and trace context for whoever collects them by way of the crate [`tracing`] (feature `tracing`).
//!
//! A bus is traced if it was built with [`BusBuilder::traced`](crate::BusBuilder::traced) or
//! [`traced_with`](crate::BusBuilder::traced_with). One that was not pays nothing.
//!
//! ```
//! use trolleybus::EventBus;
//! use trolleybus::trace::TraceContext;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::builder().traced().build()?;
//! let mut mails = bus.subscribe::<u32>("mail.sent").receiver()?;
//! let weak = bus.downgrade();
//! let _orders = bus.subscribe::<u32>("order.placed").handle(move |order| {
//!     weak.upgrade().map(|bus| bus.publish("mail.sent", **order)).transpose().map(drop)
//! })?;
//!
//! bus.event("order.placed", 7_u32).meta("correlationid", "order-7").publish()?;
//! let mail = mails.recv()?;
//! assert_eq!(mail.meta("correlationid"), Some("order-7"));
//! assert!(mail.meta("causationid").is_some());
//! assert!(TraceContext::of(mail.metadata()).is_some());
//! # Ok(()) }
//! ```
//!
//! # Spans
//!
//! All have the target `trolleybus` and the level DEBUG, and the attributes that OpenTelemetry's conventions for messaging
//! ask for.
//!
//! | span | is entered while | fields |
//! |---|---|---|
//! | `publish` | a publish call goes on: inline handlers run, full queues or an engine are waited for; at each poll of one that is awaited | `topic`, `engine`, `outcome` (`delivered`, `partial`, `nobody`, `accepted`, `refused`, `cancelled`), `delivered`, `queued`, `dropped`, `failed`, `accepted_by`, `error` |
//! | `handle` | a handler runs; at each poll of an async one | `topic`, `engine`, `subscription`, `outcome` (`ok`, `error`, `panic`), `error` |
//!
//! An inline handler's span is a child of that of the publish call, within which it runs. Every other handler runs beside or
//! after the publish call, in another thread or process: there its span has no parent that is open in this process, and what
//! it comes from is said by the *trace context* that travels with the event. A propagator of OpenTelemetry makes that the
//! parent; without one, `parent_id` is the `span_id` of the publish call. So a span does not stay open for as long as events
//! of it are queued or kept, and a tree looks the same whether a broker carries the topic or not.
//!
//! A receiver has no handler. [`Receiver::tracer`](crate::Receiver::tracer) makes the span for those that want it. Tasks and
//! threads that a handler starts get its [`Scope`] by hand.
//!
//! # What an event takes with it
//!
//! As metadata, under the names of CloudEvents' extensions, so that it travels by every engine:
//!
//! | metadata | value |
//! |---|---|
//! | `traceparent`, `tracestate` | the trace and the span of the publish call, by the [recommendation of the W3C](https://www.w3.org/TR/trace-context/): the trace of the event that is being handled goes on, with a new span; otherwise a new one begins |
//! | `causationid` | in a handler: the id of the event that it handles |
//! | `correlationid` | in a handler: that of the event that it handles, or else its id |
//!
//! What the application sets is kept, and what there is no room for is left out. A `traceparent` or `tracestate` that is not
//! well-formed is dropped. Which event is being handled is known in the thread, for each poll anew: it counts where a publish
//! call is made, and for one that is awaited, where it is first polled. It holds across buses: an event that is published to
//! another traced bus is caused by the one that is handled on this.
//!
//! # Events
//!
//! | level | what |
//! |---|---|
//! | ERROR | a handler panicked; a subscription is in quarantine |
//! | WARN | a handler failed; an event cannot be decoded, or is of an unexpected type; an engine is degraded, or rejects what arrived; a shutdown was not complete |
//! | INFO | an engine has changed its state |
//! | DEBUG | a publish call was refused; the bus is shut down |
//! | TRACE | a trace context was not well-formed |
//!
//! Observers hear of it as well; standard error does not. Neither spans nor events tell payloads, keys or metadata, but for
//! ids that are ids. The errors of handlers are told in the application's own words.
//!
//! # Collectors that publish
//!
//! A collector that panics harms nobody. One that publishes what it hears cannot drown itself: what is published within a
//! collector makes no spans, and neither does what handlers publish in turn on its account. (Not known is that of an event
//! that came back from a broker: a collector publishes to topics that stay in the process.)
//!
//! | file | idea |
//! |---|---|
//! | `bus.rs` | whether a bus is traced, and who makes the contexts |
//! | `sending.rs`, `handling.rs` | the two spans |
//! | `local.rs` | what this thread is in the middle of |
//! | `scope.rs` | [`Scope`]: the same, to be handed on |
//! | `context.rs`, `state.rs` | [`TraceContext`]: the texts of the W3C |
//! | `propagator.rs` | [`Propagator`]: contexts of another system |
//! | `carrier.rs` | what is put into metadata |
//! | `report.rs` | what people must know |
//! | `off.rs` | what stands here without the feature |

mod bus;
mod carrier;
mod context;
mod handling;
mod local;
mod propagator;
mod report;
mod scope;
mod sending;
mod state;

pub use context::TraceContext;
pub use propagator::Propagator;
pub use scope::{InScope, Scope, Tracer};

pub(crate) use bus::Tracing;
pub(crate) use handling::Handling;
pub(crate) use sending::Sending;

/// The target of all spans and events.
const TARGET: &str = "trolleybus";
