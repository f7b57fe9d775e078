//! A subscription as the dispatcher sees it: what it wants, its handler or its queue, its counters.
//!
//! `README.md` beside this file has the protocol; `offer.rs` is the publishers' side of it, `take.rs`
//! the consumers' side, `close.rs` the end.

mod account;
mod engines;

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use event_listener::Event as Listeners;

use super::aside::Aside;
use super::frames::{self, Stage};
use super::history::Follower;
use super::hooks::Hooks;
use super::inlet::Inlet;
use super::offer::Inline;
use super::passing::Passing;
use super::roster::Roster;
use super::rounds::Attendance;
use super::scope::SubscriptionKey;
use super::spec::{DeliveryMode, Spec, SubscriptionKind};
use super::stripe::Stripes;
use super::table::TopicTable;
use super::tally::{Ended, Refused};
use super::times::Times;
use crate::envelope::DecodeError;
use crate::error::HandlerError;
use crate::event::SubscriptionId;
use crate::queue::Gate;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::fence;
use crate::topic::Topic;

/// A handler that runs in the publisher's thread.
pub(crate) trait InlineHandler: Send + Sync {
    /// Judges the type of the event, and runs the handler by way of [`Stage::run`].
    fn call<'a>(&self, event: &Passing<'_>, slot: &'a Arc<Slot>, stage: &mut Stage<'a>) -> Inline;

    /// Itself as an `Arc<dyn Handle<E>>`, for the form `E` in which it takes events.
    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync>;

    /// The rounds in which it is called.
    fn attendance(&self) -> &Attendance;
}

/// The handler itself, for events in one form.
pub(crate) trait Handle<E>: Send + Sync {
    fn handle(&self, slot: &Arc<Slot>, event: &E) -> Result<(), HandlerError>;
}

/// What the dispatcher needs of whoever takes the events out of a queue. Workers and receivers
/// implement it (the arrow between the folders is turned round here).
pub(crate) trait Consumer: Send + Sync {
    /// There may be something to take. Never runs user code in the caller's thread.
    fn wake(&self);

    /// The subscription has been closed: whoever serves it looks whether it is done.
    fn closed(&self);

    /// Nobody will run this consumer again: pending handlers are dropped and counted as failed.
    fn abandon(&self) {}

    /// What it has set aside, if it does such things.
    fn aside(&self) -> Option<&dyn Aside> {
        None
    }
}

/// Where the events go.
pub(crate) enum Sink {
    /// To a handler in the publisher's thread.
    Inline(Arc<dyn InlineHandler>),
    /// Into a queue.
    Queue(Arc<dyn Inlet>),
}

/// A subscription in the dispatcher.
///
/// The order of the fields is that of the cache lines: with many subscriptions each line is a miss. The reference
/// counts before the first field are written by workers, the publishers' line is read by all of them, and `ended`
/// is written by who ends handlers. Between these three stands what hardly anybody writes, so that they share no
/// line wherever the slot lies: to align it would cost a hundred bytes more.
#[repr(C)]
pub(crate) struct Slot {
    // A line that hardly anybody writes.
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) id: SubscriptionId,
    /// Who takes the events out of the queue, if there is one.
    pub(super) consumer: Option<Box<dyn Consumer>>,
    pub(super) roster: Arc<Roster>,
    /// Where publishers find this slot, as long as it is open. Weak: the table holds the slot.
    pub(super) table: std::sync::Weak<TopicTable>,
    pub(super) budget: AtomicU64,
    /// Panics in a row, for the quarantine.
    pub(super) panics: AtomicU32,
    /// Why it was closed (a `DropReason` as a number); the first closer's reason stands.
    pub(super) reason: AtomicU8,
    pub(super) warned: AtomicU8,
    /// Only one thread at a time ends handlers of this subscription.
    pub(super) exclusive: bool,
    /// It replays: `follower` is there.
    pub(crate) follows: bool,

    // The publishers' line, which none of them writes to.
    /// Whether it is open. The gate of the queue, if there is one, is the one that decides.
    pub(super) gate: Gate,
    /// The thread whose inline handlers `ended` counts: the first that ran one. 0 before.
    home: AtomicU32,
    /// Whether somebody wants to hear of every handler's end: an observer, or its own window,
    pub(crate) watched: bool,
    /// whether the [`Spec`] has a filter,
    pub(super) filters: bool,
    /// and what not every event gets past for which a handler would start: a budget, or a window,
    pub(super) selective: bool,
    /// and whether a full queue drops its oldest event.
    pub(super) displaces: bool,
    pub(crate) sink: Sink,
    /// Written at the first event of another thread only.
    pub(super) stripes: Stripes,

    // What nobody writes.
    pub(crate) spec: Spec,

    // The line of who ends handlers.
    pub(super) ended: Ended,

    // The rest.
    /// What it has to read, if it replays.
    pub(crate) follower: Option<Box<Follower>>,
    pub(super) refused: Refused,

    /// How long its handlers took, if that is counted.
    pub(super) times: Option<Box<Times>>,

    /// Publishers that wait for room.
    pub(super) room: Listeners,
    /// Those who wait for the last handler to end.
    pub(super) quiet: Listeners,
    /// Handlers are asked to come to their end. Set by `cancel`, not when the budget is spent.
    pub(super) tripping: AtomicBool,
    /// That the gate is barred was shown to all threads.
    pub(super) shown: AtomicBool,
    /// Who listens was told of it.
    pub(super) told: AtomicBool,
    /// Handlers that want to hear of the cancellation.
    pub(super) tripped: Listeners,
    /// In how many resolved lists this slot stands (see `table.rs`),
    pub(super) listed: AtomicU64,
    /// and the hash of the topic whose list it entered last.
    pub(super) last_listed: AtomicU64,
    /// The engines that it has joined, or is about to, each a bit; and one more, that it has ended.
    engines: AtomicU64,
}

