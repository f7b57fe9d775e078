//! The accounts of a bus for an agent of Datadog, or any other daemon that understands its lines of `StatsD`.
//!
//! A [`DatadogExporter`] has a thread of its own, which reads the bus at each interval and sends what it finds over UDP or
//! over a Unix datagram socket. [`stop`](DatadogExporter::stop), or dropping it, sends the last figures and ends the thread.
//!
//! ```no_run
//! use std::time::Duration;
//! use trolleybus::EventBus;
//! use trolleybus::metrics::datadog::DatadogExporter;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let exporter = DatadogExporter::builder(&bus)
//!     .address("unix:///var/run/datadog/dsd.socket")
//!     .prefix("shop.events")
//!     .tag("env:prod")
//!     .interval(Duration::from_secs(10))
//!     .start()?;
//! // ... the application ...
//! bus.shutdown(Duration::from_secs(5)).wait();
//! exporter.stop();
//! # Ok(()) }
//! ```
//!
//! # Metrics
//!
//! All begin with the [prefix](DatadogBuilder::prefix), `eventbus` if not set, and have the [base tags](DatadogBuilder::tag).
//!
//! | name | kind | tags | what |
//! |---|---|---|---|
//! | `.delivered_total`, `.dropped_total` | gauge | `engine:<name>`, and once more `engine:_all` | what the bus has counted since its beginning, as the original event bus sends it |
//! | `.delivered`, `.dropped`, `.failed` | count | `engine:<name>` | what was added since it was sent last |
//! | `.dropped_by_reason` | count | `engine:<name>`, `reason:<reason>` | the same by reason, reasons alone that were added to |
//! | `.in_flight` | gauge | `engine:<name>` | events that wait in queues, or whose handler runs |
//!
//! The gauges are the original's, and a daemon that shows them as they are shows a curve that only rises. Their sum over
//! `engine` counts everything twice, because of `engine:_all`. The counts are what rates and sums are made of: there is no
//! `_all` among them, and what a round could not send is part of the next one's. They begin with the exporter: what was
//! counted before it is in the gauges alone.
//!
//! # When the agent is slow or gone
//!
//! A round gives up at the first line that cannot be sent, and after a second at the latest; the bus is told once per
//! outage, as a [warning](crate::Observer::warning). UDP loses what nobody receives, and nobody hears of it.

mod address;
mod bell;
mod builder;
mod error;
mod exporter;
mod round;
#[cfg(all(test, not(loom)))]
mod tests;

pub use builder::DatadogBuilder;
pub use error::DatadogError;
pub use exporter::{DatadogExporter, DatadogStats};
