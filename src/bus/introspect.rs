//! Questions about a bus: who subscribes to what, what was counted, who would get an event.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::EventBus;
use super::engine_stats::{EngineStats, engines, route_of};
use crate::dispatch::{
    Accounts, CircuitState, DeadLetterStats, DeadLetters, DeliveryMode, HandlingTimes, HistoryStats, Ledger,
    Slot, SubscriptionKind, TenantAccount, Wanted,
};
use crate::event::SubscriptionId;
use crate::pattern::TopicPattern;
use crate::subscribe::Hub;
use crate::tenant::Tenant;
use crate::topic::{Topic, TopicError, intern_refusals};

/// A pattern that somebody subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicInfo {
    /// The pattern; a literal one is a topic.
    pub pattern: TopicPattern,
    /// How many subscriptions have it.
    pub subscriptions: usize,
}

/// The account of a [tenant](EventBus::tenant): of his subscriptions, those included that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantStats {
    /// Who it is.
    pub tenant: Tenant,
    /// How many subscriptions he has.
    pub subscriptions: usize,
    /// What became of the events that they were offered.
    pub total: Ledger,
}

/// A subscription with its account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Which.
    pub id: SubscriptionId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its patterns.
    pub patterns: Vec<TopicPattern>,
    /// How it gets its events.
    pub kind: SubscriptionKind,
    /// Whose it is, if it is a tenant's.
    pub tenant: Option<Tenant>,
    /// What happens when its queue is full.
    pub delivery: DeliveryMode,
    /// How many events its queue holds.
    pub capacity: usize,
    /// Where in the application it was made.
    pub call_site: &'static Location<'static>,
    /// Its account.
    pub ledger: Ledger,
    /// How long ago the oldest queued event was published, to a few milliseconds.
    pub oldest_age: Option<Duration>,
    /// How long its handlers took, if [that is counted](crate::BusBuilder::time_handlers); for a receiver never.
    pub handling: Option<HandlingTimes>,
    /// It is paused or in quarantine.
    pub paused: bool,
    /// How its [circuit](crate::CircuitBreaker) is, if it has a breaker.
    pub circuit: Option<CircuitState>,
}

/// The account of a bus. It serialises: see the module [`metrics`](crate::metrics).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BusStats {
    /// All subscriptions together, those included that are gone.
    pub total: Ledger,
    /// How long all handlers took, those of subscriptions included that are gone, if [that is
    /// counted](crate::BusBuilder::time_handlers).
    pub handling: Option<HandlingTimes>,
    /// The subscriptions that live, in the order of registration.
    pub subscriptions: Vec<SubscriptionStats>,
    /// The engines, the one first that gets what no rule matches.
    pub engines: Vec<EngineStats>,
    /// The tenants that the bus serves, by name.
    pub tenants: Vec<TenantStats>,
    /// What became of events that [nobody could handle](crate::BusBuilder::dead_letters).
    pub dead_letters: DeadLetterStats,
    /// What is [kept](crate::BusBuilder::retain) of the events.
    pub history: HistoryStats,
    /// Topics in the table: those with literal subscriptions or publisher handles, and those that are
    /// kept resolved.
    pub topics_known: usize,
    /// How often a topic was not kept resolved because the table was full.
    pub topics_refused: u64,
    /// Events of the bus's life that were not told, because those who listen are too slow.
    pub lifecycle_dropped: u64,
    /// How often a topic's name was not interned because the process-wide table was full.
    pub names_refused: u64,
}

/// What a subscription does with an event on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It would be offered the event, if its type and filter agree.
    Offered,
    /// One member of this group would be offered the event.
    OneOfGroup(String),
    /// It is inline and paused: events pass it by.
    Paused,
    /// No pattern of it matches, though one begins alike. The number of segments that agree from the
    /// beginning.
    NoMatch {
        /// Segments of the topic that the nearest pattern agrees with.
        agreeing: usize,
    },
}

/// A subscription as [`EventBus::explain`] lists it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// Which.
    pub subscription: SubscriptionId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its patterns.
    pub patterns: Vec<TopicPattern>,
    /// How it gets its events.
    pub kind: SubscriptionKind,
    /// What it asks of the payload's type; `None` takes any.
    pub payload_type: Option<&'static str>,
    /// Whether a filter has a say too.
    pub filtered: bool,
    /// What it would do.
    pub verdict: Verdict,
}

/// Who would get an event on a topic, and why not the others that come near.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The topic.
    pub topic: Topic,
    /// The name of the engine that carries it.
    pub engine: String,
    /// The number of the rule that says so, from 0; `None` if no rule matches.
    pub rule: Option<usize>,
    /// The subscriptions that match, in the order in which they are served.
    pub matching: Vec<Explained>,
    /// The subscriptions that do not match and whose pattern begins alike.
    pub near: Vec<Explained>,
}

