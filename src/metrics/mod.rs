//! The accounts of a bus for people who watch it: a snapshot that serialises, and exporters.
//!
//! [`EventBus::stats`](crate::EventBus::stats) reads everything that is counted, for the bus, each engine, each
//! subscription and each reason. What it returns implements [`serde::Serialize`], with fields in `snake_case`, durations
//! in seconds, and places in the source as `file:line`.
//!
//! ```
//! use trolleybus::EventBus;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let _orders = bus.subscribe_any("order.*").name("orders").handle_inline(|_| ())?;
//! bus.publish("order.placed", 7_u32)?;
//! let stats = serde_json::to_value(bus.stats())?;
//! assert_eq!(stats["total"]["delivered"], 1);
//! assert_eq!(stats["subscriptions"][0]["name"], "orders");
//! assert_eq!(stats["engines"][0]["dropped_by"]["full"], 0);
//! # Ok(()) }
//! ```
//!
//! | module | feature | what it gives |
//! |---|---|---|
//! | `prometheus` | `prometheus` | a collector for a registry of `prometheus_client`, and the text of a scrape |
//! | `datadog` | `datadog` | a thread that reports to an agent of Datadog, or any other daemon for `StatsD` |
//!
//! An exporter reads the accounts and nothing else, and holds no lock while it writes: a scraper or an agent that hangs
//! holds nobody up. Nothing is counted for it, so a bus without one pays nothing.
//!
//! # Counters that do not go back
//!
//! What an exporter calls a counter never sinks: monitoring would take that for a restart, and count all of it again.
//! The accounts of subscriptions end with them, so counters are of engines, whose accounts keep what ended; for
//! subscriptions there are levels only. With several engines the account of the first is what the others leave of the
//! bus's, and for a moment may show what another is about to count; an exporter then stays at the highest that it has
//! shown, until the first engine has caught up.

#[cfg(feature = "datadog")]
pub mod datadog;
#[cfg(feature = "prometheus")]
pub mod prometheus;
#[cfg(any(feature = "datadog", feature = "prometheus"))]
mod reading;
#[cfg(feature = "prometheus")]
mod shares;
mod snapshot;
