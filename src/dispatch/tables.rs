//! The topics of a bus, by tenant: a table for the events that have none, and one for each tenant.
//!
//! So a pattern cannot cross from one tenant to another, and an event of a tenant costs no look at the others' subscriptions.
//! Who has a handle of a tenant's has its table at hand: this register is only asked for a name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::carriers::Carriers;
use super::history::Keeper;
use super::roster::Roster;
use super::table::TopicTable;
use super::ttl::Ttls;
use crate::lifecycle::Feed;
use crate::sync::{Mutex, hash_keys};
use crate::tenant::Tenant;

/// All topic tables of a bus.
pub(crate) struct Tables {
    common: Arc<TopicTable>,
    tenants: Mutex<HashMap<Tenant, Arc<TopicTable>, ahash::RandomState>>,
    /// The most tenants at a time.
    limit: usize,
    make: MakeTable,
    /// Keeps the accounts of the tenants that are known here.
    roster: Arc<Roster>,
}

/// What each table is made with.
pub(crate) struct MakeTable {
    pub(crate) cap: usize,
    pub(crate) carriers: Option<Arc<dyn Carriers>>,
    pub(crate) feed: Option<Arc<Feed>>,
    /// How long events are worth delivering, if not for ever.
    pub(crate) ttls: Option<Arc<Ttls>>,
    /// What is kept of the events, if something is.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Somebody hears of each publish call.
    pub(crate) observed: bool,
}

impl MakeTable {
    fn table(&self, tenant: Option<Tenant>) -> Arc<TopicTable> {
        let table = TopicTable::new(self.cap, self.carriers.clone(), self.feed.clone());
        let table = table.observed(self.observed).with_ttls(self.ttls.clone());
        Arc::new(table.keeping(self.keeper.clone()).of_tenant(tenant))
    }
}

impl Tables {
    pub(crate) fn new(make: MakeTable, limit: usize, roster: Arc<Roster>) -> Self {
        let tenants = Mutex::new(HashMap::with_hasher(hash_keys()));
        Self { common: make.table(None), tenants, limit, make, roster }
    }

    /// That of the events without a tenant.
    pub(crate) fn common(&self) -> &Arc<TopicTable> {
        &self.common
    }

    /// That of a tenant whom somebody has asked for; of nobody else somebody subscribes to anything.
    pub(crate) fn of(&self, tenant: Option<&Tenant>) -> Option<Arc<TopicTable>> {
        match tenant {
            None => Some(Arc::clone(&self.common)),
            Some(tenant) => self.tenants.lock().get(tenant).cloned(),
        }
    }

    /// That of a tenant, who is entered if he is not known. `None`: there is no room for one more.
    pub(crate) fn enter(&self, tenant: &Tenant) -> Option<Arc<TopicTable>> {
        let mut forgotten = Vec::new();
        let mut tenants = self.tenants.lock();
        if let Some(table) = tenants.get(tenant) {
            return Some(Arc::clone(table));
        }
        if tenants.len() >= self.limit {
            // Those whom nobody has a handle for, and for whom nobody subscribes. Nobody else can come by one's table but
            // through this register, which is locked.
            forgotten
                .extend(tenants.extract_if(|_, table| Arc::strong_count(table) == 1 && table.is_vacant()));
            for (tenant, _) in &forgotten {
                self.roster.close_account(tenant);
            }
        }
        (tenants.len() < self.limit).then(|| self.add(&mut tenants, tenant))
    }

    /// The same for one who was let in before, and may be one too many now.
    pub(crate) fn enter_again(&self, tenant: &Tenant) -> Arc<TopicTable> {
        let mut tenants = self.tenants.lock();
        match tenants.get(tenant) {
            Some(table) => Arc::clone(table),
            None => self.add(&mut tenants, tenant),
        }
    }

    fn add(
        &self,
        tenants: &mut HashMap<Tenant, Arc<TopicTable>, ahash::RandomState>,
        tenant: &Tenant,
    ) -> Arc<TopicTable> {
        let table = self.make.table(Some(tenant.clone()));
        tenants.insert(tenant.clone(), Arc::clone(&table));
        self.roster.open_account(tenant);
        table
    }

    /// All tables.
    fn all(&self) -> Vec<Arc<TopicTable>> {
        let common = std::iter::once(Arc::clone(&self.common));
        common.chain(self.tenants.lock().values().cloned()).collect()
    }

    /// Takes everything out of all of them, for good. Called when the bus is marked as closed: who enters a tenant after
    /// that finds the mark.
    pub(crate) fn close(&self) {
        self.all().iter().for_each(|table| table.close());
    }

    /// The routing rules have changed. A table that is made meanwhile goes by the new ones.
    pub(crate) fn reroute(&self) {
        self.all().iter().for_each(|table| table.reroute());
    }

    /// What the bus keeps, if something.
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.make.keeper.as_ref()
    }

    /// Entries in all tables, and how often one was refused for want of room.
    pub(crate) fn usage(&self) -> (usize, u64) {
        let add = |(entries, refusals), table: Arc<TopicTable>| {
            let usage = table.usage();
            (entries + usage.0, refusals + usage.1)
        };
        self.all().into_iter().fold((0, 0), add)
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("limit", &self.limit).finish_non_exhaustive()
    }
}