/// What a new slot is made of beside its [`Spec`].
pub(crate) struct SlotParts {
    /// If it replays.
    pub(crate) follower: Option<Box<Follower>>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) table: std::sync::Weak<TopicTable>,
}

impl Slot {
    /// Makes a slot and enters it in the roster. It gets no events before it is in the table.
    pub(crate) fn new(
        spec: Spec,
        parts: SlotParts,
        sink: impl FnOnce(&std::sync::Weak<Self>, &Spec) -> (Sink, Option<Box<dyn Consumer>>),
    ) -> Arc<Self> {
        let SlotParts { follower, hooks, roster, table } = parts;
        let id = roster.next_id();
        let slot = Arc::new_cyclic(|weak| {
            let (sink, consumer) = sink(weak, &spec);
            Self {
                id,
                gate: Gate::new(),
                home: AtomicU32::new(0),
                watched: hooks.watch() || spec.window.is_some(),
                filters: spec.filter.is_some(),
                selective: spec.budget != u64::MAX || spec.window.is_some(),
                displaces: spec.mode == DeliveryMode::DropOldest,
                ended: Ended::default(),
                exclusive: spec.concurrency == 1,
                follows: follower.is_some(),
                follower,
                refused: Refused::default(),
                stripes: Stripes::default(),
                budget: AtomicU64::new(spec.budget),
                reason: AtomicU8::new(0),
                panics: AtomicU32::new(0),
                times: (hooks.times && spec.kind != SubscriptionKind::Receiver).then(Box::default),
                warned: AtomicU8::new(0),
                room: Listeners::new(),
                quiet: Listeners::new(),
                tripping: AtomicBool::new(false),
                shown: AtomicBool::new(false),
                told: AtomicBool::new(false),
                tripped: Listeners::new(),
                listed: AtomicU64::new(0),
                last_listed: AtomicU64::new(0),
                engines: AtomicU64::new(0),
                spec,
                sink,
                consumer,
                hooks,
                roster: Arc::clone(&roster),
                table,
            }
        });
        if slot.is_inline() || slot.spec.kind == SubscriptionKind::Receiver {
            // Publishers of inline handlers and receivers use these fences, and shall not be the first.
            fence::prepare();
        }
        roster.enter(&slot);
        slot
    }

    /// Counts an event of a broker that it cannot decode, and warns at the first one.
    #[cold]
    pub(super) fn skip_undecodable(&self, topic: &Topic, error: &DecodeError) {
        self.stripes.mine().count_skipped();
        // Relaxed: at worst two threads warn.
        if self.warned.swap(1, Ordering::Relaxed) == 0 {
            self.hooks.undecodable(self, topic, error);
        }
    }

    /// Says whether it ends after so many events.
    pub(super) fn is_limited(&self) -> bool {
        self.spec.budget != u64::MAX
    }

