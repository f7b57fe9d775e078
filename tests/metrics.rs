//! Exporters beside a bus that works.

#![cfg(feature = "prometheus")]

#[path = "metrics/prometheus.rs"]
mod prometheus;
#[path = "metrics/scrapers.rs"]
mod scrapers;
mod support;
