//! What every event has, and the accessors that both views of an event share.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use once_cell::race::OnceBox;

use super::extras::BEGUN_ANEW;
use super::{Completion, EventId, Extras, Metadata, PayloadKind, Tag};
use crate::sync::atomic::Ordering;
use crate::sync::clock::{self, Stamp};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// The part of an event that comes before the payload: 40 bytes.
///
/// The fields of the [`Stamp`] stand here one by one, since as a struct it would be padded.
#[derive(Debug)]
pub(crate) struct Head {
    topic: Topic,
    /// See [`Stamp::wall_ns`].
    wall_ns: u64,
    /// Null in most events. Set by the publisher, or once by whoever first asks for the id.
    extras: OnceBox<Extras>,
    /// See [`Stamp::tick_ms`].
    tick_ms: u32,
    tag: Tag,
}

/// What [`Head::metadata`] lends when there is none.
static NO_METADATA: Metadata = Metadata::new();

impl Head {
    pub(crate) fn new(topic: Topic, stamp: Stamp, tag: Tag, extras: Option<Box<Extras>>) -> Self {
        let extras = extras.map_or_else(OnceBox::new, OnceBox::with_value);
        Self { topic, wall_ns: stamp.wall_ns, extras, tick_ms: stamp.tick_ms, tag }
    }

    /// The head of the same event in another form.
    pub(crate) fn of_form(&self, kind: PayloadKind) -> Self {
        let id = self.id();
        Self {
            topic: self.topic.clone(),
            extras: self
                .extras
                .get()
                .map_or_else(OnceBox::new, |extras| OnceBox::with_value(Box::new(extras.of_form(id)))),
            tag: self.tag.with_kind(kind),
            ..*self
        }
    }

    /// Turns the head of an event that is over into that of another one. It had no extras.
    #[inline]
    pub(super) fn renew(&mut self, topic: Topic, stamp: Stamp, tag: Tag, extras: Option<Box<Extras>>) {
        self.topic = topic;
        self.wall_ns = stamp.wall_ns;
        self.tick_ms = stamp.tick_ms;
        self.tag = tag;
        if let Some(extras) = extras {
            self.extras = OnceBox::with_value(extras);
        }
    }

    #[inline]
    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    #[inline]
    pub(crate) fn kind(&self) -> PayloadKind {
        self.tag.kind()
    }

    /// The number of the engine that brings the event.
    #[inline]
    pub(crate) fn engine(&self) -> u8 {
        self.tag.engine()
    }

    /// Says whether nothing is to be told of the event to a collector.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_muted(&self) -> bool {
        self.tag.is_muted()
    }

    /// The monotonic time of the event, for `clock::tick_age`.
    #[inline]
    pub(crate) fn tick(&self) -> u32 {
        self.tick_ms
    }

    pub(crate) fn time(&self) -> SystemTime {
        clock::wall_time(self.wall_ns)
    }

    /// Makes the id if there is none yet; whoever asks gets the same one.
    pub(crate) fn id(&self) -> EventId {
        // Several threads may make extras at once: one of them is kept, and all read the id of that one.
        let extras = self.extras.get_or_init(Box::default);
        *extras.id.get_or_init(|| EventId::generate(self.wall_ns))
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.extras.get()?.key.as_deref()
    }

    /// Its number among the events of its topic, if that keeps a history.
    #[inline]
    pub(crate) fn sequence(&self) -> Option<u64> {
        // Relaxed: whoever is given the event after it was kept sees the number, for it came with the event.
        Some(self.extras.get()?.sequence.load(Ordering::Relaxed)).filter(|sequence| *sequence != 0)
    }

    /// Sets the number. Called once, by the publisher.
    pub(crate) fn set_sequence(&self, sequence: u64) {
        // Relaxed: as above.
        self.extras.get_or_init(Box::default).sequence.store(sequence, Ordering::Relaxed);
    }

    pub(crate) fn tenant(&self) -> Option<&Tenant> {
        self.extras.get()?.tenant.as_ref()
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        self.extras.get().map_or(&NO_METADATA, |extras| &extras.metadata)
    }

    #[inline]
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.extras.get()?.ttl
    }

    /// How old the event is, if it is too old to be delivered at that tick.
    pub(crate) fn expired_at(&self, now: u32) -> Option<Duration> {
        let extras = self.extras.get()?;
        let ttl = extras.ttl?;
        // Relaxed: who has the event from a queue sees what was written before it was put there.
        let from = match extras.anew.load(Ordering::Relaxed) {
            0 => self.tick_ms,
            anew => u32::try_from(anew ^ BEGUN_ANEW).unwrap_or(self.tick_ms),
        };
        let age = clock::tick_age(from, now);
        (age >= ttl).then_some(age)
    }

    /// Counts the age from this tick on: the event is offered once more.
    pub(crate) fn begin_anew(&self, now: u32) {
        if let Some(extras) = self.extras.get().filter(|extras| extras.ttl.is_some()) {
            // Relaxed: as above.
            extras.anew.store(BEGUN_ANEW | u64::from(now), Ordering::Relaxed);
        }
    }

    /// Says whether it has what few events have: an id that somebody asked for, a key, a completion.
    #[inline]
    pub(crate) fn has_extras(&self) -> bool {
        self.extras.get().is_some()
    }

    /// Says whether nobody waits for its end, and it does not expire: one null check for an event without extras.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.extras.get().is_none_or(|extras| extras.completion.is_none() && extras.ttl.is_none())
    }

    /// One null check for an event without extras.
    #[inline]
    pub(crate) fn completion(&self) -> Option<&Completion> {
        self.extras.get()?.completion.as_deref()
    }

    /// The completion, for who settles it later.
    pub(crate) fn shared_completion(&self) -> Option<&Arc<Completion>> {
        self.extras.get()?.completion.as_ref()
    }

    /// Prints an event without its payload, key and metadata, which may be secrets, and without making
    /// an id.
    pub(crate) fn debug(&self, view: &str, type_name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(view);
        out.field("topic", &self.topic.as_str()).field("type", &format_args!("{type_name}"));
        if let Some(id) = self.extras.get().and_then(|extras| extras.id.get()) {
            out.field("id", &format_args!("{id}"));
        }
        out.finish_non_exhaustive()
    }
}