    /// Says whether one of its patterns matches the topic.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.spec.patterns.iter().any(|pattern| pattern.matches_str(topic))
    }

    /// Names this subscription across buses.
    #[inline]
    pub(crate) fn key(&self) -> SubscriptionKey {
        // Its address: a slot with a running handler stays where it is.
        SubscriptionKey::of(std::ptr::from_ref(self).addr())
    }

    /// The queue, if there is one.
    pub(super) fn inlet(&self) -> Option<&dyn Inlet> {
        match &self.sink {
            Sink::Inline(_) => None,
            Sink::Queue(inlet) => Some(&**inlet),
        }
    }

    /// The rounds that its handler takes part in, if it runs inline.
    pub(super) fn attendance(&self) -> Option<&Attendance> {
        match &self.sink {
            Sink::Inline(handler) => Some(handler.attendance()),
            Sink::Queue(_) => None,
        }
    }

    /// A read-modify-write of the gate by which those who wait for the end and those who bring it about see each
    /// other: see README.md, "Quiet". Says whether the gate is closed.
    pub(super) fn touch(&self) -> bool {
        self.inlet().map_or(&self.gate, Inlet::gate).touch().is_closed()
    }

    /// How many of its inline handlers run, as [`frames`] sees it.
    pub(super) fn running_inline(&self) -> u64 {
        frames::running(self.key())
    }

    /// Says whether this thread counts the inline handlers of this slot at home, where no other does: with loads
    /// and stores. The first thread that asks is at home here for as long as it lives, and then the one that
    /// gets its number.
    #[inline]
    pub(super) fn is_home(&self, thread: NonZeroU32) -> bool {
        // Relaxed: the answer depends on no other memory. What the last owner of the number counted came with
        // the number.
        let home = self.home.load(Ordering::Relaxed);
        home == thread.get() || (home == 0 && self.settle(thread))
    }

    #[cold]
    fn settle(&self, thread: NonZeroU32) -> bool {
        self.home.compare_exchange(0, thread.get(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Says whether its publishers wait for a time.
    pub(super) fn has_timeout(&self) -> bool {
        matches!(self.spec.mode, DeliveryMode::Timeout(_))
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.sink, Sink::Inline(_))
    }

    /// Wakes the consumer, if there is one.
    pub(crate) fn wake_consumer(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.wake();
        }
    }

    /// A lane has taken an event: another one may handle the next meanwhile, if one is queued.
    #[inline]
    pub(crate) fn wake_next_lane(&self) {
        if !self.exclusive && (self.inlet().map_or(0, Inlet::len) > 0 || self.is_behind()) {
            self.wake_consumer();
        }
    }

    /// The same if there is one for it in any case.
    pub(crate) fn wake_another_lane(&self) {
        if !self.exclusive {
            self.wake_consumer();
        }
    }

    /// Says whether there is something that it has to read itself.
    #[inline]
    fn is_behind(&self) -> bool {
        self.follower.as_deref().is_some_and(Follower::is_behind)
    }

    /// Says whether an event would have to wait for room now.
    pub(super) fn is_out_of_room(&self) -> bool {
        !self.is_closed() && self.inlet().is_some_and(Inlet::is_full)
    }

    /// Gives up the handlers that are pending, for nobody polls them any more.
    pub(crate) fn abandon(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.abandon();
        }
    }

    pub(super) fn tell_consumer_closed(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.closed();
        }
    }

    /// Says whether no event is accepted any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.gate.view().is_closed()
    }

    /// Says whether an inline handler may be called without further ado.
    pub(super) fn is_open(&self) -> bool {
        self.gate.view().is_open()
    }

    /// Says whether handlers that run had better come to their end.
    pub(crate) fn is_tripped(&self) -> bool {
        // Acquire: see `cancel`.
        self.tripping.load(Ordering::Acquire)
    }

    /// Counts an event of another type, and warns at the first one.
    #[cold]
    pub(super) fn skip(&self, event: &Passing<'_>) {
        self.skip_named(event.head().topic(), event.payload_type_name());
    }

    /// The same, by the name of the type.
    #[cold]
    pub(super) fn skip_named(&self, topic: &Topic, type_name: &'static str) {
        self.stripes.mine().count_skipped();
        // Relaxed: at worst two threads warn.
        if let Some(wanted) = self.spec.wants
            && self.warned.swap(1, Ordering::Relaxed) == 0
        {
            self.hooks.mismatch(self, topic, type_name, wanted.name());
        }
    }
}

/// The lines are where they should be.
#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = {
    assert!(std::mem::offset_of!(Slot, gate) == 64);
    assert!(std::mem::offset_of!(Slot, spec) == 128);
    assert!(size_of::<Spec>() >= 64 && size_of::<Ended>() == 64);
};

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("patterns", &self.spec.patterns)
            .field("kind", &self.spec.kind)
            .finish_non_exhaustive()
    }
}
