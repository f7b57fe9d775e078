//! What few events have.

use std::sync::Arc;
use std::time::Duration;

use super::{Completion, EventId, Metadata};
use crate::sync::OnceLock;
use crate::sync::atomic::AtomicU64;
use crate::tenant::Tenant;

/// The rare parts of an event, in an allocation of their own.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Set by the publisher, or made when somebody asks.
    pub(crate) id: OnceLock<EventId>,
    /// Its number among the events of its topic, if that keeps a history. Written before anybody is given the event. 0: none.
    pub(crate) sequence: AtomicU64,
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
