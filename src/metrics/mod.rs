//! The accounts of a bus for people who watch it: a snapshot that serialises.
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

mod snapshot;
