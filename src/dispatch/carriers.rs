//! What the dispatcher needs to know of the engines (the arrow between the folders is turned round here).

use std::fmt;
use std::sync::Arc;

use super::ttl::Ttl;
use crate::event::SubscriptionId;
use crate::tenant::Tenant;

/// The most engines of a bus: a subscription has a bit for each, and one more.
pub(crate) const MAX_ENGINES: usize = 63;

/// By which engine the events of a topic go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carriage {
    /// The engine's number on its bus; 0 is the first.
    pub(crate) engine: u8,
    /// The engine takes them out of this publish call: they come back, if at all, as arrivals.
    pub(crate) carried: bool,
    /// Somebody wants to hear of each publish call.
    pub(crate) observed: bool,
    /// They are a tenant's, and say so.
    pub(crate) of_tenant: bool,
    /// They are kept.
    pub(crate) retained: bool,
    /// How long they are worth delivering if they do not say.
    pub(crate) ttl: Ttl,
}

/// The engines of a bus, if it has more than the memory engine.
pub(crate) trait Carriers: fmt::Debug + Send + Sync {
    /// By which engine the events of a topic go now. Called under the table's writer lock: it must not come back.
    fn route(&self, tenant: Option<&Tenant>, topic: &str) -> Carriage;

    /// A subscription has ended that had joined these engines, each a bit. Called under no lock.
    fn left(&self, subscription: SubscriptionId, engines: u64);
}

/// How an engine is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineState {
    /// On the way to its broker, for the first time or again.
    #[default]
    Connecting,
    /// Everything works: all subscriptions are confirmed.
    Connected,
    /// Something does not work, or not for all; it goes on.
    Degraded,
    /// It has come to its end.
    Stopped,
}

impl EngineState {
    /// The state in one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an event stands at a broker, as the broker names it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position(Option<Arc<str>>);

impl Position {
    /// A place that has a name, `orders-3@1042` for example.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(Some(name.into()))
    }

    /// The engine names no places.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Returns the name, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Position").field(&self.name().unwrap_or("none")).finish()
    }
}
