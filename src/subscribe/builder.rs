//! The subscribe builder: its options. `making.rs` has the calls that end it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use super::delivered::Delivered;
use super::hub::Realm;
use super::policy::Policy;
use crate::dispatch::{DeliveryMode, IdempotencyWindow, Wanted};
use crate::error::SubscribeError;
use crate::pattern::TopicPattern;

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// With the events that are published after the subscription was made.
    #[default]
    Now,
    /// With the oldest event that is kept.
    Beginning,
    /// With the last so many events that are kept, of all topics together.
    LastN(usize),
    /// With the event of that [number](crate::AnyEvent::sequence), and later ones. For one topic only. If it is kept no more,
    /// with a [gap](crate::Gap).
    Sequence(u64),
    /// With the first event of each topic that was published at or after that time, by the wall clock.
    Time(SystemTime),
    /// With the last event of each topic.
    LastPerTopic,
    /// With the last event of each key, of each topic. Those without a key count as one.
    LastPerKey,
}

/// A predicate over events.
pub(super) type Admits<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;

/// Makes a subscription. Begun by [`EventBus::subscribe`](crate::EventBus::subscribe) and its kin,
/// ended by one of [`handle_inline`](Self::handle_inline), [`handle`](Self::handle),
/// [`handle_async`](Self::handle_async) (each with a `_with` twin that also gets the [`Delivery`](super::Delivery)) and
/// [`receiver`](Self::receiver).
///
/// ```
/// # use trolleybus::{DeliveryMode, EventBus};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let mut orders = bus
///     .subscribe::<String>("order.*")
///     .capacity(64)
///     .delivery(DeliveryMode::DropOldest)
///     .filter(|order| !order.is_empty())
///     .receiver()?;
/// bus.publish("order.placed", "tea")?;
/// assert_eq!(**orders.recv()?, *"tea");
/// # Ok(()) }
/// ```
#[must_use = "a subscription is made by `handle`, `handle_inline`, `handle_async` or `receiver`"]
pub struct Subscribe<E: Delivered> {
    pub(super) realm: Arc<Realm>,
    pub(super) patterns: Result<Box<[TopicPattern]>, SubscribeError>,
    pub(super) wants: Option<&'static Wanted>,
    /// `None`: as the engines say that it reaches, or the bus.
    pub(super) capacity: Option<usize>,
    /// The bus's, or that of engines, if not set.
    pub(super) mode: Option<DeliveryMode>,
    pub(super) concurrency: usize,
    pub(super) filter: Option<Admits<E>>,
    pub(super) group: Option<String>,
    pub(super) start: Start,
    /// Engines are not waited for.
    pub(super) joins_later: bool,
    /// Somebody wants to know of gaps.
    pub(super) tells_gaps: bool,
    pub(super) budget: u64,
    pub(super) policy: Policy<E>,
    pub(super) window: Option<IdempotencyWindow>,
    pub(super) name: Option<Box<str>>,
    pub(super) site: &'static Location<'static>,
}

impl<E: Delivered> Subscribe<E> {
    pub(crate) fn new(
        realm: Arc<Realm>,
        patterns: Result<Box<[TopicPattern]>, SubscribeError>,
        wants: Option<&'static Wanted>,
        site: &'static Location<'static>,
    ) -> Self {
        Self {
            realm,
            patterns,
            wants,
            capacity: None,
            mode: None,
            concurrency: 1,
            filter: None,
            group: None,
            start: Start::Now,
            joins_later: false,
            tells_gaps: false,
            budget: u64::MAX,
            policy: Policy::default(),
            window: None,
            name: None,
            site,
        }
    }