/// The accessors that [`Event`](super::Event) and [`AnyEvent`](super::AnyEvent) share; each view has a
/// `head()`.
macro_rules! accessors {
    () => {
        /// Returns the topic that the event was published to.
        #[must_use]
        #[inline]
        pub fn topic(&self) -> &crate::topic::Topic {
            self.head().topic()
        }

        /// Returns the event's id: the publisher's, or a new one that is made when it is first asked for.
        ///
        /// All clones of the event have the same id. An event whose id nobody asks for has none, which
        /// saves an allocation and the system's random numbers.
        #[must_use]
        pub fn id(&self) -> $crate::event::EventId {
            self.head().id()
        }

        /// Returns the wall-clock time at which the event was made.
        ///
        /// It comes from a coarse clock, in steps of a few milliseconds, unless the publisher asked for
        /// a precise one. It is meant for people: no deadline depends on it.
        #[must_use]
        pub fn time(&self) -> std::time::SystemTime {
            self.head().time()
        }

        /// Returns the key: events of one key are handled in order.
        #[must_use]
        pub fn key(&self) -> Option<&str> {
            self.head().key()
        }

        /// Returns the event's number among those of its topic, 1, 2, 3 and so on, if the topic [keeps a
        /// history](crate::BusBuilder::retain) in this process.
        #[must_use]
        pub fn sequence(&self) -> Option<u64> {
            self.head().sequence()
        }

        /// Returns whose event it is, if it is a [tenant's](crate::EventBus::tenant).
        #[must_use]
        pub fn tenant(&self) -> Option<&crate::Tenant> {
            self.head().tenant()
        }

        /// Returns the metadata value under a name.
        #[must_use]
        pub fn meta(&self, name: &str) -> Option<&str> {
            self.head().metadata().get(name)
        }

        /// Returns the metadata, which is mostly empty.
        #[must_use]
        pub fn metadata(&self) -> &$crate::event::Metadata {
            self.head().metadata()
        }

        /// Returns for how long after its making the event is worth delivering.
        #[must_use]
        pub fn ttl(&self) -> Option<std::time::Duration> {
            self.head().ttl()
        }
    };
}

pub(super) use accessors;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;
    use crate::event::Completion;
    use crate::sync::atomic::AtomicU64;
    use crate::sync::thread;

    const STAMP: Stamp = Stamp { wall_ns: 1_780_000_000_123_000_000, tick_ms: 77 };

    fn head(extras: Option<Extras>) -> Head {
        let topic = Topic::new("user.created").expect("a valid topic");
        Head::new(topic, STAMP, PayloadKind::Serde.into(), extras.map(Box::new))
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_head_has_40_bytes() {
        assert_eq!(size_of::<Head>(), 40);
    }

    #[test]
    fn a_head_without_extras_answers_without_making_any() {
        let head = head(None);
        assert_eq!(head.topic().as_str(), "user.created");
        assert_eq!(head.kind(), PayloadKind::Serde);
        assert_eq!(head.tick(), 77);
        assert_eq!(head.time(), SystemTime::UNIX_EPOCH + Duration::from_nanos(STAMP.wall_ns));
        assert_eq!(head.key(), None);
        assert_eq!(head.ttl(), None);
        assert!(head.metadata().is_empty());
        assert!(head.completion().is_none());
        assert!(head.extras.get().is_none());
    }

    #[test]
    fn extras_are_returned_as_the_publisher_set_them() {
        let mut metadata = Metadata::new();
        metadata.set("source", "shop").expect("within the limits");
        let head = head(Some(Extras {
            id: EventId::from_u128(5).into(),
            sequence: AtomicU64::new(0),
            anew: AtomicU64::new(0),
            tenant: Tenant::new("acme").ok(),
            key: Some("k".into()),
            metadata,
            ttl: Some(Duration::from_secs(60)),
            completion: Some(Completion::new(Box::new(|_| ())).into()),
        }));
        assert_eq!(head.id(), EventId::from_u128(5));
        assert_eq!(head.key(), Some("k"));
        assert_eq!(head.tenant().map(Tenant::as_str), Some("acme"));
        assert_eq!(head.metadata().get("source"), Some("shop"));
        assert_eq!(head.ttl(), Some(Duration::from_secs(60)));
        assert!(head.completion().is_some());
    }

    #[test]
    fn an_id_is_made_when_asked_for_and_stays() {
        for head in [head(None), head(Some(Extras { key: Some("k".into()), ..Extras::default() }))] {
            let id = head.id();
            assert_eq!(head.id(), id);
            assert_eq!(id.as_u128() >> 80, u128::from(STAMP.wall_ns / 1_000_000));
        }
    }

    #[test]
    fn threads_that_ask_at_once_get_the_same_id() {
        for _ in 0..200 {
            let head = Arc::new(head(None));
            let start = Arc::new(Barrier::new(4));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (head, start) = (Arc::clone(&head), Arc::clone(&start));
                    let ask = move || {
                        start.wait();
                        head.id()
                    };
                    thread::Builder::new().spawn(ask).expect("a thread")
                })
                .collect();
            for thread in threads {
                assert_eq!(thread.join().expect("no panic"), head.id());
            }
        }
    }
}
