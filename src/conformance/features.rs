//! What an engine states that it can do.

use std::time::Duration;

use crate::Start;
use crate::engine::{Capabilities, Groups};

/// What an engine states that it can do: the suite picks its tests by it, and judges by it.
///
/// ```
/// use std::time::Duration;
/// use trolleybus::conformance::Features;
/// use trolleybus::engine::{Capabilities, Groups};
///
/// let capabilities = Capabilities::new().groups(Groups::Shared).persistent().ordered();
/// let features = Features::of(capabilities).clients().at_least_once().cuts(64).deadline(Duration::from_secs(10));
/// assert!(features != Features::in_process());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// A publish hands the event to an engine, which brings it back; else it goes straight to the subscriptions.
    pub(super) carried: bool,
    /// What the engine says of itself.
    pub(super) capabilities: Capabilities,
    /// What one client publishes the others get.
    pub(super) clients: bool,
    /// A group keeps its place while it has no member.
    pub(super) durable_groups: bool,
    /// What was stored arrives, whatever fails in between.
    pub(super) at_least_once: bool,
    /// An event comes again whose handler failed.
    pub(super) redelivers: bool,
    /// A shutdown hands over what was published before.
    pub(super) drains: bool,
    /// Connections can be cut.
    pub(super) cuts: bool,
    /// The broker can be restarted.
    pub(super) restarts: bool,
    /// How many duplicates a fault may lead to, for a subscription.
    pub(super) duplicates_per_fault: u64,
    /// The largest payload to try, in bytes.
    pub(super) largest_payload: usize,
    /// How long anything may take.
    pub(super) deadline: Duration,
}

impl Features {
    /// An engine with these capabilities, and nothing that goes beyond them.
    #[must_use]
    pub fn of(capabilities: Capabilities) -> Self {
        Self {
            carried: true,
            capabilities,
            clients: false,
            durable_groups: false,
            at_least_once: false,
            redelivers: false,
            drains: false,
            cuts: false,
            restarts: false,
            duplicates_per_fault: 0,
            largest_payload: 100 * 1024,
            deadline: Duration::from_secs(30),
        }
    }

    /// The memory engine: a publish goes straight to the subscriptions.
    #[must_use]
    pub fn in_process() -> Self {
        Self { carried: false, drains: true, ..Self::of(Capabilities::new().ordered()) }
    }

    /// What one client publishes the others get.
    #[must_use]
    pub fn clients(mut self) -> Self {
        self.clients = true;
        self
    }

    /// A group keeps its place while it has no member, and goes on from there.
    #[must_use]
    pub fn durable_groups(mut self) -> Self {
        self.durable_groups = true;
        self
    }

    /// What was stored reaches every subscription that was there, whatever fails in between.
    #[must_use]
    pub fn at_least_once(mut self) -> Self {
        self.at_least_once = true;
        self
    }

    /// An event whose handler failed comes again, at least once.
    #[must_use]
    pub fn redelivers(mut self) -> Self {
        self.redelivers = true;
        self
    }

    /// A shutdown hands over what this client has published before it, in order.
    #[must_use]
    pub fn drains(mut self) -> Self {
        self.drains = true;
        self
    }

    /// [`Subject::cut`](super::Subject::cut) cuts connections. Each leads to at most so many duplicates for a
    /// subscription of a bus that has [at most 64 arrivals in flight](crate::BusBuilder::in_flight).
    #[must_use]
    pub fn cuts(mut self, duplicates: u64) -> Self {
        self.cuts = true;
        self.duplicates_per_fault = self.duplicates_per_fault.max(duplicates);
        self
    }

    /// [`Subject::restart`](super::Subject::restart) restarts the broker. Duplicates as for [cuts](Self::cuts).
    #[must_use]
    pub fn restarts(mut self, duplicates: u64) -> Self {
        self.restarts = true;
        self.duplicates_per_fault = self.duplicates_per_fault.max(duplicates);
        self
    }

    /// Sets the largest payload to try, in bytes: 100 KiB if not set.
    #[must_use]
    pub fn largest_payload(mut self, bytes: usize) -> Self {
        self.largest_payload = bytes;
        self
    }

    /// Sets how long anything may take before a test gives it up: 30 seconds if not set.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn shares_groups(&self) -> bool {
        self.capabilities.group_kind() == Groups::Shared
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.capabilities.is_ordered()
    }

    pub(super) fn keeps_keys_in_order(&self) -> bool {
        self.capabilities.is_partitioned() || self.is_ordered()
    }

    pub(super) fn starts_at(&self, start: Start) -> bool {
        self.capabilities.can_start_at(start)
    }
}
