//! The trait that engines implement, and what it speaks of.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::{EngineError, Envelope, Ingress, Position};
use crate::event::SubscriptionId;
use crate::pattern::TopicPattern;
use crate::subscribe::Start;
use crate::tenant::Tenant;

/// A future on the heap, so that a trait with it can be made into an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries events of the topics that rules route to it.
///
/// An engine is glue around a client: what it need not do, for the bus does it, is to match patterns exactly, to queue, to
/// run handlers, to count, to catch panics, or to bound the time of a call. The futures are polled by whoever publishes,
/// subscribes or shuts down, on any executor or none: what needs a runtime of its own has to bring it.
///
/// # What the bus promises
///
/// - [`start`](Self::start) is called once, first; after an error of it, or of another engine's start,
///   [`shutdown`](Self::shutdown) is. Nothing is called after `shutdown`, except `unsubscribe`; and `shutdown` again if its
///   future was dropped before it was ready and before the deadline.
/// - [`publish`](Self::publish), [`subscribe`](Self::subscribe) and [`unsubscribe`](Self::unsubscribe) are called from many
///   threads at a time; for one subscription, `unsubscribe` may come before its `subscribe` has returned, and more than once.
/// - A future may be dropped before it is ready: because a deadline has passed, or the caller has lost interest.
/// - A panic counts as an error of kind [`Panicked`](super::EngineErrorKind::Panicked), and of a publish as unknown.
///
/// # What an engine promises
///
/// - **Publish.** `Ok` when the event is stored as safely as the engine's settings say; an error if it surely is not; an error
///   that [is marked](EngineError::may_be_stored) if nobody knows. Events of one publisher keep their order, as far as the
///   [capabilities](Self::capabilities) say so. It never waits for subscriptions of this process: a handler that publishes
///   would wait for itself.
/// - **Subscribe.** `Ok` when an event that is published from now on reaches the subscription: after the broker's
///   confirmation, if it has one. The engine may bring more than the patterns ask for: the bus offers nobody what does not
///   match. It must not bring less.
/// - **Unsubscribe.** Idempotent: an unknown subscription is `Ok`. What arrives later is offered to nobody, and its
///   [`Handover`](super::Handover) is ready at once; for a group without a member here it says
///   [`Abandoned`](super::Abandoned), so that members elsewhere get it.
/// - **Arrivals.** Each goes to [`Ingress::deliver`] with the scope that it is for, in the order in which it shall be handled,
///   and is acknowledged to the broker when its handover is ready, not before. An event that could not be handled, and that
///   [nobody keeps](crate::Outcome::is_kept) as a dead letter, had better come again, if the broker can. While `deliver` waits
///   for room the engine must go on with the rest of its work: publishing, heart beats, acknowledgements.
/// - **State.** Connection lost, connection back: told to [`Ingress::set_state`]. It reconnects by itself, for ever.
/// - **Shutdown.** Stops fetching, waits for what is in flight as far as the deadline allows, acknowledges, closes. Returns
///   when nothing is left behind: no thread, no connection.
/// - What it [cannot do](Capabilities) it says beforehand: the bus refuses it where it is asked for.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What kind of engine this is, in one lower-case word: `redis`.
    fn kind(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Connects. What arrives goes to the ingress, from then on until `shutdown`.
    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Hands an event to the broker, and returns where it stands there when the broker has it.
    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>>;

    /// Makes events that match reach the ingress.
    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Ends a subscription.
    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>>;

    /// How many events the broker has for the subscriptions of this process that have not arrived yet, if the engine knows
    /// without asking: it is called for each reading of the statistics, and must not wait.
    fn lag(&self) -> Option<u64> {
        None
    }

    /// Ends the engine, in order as far as the deadline allows.
    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, Result<(), EngineError>>;
}

/// What a subscription asks of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionSpec {
    /// Its number on the bus.
    pub id: SubscriptionId,
    /// The patterns, at least one. An event that matches several of them is to come once.
    pub patterns: Box<[TopicPattern]>,
    /// The group that it belongs to, if the engine [has groups](Groups::Shared). Groups of two tenants have two names,
    /// whatever their members call them.
    pub group: Option<Arc<str>>,
    /// Whose events it is for: a tenant's, or those of none. The bus offers it no others; an engine that can may spare
    /// itself the trouble of bringing them.
    pub tenant: Option<Tenant>,
    /// Where it begins.
    pub start: Start,
}

/// What an engine can do. Without more, nothing but to carry events.
///
/// ```
/// use trolleybus::engine::{Capabilities, Groups};
///
/// let streams = Capabilities::new().groups(Groups::Shared).persistent().ordered();
/// assert!(streams.is_persistent() && !streams.is_partitioned());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    groups: Groups,
    starts: StartKinds,
    persistent: bool,
    ordered: bool,
    partitioned: bool,
}

/// How groups of subscriptions share events on an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Groups {
    /// The members in this process share what the process gets; members in other processes get it, too.
    #[default]
    InProcess,
    /// All members, whatever process they are in, share the events: the broker sees to it.
    Shared,
}

/// Where subscriptions may begin on an engine, beside "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartKinds {
    /// Nowhere else.
    #[default]
    Now,
    /// At the oldest event that is kept.
    Beginning,
    /// There, or with the last so many.
    Any,
}

impl Capabilities {
    /// An engine that carries events, and promises nothing else.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            groups: Groups::InProcess,
            starts: StartKinds::Now,
            persistent: false,
            ordered: false,
            partitioned: false,
        }
    }

    /// Says how groups share events.
    #[must_use]
    pub const fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// Says where subscriptions may begin.
    #[must_use]
    pub const fn starts(mut self, starts: StartKinds) -> Self {
        self.starts = starts;
        self
    }

    /// Events outlive the process.
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// The events of one publisher on one topic arrive in their order.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// The key of an event decides where it goes.
    #[must_use]
    pub const fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Returns how groups share events.
    #[must_use]
    pub const fn group_kind(&self) -> Groups {
        self.groups
    }

    /// Says whether events outlive the process.
    #[must_use]
    pub const fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Says whether the events of one publisher on one topic arrive in their order.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// Says whether the key of an event decides where it goes.
    #[must_use]
    pub const fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Says whether a subscription may begin there.
    #[must_use]
    pub const fn can_start_at(&self, start: Start) -> bool {
        match start {
            Start::Now => true,
            Start::Beginning => !matches!(self.starts, StartKinds::Now),
            Start::LastN(_) => matches!(self.starts, StartKinds::Any),
            Start::Sequence(_) | Start::Time(_) | Start::LastPerTopic | Start::LastPerKey => false,
        }
    }
}
