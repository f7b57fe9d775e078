//! Dead letters: events that a subscription could not handle, handed on instead of forgotten.
//!
//! Whoever ends an event badly (a handler that failed, one that came too late, bytes that nobody can decode) asks here
//! whether a rule names a topic for it. The letter is published there like any event, without waiting: who buries is a
//! worker, or the publisher within its call, and must not hang on a queue that it may have to empty itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::hooks::Hooks;
use super::passing::Whole;
use super::slot::Slot;
use crate::envelope::DecodeError;
use crate::error::HandlerError;
use crate::event::{AnyEvent, SubscriptionId};
use crate::guard::guarded;
use crate::pattern::TopicPattern;
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::clock;
use crate::tenant::Tenant;
use crate::topic::Topic;

/// An event that a subscription could not handle: the payload of what is published to a [dead-letter
/// topic](crate::BusBuilder::dead_letters).
///
/// It holds the event itself, with its id, key, metadata and payload, so that it can be looked at, stored, or published
/// once more. `Debug` prints no payload.
///
/// ```
/// use trolleybus::{DeadLetter, EventBus, HandlerError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::builder().dead_letters(["order.*"], "dead.order").build()?;
/// let mut dead = bus.subscribe_local::<DeadLetter>("dead.*").receiver()?;
/// let _billing = bus
///     .subscribe::<u32>("order.placed")
///     .name("billing")
///     .handle_inline(|_| Err::<(), _>(HandlerError::new("no such customer")))?;
/// bus.publish("order.placed", 7_u32)?;
///
/// let letter = dead.try_recv()?;
/// assert_eq!(letter.event().payload::<u32>(), Some(&7));
/// assert_eq!(letter.subscription_name(), Some("billing"));
/// assert_eq!(letter.cause().to_string(), "the handler failed: no such customer");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct DeadLetter {
    event: AnyEvent,
    cause: DeathCause,
    subscription: SubscriptionId,
    subscription_name: Option<Arc<str>>,
    attempts: u32,
    died: SystemTime,
    /// Its event was sent once more. Of all copies of the letter.
    redriven: Arc<AtomicBool>,
}

impl DeadLetter {
    /// Returns the event as it was published. What no subscription could decode holds an
    /// [`Encoded`](crate::engine::Encoded).
    #[must_use]
    pub fn event(&self) -> &AnyEvent {
        &self.event
    }

    /// Returns why it was not handled.
    #[must_use]
    pub fn cause(&self) -> &DeathCause {
        &self.cause
    }

    /// Returns whose handler it was.
    #[must_use]
    pub fn subscription(&self) -> SubscriptionId {
        self.subscription
    }

    /// Returns the name of the subscription, if it was given one.
    #[must_use]
    pub fn subscription_name(&self) -> Option<&str> {
        self.subscription_name.as_deref()
    }

    /// Returns how often a handler was tried: 0 if none was started.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns when it was given up; wall clock. The event says when it [was published](AnyEvent::time).
    #[must_use]
    pub fn died(&self) -> SystemTime {
        self.died
    }

    /// Says whether the event was [sent once more](crate::EventBus::redrive), and a subscription has taken it.
    #[must_use]
    pub fn was_redriven(&self) -> bool {
        // Relaxed, and below: whoever claims it is in the order of this one flag.
        self.redriven.load(Ordering::Relaxed)
    }

    /// Notes that the event is sent. False if that was noted before.
    pub(crate) fn claim_redrive(&self) -> bool {
        !self.redriven.swap(true, Ordering::Relaxed)
    }

    /// The event was not taken after all.
    pub(crate) fn give_back(&self) {
        self.redriven.store(false, Ordering::Relaxed);
    }
}

/// Why an event became a [`DeadLetter`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeathCause {
    /// The handler failed or panicked.
    #[non_exhaustive]
    Failed {
        /// What it said.
        error: String,
        /// Whether it panicked.
        panicked: bool,
        /// Whether it said that [trying again would not help](HandlerError::permanent).
        permanent: bool,
    },
    /// The event was [so old](crate::BusBuilder::ttl) when its handler would have started.
    Expired(Duration),
    /// The event came from a broker, and its payload is not of the type that the subscription takes.
    Undecodable(DecodeError),
}

