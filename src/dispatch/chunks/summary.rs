//! What is known of a set of slots without a look at each.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::dispatch::slot::Slot;

/// What a list says of all of its slots together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dispatch) struct Summary {
    pub(in crate::dispatch) mark: Mark,
    /// Some have queues,
    pub(in crate::dispatch) queues: bool,
    /// some run inline,
    pub(in crate::dispatch) inline: bool,
    /// and of those with queues some wait for room until a time. All three may be said of those that have left, too: they
    /// only save a look.
    pub(in crate::dispatch) timed: bool,
}

impl Summary {
    pub(super) fn of(slots: &[impl Borrow<Arc<Slot>>]) -> Self {
        slots.iter().fold(Self::default(), |summary, slot| summary.with(slot.borrow()))
    }

    /// This one, of a set with one slot more.
    pub(super) fn with(self, slot: &Slot) -> Self {
        Self {
            mark: self.mark.with(slot),
            queues: self.queues || !slot.is_inline(),
            inline: self.inline || slot.is_inline(),
            timed: self.timed || slot.has_timeout(),
        }
    }

    /// This one, of a set with one slot less.
    pub(super) fn without(self, slot: &Slot) -> Self {
        Self { mark: self.mark.without(slot), ..self }
    }
}

/// What two sets of slots have in common if they are the same, and hardly ever if they are not: a sum over their slots,
/// which may come and go in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dispatch) struct Mark(u64);

impl Mark {
    pub(in crate::dispatch) fn of(slots: &[&Arc<Slot>]) -> Self {
        slots.iter().fold(Self::default(), |mark, slot| mark.with(slot))
    }

    pub(in crate::dispatch) fn with(self, slot: &Slot) -> Self {
        Self(self.0.wrapping_add(mixed(slot)))
    }

    pub(in crate::dispatch) fn without(self, slot: &Slot) -> Self {
        Self(self.0.wrapping_sub(mixed(slot)))
    }
}

/// The share of a slot in the marks of its sets. Ids are consecutive, and the sums of many sets of them would be the same:
/// this is the end of splitmix64.
fn mixed(slot: &Slot) -> u64 {
    let mixed = slot.id.as_u64().wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
