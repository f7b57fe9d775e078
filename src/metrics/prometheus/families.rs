//! The families of metrics: names, help and series, from one reading of the bus.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::bus::{BusStats, EngineStats, TenantStats, TransportStats};
use crate::dispatch::{CircuitState, EngineState, HandlingTimes, HistoryStats};
use crate::metrics::shares::{Share, shares};

/// The original's label for all engines together.
const ALL: &str = "_all";

/// Every state of an engine, each a series.
const STATES: [EngineState; 4] =
    [EngineState::Connecting, EngineState::Connected, EngineState::Degraded, EngineState::Stopped];

/// One series: its labels and its value.
type Series<'a> = (Vec<(&'a str, &'a str)>, Value);

/// What a series shows.
#[derive(Clone, Copy)]
enum Value {
    Counter(u64),
    Gauge(u64),
    Seconds(f64),
}

/// Where one scrape is written.
pub(super) struct Page<'a, 'e> {
    pub(super) encoder: &'a mut DescriptorEncoder<'e>,
    pub(super) namespace: &'a str,
}

impl Page<'_, '_> {
    /// Writes everything: at most `labels` subscriptions with a series of their own, these tenants, and the sum of all
    /// engines if `all`.
    pub(super) fn write(
        &mut self,
        stats: &BusStats,
        tenants: &[&TenantStats],
        labels: usize,
        all: bool,
    ) -> fmt::Result {
        self.write_engines(&stats.engines, all)?;
        self.write_transports(&stats.engines)?;
        if let Some(times) = &stats.handling {
            self.write_times(times)?;
        }
        self.write_subscriptions(stats, labels)?;
        self.write_tenants(stats.tenants.len(), tenants)?;
        let retried = "Attempts of handlers that failed and were followed by another";
        self.alone("retried", retried, Value::Counter(stats.total.retried))?;
        let letters = stats.dead_letters;
        let sent = "Events that nobody could handle, and whose dead letter somebody has taken";
        self.alone("dead_letters", sent, Value::Counter(letters.sent))?;
        let lost = "Events that nobody could handle, and whose dead letter nobody has taken";
        self.alone("dead_letters_lost", lost, Value::Counter(letters.lost))?;
        let died = "Dead letters that nobody could handle";
        self.alone("dead_letters_died", died, Value::Counter(letters.died))?;
        self.write_history(&stats.history)?;
        self.alone("topics_known", "Topics that are kept resolved", Value::Gauge(stats.topics_known as u64))?;
        let refused = "How often a topic was not kept resolved because the table was full";
        self.alone("topics_refused", refused, Value::Counter(stats.topics_refused))?;
        let untold = "Events of the life of the bus that were not told because those who listen are too slow";
        self.alone("lifecycle_dropped", untold, Value::Counter(stats.lifecycle_dropped))?;
        let names = "How often the name of a topic was not kept because the table of the process was full";
        self.alone("names_refused", names, Value::Counter(stats.names_refused))
    }

    fn write_history(&mut self, history: &HistoryStats) -> fmt::Result {
        self.alone("history_events", "Events that are kept", Value::Gauge(history.events))?;
        self.alone("history_bytes", "What the kept events count for, in bytes", Value::Gauge(history.bytes))?;
        self.alone("history_topics", "Topics of which events are kept", Value::Gauge(history.topics))?;
        let trimmed = "Events that are no longer kept, by the rule of their topic";
        self.alone("history_trimmed", trimmed, Value::Counter(history.trimmed))?;
        let evicted = "Events that are no longer kept, by the limits of the bus";
        self.alone("history_evicted", evicted, Value::Counter(history.evicted))?;
        let topics = "How often a topic lost all that was kept of it, by the limits of the bus";
        self.alone("history_evicted_topics", topics, Value::Counter(history.evicted_topics))
    }

