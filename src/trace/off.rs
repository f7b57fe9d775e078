//! What stands in the place of the module `trace` without the feature `tracing`: the same calls, and nothing behind them.

use std::fmt;

use crate::dispatch::{EngineState, Receipt, Slot};
use crate::error::HandlerError;
use crate::event::{Extras, Head, SubscriptionId, Tag};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// A bus that is not traced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracing(());

/// A publish call that is not traced.
#[derive(Debug, Default)]
pub(crate) struct Sending(());

/// A run of a handler that is not traced.
#[derive(Debug, Default)]
pub(crate) struct Handling(());

/// Nothing was entered.
#[derive(Debug)]
pub(crate) struct Entered(());

impl Tracing {
    pub(crate) const fn is_on(&self) -> bool {
        false
    }

    pub(crate) const fn publish(&self, _: &Topic, _: &str, _: Option<&Extras>) -> Sending {
        Sending(())
    }

    pub(crate) const fn handle(&self, _: &Slot, _: &Head) -> Handling {
        Handling(())
    }

    pub(crate) const fn warn(&self, _: &str) -> bool {
        false
    }

    pub(crate) const fn quarantined(&self, _: &Slot, _: u32) -> bool {
        false
    }

    pub(crate) const fn engine_state(&self, _: &str, _: EngineState) -> bool {
        false
    }

    pub(crate) const fn publish_failed(&self, _: Option<&Tenant>, _: &str, _: &dyn fmt::Display) {}

    pub(crate) const fn unfinished(&self, _: SubscriptionId, _: Option<&str>, _: u64, _: u64) {}

    pub(crate) const fn not_stopped(&self, _: &str, _: &dyn fmt::Display) {}

    pub(crate) const fn shut_down(&self, _: bool, _: u64, _: usize) {}
}

impl Entered {
    pub(crate) const fn leave(self) {}
}

impl Sending {
    pub(crate) const fn enter(&self) -> Entered {
        Entered(())
    }

    pub(crate) const fn inject(&self, _: &mut Option<Box<Extras>>) {}

    pub(crate) const fn mark(&self, tag: Tag) -> Tag {
        tag
    }

    pub(crate) const fn taken(self, _: &Receipt) {}

    pub(crate) const fn refused(self, _: &dyn fmt::Display) {}
}

impl Handling {
    pub(crate) const fn enter(&self) -> Entered {
        Entered(())
    }

    pub(crate) const fn resume(&mut self) {}

    pub(crate) const fn suspend(&mut self) {}

    pub(crate) const fn ended(&self, _: &Slot, _: &Head, _: Option<&HandlerError>) -> bool {
        false
    }
}
