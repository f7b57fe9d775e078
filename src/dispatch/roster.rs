//! Every subscription of a bus, from its making to its last trace: for statistics and for shutdown.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::slot::Slot;
use super::tally::Ledger;
use crate::event::SubscriptionId;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, hash_keys, thread};

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
    /// The accounts of the slots that are gone.
    gone: Ledger,
}

impl Default for Entries {
    fn default() -> Self {
        Self { known: HashMap::with_hasher(hash_keys()), gone: Ledger::default() }
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
            entries.gone.add(&slot.ledger());
        }
    }

    /// The slots that are held: all that are open, and the closed ones that still run.
    pub(crate) fn held(&self) -> Vec<Arc<Slot>> {
        let mut slots: Vec<_> =
            self.entries.lock().known.values().filter_map(|entry| entry.held.clone()).collect();
        slots.sort_unstable_by_key(|slot| slot.id);
        slots
    }

    /// The account of the whole bus, those subscriptions included that are gone.
    pub(crate) fn ledger(&self) -> Ledger {
        loop {
            let mut alive = Vec::new();
            let total = {
                let entries = self.entries.lock();
                let mut total = entries.gone;
                let complete = entries.known.values().all(|entry| match entry.slot.upgrade() {
                    Some(slot) => {
                        total.add(&slot.ledger());
                        alive.push(slot);
                        true
                    }
                    // It is being dropped, and waits for this lock to fold its account in.
                    None => false,
                });
                complete.then_some(total)
            };
            // Outside the lock: one of these may be the last reference.
            drop(alive);
            match total {
                Some(total) => return total,
                None => thread::yield_now(),
            }
        }
    }
}
