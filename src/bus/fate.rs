//! Options of a [`BusBuilder`] about what becomes of events that are late, or that nobody can handle.

use std::time::Duration;

use super::BusBuilder;
use crate::error::BuildError;
use crate::history::Retention;
use crate::pattern::{PatternError, TopicPattern};
use crate::topic::Topic;

impl BusBuilder {
    /// Sets how long events are worth delivering that [do not say so](crate::EventBuilder::ttl), and to whose topic no
    /// [rule](Self::ttl_of) is about: for ever if not set.
    ///
    /// When a handler would start for an event that is so old, it does not: the event is counted as
    /// [expired](crate::Ledger::expired), and observers [hear of it](crate::Observer::expired). A receiver does not get it. Ages are
    /// counted from the publish call, or where an engine brings the event, from its arrival.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttls.default = Some(ttl);
        self
    }

    /// Adds a rule: events on topics that match one of the patterns are worth delivering so long. The first rule that matches
    /// decides; what an [event says itself](crate::EventBuilder::ttl) goes before.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder()
    ///     .ttl(Duration::from_secs(3600))
    ///     .ttl_of(["metric.*"], Duration::ZERO)
    ///     .build()?;
    /// let mut all = bus.subscribe::<u32>("*").receiver()?;
    /// bus.publish("metric.load", 1_u32)?;
    /// bus.publish("order.placed", 2_u32)?;
    /// assert_eq!((*all.try_recv()?, all.subscription().stats().expired), (2, 1));
    /// # Ok(()) }
    /// ```
    pub fn ttl_of<P>(mut self, patterns: impl IntoIterator<Item = P>, ttl: Duration) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        for pattern in patterns {
            if let Some(pattern) = self.rule_pattern(pattern) {
                self.options.ttls.rules.push((pattern, ttl));
            }
        }
        self
    }

    /// Adds a rule: what a subscription cannot handle of events on topics that match one of the patterns is published to this
    /// topic, as a [`DeadLetter`](crate::DeadLetter) with the event and what was wrong. The first rule that matches decides;
    /// without one such events are counted and that is all.
    ///
    /// That is an event whose handler failed or panicked, that was [too old](Self::ttl), or that came from a broker and cannot be
    /// decoded; not one that a full queue has dropped. There is a letter for each subscription that could not handle it, of the
    /// event's tenant if it has one. It is published in the thread that ended the event, by the memory engine, and never waits: a
    /// full queue drops it whatever its mode. A letter that nobody takes, and that is not [kept](Self::retain) either, is counted as [lost](crate::DeadLetterStats::lost), and
    /// observers [hear of it](crate::Observer::dead_letter); so are all while the bus shuts down. Of a letter that cannot be handled
    /// itself no letter is made.
    ///
    /// See [`DeadLetter`](crate::DeadLetter) for an example.
    pub fn dead_letters<P>(mut self, patterns: impl IntoIterator<Item = P>, topic: impl AsRef<str>) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        match Topic::new(topic.as_ref()) {
            Ok(topic) => {
                for pattern in patterns {
                    if let Some(pattern) = self.rule_pattern(pattern) {
                        self.dead_letters.push((pattern, topic.clone()));
                    }
                }
            }
            Err(error) => {
                self.bad_rule.get_or_insert(BuildError::InvalidDeadLetterTopic(error));
            }
        }
        self
    }

    /// Adds a rule: so much is kept of the events on each topic that matches one of the patterns. The first rule that matches
    /// decides; without one nothing is kept.
    ///
    /// What is kept can be [replayed](crate::Subscribe::from) by subscriptions that come later, and [looked
    /// at](crate::EventBus::history). It is in memory, per topic and tenant, and its events are
    /// [numbered](crate::AnyEvent::sequence). Topics that another engine than a memory engine carries are not kept here: such
    /// engines may have a history of their own. A publish to a topic that is kept takes a lock of that topic; topics of which
    /// nothing is kept cost what they did.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Retention, Start};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder().retain(["order.*"], Retention::new().count(100)).build()?;
    /// bus.publish("order.placed", 7_u32)?;
    /// let mut late = bus.subscribe::<u32>("order.placed").from(Start::Beginning).receiver()?;
    /// bus.publish("order.placed", 8_u32)?;
    /// let first = late.recv()?;
    /// assert_eq!((*first, first.sequence()), (7, Some(1)));
    /// assert_eq!(*late.recv()?, 8);
    /// # Ok(()) }
    /// ```
    pub fn retain<P>(mut self, patterns: impl IntoIterator<Item = P>, retention: Retention) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        if let Err(error) = retention.check() {
            self.bad_rule.get_or_insert(error);
        }
        for pattern in patterns {
            if let Some(pattern) = self.rule_pattern(pattern) {
                self.options.retention.0.push((pattern, retention));
            }
        }
        self
    }

    /// Sets how many events are kept by all [rules](Self::retain) together: from 1; 1,048,576 if not set. When there are more,
    /// the topic that nobody has published to for longest loses what is kept of it, which is
    /// [counted](crate::HistoryStats::evicted_topics).
    pub fn max_history_events(mut self, events: u64) -> Self {
        self.options.history_limits.events = events;
        self
    }

    /// Sets how many bytes are kept by all rules together, as [events count](Retention::bytes): from 1; 256 MiB if not set.
    pub fn max_history_bytes(mut self, bytes: u64) -> Self {
        self.options.history_limits.bytes = bytes;
        self
    }

    /// Sets of how many topics something is kept at a time: from 1; 65,536 if not set.
    pub fn max_history_topics(mut self, topics: u64) -> Self {
        self.options.history_limits.topics = topics;
        self
    }

    /// The pattern of a rule. If it is none, the bus is not built.
    fn rule_pattern<P>(&mut self, pattern: P) -> Option<TopicPattern>
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        pattern
            .try_into()
            .map_err(|error| self.bad_rule.get_or_insert(BuildError::InvalidRule(error.into())))
            .ok()
    }
}
