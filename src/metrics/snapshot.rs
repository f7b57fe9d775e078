//! How the accounts serialise.
//!
//! By hand, so that it needs no feature: the derive of serde would bring a crate more into everybody's tree. The macro
//! takes a struct apart by its fields, so that a new field that is not named here does not compile.

use std::panic::Location;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::bus::{BusStats, EngineStats, SubscriptionStats, TenantStats, TransportStats};
use crate::dispatch::{
    CircuitState, DeadLetterStats, DeliveryMode, Dropped, HandlingTimes, HistoryStats, Ledger,
};
use crate::pattern::TopicPattern;
use crate::tenant::Tenant;

/// Implements `Serialize` for a struct, each field under its own name, or as what the function makes of it.
macro_rules! serialize {
    ($type:ident { $($field:ident $(by $with:expr)?),+ $(,)? }) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Self { $($field),+ } = self;
                let fields = [$(stringify!($field)),+].len();
                let mut out = serializer.serialize_struct(stringify!($type), fields)?;
                $(out.serialize_field(stringify!($field), serialize!(@value $field $($with)?))?;)+
                out.end()
            }
        }
    };
    (@value $field:ident) => { $field };
    (@value $field:ident $with:expr) => { &$with($field) };
}

serialize!(BusStats {
    total,
    handling,
    subscriptions,
    engines,
    tenants,
    dead_letters,
    history,
    topics_known,
    topics_refused,
    lifecycle_dropped,
    names_refused
});

serialize!(EngineStats {
    name,
    kind,
    state by |state: &crate::dispatch::EngineState| state.as_str(),
    offered,
    delivered,
    failed,
    dropped,
    dropped_by,
    expired,
    duplicate,
    in_flight,
    filtered,
    skipped,
    transport,
});

serialize!(TransportStats { published, refused, unknown, rejected, arrivals_in_flight, members, lag });

serialize!(Ledger {
    offered,
    delivered,
    failed,
    dropped,
    expired,
    duplicate,
    queued,
    running,
    retried,
    filtered,
    skipped,
});

serialize!(TenantStats { tenant by |tenant: &Tenant| tenant.to_string(), subscriptions, total });

serialize!(DeadLetterStats { sent, lost, died });

serialize!(HistoryStats { events, bytes, topics, trimmed, evicted, evicted_topics });

serialize!(Dropped { full, oldest, timeout, cancelled, shutdown, deadlock });

impl Serialize for SubscriptionStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            id,
            name,
            patterns,
            kind,
            tenant,
            delivery,
            capacity,
            call_site,
            ledger,
            oldest_age,
            handling,
            paused,
            circuit,
        } = self;
        let (mode, timeout) = mode(*delivery);
        let patterns: Vec<&str> = patterns.iter().map(TopicPattern::as_str).collect();
        let mut out = serializer.serialize_struct("SubscriptionStats", 14)?;
        out.serialize_field("id", &id.as_u64())?;
        out.serialize_field("name", name)?;
        out.serialize_field("patterns", &patterns)?;
        out.serialize_field("kind", kind.as_str())?;
        out.serialize_field("tenant", &tenant.as_ref().map(Tenant::as_str))?;
        out.serialize_field("delivery", mode)?;
        out.serialize_field("delivery_timeout_seconds", &timeout.map(|timeout| timeout.as_secs_f64()))?;
        out.serialize_field("capacity", capacity)?;
        out.serialize_field("call_site", &place(call_site))?;
        out.serialize_field("ledger", ledger)?;
        out.serialize_field("oldest_age_seconds", &oldest_age.map(|age| age.as_secs_f64()))?;
        out.serialize_field("handling", handling)?;
        out.serialize_field("paused", paused)?;
        out.serialize_field("circuit", &circuit.map(CircuitState::as_str))?;
        out.end()
    }
}

/// The buckets by their longest times, in seconds, each with those of the buckets before it, as monitoring systems want it.
impl Serialize for HandlingTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seen = 0;
        let buckets: Vec<(f64, u64)> = self
            .buckets()
            .filter_map(|(longest, count)| {
                seen += count;
                Some((longest?.as_secs_f64(), seen))
            })
            .collect();
        let mut out = serializer.serialize_struct("HandlingTimes", 3)?;
        out.serialize_field("count", &self.count())?;
        out.serialize_field("sum_seconds", &self.sum().as_secs_f64())?;
        out.serialize_field("buckets", &buckets)?;
        out.end()
    }
}

/// A delivery mode in one word, and the time that it waits if it has one of its own.
fn mode(mode: DeliveryMode) -> (&'static str, Option<Duration>) {
    match mode {
        DeliveryMode::Drop => ("drop", None),
        DeliveryMode::DropOldest => ("drop_oldest", None),
        DeliveryMode::Block => ("block", None),
        DeliveryMode::Timeout(time) => ("timeout", Some(time)),
    }
}

