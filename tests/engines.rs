//! Engines on a bus: routing, the start of all or none, publishing, arrivals, the end, and rules that change.

#![cfg(feature = "json")]

#[path = "engines/arrivals.rs"]
mod arrivals;
#[path = "engines/dead_letters.rs"]
mod dead_letters;
#[path = "support/eventually.rs"]
mod eventually;
#[cfg(feature = "test-clock")]
#[path = "engines/expiry.rs"]
mod expiry;
#[path = "support/faulty_engine.rs"]
mod faulty_engine;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/heard.rs"]
mod heard;
#[path = "engines/idempotency.rs"]
mod idempotency;
#[path = "engines/joining.rs"]
mod joining;
#[cfg(feature = "prometheus")]
#[path = "engines/metrics.rs"]
mod metrics;
#[path = "engines/publishing.rs"]
mod publishing;
#[path = "engines/routing.rs"]
mod routing;
#[path = "engines/rules.rs"]
mod rules;
#[path = "engines/start_and_end.rs"]
mod start_and_end;
mod support;
#[path = "engines/telling.rs"]
mod telling;
#[path = "engines/tenants.rs"]
mod tenants;
