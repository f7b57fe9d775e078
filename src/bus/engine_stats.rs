//! What is counted for each engine.

use std::sync::Arc;

use super::engine_options::{LOSSLESS, MEMORY};
use crate::dispatch::{Dropped, EngineState, EngineTally, Figure, Ledger};
use crate::engine::{EngineSeat, Engines};
use crate::subscribe::Hub;
use crate::sync::atomic::Ordering;
use crate::tenant::Tenant;

/// The account of one engine.
///
/// `offered = delivered + dropped + expired + duplicate + in_flight` holds when the bus is at rest, with `in_flight` at zero;
/// in between, the counts are read one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStats {
    /// Its name on the bus.
    pub name: String,
    /// What kind of engine it is: `memory`, `durable-memory` if it is [lossless](crate::MemoryEngine::lossless), or what [the engine says](crate::engine::Engine::kind).
    pub kind: &'static str,
    /// How it is doing. The memory engine is always connected.
    pub state: EngineState,
    /// Events that subscriptions were offered, each subscription counted.
    pub offered: u64,
    /// Events whose handler ran to its end.
    pub delivered: u64,
    /// The part of them whose handler failed.
    pub failed: u64,
    /// Events that subscriptions dropped, of all reasons.
    pub dropped: u64,
    /// The same, by reason.
    pub dropped_by: Dropped,
    /// Events that were too old.
    pub expired: u64,
    /// Events that had been handled before.
    pub duplicate: u64,
    /// Events that wait in queues, or whose handler runs.
    pub in_flight: u64,
    /// Events that filters turned away. Beside the ledger.
    pub filtered: u64,
    /// Events of another type, or that could not be decoded. Beside the ledger.
    pub skipped: u64,
    /// What publish calls handed to it, and its arrivals; `None` for a memory engine.
    pub transport: Option<TransportStats>,
}

/// What passes between a bus and an engine that is not the bus itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Events that the engine took.
    pub published: u64,
    /// Events that it surely did not take.
    pub refused: u64,
    /// Events of which nobody knows whether it took them.
    pub unknown: u64,
    /// Arrivals that are no events.
    pub rejected: u64,
    /// Arrivals that were handed over and are not done with.
    pub arrivals_in_flight: usize,
    /// Subscriptions that have joined it.
    pub members: usize,
    /// Events that it has for them and that have not arrived yet, if [the engine knows](crate::engine::Engine::lag).
    pub lag: Option<u64>,
}

/// The accounts of all engines of a bus.
pub(super) fn engines(hub: &Hub, total: &Ledger) -> Vec<EngineStats> {
    let Some(engines) = &hub.engines else {
        return vec![memory(MEMORY, total)];
    };
    let others = engines.seats().iter().enumerate().skip(1);
    let others: Vec<EngineStats> = others
        .map(|(number, seat)| match u8::try_from(number).ok().and_then(|number| hub.hooks.tally(number)) {
            Some(tally) => with_transport(tallied(&seat.name, tally), seat),
            None => with_transport(memory(&seat.name, &Ledger::default()), seat),
        })
        .collect();
    // What the others have not counted is the first one's.
    let mut stats = engines.seats().first().map(|first| {
        let mut stats = memory(&first.name, total);
        for other in &others {
            stats.subtract(other);
        }
        with_transport(stats, first)
    });
    stats.take().into_iter().chain(others).collect()
}

/// The engine of a topic, and the number of the rule that says so.
pub(super) fn route_of(hub: &Hub, tenant: Option<&Tenant>, topic: &str) -> (String, Option<usize>) {
    let Some(engines) = &hub.engines else { return (MEMORY.to_owned(), None) };
    let router = engines.router();
    let name = |engines: &Arc<Engines>| {
        engines.seat(router.route(tenant, topic)).map_or_else(String::new, |seat| seat.name.to_string())
    };
    (name(engines), router.deciding(tenant, topic))
}

fn memory(name: &str, ledger: &Ledger) -> EngineStats {
    EngineStats {
        name: name.to_owned(),
        kind: "memory",
        state: EngineState::Connected,
        offered: ledger.offered,
        delivered: ledger.delivered,
        failed: ledger.failed,
        dropped: ledger.dropped.total(),
        dropped_by: ledger.dropped,
        expired: ledger.expired,
        duplicate: ledger.duplicate,
        in_flight: ledger.queued + ledger.running,
        filtered: ledger.filtered,
        skipped: ledger.skipped,
        transport: None,
    }
}

fn tallied(name: &str, tally: &EngineTally) -> EngineStats {
    let delivered = tally.read(Figure::Delivered);
    let dropped_by = Dropped::of(|reason| tally.read(Figure::Dropped(reason)));
    let (dropped, expired) = (dropped_by.total(), tally.read(Figure::Expired));
    let duplicate = tally.read(Figure::Duplicate);
    // The source last, so that it holds what the sinks do.
    let offered = tally.read(Figure::Offered).max(delivered + dropped + expired + duplicate);
    EngineStats {
        name: name.to_owned(),
        kind: "memory",
        state: EngineState::Connected,
        offered,
        delivered,
        failed: tally.read(Figure::Failed),
        dropped,
        dropped_by,
        expired,
        duplicate,
        in_flight: offered - delivered - dropped - expired - duplicate,
        filtered: tally.read(Figure::Filtered),
        skipped: tally.read(Figure::Skipped),
        transport: None,
    }
}

fn with_transport(mut stats: EngineStats, seat: &EngineSeat) -> EngineStats {
    if let Some(transport) = &seat.transport {
        let published = transport.published();
        stats.kind = transport.kind();
        stats.state = transport.state();
        stats.transport = Some(TransportStats {
            // Relaxed: statistics.
            published: published.accepted.load(Ordering::Relaxed),
            refused: published.refused.load(Ordering::Relaxed),
            unknown: published.unknown.load(Ordering::Relaxed),
            rejected: transport.rejected(),
            arrivals_in_flight: transport.in_flight(),
            members: transport.members(),
            lag: transport.lag(),
        });
    } else if seat.terms.lossless {
        stats.kind = LOSSLESS;
    }
    stats
}

impl EngineStats {
    /// Takes another engine's account off that of the whole bus. The two were read one after the other.
    fn subtract(&mut self, other: &Self) {
        let off = |mine: &mut u64, theirs: u64| *mine = mine.saturating_sub(theirs);
        off(&mut self.offered, other.offered);
        off(&mut self.delivered, other.delivered);
        off(&mut self.failed, other.failed);
        self.dropped_by =
            Dropped::of(|reason| self.dropped_by.by(reason).saturating_sub(other.dropped_by.by(reason)));
        self.dropped = self.dropped_by.total();
        off(&mut self.expired, other.expired);
        off(&mut self.duplicate, other.duplicate);
        off(&mut self.in_flight, other.in_flight);
        off(&mut self.filtered, other.filtered);
        off(&mut self.skipped, other.skipped);
    }
}
