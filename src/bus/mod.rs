//! The bus: its handle, publishing, shutdown, and questions about it.
//!
//! | file | idea |
//! |---|---|
//! | `builder.rs`, `fate.rs` | [`BusBuilder`]: options and their limits |
//! | `letters.rs` | how dead letters get onto the bus |
//! | `publishing.rs`, `subscribing.rs` | the calls |
//! | `publish.rs`, `manner.rs` | from a payload to the pass over the subscribers; [`Publish`], the future |
//! | `event_builder.rs` | [`EventBuilder`]: key, metadata, time to live, deadline |
//! | `publisher.rs`, `batch.rs` | [`Publisher`]: topic resolved once; many events in runs |
//! | `carry.rs`, `form.rs` | a publish to a topic that an engine carries; how payloads travel |
//! | `engine_options.rs`, `memory_engine.rs`, `start.rs`, `reroute.rs` | engines and rules; the start of all or none; other rules |
//! | `shutdown.rs` | [`Shutdown`]: drain, deadline, report; dropping the bus |
//! | `history.rs` | [`History`]: a look at what is kept |
//! | `letters.rs`, `redrive.rs` | dead letters go onto the bus, and their events to their subscriptions again |
//! | `introspect.rs`, `engine_stats.rs` | topics, statistics, `explain` |

mod batch;
mod builder;
mod carry;
mod engine_options;
mod engine_stats;
mod event_builder;
mod fate;
mod form;
mod history;
mod introspect;
mod letters;
mod manner;
mod memory_engine;
#[cfg(all(test, loom))]
mod models;
mod publish;
mod publisher;
mod publishing;
mod redrive;
mod reroute;
mod shutdown;
mod start;
mod subscribing;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use builder::BusBuilder;
#[cfg(feature = "config")]
pub(crate) use builder::{MAX_WORKERS, default_workers};
pub use engine_options::Routes;
#[cfg(feature = "config")]
pub(crate) use engine_options::{LOSSLESS, MEMORY, is_engine_name};
pub use engine_stats::{EngineStats, TransportStats};
pub use event_builder::EventBuilder;
pub use history::{History, HistoryError, HistoryIter};
pub use introspect::{BusStats, Explained, Explanation, SubscriptionStats, TenantStats, TopicInfo, Verdict};
pub use memory_engine::MemoryEngine;
pub use publish::Publish;
pub use publisher::Publisher;
pub use redrive::{Redrive, RedriveError, Redriven};
pub use reroute::Rerouting;
pub use shutdown::{Shutdown, ShutdownReport, Unfinished};
pub use start::Starting;

use crate::lifecycle::{LifecycleEvent, types};
use crate::subscribe::{Hub, Realm};
use crate::tenant::{Tenant, TenantError};
use shutdown::Handle;

/// A handle of an event bus. Clones are handles of the same bus.
///
/// The bus lives as long as one of its handles; dropping the last closes it at once (see
/// [`shutdown`](Self::shutdown) for an orderly end). A handler that needs the bus holds a
/// [`WeakEventBus`], or else the bus keeps itself alive.
///
/// ```
/// use trolleybus::EventBus;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let _greeter = bus.subscribe::<String>("greet").handle_inline(|name| println!("hello, {}", **name))?;
/// let receipt = bus.publish("greet", "world")?;
/// assert_eq!(receipt.delivered(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EventBus {
    /// Whose events and subscriptions are meant.
    realm: Arc<Realm>,
    handle: Arc<Handle>,
}

/// A handle that does not keep the bus alive. See [`EventBus::downgrade`].
#[derive(Clone)]
pub struct WeakEventBus {
    handle: Weak<Handle>,
    tenant: Option<Tenant>,
}

impl WeakEventBus {
    /// Returns a handle of the bus, if the bus still lives.
    #[must_use]
    pub fn upgrade(&self) -> Option<EventBus> {
        let handle = self.handle.upgrade()?;
        let realm = match &self.tenant {
            None => Arc::clone(handle.realm()),
            // It was let in when this was made.
            Some(tenant) => handle.realm().of_tenant_regardless(tenant),
        };
        Some(EventBus { realm, handle })
    }
}