    fn write_engines(&mut self, engines: &[EngineStats], all: bool) -> fmt::Result {
        type Read = fn(&EngineStats) -> u64;
        let counters: [(&str, &str, Read); 8] = [
            ("delivered", "Events whose handler ran to its end, failed ones included", |it| it.delivered),
            ("dropped", "Events that subscriptions were offered and did not get", |it| it.dropped),
            ("failed", "Delivered events whose handler failed", |it| it.failed),
            ("offered", "Events that subscriptions were offered, each subscription counted", |it| it.offered),
            ("expired", "Events that were too old when their handler would have started", |it| it.expired),
            ("duplicate", "Events that had been handled before", |it| it.duplicate),
            ("filtered", "Events that filters turned away before they were offered", |it| it.filtered),
            ("skipped", "Events of a type that the subscription does not take", |it| it.skipped),
        ];
        for (number, (name, help, read)) in counters.into_iter().enumerate() {
            let mut series: Vec<Series<'_>> =
                engines.iter().map(|engine| (of(engine), Value::Counter(read(engine)))).collect();
            // The original's two metrics alone: whoever asks for it has their dashboards in mind.
            if all && number < 2 {
                series.push((vec![("engine", ALL)], Value::Counter(engines.iter().map(read).sum())));
            }
            self.family(name, help, &series)?;
        }

        let mut series: Vec<Series<'_>> = Vec::new();
        for engine in engines {
            for (reason, count) in engine.dropped_by.iter() {
                let labels = vec![("engine", engine.name.as_str()), ("reason", reason.as_str())];
                series.push((labels, Value::Counter(count)));
            }
        }
        self.family("dropped_by_reason", "Dropped events by the reason why they were dropped", &series)?;

        let help = "Events that wait in queues, or whose handler runs";
        let series: Vec<_> =
            engines.iter().map(|engine| (of(engine), Value::Gauge(engine.in_flight))).collect();
        self.family("in_flight", help, &series)?;

        let mut series: Vec<Series<'_>> = Vec::new();
        for engine in engines {
            for state in STATES {
                let labels = vec![("engine", engine.name.as_str()), ("state", state.as_str())];
                series.push((labels, Value::Gauge(u64::from(engine.state == state))));
            }
        }
        self.family("engine_state", "1 for the state that the engine is in, 0 for the others", &series)
    }

    /// What passes between the bus and engines outside of the process; nothing if there are none.
    fn write_transports(&mut self, engines: &[EngineStats]) -> fmt::Result {
        type Read = fn(&TransportStats) -> Value;
        let families: [(&str, &str, Read); 6] = [
            ("engine_published", "Events that the engine took", |it| Value::Counter(it.published)),
            ("engine_refused", "Events that the engine surely did not take", |it| Value::Counter(it.refused)),
            ("engine_unknown", "Events of which nobody knows whether the engine took them", |it| {
                Value::Counter(it.unknown)
            }),
            ("engine_rejected", "Arrivals that are no events", |it| Value::Counter(it.rejected)),
            ("engine_arrivals_in_flight", "Arrivals that were handed over and are not done with", |it| {
                Value::Gauge(it.arrivals_in_flight as u64)
            }),
            ("engine_members", "Subscriptions that have joined the engine", |it| {
                Value::Gauge(it.members as u64)
            }),
        ];
        for (name, help, read) in families {
            let carried =
                engines.iter().filter_map(|engine| Some((of(engine), read(engine.transport.as_ref()?))));
            self.family(name, help, &carried.collect::<Vec<_>>())?;
        }
        let lag = |engine: &EngineStats| engine.transport.as_ref()?.lag;
        let lags = engines.iter().filter_map(|engine| Some((of(engine), Value::Gauge(lag(engine)?))));
        self.family(
            "engine_lag",
            "Events that the engine has and that have not arrived yet",
            &lags.collect::<Vec<_>>(),
        )
    }

    /// The histogram of all handlers: those of subscriptions end with them, and counters must not go back.
    fn write_times(&mut self, times: &HandlingTimes) -> fmt::Result {
        let seconds = |bound: Option<Duration>| bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
        let buckets: Vec<_> = times.buckets().map(|(bound, count)| (seconds(bound), count)).collect();
        let name = format!("{}_handling", self.namespace);
        let (help, kind) = ("How long handlers took.", MetricType::Histogram);
        let mut family = self.encoder.encode_descriptor(&name, help, Some(&Unit::Seconds), kind)?;
        family.encode_histogram::<NoLabelSet>(times.sum().as_secs_f64(), times.count(), &buckets, None)
    }

