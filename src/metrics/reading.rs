//! A reading of the accounts in which no counter is lower than in the reading before.

#[cfg(feature = "prometheus")]
use crate::bus::TenantStats;
use crate::bus::{BusStats, EngineStats};
use crate::dispatch::Dropped;
use crate::subscribe::Hub;
use crate::sync::Mutex;
#[cfg(feature = "prometheus")]
use crate::tenant::Tenant;

/// What an exporter has shown, of the one engine whose counters may go back.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The highest counters of the first engine. Its account is what the others leave of the bus's, and those count the
    /// end of a pass after the subscriptions have. Written and read by every reading; held for a few comparisons.
    first: Mutex<Option<EngineStats>>,
    /// The tenants that have series of their own, in the order in which they came.
    #[cfg(feature = "prometheus")]
    tenants: Mutex<Vec<Tenant>>,
}

impl Shown {
    /// Reads a bus.
    pub(super) fn read(&self, hub: &Hub) -> BusStats {
        let mut stats = BusStats::read(hub);
        if let Some(engine) = stats.engines.first_mut() {
            self.keep(engine);
        }
        stats
    }

    /// The tenants that have series of their own: those who came first, so that a new one takes nobody's series away. One
    /// that the bus has forgotten makes room.
    #[cfg(feature = "prometheus")]
    pub(super) fn labelled<'a>(&self, tenants: &'a [TenantStats], most: usize) -> Vec<&'a TenantStats> {
        let mut labelled = self.tenants.lock();
        labelled.retain(|tenant| tenants.iter().any(|account| account.tenant == *tenant));
        for account in tenants {
            if labelled.len() < most && !labelled.contains(&account.tenant) {
                labelled.push(account.tenant.clone());
            }
        }
        tenants.iter().filter(|account| labelled.contains(&account.tenant)).collect()
    }

    /// Raises counters to what was shown before, and remembers them.
    fn keep(&self, engine: &mut EngineStats) {
        let mut first = self.first.lock();
        if let Some(shown) = &*first {
            raise(engine, shown);
        }
        *first = Some(engine.clone());
    }
}

/// Raises each counter to another reading's, if that is higher.
fn raise(engine: &mut EngineStats, shown: &EngineStats) {
    let raise = |mine: &mut u64, theirs: u64| *mine = (*mine).max(theirs);
    raise(&mut engine.offered, shown.offered);
    raise(&mut engine.delivered, shown.delivered);
    raise(&mut engine.failed, shown.failed);
    raise(&mut engine.expired, shown.expired);
    raise(&mut engine.duplicate, shown.duplicate);
    raise(&mut engine.filtered, shown.filtered);
    raise(&mut engine.skipped, shown.skipped);
    let (mine, theirs) = (engine.dropped_by, shown.dropped_by);
    engine.dropped_by = Dropped::of(|reason| mine.by(reason).max(theirs.by(reason)));
    engine.dropped = engine.dropped_by.total();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{DropReason, EventBus};

    #[test]
    fn counters_do_not_go_back_and_levels_do() {
        let mut engine = EventBus::new().stats().engines.remove(0);
        let shown = Shown::default();
        engine.offered = 7;
        engine.delivered = 5;
        engine.in_flight = 2;
        engine.dropped_by = Dropped::of(|reason| u64::from(reason == DropReason::Full));
        engine.dropped = 1;
        shown.keep(&mut engine);
        let high = engine.clone();

        engine.offered = 6;
        engine.delivered = 6;
        engine.in_flight = 0;
        engine.dropped_by = Dropped::of(|reason| u64::from(reason == DropReason::Timeout));
        shown.keep(&mut engine);
        assert_eq!((engine.offered, engine.delivered, engine.in_flight), (high.offered, 6, 0));
        assert_eq!(engine.dropped_by.by(DropReason::Full), 1);
        assert_eq!(engine.dropped_by.by(DropReason::Timeout), 1);
        assert_eq!(engine.dropped, 2);
    }
}
