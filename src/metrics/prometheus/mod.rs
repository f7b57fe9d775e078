//! The accounts of a bus as Prometheus scrapes them.
//!
//! A [`PrometheusCollector`] goes into a [`Registry`](prometheus_client::registry::Registry) beside the application's own
//! metrics, or makes the whole text by itself. It reads the bus at each scrape; between two of them it costs nothing.
//!
//! ```
//! use trolleybus::EventBus;
//! use trolleybus::metrics::prometheus::{Format, PrometheusCollector};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = EventBus::new();
//! let collector = PrometheusCollector::new(&bus);
//! let _greeter = bus.subscribe_any("user.*").handle_inline(|_| ())?;
//! bus.publish("user.created", "ann")?;
//! let text = collector.encode(Format::Text);
//! assert!(text.contains("\nmodular_eventbus_delivered_total{engine=\"memory\"} 1\n"));
//! # Ok(()) }
//! ```
//!
//! # Metrics
//!
//! All begin with the [namespace](PrometheusCollector::namespace), `modular_eventbus` if not set.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `_delivered_total` | counter | `engine` | events whose handler ran to its end, failed ones included |
//! | `_dropped_total` | counter | `engine` | events that subscriptions were offered and did not get |
//! | `_dropped_by_reason_total` | counter | `engine`, `reason` | the same, each reason alone |
//! | `_failed_total` | counter | `engine` | the part of the delivered ones whose handler failed |
//! | `_offered_total` | counter | `engine` | events that subscriptions were offered, each subscription counted |
//! | `_expired_total`, `_duplicate_total` | counter | `engine` | events that were too old, or had been handled before |
//! | `_filtered_total`, `_skipped_total` | counter | `engine` | events that filters turned away; of another type |
//! | `_in_flight` | gauge | `engine` | events that wait in queues, or whose handler runs |
//! | `_engine_state` | gauge | `engine`, `state` | 1 for the state that the engine is in, 0 for the others |
//! | `_engine_published_total`, `_engine_refused_total`, `_engine_unknown_total` | counter | `engine` | what publish calls handed to an engine outside of the process: taken, not taken, nobody knows |
//! | `_engine_rejected_total` | counter | `engine` | arrivals that are no events |
//! | `_engine_arrivals_in_flight`, `_engine_members` | gauge | `engine` | arrivals that are not done with; subscriptions that have joined |
//! | `_subscriptions`, `_subscriptions_paused` | gauge | | subscriptions that live; those in a pause or in quarantine |
//! | `_subscription_queued`, `_subscription_capacity` | gauge | `subscription` | events in the queue; how many it holds |
//! | `_subscription_oldest_age_seconds` | gauge | `subscription` | how old the oldest queued event is, 0 if there is none |
//! | `_engine_lag` | gauge | `engine` | events that the engine has and that have not arrived yet, where it knows |
//! | `_handling_seconds` | histogram | | how long handlers took, [if that is counted](crate::BusBuilder::time_handlers) |
//! | `_tenants` | gauge | | tenants that the bus serves |
//! | `_tenant_offered_total`, `_tenant_delivered_total`, `_tenant_failed_total`, `_tenant_dropped_total` | counter | `tenant` | the account of a tenant |
//! | `_tenant_in_flight`, `_tenant_subscriptions` | gauge | `tenant` | his events that wait or are handled, and his subscriptions |
//! | `_history_events`, `_history_bytes`, `_history_topics` | gauge | | what is [kept](crate::BusBuilder::retain) of the events, and of how many topics |
//! | `_history_trimmed_total`, `_history_evicted_total`, `_history_evicted_topics_total` | counter | | events that are no longer kept, by the rules and by the limits of the bus; topics that lost all to these |
//! | `_dead_letters_total`, `_dead_letters_lost_total`, `_dead_letters_died_total` | counter | | [letters](crate::BusBuilder::dead_letters) that somebody has taken, that nobody has, and that could not be handled themselves |
//! | `_topics_known` | gauge | | topics that are resolved |
//! | `_lifecycle_dropped_total` | counter | | events of the bus's life that were not told, because those who listen are too slow |
//! | `_topics_refused_total`, `_names_refused_total` | counter | | topics that were not kept resolved, and names (of all buses) that were not kept, because a table was full |
//!
//! The first two are those of the original event bus. Its series `engine="_all"`, the sum of the others, is there only
//! [when asked for](PrometheusCollector::with_all): beside it, `sum(...)` over the label counts everything twice.
//!
//! `subscription` is the name of the subscription, or `file:line` of where it was made; subscriptions that agree in it are
//! one series, with the sum of their queues and the age of their oldest event. The oldest 100 have a series each, or
//! [as many as you say](PrometheusCollector::subscription_labels); the others share `other`. Inline handlers have no
//! queue and no series. Of tenants the first 100 have series, or [as many as you say](PrometheusCollector::tenant_labels).

mod collector;
mod families;
mod format;
#[cfg(all(test, not(loom)))]
mod tests;

pub use collector::{NamespaceError, PrometheusCollector};
pub use format::Format;
