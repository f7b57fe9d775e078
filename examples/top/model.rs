//! What is shown: two samples of a bus, and how fast it grew between them. Pure: it reads no clock and no bus.

use std::time::{Duration, Instant};

use trolleybus::engine::EngineState;
use trolleybus::{
    BusStats, DropReason, EngineStats, Ledger, SubscriptionId, SubscriptionKind, SubscriptionStats,
    TopicPattern,
};

/// The accounts count to this, and then wrap.
const WRAP: u64 = 1 << 56;

/// What was counted at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) stats: BusStats,
    /// What the application's publishers count themselves, from their receipts: the bus counts what subscriptions are
    /// offered, not publish calls. `None` if they do not.
    pub(crate) published: Option<Published>,
}

/// What publishers know of their calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// Events that the bus took.
    pub(crate) events: u64,
    /// Those among them that matched nobody. Of an event that an engine carries a receipt cannot tell.
    pub(crate) unmatched: u64,
    /// Events that the bus refused.
    pub(crate) refused: u64,
}

/// A counter, and how fast it grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) total: u64,
    /// Tenths of an event per second.
    pub(crate) tenths: u64,
}

/// All that is shown of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// The time that the rates are of; zero if there is one sample only.
    pub(crate) interval: Duration,
    pub(crate) bus: BusRow,
    pub(crate) engines: Vec<EngineRow>,
    /// In the order of registration.
    pub(crate) subscriptions: Vec<SubscriptionRow>,
}

/// The whole bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BusRow {
    pub(crate) published: Option<Counter>,
    pub(crate) unmatched: Option<Counter>,
    pub(crate) refused: Option<Counter>,
    pub(crate) offered: Counter,
    pub(crate) delivered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed: Counter,
    pub(crate) lifecycle_dropped: Counter,
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) topics: usize,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineRow {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) state: EngineState,
    pub(crate) offered: Counter,
    pub(crate) delivered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed: Counter,
    pub(crate) in_flight: u64,
    /// `None` for a memory engine.
    pub(crate) transport: Option<TransportRow>,
}

/// What passes between the bus and an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransportRow {
    pub(crate) published: Counter,
    pub(crate) refused: Counter,
    pub(crate) unknown: Counter,
    pub(crate) rejected: Counter,
    pub(crate) arriving: usize,
    pub(crate) members: usize,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionRow {
    /// Its name, or its number.
    pub(crate) name: String,
    pub(crate) patterns: String,
    pub(crate) kind: SubscriptionKind,
    pub(crate) offered: Counter,
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    /// The reasons for which something was dropped.
    pub(crate) dropped: Vec<(DropReason, Counter)>,
    pub(crate) queued: u64,
    pub(crate) capacity: u64,
    pub(crate) running: u64,
    pub(crate) oldest: Option<Duration>,
    pub(crate) paused: bool,
}

impl SubscriptionRow {
    /// The drops of all reasons.
    pub(crate) fn dropped_total(&self) -> Counter {
        self.dropped.iter().fold(Counter::default(), |sum, (_, counter)| Counter {
            total: sum.total + counter.total,
            tenths: sum.tenths + counter.tenths,
        })
    }

    /// An inline subscription has no queue.
    pub(crate) fn has_queue(&self) -> bool {
        self.kind != SubscriptionKind::Inline
    }
}

impl Model {
    /// What there is before there is a second sample: no rates.
    pub(crate) fn first(sample: &Sample) -> Self {
        Self::between(sample, sample)
    }

    /// What has come about between two samples.
    pub(crate) fn between(before: &Sample, after: &Sample) -> Self {
        let interval = after.at.saturating_duration_since(before.at);
        let growth = Growth(interval);
        let subscriptions =
            pairs(&before.stats.subscriptions, &after.stats.subscriptions, |one| one.id).map(|(old, new)| {
                // One that is new has counted since it was made, which is after the sample before.
                growth.subscription(&old.map_or_else(Ledger::default, |old| old.ledger), new)
            });
        let engines = pairs(&before.stats.engines, &after.stats.engines, |one| one.name.clone())
            .map(|(old, new)| growth.engine(old, new));
        Self {
            interval,
            bus: growth.bus(before, after),
            engines: engines.collect(),
            subscriptions: subscriptions.collect(),
        }
    }
}