impl DeathCause {
    pub(super) fn failed(error: &HandlerError) -> Self {
        // The error's words are the application's code.
        let mut words = String::new();
        guarded(|| words = error.to_string());
        Self::Failed { error: words, panicked: error.is_panic(), permanent: error.is_permanent() }
    }
}

impl fmt::Display for DeathCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It says so itself.
            Self::Failed { error, panicked: true, .. } => f.write_str(error),
            Self::Failed { error, .. } => write!(f, "the handler failed: {error}"),
            Self::Expired(age) => write!(f, "the event was {} ms old", age.as_millis()),
            Self::Undecodable(error) => write!(f, "the payload cannot be decoded: {error}"),
        }
    }
}

/// What became of the events that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterStats {
    /// Letters that at least one subscription has taken, or that are [kept](crate::BusBuilder::retain).
    pub sent: u64,
    /// Letters that nobody has taken, and that are not kept: nobody subscribes, queues were full, the bus shuts down, or an
    /// engine carries the topic.
    pub lost: u64,
    /// Letters that died themselves. No letter is made of a letter, so that there is no end of them.
    pub died: u64,
}

/// Publishes letters: the bus, which the dispatcher does not know.
pub(crate) trait Mail: Send + Sync {
    /// Publishes a letter without waiting. True if a subscription has taken it, or it is kept.
    fn post(&self, tenant: Option<&Tenant>, topic: &Topic, letter: DeadLetter) -> bool;
}

/// A bus's rules for dead letters, and how many there were.
#[derive(Default)]
pub(crate) struct DeadLetters {
    /// The first that matches the topic of the event decides.
    rules: Vec<(TopicPattern, Topic)>,
    /// Set when the bus is there.
    mail: OnceLock<Box<dyn Mail>>,
    sent: AtomicU64,
    lost: AtomicU64,
    died: AtomicU64,
}

impl DeadLetters {
    /// `None` if there are no rules.
    pub(crate) fn new(rules: Vec<(TopicPattern, Topic)>) -> Option<Self> {
        (!rules.is_empty()).then(|| Self { rules, ..Self::default() })
    }

    /// The bus is there.
    pub(crate) fn post_by(&self, mail: Box<dyn Mail>) {
        // Set once, by who makes the bus.
        let _ = self.mail.set(mail);
    }

    pub(crate) fn stats(&self) -> DeadLetterStats {
        // Relaxed, and below: counts for people, which need not be in step with anything.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeadLetterStats { sent: read(&self.sent), lost: read(&self.lost), died: read(&self.died) }
    }

    /// Hands on an event that a subscription could not handle, if there is a rule for it. Comes before the subscription
    /// settles with the event's completion, which is told where it went. True if somebody has taken it.
    pub(super) fn bury(
        &self,
        hooks: &Hooks,
        slot: &Slot,
        event: &dyn Whole,
        attempts: u32,
        cause: impl FnOnce() -> DeathCause,
    ) -> bool {
        let head = event.head();
        let Some(topic) = self.topic_for(head.topic()) else { return false };
        let event = event.keep();
        if event.is::<DeadLetter>() {
            self.died.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let letter = DeadLetter {
            attempts,
            event,
            cause: cause(),
            subscription: slot.id,
            subscription_name: slot.spec.name.as_deref().map(Into::into),
            died: clock::wall_time(hooks.time.stamp().wall_ns),
            redriven: Arc::default(),
        };
        let shown = hooks.observer.as_ref().map(|observer| (observer, letter.clone()));
        let taken = self.mail.get().is_some_and(|mail| mail.post(head.tenant(), topic, letter));
        if taken {
            self.sent.fetch_add(1, Ordering::Relaxed);
            if let Some(completion) = head.completion() {
                completion.keep_dead_letter(slot.id);
            }
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((observer, letter)) = shown {
            guarded(|| observer.dead_letter(&letter, topic, taken));
        }
        taken
    }

    /// Where letters of a topic go. Those of a dead-letter topic itself are asked for, too, since they are counted.
    fn topic_for(&self, topic: &Topic) -> Option<&Topic> {
        let matching = self.rules.iter().find(|(pattern, _)| pattern.matches_str(topic.as_str()));
        matching.or_else(|| self.rules.iter().find(|(_, dead)| dead == topic)).map(|(_, dead)| dead)
    }
}
