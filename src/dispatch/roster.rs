//! Every subscription of a bus, from its making to its last trace: for statistics and for shutdown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use super::slot::Slot;
use super::tally::Ledger;
use super::times::HandlingTimes;
use crate::event::SubscriptionId;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, hash_keys, thread};
use crate::tenant::Tenant;

/// All slots of a bus. A slot is held until it is closed and quiet, and known until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    next: AtomicU64,
    /// Handlers that wait for room.
    pub(super) waits: super::deadlock::WaitGraph,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    known: HashMap<SubscriptionId, Entry, ahash::RandomState>,
    /// The accounts of the slots that are gone,
    gone: Ledger,
    /// how long their handlers took, if that is counted,
    times: HandlingTimes,
    /// and those of them that belonged to tenants, for each tenant that has an account.
    tenants: HashMap<Tenant, Ledger, ahash::RandomState>,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            known: HashMap::with_hasher(hash_keys()),
            gone: Ledger::default(),
            times: HandlingTimes::default(),
            tenants: HashMap::with_hasher(hash_keys()),
        }
    }
}

#[derive(Debug)]
struct Entry {
    slot: Weak<Slot>,
    /// Held until the last handler ended, so that a running handler of a cancelled subscription
    /// finds everything in place.
    held: Option<Arc<Slot>>,
}

impl Roster {
    /// Numbers go up with each registration: the order of handlers.
    pub(super) fn next_id(&self) -> SubscriptionId {
        // Relaxed: the order of registrations is that of the table's lock.
        SubscriptionId::new(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn enter(&self, slot: &Arc<Slot>) {
        let entry = Entry { slot: Arc::downgrade(slot), held: Some(Arc::clone(slot)) };
        self.entries.lock().known.insert(slot.id, entry);
    }

    /// A closed slot has come to rest: it is held no longer.
    pub(super) fn retire(&self, slot: &Slot) {
        let held = self.entries.lock().known.get_mut(&slot.id).and_then(|entry| entry.held.take());
        // Outside the lock: this may be the last reference, whose drop runs user code.
        drop(held);
    }

    /// A slot is being dropped: nothing will count there any more.
    pub(super) fn fold(&self, slot: &Slot) {
        let mut entries = self.entries.lock();
        if entries.known.remove(&slot.id).is_some() {
            let ledger = slot.ledger();
            entries.gone.add(&ledger);
            if let Some(times) = slot.handling_times() {
                entries.times.add(&times);
            }
            if let Some(account) =
                slot.spec.tenant.as_ref().and_then(|tenant| entries.tenants.get_mut(tenant))
            {
                account.add(&ledger);
            }
        }
    }

    /// From here on a tenant has an account of his own.
    pub(super) fn open_account(&self, tenant: &Tenant) {
        self.entries.lock().tenants.entry(tenant.clone()).or_default();
    }

    /// A tenant is forgotten. What was counted for him stays in the account of the whole bus.
    pub(super) fn close_account(&self, tenant: &Tenant) {
        self.entries.lock().tenants.remove(tenant);
    }

    /// The slots that are held: all that are open, and the closed ones that still run.
    pub(crate) fn held(&self) -> Vec<Arc<Slot>> {
        let mut slots: Vec<_> =
            self.entries.lock().known.values().filter_map(|entry| entry.held.clone()).collect();
        slots.sort_unstable_by_key(|slot| slot.id);
        slots
    }

    /// The subscription of that number, if it is held.
    pub(crate) fn get(&self, id: SubscriptionId) -> Option<Arc<Slot>> {
        self.entries.lock().known.get(&id)?.held.clone()
    }

    /// The account of the whole bus, those subscriptions included that are gone.
    pub(crate) fn ledger(&self) -> Ledger {
        self.accounts().total
    }

    /// The accounts of the whole bus and of each tenant, those subscriptions included that are gone.
    pub(crate) fn accounts(&self) -> Accounts {
        loop {
            let mut alive = Vec::new();
            let accounts = {
                let entries = self.entries.lock();
                let accounts = entries
                    .tenants
                    .iter()
                    .map(|(tenant, gone)| (tenant.clone(), TenantAccount { ledger: *gone, open: 0 }));
                let mut accounts = Accounts {
                    total: entries.gone,
                    times: entries.times.clone(),
                    tenants: accounts.collect(),
                };
                let complete = entries.known.values().all(|entry| match entry.slot.upgrade() {
                    Some(slot) => {
                        accounts.add(&slot);
                        alive.push(slot);
                        true
                    }
                    // It is being dropped, and waits for this lock to fold its account in.
                    None => false,
                });
                complete.then_some(accounts)
            };
            // Outside the lock: one of these may be the last reference.
            drop(alive);
            match accounts {
                Some(accounts) => return accounts,
                None => thread::yield_now(),
            }
        }
    }
}

/// The account of a bus, and those of its tenants by name.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) total: Ledger,
    /// How long handlers took; nothing if that is not counted.
    pub(crate) times: HandlingTimes,
    pub(crate) tenants: BTreeMap<Tenant, TenantAccount>,
}

/// The account of a tenant.
#[derive(Debug)]
pub(crate) struct TenantAccount {
    pub(crate) ledger: Ledger,
    /// Subscriptions that are open.
    pub(crate) open: usize,
}

impl Accounts {
    fn add(&mut self, slot: &Slot) {
        let ledger = slot.ledger();
        self.total.add(&ledger);
        if let Some(times) = slot.handling_times() {
            self.times.add(&times);
        }
        if let Some(account) = slot.spec.tenant.as_ref().and_then(|tenant| self.tenants.get_mut(tenant)) {
            account.ledger.add(&ledger);
            account.open += usize::from(!slot.is_closed());
        }
    }
}