    /// Sets how many events the queue holds. From 1 to what [the bus allows](crate::BusBuilder::max_capacity), 2^24; the
    /// bus's default is 1024. Without meaning for an inline handler.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = Some(events);
        self
    }

    /// Sets what happens to an event that finds the queue full. Without meaning for an inline handler. An engine that [never
    /// drops](crate::MemoryEngine::lossless) takes no other mode than [`Block`](DeliveryMode::Block).
    pub fn delivery(mut self, mode: DeliveryMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Takes only events for which the predicate holds.
    ///
    /// It runs in the publisher's thread, before the queue, so that what it turns away takes no room.
    /// A second filter narrows the first. A panic in it turns the event away and is reported.
    pub fn filter(mut self, admits: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(match self.filter.take() {
            None => Box::new(admits),
            Some(first) => Box::new(move |event| first(event) && admits(event)),
        });
        self
    }

    /// Sets how many handlers may run at a time, from 1 (the default) to 1024. Above 1 handlers still
    /// start in order, and [by key](Self::ordered_by_key) they end in order, too. Without meaning for an inline handler and a receiver.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Gives the subscription a name, for statistics and messages.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into_boxed_str());
        self
    }

    /// Ends the subscription after one event.
    pub fn once(self) -> Self {
        self.take(1)
    }

    /// Ends the subscription after so many events have been handed to its handler. What is queued
    /// beyond them is dropped and counted as cancelled.
    pub fn take(mut self, events: u64) -> Self {
        self.budget = events;
        self
    }

    /// Handles an event once, as long as the window remembers its [id](crate::Event::id): for brokers that deliver at least
    /// once, and publishers that try again.
    ///
    /// An event is looked for when its handler would start, after its filter, its place in the queue and its [time to
    /// live](crate::BusBuilder::ttl). One that was handled, or that another thread handles at this moment, is a duplicate: no
    /// handler starts, nothing is taken off the [budget](Self::take), and it counts as [duplicate](crate::Ledger::duplicate),
    /// which observers [hear of](crate::Observer::duplicate). For who waits for [its outcome](crate::Outcome) the subscription is
    /// done with it; but if the handler of the first still runs, only when that ends, and as that ends.
    ///
    /// An event is remembered when its handler has succeeded, and from then on its age counts; for a receiver, when it was
    /// taken out. A failure or a panic is forgotten: when the event comes again, it is tried again.
    ///
    /// Ids are compared, and nothing else: two events with one id are the same to the window, whatever their topics. An event
    /// whose publisher set no [id](crate::EventBuilder::id) is given one that no other has. The window is in memory: it is
    /// empty when the process starts, and goes with the subscription.
    ///
    /// The members of a [group](Self::group) that are idempotent share one window, for a redelivered event may go to another
    /// member than the first; all have to ask for the same. Those in other processes have theirs.
    ///
    /// ```
    /// # use trolleybus::{EventBus, EventId, IdempotencyWindow};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::new();
    /// let payments = bus
    ///     .subscribe::<u32>("payment.due")
    ///     .idempotent(IdempotencyWindow::new(10_000))
    ///     .handle_inline(|amount| println!("pays {}", **amount))?;
    /// let id = EventId::from_u128(7);
    /// for _ in 0..2 {
    ///     bus.event("payment.due", 100_u32).id(id).publish()?;
    /// }
    /// let stats = payments.stats();
    /// assert_eq!((stats.delivered, stats.duplicate), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn idempotent(mut self, window: IdempotencyWindow) -> Self {
        self.window = Some(window);
        self
    }

    /// Makes the subscription a member of a group: each event goes to one member, in turn, to one that
    /// has room if any has.
    ///
    /// Members may have patterns, kinds and modes of their own. In a pass they come after the
    /// subscriptions that are in no group.
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Sets where to begin: with events that were published before, and are still [kept](crate::BusBuilder::retain).
    ///
    /// They come first, and then those that are published from here on: none is missing, none comes twice, and those of one
    /// topic come in the order of their [numbers](crate::AnyEvent::sequence). What is kept of several topics comes in the order
    /// of publication; what is published meanwhile may come before what is kept of another topic. Of topics that come to be later
    /// all events come.
    ///
    /// The subscription reads what is kept at its own pace; its queue does not overflow by that, and publishers do not wait for
    /// it. Its [delivery mode](Self::delivery) is for what is published when it has come to the end. In the modes
    /// [`Block`](DeliveryMode::Block) and [`Timeout`](DeliveryMode::Timeout) it drops nothing even then: the publisher waits until
    /// it has read on, at most for the timeout, and the event is read later if that is over. What it cannot get any more
    /// is told as a [`Gap`](crate::Gap). The filter is asked when an event comes into the queue, in the thread of the publisher
    /// or of the consumer. [`Receiver::len`](super::Receiver::len) and the [account](crate::Ledger) count an event from when
    /// it is in the queue, and a [completion](crate::EventBuilder::on_complete) does not wait for one that is yet to be read.
    ///
    /// At the end of the subscription, and of the bus, what is not yet in the queue is not handled.
    ///
    /// Not for handlers in the publishers' threads and for members of a group. Topics of an engine that is not a memory engine
    /// are replayed by that engine, if it can.
    pub fn from(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Does not wait for engines that carry topics of the pattern: the subscription is made at once, and
    /// [`Subscription::joined`](super::Subscription::joined) waits until they have confirmed it.
    ///
    /// For async code: without, the call that makes the subscription parks the thread until then. An engine that does not let
    /// it in, or cannot be reached, ends it.
    pub fn join_later(mut self) -> Self {
        self.joins_later = true;
        self
    }
}

impl<E: Delivered> fmt::Debug for Subscribe<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("patterns", &self.patterns)
            .field("capacity", &self.capacity)
            .field("delivery", &self.mode)
            .field("concurrency", &self.concurrency)
            .field("filter", &self.filter.as_ref().map(|_| format_args!("<closure>")))
            .field("group", &self.group)
            .field("window", &self.window)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
