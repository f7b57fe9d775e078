//! Exporters beside a bus that works.

#![cfg(any(feature = "prometheus", feature = "datadog"))]

#[cfg(feature = "datadog")]
#[path = "metrics/datadog.rs"]
mod datadog;
#[cfg(feature = "prometheus")]
#[path = "metrics/prometheus.rs"]
mod prometheus;
#[cfg(feature = "prometheus")]
#[path = "metrics/scrapers.rs"]
mod scrapers;
mod support;
