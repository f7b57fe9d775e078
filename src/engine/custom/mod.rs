//! An engine of one's own, to copy: it carries events in this process, filters them, and measures.
//!
//! It uses nothing but the public API of the crate and the standard library, and has the shape that most engines have: a
//! bounded queue that publish calls fill, and a thread that takes out what is queued, hands it over, and hears of the
//! outcomes. An engine for a broker has a connection in the place of the queue.
//!
//! ```
//! # #[cfg(feature = "json")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use trolleybus::EventBus;
//! use trolleybus::engine::custom::{CustomEngine, CustomSettings, TopicPrefixFilter};
//!
//! let settings = CustomSettings::default().filter(TopicPrefixFilter::new(["order."]));
//! let engine = CustomEngine::new(settings)?;
//! let metrics = engine.metrics_handle();
//! let bus = EventBus::builder().engine("own", engine).route("own", ["order.*", "user.*"]).start().wait()?;
//!
//! let mut orders = bus.subscribe::<u32>("*").receiver()?;
//! let receipt = bus.publish("order.placed", 7_u32)?;
//! assert_eq!(&*receipt.accepted().expect("an engine carries it").engine, "own");
//! bus.publish("user.created", 8_u32)?; // filtered: goes nowhere
//! let order = orders.recv()?;
//! assert_eq!((*order, order.meta("engine")), (7, Some("custom-memory")));
//! assert_eq!(metrics.read().total_events, 1);
//! # Ok(()) }
//! # #[cfg(not(feature = "json"))]
//! # fn main() {}
//! ```

// What a crate of one's own would use. Nothing of the bus's own protocols is here.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod driver;
mod engine;
mod filter;
mod metrics;
mod settings;

pub use engine::CustomEngine;
pub use filter::{EventFilter, TopicPrefixFilter};
pub use metrics::{EngineMetrics, MetricsHandle};
pub use settings::{CustomSettings, InvalidSettings};
