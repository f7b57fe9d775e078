//! The engines that a subscription has joined.

use super::Slot;
use crate::dispatch::carriers::MAX_ENGINES;
use crate::sync::atomic::Ordering;

/// In the word of the engines: the subscription has ended.
const ENDED: u64 = 1 << MAX_ENGINES;

impl Slot {
    /// Says whether nothing that travels is of the type that it asks for.
    pub(crate) fn stays_local(&self) -> bool {
        self.spec.wants.is_some_and(|wanted| wanted.decode.is_none())
    }

    /// Notes that it is about to join an engine. False if it has ended: then it must not.
    pub(crate) fn join(&self, engine: u8) -> bool {
        // AcqRel, and so below: read-modify-writes of one word. Of who joins and who ends the subscription, the later
        // one sees the other.
        self.engines.fetch_or(1 << engine, Ordering::AcqRel) & ENDED == 0
    }

    /// It has not joined after all.
    pub(crate) fn unjoin(&self, engine: u8) {
        self.engines.fetch_and(!(1 << engine), Ordering::AcqRel);
    }

    /// Says, after it has joined, whether it ended meanwhile: then it has to leave again, for who ended it may have
    /// told the engine too early.
    pub(crate) fn ended_meanwhile(&self) -> bool {
        self.engines.fetch_or(0, Ordering::AcqRel) & ENDED != 0
    }

    /// It has ended: returns the engines that it has joined, or is about to, each a bit.
    pub(in crate::dispatch) fn end_joining(&self) -> u64 {
        self.engines.fetch_or(ENDED, Ordering::AcqRel) & !ENDED
    }

    /// Says whether it has joined an engine, or is about to.
    pub(crate) fn has_joined(&self, engine: u8) -> bool {
        // Acquire: with what was done before it joined.
        self.engines.load(Ordering::Acquire) & (1 << engine) != 0
    }
}
