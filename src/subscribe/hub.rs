//! What a bus and its subscriptions share; and what one of its tenants sees of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::TimeSource;
use crate::dispatch::{
    Carriers, DeliveryMode, Follower, Hooks, Keeper, MakeTable, Roster, SlotParts, Tables, TopicTable, Ttls,
};
use crate::engine::Engines;
use crate::error::SubscribeError;
use crate::history::{Limits, Rules};
use crate::sync::Mutex;
use crate::sync::alarm::Alarm;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use crate::sync::timer::Timer;
use crate::tenant::{Tenant, TenantError};
use crate::worker::{Around, Pool, PoolOptions, Spawn};

/// The largest capacity of a queue, in events.
pub(crate) const MAX_CAPACITY: usize = 1 << 24;

/// The most handlers of one subscription at a time.
pub(crate) const MAX_CONCURRENCY: usize = 1024;

/// What a bus was built with.
pub(crate) struct Options {
    pub(crate) capacity: usize,
    /// The largest that a subscription may have.
    pub(crate) max_capacity: usize,
    pub(crate) mode: DeliveryMode,
    pub(crate) workers: usize,
    pub(crate) spin: Duration,
    pub(crate) thread_name: String,
    pub(crate) around: Option<Around>,
    pub(crate) spawn: Option<Arc<dyn Spawn>>,
    pub(crate) inline_depth: usize,
    pub(crate) rotate: bool,
    pub(crate) max_raw: usize,
    pub(crate) topic_cache: usize,
    pub(crate) max_tenants: usize,
    /// How long handlers take is counted.
    pub(crate) times: bool,
    /// How long events are worth delivering,
    pub(crate) ttls: Ttls,
    /// what is kept of them,
    pub(crate) retention: Rules,
    pub(crate) history_limits: Limits,
    /// and when they are made: what the hooks have, at hand.
    pub(crate) time: TimeSource,
    pub(crate) quarantine_after: Option<NonZeroU32>,
}

/// The state of one bus. Handles of the bus, subscriptions and publisher handles hold it; when the
/// last handle of the bus goes, it is closed.
pub(crate) struct Hub {
    pub(crate) tables: Arc<Tables>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) timer: Arc<Timer>,
    pub(crate) options: Options,
    /// The engines, if there are others than one memory engine.
    pub(crate) engines: Option<Arc<Engines>>,
    /// Set first of all at shutdown: no publish begins any more.
    closed: AtomicBool,
    /// Started by the first subscription that needs it.
    pool: Mutex<PoolState>,
    /// Workers that wait for room in a queue which workers empty.
    pub(crate) blocked: AtomicUsize,
    /// Whose turn it is to go first, if the order rotates.
    pub(crate) turn: AtomicU32,
    /// Homes of lanes are given out in turn.
    homes: AtomicUsize,
}

/// The worker pool in the course of a bus's life.
enum PoolState {
    NotNeeded,
    Running(Arc<Pool>),
    Stopped,
}

impl Hub {
    pub(crate) fn new(options: Options, hooks: Arc<Hooks>, engines: Option<Arc<Engines>>) -> Self {
        let carriers = engines.clone().map(|engines| engines as Arc<dyn Carriers>);
        let roster = Arc::new(Roster::default());
        let (feed, observed) = (hooks.feed.clone(), hooks.hears_publishes());
        let ttls = options.ttls.shared();
        let keeper = Keeper::new(options.retention.clone(), options.history_limits, hooks.time.clone());
        let make = MakeTable { ttls, keeper, cap: options.topic_cache, carriers, feed, observed };
        Self {
            tables: Arc::new(Tables::new(make, options.max_tenants, Arc::clone(&roster))),
            roster,
            hooks,
            timer: Arc::new(Timer::new()),
            options,
            engines,
            closed: AtomicBool::new(false),
            pool: Mutex::new(PoolState::NotNeeded),
            blocked: AtomicUsize::new(0),
            turn: AtomicU32::new(0),
            homes: AtomicUsize::new(0),
        }
    }