impl EventBus {
    /// Lists the patterns that somebody subscribes to, sorted.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicInfo> {
        let subscribed = self.realm.table.subscribed();
        subscribed.into_iter().map(|(pattern, subscriptions)| TopicInfo { pattern, subscriptions }).collect()
    }

    /// Counts the subscriptions that match a topic, those with wildcards included.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the topic is invalid.
    pub fn subscriber_count(&self, topic: impl AsRef<str>) -> Result<usize, TopicError> {
        self.realm.table.matching(topic.as_ref()).map(|slots| slots.len())
    }

    /// Reads the account of the bus and of every subscription.
    ///
    /// Each ledger is consistent in itself: everything that shows at its end also shows at its source.
    /// They are read one after the other while the bus goes on.
    #[must_use]
    pub fn stats(&self) -> BusStats {
        BusStats::read(self.hub())
    }

    /// Tells who would get an event on a topic, and why not the others that come near.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::new();
    /// let _all = bus.subscribe_any("order.**").handle_inline(|_| ())?;
    /// let _placed = bus.subscribe_any("order.+").handle_inline(|_| ())?;
    /// let explanation = bus.explain("order.7.placed")?;
    /// assert_eq!(explanation.matching.len(), 1);
    /// assert_eq!(explanation.near[0].patterns[0].as_str(), "order.+");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the topic is invalid.
    pub fn explain(&self, topic: impl AsRef<str>) -> Result<Explanation, TopicError> {
        let topic = Topic::new(topic)?;
        let matching = self.realm.table.matching(topic.as_str())?;
        let mut near = Vec::new();
        for slot in self.hub().roster.held() {
            if slot.is_closed()
                || slot.spec.tenant.as_ref() != self.current_tenant()
                || matching.iter().any(|other| other.id == slot.id)
            {
                continue;
            }
            let agreeing = slot
                .spec
                .patterns
                .iter()
                .map(|pattern| agreeing_segments(pattern, &topic))
                .max()
                .unwrap_or(0);
            if agreeing > 0 {
                near.push(explained(&slot, Verdict::NoMatch { agreeing }));
            }
        }
        // As a pass serves them: queues, then inline handlers, then groups. The sort is stable.
        let mut served = matching;
        served.sort_by_key(|slot| (slot.spec.group.is_some(), slot.spec.group.is_none() && slot.is_inline()));
        let matching = served.iter().map(|slot| explained(slot, verdict_of(slot))).collect();
        let (engine, rule) = route_of(self.hub(), self.current_tenant(), topic.as_str());
        Ok(Explanation { topic, engine, rule, matching, near })
    }
}

impl BusStats {
    /// Reads the accounts of a bus that need not have a handle any more. Takes the lock of the list of subscriptions,
    /// which no publish takes.
    pub(crate) fn read(hub: &Hub) -> Self {
        let (topics_known, topics_refused) = hub.tables.usage();
        let Accounts { total, times, tenants } = hub.roster.accounts();
        let of_tenant = |(tenant, TenantAccount { ledger, open })| TenantStats {
            tenant,
            subscriptions: open,
            total: ledger,
        };
        Self {
            total,
            handling: hub.options.times.then_some(times),
            subscriptions: hub.roster.held().iter().map(|slot| stats_of(slot)).collect(),
            engines: engines(hub, &total),
            tenants: tenants.into_iter().map(of_tenant).collect(),
            dead_letters: hub.hooks.dead_letters.as_ref().map(DeadLetters::stats).unwrap_or_default(),
            history: hub.tables.keeper().map(|keeper| keeper.stats()).unwrap_or_default(),
            topics_known,
            topics_refused,
            lifecycle_dropped: hub.hooks.feed.as_ref().map_or(0, |feed| feed.dropped()),
            names_refused: intern_refusals(),
        }
    }
}

fn stats_of(slot: &Slot) -> SubscriptionStats {
    SubscriptionStats {
        id: slot.id,
        name: slot.spec.name.as_deref().map(str::to_owned),
        patterns: slot.spec.patterns.to_vec(),
        kind: slot.spec.kind,
        tenant: slot.spec.tenant.clone(),
        delivery: slot.spec.mode,
        capacity: slot.spec.capacity,
        call_site: slot.spec.site,
        ledger: slot.ledger(),
        oldest_age: slot.oldest_age(),
        handling: slot.handling_times(),
        paused: slot.is_paused(),
        circuit: slot.circuit(),
    }
}

fn verdict_of(slot: &Slot) -> Verdict {
    if slot.is_inline() && slot.is_paused() {
        return Verdict::Paused;
    }
    match &slot.spec.group {
        Some(group) => Verdict::OneOfGroup(group.name.to_string()),
        None => Verdict::Offered,
    }
}

fn explained(slot: &Slot, verdict: Verdict) -> Explained {
    Explained {
        subscription: slot.id,
        name: slot.spec.name.as_deref().map(str::to_owned),
        patterns: slot.spec.patterns.to_vec(),
        kind: slot.spec.kind,
        payload_type: slot.spec.wants.map(Wanted::name),
        filtered: slot.spec.filter.is_some(),
        verdict,
    }
}

/// How many segments of the topic agree with the pattern from the beginning, the literal ones only.
fn agreeing_segments(pattern: &TopicPattern, topic: &Topic) -> usize {
    pattern.as_str().split('.').zip(topic.segments()).take_while(|(wanted, given)| wanted == given).count()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered => f.write_str("is offered the event"),
            Self::OneOfGroup(group) => write!(f, "shares the event in group \"{group}\""),
            Self::Paused => f.write_str("is paused: the event passes it by"),
            Self::NoMatch { agreeing: 1 } => f.write_str("does not match beyond the first segment"),
            Self::NoMatch { agreeing } => write!(f, "does not match beyond the first {agreeing} segments"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by engine \"{}\"", self.topic, self.engine)?;
        match self.rule {
            Some(rule) => writeln!(f, ", rule {rule}")?,
            None => writeln!(f)?,
        }
        for one in self.matching.iter().chain(&self.near) {
            write!(f, "  {} ({}", one.subscription, one.kind)?;
            if let Some(name) = &one.name {
                write!(f, ", {name}")?;
            }
            write!(f, ") to")?;
            for pattern in &one.patterns {
                write!(f, " {pattern}")?;
            }
            writeln!(f, ": {}", one.verdict)?;
        }
        Ok(())
    }
}
