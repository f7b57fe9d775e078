//! A store with its rule.

use super::retention::Retention;
use super::store::{HistoryStore, Kept};

/// What is kept of a topic.
#[derive(Debug)]
pub(crate) struct Shelf {
    store: Box<dyn HistoryStore>,
    rule: Retention,
    /// The newest event's time: those that come later are not older.
    latest: u64,
}

impl Shelf {
    pub(crate) fn new(store: Box<dyn HistoryStore>, rule: Retention) -> Self {
        Self { store, rule, latest: 0 }
    }

    pub(crate) fn store(&self) -> &dyn HistoryStore {
        &*self.store
    }

    /// How many events are kept.
    pub(crate) fn len(&self) -> u64 {
        self.store.next() - self.store.first()
    }

    /// Keeps an event. What the rule no longer allows is to be [trimmed](Self::trim).
    pub(crate) fn append(&mut self, mut kept: Kept) {
        // Publishers read the clock before they get here, and may come in another order.
        self.latest = self.latest.max(kept.at);
        kept.at = self.latest;
        self.store.append(kept);
    }

    /// Hands out what the rule does not allow at that time, but no more than so many events. True if there are more.
    pub(crate) fn trim(&mut self, now: u64, at_most: u64, gone: &mut Vec<Kept>) -> bool {
        let next = self.store.next();
        let most = self.rule.most_events();
        let (begin, mut first) = (self.store.first(), self.store.first().max(next.saturating_sub(most)));
        let mut too_much = self.store.bytes().saturating_sub(self.rule.most_bytes());
        if too_much > 0 || self.rule.longest() != u64::MAX {
            // What the count takes away counts for the bytes, too: so from the oldest event on.
            let (counted, longest) = (first, self.rule.longest());
            self.store.read(self.store.first(), &mut |sequence, kept| {
                let is_old = now.saturating_sub(kept.at) >= longest;
                if sequence >= counted && too_much == 0 && !is_old || sequence - begin > at_most {
                    return false;
                }
                too_much = too_much.saturating_sub(kept.bytes());
                first = first.max(sequence + 1);
                true
            });
        }
        let until = first.min(begin.saturating_add(at_most));
        self.store.trim(until, gone);
        until < first
    }

    /// Hands out everything.
    pub(crate) fn clear(&mut self, gone: &mut Vec<Kept>) {
        self.store.trim(self.store.next(), gone);
    }

    /// Hands out the oldest event.
    pub(crate) fn shorten(&mut self, gone: &mut Vec<Kept>) {
        self.store.trim(self.store.first() + 1, gone);
    }
}