    /// Says whether the bus takes no events any more.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: who sees the bus closed also sees what was done before. A publish that misses the
        // mark meets closed gates (S2).
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses publishes and subscriptions from here on. What engines bring still reaches subscriptions.
    pub(crate) fn refuse(&self) {
        // Release: who sees the bus closed also sees what was done before.
        self.closed.store(true, Ordering::Release);
    }

    /// Refuses publishes and subscriptions from here on, and empties the tables.
    pub(crate) fn close(&self) {
        // The tables come second: a subscription that finds its own closed finds the mark.
        self.refuse();
        self.tables.close();
    }

    /// Wakes somebody when it is time, by the clock of the bus.
    pub(crate) fn alarm(&self) -> Alarm {
        Alarm::new(self.options.time.clone(), Arc::clone(&self.timer))
    }

    /// The worker that shall be at home with the next subscription's first lane.
    pub(crate) fn next_home(&self) -> usize {
        // Relaxed: any spread will do.
        self.homes.fetch_add(1, Ordering::Relaxed)
    }

    /// The worker pool, started if it is not running yet.
    pub(crate) fn pool(&self) -> Result<Arc<Pool>, SubscribeError> {
        let mut state = self.pool.lock();
        match &*state {
            PoolState::Running(pool) => return Ok(Arc::clone(pool)),
            PoolState::Stopped => return Err(SubscribeError::ShutDown),
            PoolState::NotNeeded => {}
        }
        if self.options.workers == 0 {
            return Err(SubscribeError::NoWorkers);
        }
        let pool = Pool::start(PoolOptions {
            threads: self.options.workers,
            spin: self.options.spin,
            name: self.options.thread_name.clone(),
            around: self.options.around.clone(),
        })
        .map_err(SubscribeError::Threads)?;
        *state = PoolState::Running(Arc::clone(&pool));
        Ok(pool)
    }

    /// The pool if it runs.
    pub(crate) fn running_pool(&self) -> Option<Arc<Pool>> {
        match &*self.pool.lock() {
            PoolState::Running(pool) => Some(Arc::clone(pool)),
            PoolState::NotNeeded | PoolState::Stopped => None,
        }
    }

    /// Takes the pool away: none is started any more.
    pub(crate) fn take_pool(&self) -> Option<Arc<Pool>> {
        let state = std::mem::replace(&mut *self.pool.lock(), PoolState::Stopped);
        match state {
            PoolState::Running(pool) => Some(pool),
            PoolState::NotNeeded | PoolState::Stopped => None,
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// A bus as one of its tenants sees it, or whoever is none: the bus, and the topics of that tenant.
#[derive(Debug)]
pub(crate) struct Realm {
    pub(crate) table: Arc<TopicTable>,
    pub(crate) hub: Arc<Hub>,
}

impl Realm {
    /// That of no tenant.
    pub(crate) fn common(hub: Arc<Hub>) -> Self {
        Self { table: Arc::clone(hub.tables.common()), hub }
    }

    /// That of a tenant of the same bus.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> Result<Arc<Self>, TenantError> {
        match self.hub.tables.enter(tenant) {
            Some(table) => Ok(self.with(table)),
            None => Err(TenantError::TooMany { limit: self.hub.options.max_tenants }),
        }
    }

    /// The same for one who was let in before, and may be one too many now.
    pub(crate) fn of_tenant_regardless(&self, tenant: &Tenant) -> Arc<Self> {
        self.with(self.hub.tables.enter_again(tenant))
    }

    fn with(&self, table: Arc<TopicTable>) -> Arc<Self> {
        Arc::new(Self { table, hub: Arc::clone(&self.hub) })
    }

    /// What a slot is made of; with a follower, if it replays.
    pub(crate) fn slot_parts(&self, follower: Option<Follower>) -> SlotParts {
        SlotParts {
            follower: follower.map(Box::new),
            hooks: Arc::clone(&self.hub.hooks),
            roster: Arc::clone(&self.hub.roster),
            table: Arc::downgrade(&self.table),
        }
    }
}
