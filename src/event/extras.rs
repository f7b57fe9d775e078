//! What few events have.

use std::sync::Arc;
use std::time::Duration;

use super::{Completion, EventId, Metadata};
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tenant::Tenant;

/// Beside the tick in [`Extras::anew`].
pub(super) const BEGUN_ANEW: u64 = 1 << 32;

/// The rare parts of an event, in an allocation of their own.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Set by the publisher, or made when somebody asks.
    pub(crate) id: OnceLock<EventId>,
    /// Its number among the events of its topic, if that keeps a history. Written before anybody is given the event. 0: none.
    pub(crate) sequence: AtomicU64,
    /// When it was offered once more, as a tick that is not 0 because of [`BEGUN_ANEW`]: its age counts from then. 0: never.
    pub(crate) anew: AtomicU64,
    /// Whose event it is, if it is a tenant's.
    pub(crate) tenant: Option<Tenant>,
    /// Events of one key are handled in order.
    pub(crate) key: Option<Box<str>>,
    /// Names and values for whoever wants them.
    pub(crate) metadata: Metadata,
    /// For how long the event is worth delivering.
    pub(crate) ttl: Option<Duration>,
    /// Tells the publisher when the last subscription is done. Shared by the forms in which an event of a broker is
    /// decoded.
    pub(crate) completion: Option<Arc<Completion>>,
}

impl Extras {
    /// Those of another form of the same event, of that id.
    pub(super) fn of_form(&self, id: EventId) -> Self {
        // Relaxed: they are those of an event that is at hand.
        let copy = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        let set = OnceLock::new();
        let _ = set.set(id);
        Self {
            id: set,
            sequence: copy(&self.sequence),
            anew: copy(&self.anew),
            tenant: self.tenant.clone(),
            key: self.key.clone(),
            metadata: self.metadata.clone(),
            ttl: self.ttl,
            completion: self.completion.clone(),
        }
    }
}