/// Each of the later ones with the earlier one that has the same key, if there is one.
fn pairs<'a, T, K: PartialEq>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&T) -> K + 'a,
) -> impl Iterator<Item = (Option<&'a T>, &'a T)> {
    after.iter().map(move |new| (before.iter().find(|old| key(old) == key(new)), new))
}

/// By how much a counter has grown. The account of a bus's first engine may go back by a little, for it is what the
/// others leave of the bus's: that is no growth, and no wrap either.
pub(crate) fn difference(before: u64, after: u64) -> u64 {
    let grown = after.wrapping_sub(before) % WRAP;
    if grown < WRAP / 2 { grown } else { 0 }
}

/// Makes counters of an interval.
struct Growth(Duration);

impl Growth {
    fn counter(&self, before: u64, after: u64) -> Counter {
        let nanos = self.0.as_nanos();
        let tenths = (u128::from(difference(before, after)) * 10_000_000_000 + nanos / 2).checked_div(nanos);
        Counter { total: after, tenths: tenths.map_or(0, |tenths| u64::try_from(tenths).unwrap_or(u64::MAX)) }
    }

    fn bus(&self, before: &Sample, after: &Sample) -> BusRow {
        let (old, new) = (&before.stats.total, &after.stats.total);
        let published = |of: fn(&Published) -> u64| {
            let new = of(&after.published?);
            Some(self.counter(before.published.as_ref().map_or(new, of), new))
        };
        BusRow {
            published: published(|counts| counts.events),
            unmatched: published(|counts| counts.unmatched),
            refused: published(|counts| counts.refused),
            offered: self.counter(old.offered, new.offered),
            delivered: self.counter(old.delivered, new.delivered),
            dropped: self.counter(old.dropped.total(), new.dropped.total()),
            failed: self.counter(old.failed, new.failed),
            lifecycle_dropped: self.counter(before.stats.lifecycle_dropped, after.stats.lifecycle_dropped),
            queued: new.queued,
            running: new.running,
            topics: after.stats.topics_known,
        }
    }

    /// Rules may be replaced, engines may not: one without an earlier account is in the first sample.
    fn engine(&self, old: Option<&EngineStats>, new: &EngineStats) -> EngineRow {
        let old = old.unwrap_or(new);
        let transport = new.transport.as_ref().map(|new| {
            let old = old.transport.as_ref().unwrap_or(new);
            TransportRow {
                published: self.counter(old.published, new.published),
                refused: self.counter(old.refused, new.refused),
                unknown: self.counter(old.unknown, new.unknown),
                rejected: self.counter(old.rejected, new.rejected),
                arriving: new.arrivals_in_flight,
                members: new.members,
            }
        });
        EngineRow {
            name: new.name.clone(),
            kind: new.kind.to_owned(),
            state: new.state,
            offered: self.counter(old.offered, new.offered),
            delivered: self.counter(old.delivered, new.delivered),
            dropped: self.counter(old.dropped, new.dropped),
            failed: self.counter(old.failed, new.failed),
            in_flight: new.in_flight,
            transport,
        }
    }

    fn subscription(&self, old: &Ledger, new: &SubscriptionStats) -> SubscriptionRow {
        let ledger = &new.ledger;
        let patterns: Vec<&str> = new.patterns.iter().map(TopicPattern::as_str).collect();
        let dropped = ledger.dropped.iter().filter(|(_, count)| *count > 0);
        SubscriptionRow {
            name: new.name.clone().unwrap_or_else(|| numbered(new.id)),
            patterns: patterns.join(", "),
            kind: new.kind,
            offered: self.counter(old.offered, ledger.offered),
            delivered: self.counter(old.delivered, ledger.delivered),
            failed: self.counter(old.failed, ledger.failed),
            dropped: dropped
                .map(|(reason, count)| (reason, self.counter(old.dropped.by(reason), count)))
                .collect(),
            queued: ledger.queued,
            capacity: new.capacity as u64,
            running: ledger.running,
            oldest: new.oldest_age,
            paused: new.paused,
        }
    }
}

fn numbered(id: SubscriptionId) -> String {
    format!("#{}", id.as_u64())
}