impl EventBus {
    /// Makes a bus on the memory engine with default options. It starts no thread before something
    /// needs one.
    #[must_use]
    pub fn new() -> Self {
        Self::from_hub(Arc::new(BusBuilder::new().into_default_hub()))
    }

    /// Begins to build a bus with options.
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    /// The first handle of a bus.
    fn from_hub(hub: Arc<Hub>) -> Self {
        hub.hooks.tell(|hooks| {
            LifecycleEvent::of_bus(types::BUS_STARTED)
                .with("engine", hooks.engine(0))
                .with("workers", hub.options.workers)
        });
        let realm = Arc::new(Realm::common(hub));
        Self { handle: Arc::new(Handle::new(Arc::clone(&realm))), realm }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.realm.hub
    }

    /// Returns a handle of the same bus for one tenant: what is published and subscribed by way of it is that tenant's.
    ///
    /// A tenant is a field of the event and of the subscription, and no part of the topic. An event reaches the
    /// subscriptions of its own tenant; no pattern crosses over to another's, or to those without one. Routing rules
    /// [can match on it](crate::Routes::route_tenants), it travels with the event over engines, and each tenant has an
    /// [account](crate::BusStats::tenants). [`topics`](Self::topics), [`subscriber_count`](Self::subscriber_count) and
    /// [`explain`](Self::explain) speak of the tenant; the rest is about the whole bus. An event of a tenant takes one
    /// allocation more.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::new();
    /// let (acme, globex) = (bus.tenant("acme")?, bus.tenant("globex")?);
    /// let mut orders = acme.subscribe::<u32>("*").receiver()?;
    /// globex.publish("order.placed", 1_u32)?;
    /// bus.publish("order.placed", 2_u32)?;
    /// acme.publish("order.placed", 3_u32)?;
    /// let order = orders.try_recv()?;
    /// assert_eq!((*order, order.tenant().map(|tenant| tenant.as_str())), (3, Some("acme")));
    /// assert!(orders.try_recv().is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TenantError`] if that is no name of a tenant, or there are [too many](BusBuilder::max_tenants).
    pub fn tenant(
        &self,
        tenant: impl TryInto<Tenant, Error: Into<TenantError>>,
    ) -> Result<Self, TenantError> {
        let realm = self.realm.of_tenant(&tenant.try_into().map_err(Into::into)?)?;
        Ok(Self { realm, handle: Arc::clone(&self.handle) })
    }

    /// Returns whose events and subscriptions this handle is for: those of a [tenant](Self::tenant), or those of none.
    #[must_use]
    pub fn current_tenant(&self) -> Option<&Tenant> {
        self.realm.table.tenant()
    }

    /// Returns a handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEventBus {
        WeakEventBus { handle: Arc::downgrade(&self.handle), tenant: self.current_tenant().cloned() }
    }

    /// Says whether the bus has been shut down, or is shutting down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.hub().is_closed()
    }

    /// Tells an event of the application's own to those who hear of the [bus's life](crate::lifecycle), in its place among the
    /// bus's events. False if nobody listens.
    pub fn emit(&self, event: LifecycleEvent) -> bool {
        match &self.hub().hooks.feed {
            Some(feed) => {
                feed.tell(event);
                true
            }
            None => false,
        }
    }

    /// Shuts the bus down: refuses publishes and subscriptions at once, lets what is queued be handled,
    /// and cancels the rest when `timeout` is over.
    ///
    /// The returned future drives the shutdown; see [`Shutdown`].
    pub fn shutdown(&self, timeout: Duration) -> Shutdown {
        Shutdown::new(Arc::clone(self.hub()), timeout)
    }
}

// A panic of user code is caught before it reaches the bus's state.
impl std::panic::UnwindSafe for EventBus {}
impl std::panic::RefUnwindSafe for EventBus {}
impl std::panic::UnwindSafe for WeakEventBus {}
impl std::panic::RefUnwindSafe for WeakEventBus {}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("closed", &self.is_closed())
            .field("tenant", &self.current_tenant())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakEventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakEventBus")
            .field("alive", &(self.handle.strong_count() > 0))
            .finish_non_exhaustive()
    }
}