    fn write_subscriptions(&mut self, stats: &BusStats, labels: usize) -> fmt::Result {
        let all = &stats.subscriptions;
        let paused = all.iter().filter(|subscription| subscription.paused).count();
        self.alone("subscriptions", "Subscriptions that live", Value::Gauge(all.len() as u64))?;
        let help = "Subscriptions that are paused or in quarantine";
        self.alone("subscriptions_paused", help, Value::Gauge(paused as u64))?;
        let is_cut =
            |circuit: Option<CircuitState>| circuit.is_some_and(|state| state != CircuitState::Closed);
        let cut = all.iter().filter(|subscription| is_cut(subscription.circuit)).count();
        let help = "Subscriptions whose circuit is open or half-open";
        self.alone("subscriptions_circuit_open", help, Value::Gauge(cut as u64))?;

        let shares = shares(all, labels);
        let series = |value: fn(&Share) -> Value| -> Vec<Series<'_>> {
            shares.iter().map(|share| (vec![("subscription", share.label.as_str())], value(share))).collect()
        };
        let queued = series(|share| Value::Gauge(share.queued));
        self.family("subscription_queued", "Events that wait in the queue", &queued)?;
        let capacity = series(|share| Value::Gauge(share.capacity));
        self.family("subscription_capacity", "How many events the queue holds", &capacity)?;
        let oldest = series(|share| Value::Seconds(share.oldest.as_secs_f64()));
        self.family("subscription_oldest_age", "How old the oldest event in the queue is", &oldest)
    }

    fn write_tenants(&mut self, all: usize, tenants: &[&TenantStats]) -> fmt::Result {
        type Read = fn(&TenantStats) -> Value;
        let families: [(&str, &str, Read); 6] = [
            (
                "tenant_delivered",
                "Events of the tenant whose handler ran to its end, failed ones included",
                |it| Value::Counter(it.total.delivered),
            ),
            (
                "tenant_dropped",
                "Events that subscriptions of the tenant were offered and did not get",
                |it| Value::Counter(it.total.dropped.total()),
            ),
            ("tenant_failed", "Delivered events of the tenant whose handler failed", |it| {
                Value::Counter(it.total.failed)
            }),
            ("tenant_offered", "Events that subscriptions of the tenant were offered", |it| {
                Value::Counter(it.total.offered)
            }),
            ("tenant_in_flight", "Events of the tenant that wait in queues, or whose handler runs", |it| {
                Value::Gauge(it.total.queued + it.total.running)
            }),
            ("tenant_subscriptions", "Subscriptions of the tenant that live", |it| {
                Value::Gauge(it.subscriptions as u64)
            }),
        ];
        self.alone("tenants", "Tenants that the bus serves", Value::Gauge(all as u64))?;
        for (name, help, read) in families {
            let series = tenants.iter().map(|it| (vec![("tenant", it.tenant.as_str())], read(it)));
            self.family(name, help, &series.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Writes a family of one series without labels.
    fn alone(&mut self, name: &str, help: &str, value: Value) -> fmt::Result {
        self.family(name, help, &[(Vec::new(), value)])
    }

    /// Writes a family: nothing at all if it has no series.
    fn family(&mut self, name: &str, help: &str, series: &[Series<'_>]) -> fmt::Result {
        let Some((_, first)) = series.first() else { return Ok(()) };
        let name = format!("{}_{name}", self.namespace);
        let (kind, unit) = match first {
            Value::Counter(_) => (MetricType::Counter, None),
            Value::Gauge(_) => (MetricType::Gauge, None),
            Value::Seconds(_) => (MetricType::Gauge, Some(&Unit::Seconds)),
        };
        let help = format!("{help}.");
        let mut family = self.encoder.encode_descriptor(&name, &help, unit, kind)?;
        for (labels, value) in series {
            if labels.is_empty() {
                sample(&mut family, *value)?;
            } else {
                sample(&mut family.encode_family(labels)?, *value)?;
            }
        }
        Ok(())
    }
}

/// The label of an engine.
fn of(engine: &EngineStats) -> Vec<(&str, &str)> {
    vec![("engine", engine.name.as_str())]
}

fn sample(encoder: &mut MetricEncoder<'_>, value: Value) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, u64>(&count, None),
        Value::Gauge(level) => encoder.encode_gauge(&level),
        Value::Seconds(seconds) => encoder.encode_gauge(&seconds),
    }
}