/// A place in the source, as compilers and editors write it.
pub(super) fn place(site: &Location<'_>) -> String {
    format!("{}:{}", site.file(), site.line())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::EventBus;
    use serde_json::{Value, json};

    /// Takes a value out, so that the rest can be compared as a whole.
    fn take(value: &mut Value, path: &str) -> Value {
        value.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")).take()
    }

    #[test]
    fn a_bus_with_known_traffic_serialises_as_it_should() {
        let bus = EventBus::builder().memory_engine("audit").route("audit", ["auth.*"]).build().unwrap();
        let site_line = line!() + 5;
        let mut receiver = bus
            .subscribe::<u32>("n.*")
            .name("numbers")
            .capacity(1)
            .delivery(DeliveryMode::Timeout(Duration::ZERO))
            .receiver()
            .unwrap();
        let _auth = bus.subscribe_any("auth.login").handle_inline(|_| Err::<(), _>(std::fmt::Error)).unwrap();
        bus.publish("n.a", 1_u32).unwrap();
        receiver.try_recv().unwrap();
        bus.publish("n.a", 2_u32).unwrap();
        bus.publish("n.a", 3_u32).unwrap();
        bus.publish("auth.login", 4_u32).unwrap();

        let mut stats = serde_json::to_value(bus.stats()).unwrap();
        let age = take(&mut stats, "/subscriptions/0/oldest_age_seconds").as_f64().expect("something waits");
        assert!((0.0..60.0).contains(&age), "{age}");
        let site = take(&mut stats, "/subscriptions/0/call_site");
        let (file, line) = site.as_str().and_then(|site| site.rsplit_once(':')).expect("file:line");
        assert!(
            file.ends_with("snapshot.rs")
                && line.parse::<u32>().is_ok_and(|line| line.abs_diff(site_line) < 6)
        );
        take(&mut stats, "/subscriptions/1/call_site");
        let known = stats["topics_known"].as_u64().expect("a number");
        assert!(known >= 2, "{known}");
        take(&mut stats, "/topics_known");
        // Of the whole process.
        take(&mut stats, "/names_refused");

        let none = json!({
            "full": 0, "oldest": 0, "timeout": 0, "cancelled": 0, "shutdown": 0, "deadlock": 0,
        });
        let mut timeout = none.clone();
        timeout["timeout"] = json!(1);
        let numbers = json!({
            "offered": 3, "delivered": 1, "failed": 0, "dropped": timeout, "expired": 0, "duplicate": 0,
            "queued": 1, "running": 0, "retried": 0, "filtered": 0, "skipped": 0,
        });
        let auth = json!({
            "offered": 1, "delivered": 1, "failed": 1, "dropped": none, "expired": 0, "duplicate": 0,
            "queued": 0, "running": 0, "retried": 0, "filtered": 0, "skipped": 0,
        });
        let expected = json!({
            "total": {
                "offered": 4, "delivered": 2, "failed": 1, "dropped": timeout, "expired": 0, "duplicate": 0,
                "queued": 1, "running": 0, "retried": 0, "filtered": 0, "skipped": 0,
            },
            "handling": null,
            "subscriptions": [
                {
                    "id": 1, "name": "numbers", "patterns": ["n.*"], "kind": "receiver", "tenant": null, "delivery": "timeout",
                    "delivery_timeout_seconds": 0.0, "capacity": 1, "call_site": null, "ledger": numbers,
                    "oldest_age_seconds": null, "handling": null, "paused": false, "circuit": null,
                },
                {
                    "id": 2, "name": null, "patterns": ["auth.login"], "kind": "inline", "tenant": null, "delivery": "drop",
                    "delivery_timeout_seconds": null, "capacity": 1024, "call_site": null, "ledger": auth,
                    "oldest_age_seconds": null, "handling": null, "paused": false, "circuit": null,
                },
            ],
            "engines": [
                {
                    "name": "memory", "kind": "memory", "state": "connected", "offered": 3, "delivered": 1,
                    "failed": 0, "dropped": 1, "dropped_by": timeout, "expired": 0, "duplicate": 0,
                    "in_flight": 1, "filtered": 0, "skipped": 0, "transport": null,
                },
                {
                    "name": "audit", "kind": "memory", "state": "connected", "offered": 1, "delivered": 1,
                    "failed": 1, "dropped": 0, "dropped_by": none, "expired": 0, "duplicate": 0,
                    "in_flight": 0, "filtered": 0, "skipped": 0, "transport": null,
                },
            ],
            "tenants": [],
            "dead_letters": {"sent": 0, "lost": 0, "died": 0},
            "history": {
                "events": 0, "bytes": 0, "topics": 0, "trimmed": 0, "evicted": 0, "evicted_topics": 0,
            },
            "topics_known": null,
            "topics_refused": 0,
            "lifecycle_dropped": 0,
            "names_refused": null,
        });
        assert_eq!(stats, expected);
    }

    #[test]
    fn every_delivery_mode_has_a_word() {
        assert_eq!(mode(DeliveryMode::Drop), ("drop", None));
        assert_eq!(mode(DeliveryMode::DropOldest), ("drop_oldest", None));
        assert_eq!(mode(DeliveryMode::Block), ("block", None));
        assert_eq!(mode(DeliveryMode::Timeout(Duration::MAX)), ("timeout", Some(Duration::MAX)));
    }
}
