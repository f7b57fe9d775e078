//! What a subscription was asked to be.

use std::any::{TypeId, type_name};
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::passing::{Passing, Source};
use super::window::{IdempotencyWindow, Window};
use crate::envelope::{DecodeError, Encoded};
use crate::event::{AnyEvent, Event, Head, Raw};
use crate::pattern::TopicPattern;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicU32;
use crate::tenant::Tenant;

/// What happens to an event that finds the queue of a subscription full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryMode {
    /// The new event is dropped and counted as `full`. The publisher never waits.
    #[default]
    Drop,
    /// The oldest queued event makes room and is counted as `oldest`. The publisher never waits.
    DropOldest,
    /// The publisher waits for room: until there is some, or the subscription or the bus is closed,
    /// or the event's own deadline has passed. Never drops for want of room.
    Block,
    /// The publisher waits for room at most this long, counted from the publish call; then the event
    /// is dropped and counted as `timeout`. Zero means: try once.
    Timeout(Duration),
}

/// How a subscription gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriptionKind {
    /// A handler that runs in the publisher's thread.
    Inline,
    /// A handler that runs on the bus's worker pool.
    Pooled,
    /// An async handler, polled by the worker pool or by the application's runtime.
    Async,
    /// A receiver that the application pulls from.
    Receiver,
}

impl SubscriptionKind {
    /// The kind in one lower-case word, as statistics print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Pooled => "pooled",
            Self::Async => "async",
            Self::Receiver => "receiver",
        }
    }
}

impl fmt::Display for SubscriptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes an event of what a broker brought.
pub(crate) type Decode = fn(&Encoded, Head) -> Result<Box<dyn Source>, DecodeError>;

/// The payload type that a subscription wants, and how an event that a broker brings comes to be of it.
pub(crate) struct Wanted {
    // Functions, for a type's name is not yet a constant.
    id: fn() -> TypeId,
    name: fn() -> &'static str,
    /// `None`: values of that type do not travel.
    pub(crate) decode: Option<Decode>,
}

impl Wanted {
    /// A type whose values travel as serde's data model.
    pub(crate) fn decoded<T: DeserializeOwned + Send + Sync + 'static>() -> &'static Self {
        const { &Self { id: TypeId::of::<T>, name: type_name::<T>, decode: Some(decoded::<T>) } }
    }

    /// A type whose values stay in the process.
    pub(crate) fn local<T: 'static>() -> &'static Self {
        const { &Self { id: TypeId::of::<T>, name: type_name::<T>, decode: None } }
    }

    /// Bytes as they are.
    pub(crate) fn raw() -> &'static Self {
        const { &Self { id: TypeId::of::<Raw>, name: type_name::<Raw>, decode: Some(raw) } }
    }

    pub(crate) fn id(&self) -> TypeId {
        (self.id)()
    }

    pub(crate) fn name(&self) -> &'static str {
        (self.name)()
    }
}

/// The deepest nesting of a payload that is decoded.
const MAX_DEPTH: usize = 64;

fn decoded<T: DeserializeOwned + Send + Sync + 'static>(
    payload: &Encoded,
    head: Head,
) -> Result<Box<dyn Source>, DecodeError> {
    Ok(Box::new(Event::allocate(head, payload.decode::<T>(MAX_DEPTH)?)))
}

#[expect(clippy::unnecessary_wraps, reason = "one of the functions that decode")]
fn raw(payload: &Encoded, head: Head) -> Result<Box<dyn Source>, DecodeError> {
    Ok(Box::new(Event::allocate(head, Raw::from(payload.bytes().clone()))))
}

/// A predicate over the event, of the type that its subscription asked for.
pub(crate) trait Filter: Send + Sync {
    /// Whether it admits the event; nothing if that is of another type.
    fn admits(&self, event: &Passing<'_>) -> Option<bool>;

    /// The same of an event that was kept.
    fn admits_kept(&self, event: &AnyEvent) -> Option<bool>;
}

/// Members of one group share the events: each event goes to one of them.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Box<str>,
    /// What engines know it by: groups of two tenants that are called alike are two. See [`Group::shared_name`].
    pub(crate) shared: Arc<str>,
    /// Whose turn it is: any number, taken modulo the number of members.
    pub(crate) turn: AtomicU32,
    /// What its idempotent members share, as long as there is one. Taken when one is made.
    window: Mutex<Weak<Window>>,
}

impl Group {
    pub(crate) fn new(name: &str, tenant: Option<&Tenant>) -> Self {
        Self {
            name: name.into(),
            shared: Self::shared_name(name, tenant),
            turn: AtomicU32::new(0),
            window: Mutex::default(),
        }
    }

    /// The window of its idempotent members.
    ///
    /// # Errors
    ///
    /// They have one that is not as asked for: what that is.
    pub(crate) fn window(&self, wanted: IdempotencyWindow) -> Result<Arc<Window>, IdempotencyWindow> {
        let mut shared = self.window.lock();
        match shared.upgrade() {
            Some(window) if window.settings() == wanted => Ok(window),
            Some(window) => Err(window.settings()),
            None => {
                let window = Arc::new(Window::new(wanted));
                *shared = Arc::downgrade(&window);
                Ok(window)
            }
        }
    }

    /// The name of a group with its tenant's behind an `@`: none can have one in his own. Without a tenant, the name; if
    /// that has an `@` itself, one more behind it, so that nobody's name is taken for a tenant.
    fn shared_name(name: &str, tenant: Option<&Tenant>) -> Arc<str> {
        match tenant {
            Some(tenant) => format!("{name}@{tenant}").into(),
            None if name.contains('@') => format!("{name}@").into(),
            None => name.into(),
        }
    }

    /// Whose group a name that engines know is.
    pub(super) fn tenant_in(shared: &str) -> Option<&str> {
        shared.rsplit_once('@').map(|(_, tenant)| tenant).filter(|tenant| !tenant.is_empty())
    }
}

/// What a subscription was asked to be. Fixed for its life.
pub(crate) struct Spec {
    pub(crate) patterns: Box<[TopicPattern]>,
    pub(crate) kind: SubscriptionKind,
    pub(crate) mode: DeliveryMode,
    pub(crate) capacity: usize,
    pub(crate) concurrency: usize,
    /// The payload type that it wants; `None` takes any.
    pub(crate) wants: Option<&'static Wanted>,
    pub(crate) filter: Option<Box<dyn Filter>>,
    pub(crate) group: Option<Arc<Group>>,
    /// How many events it takes before it ends; `u64::MAX` for no limit.
    pub(crate) budget: u64,
    /// What it has handled, if it is idempotent.
    pub(crate) window: Option<Arc<Window>>,
    pub(crate) name: Option<Box<str>>,
    /// Whose events it gets: a tenant's, or those of none.
    pub(crate) tenant: Option<Tenant>,
    pub(crate) site: &'static Location<'static>,
}
