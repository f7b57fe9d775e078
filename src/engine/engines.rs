//! All engines of a bus, and the rules between them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::Ground;
use super::ingress::Watch;
use super::transport::Limits;
use super::{Engine, EngineCall, EngineError, EngineState, Router, Transport};
use crate::dispatch::{Carriage, Carriers, Hooks, Slot, Tables};
use crate::event::SubscriptionId;
use crate::pattern::TopicPattern;
use crate::sync::Mutex;
use crate::sync::clock::Deadline;
use crate::sync::snapshot::Snapshot;
use crate::tenant::Tenant;

/// An engine's place on a bus.
pub(crate) struct EngineSeat {
    pub(crate) name: Arc<str>,
    /// `None`: a memory engine.
    pub(crate) transport: Option<Arc<Transport>>,
    pub(crate) terms: QueueTerms,
}

/// How the queues are of subscriptions that reach an engine's topics; where it does not say, as on the bus. Sizes in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueTerms {
    /// Of those that do not say otherwise.
    pub(crate) default: Option<usize>,
    pub(crate) most: Option<usize>,
    /// A full one is waited for, whatever else it would do.
    pub(crate) lossless: bool,
}

impl QueueTerms {
    /// The stricter ones of two.
    fn and(self, other: Self) -> Self {
        let smaller = |one: Option<usize>, other: Option<usize>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            default: smaller(self.default, other.default),
            most: smaller(self.most, other.most),
            lossless: self.lossless || other.lossless,
        }
    }
}

/// What an engine is.
#[derive(Clone)]
pub(crate) enum Seated {
    Memory(QueueTerms),
    Engine(Arc<dyn Engine>),
}

/// What an engine is to be called, and what it is.
pub(crate) type Seating = (Arc<str>, Seated);

/// The engines of a bus.
pub(crate) struct Engines {
    seats: Box<[EngineSeat]>,
    /// Read for topics that are resolved; replaced as a whole.
    router: Snapshot<Router>,
    /// Rules that are about to hold: who subscribes joins by both.
    coming: Mutex<Option<Arc<Router>>>,
}

impl Engines {
    /// The first one gets what no rule matches.
    pub(crate) fn new(engines: Vec<Seating>, router: Router, limits: Limits, hooks: &Arc<Hooks>) -> Self {
        let seat = |(number, (name, engine)): (usize, Seating)| {
            let (transport, terms) = match engine {
                Seated::Memory(terms) => (None, terms),
                Seated::Engine(engine) => {
                    let number = u8::try_from(number).unwrap_or(u8::MAX);
                    let watch = Box::new(Reports { name: Arc::clone(&name), hooks: Arc::clone(hooks) });
                    let transport = Transport::new(Arc::clone(&name), number, engine, limits, watch);
                    (Some(Arc::new(transport)), QueueTerms::default())
                }
            };
            EngineSeat { name, transport, terms }
        };
        Self {
            seats: engines.into_iter().enumerate().map(seat).collect(),
            router: Snapshot::new(Arc::new(router)),
            coming: Mutex::new(None),
        }
    }

    pub(crate) fn seats(&self) -> &[EngineSeat] {
        &self.seats
    }

    pub(crate) fn seat(&self, number: u8) -> Option<&EngineSeat> {
        self.seats.get(usize::from(number))
    }

    /// The engine that takes events of a topic out of the publish call.
    pub(crate) fn transport(&self, number: u8) -> Option<&Arc<Transport>> {
        self.seat(number)?.transport.as_ref()
    }

    pub(crate) fn transports(&self) -> impl Iterator<Item = &Arc<Transport>> {
        self.seats.iter().filter_map(|seat| seat.transport.as_ref())
    }

    /// The rules that hold now.
    pub(crate) fn router(&self) -> Arc<Router> {
        self.router.load_full()
    }

    /// The engines that a subscription has to join or be served by, each a bit.
    fn reached_by(&self, slot: &Slot) -> u64 {
        // Who replaces the rules shows the new ones before it looks who is there.
        let coming = self.coming.lock().clone();
        let by = |router: &Router| {
            let tenant = slot.spec.tenant.as_ref();
            slot.spec.patterns.iter().fold(0, |reached, pattern| reached | router.reached_by(tenant, pattern))
        };
        by(&self.router.load_full()) | coming.map_or(0, |coming| by(&coming))
    }

    /// The engines of which one of these patterns matches topics, by the rules that hold now.
    fn reached_now(
        &self,
        tenant: Option<&Tenant>,
        patterns: &[TopicPattern],
    ) -> impl Iterator<Item = &EngineSeat> {
        let router = self.router.load_full();
        let reached =
            patterns.iter().fold(0, |reached, pattern| reached | router.reached_by(tenant, pattern));
        let seats = self.seats.iter().enumerate();
        seats.filter(move |(number, _)| reached & (1 << number) != 0).map(|(_, seat)| seat)
    }

    /// How the queue of a subscription to these patterns is.
    pub(crate) fn queue_terms(&self, tenant: Option<&Tenant>, patterns: &[TopicPattern]) -> QueueTerms {
        let seats = self.reached_now(tenant, patterns);
        seats.fold(QueueTerms::default(), |terms, seat| terms.and(seat.terms))
    }

    /// Says whether a memory engine has topics that one of these patterns matches.
    pub(crate) fn reach_memory(&self, tenant: Option<&Tenant>, patterns: &[TopicPattern]) -> bool {
        self.reached_now(tenant, patterns).any(|seat| seat.transport.is_none())
    }

    /// The transports among the engines that a subscription reaches, and whether the memory engine is one.
    pub(crate) fn reach(&self, slot: &Slot) -> Reach<'_> {
        let reached = self.reached_by(slot);
        let is_reached = |number: usize| reached & (1 << number) != 0;
        let mut reach = Reach { transports: Vec::new(), memory: false };
        for (_, seat) in self.seats.iter().enumerate().filter(|(number, _)| is_reached(*number)) {
            match &seat.transport {
                Some(transport) => reach.transports.push(transport),
                None => reach.memory = true,
            }
        }
        reach
    }

    /// Begins the start of all engines. See [`Transport::start`].
    pub(crate) fn start(&self, tables: &Arc<Tables>, hooks: &Arc<Hooks>) -> Vec<Started> {
        let ground = Ground { tables: Arc::downgrade(tables), hooks: Arc::clone(hooks) };
        self.transports().map(|transport| (Arc::clone(transport), transport.start(ground.clone()))).collect()
    }

    /// Takes no arrivals any more, and waits a moment for the engines' threads. Returns how many still run.
    pub(crate) fn close(&self, moment: Duration) -> usize {
        self.transports().for_each(|transport| transport.close());
        let deadline = Deadline::after(moment);
        let running = self.transports().filter(|transport| !transport.join_thread(deadline)).count();
        self.transports().for_each(|transport| transport.stopped());
        running
    }

    /// Ends all engines without waiting for anything but their threads, and for those a moment.
    pub(crate) fn abandon(&self, moment: Duration) {
        self.transports().for_each(Transport::abandon);
        self.close(moment);
    }

    /// Shows rules that are about to hold. False if others are.
    pub(crate) fn announce(&self, router: &Arc<Router>) -> bool {
        let mut coming = self.coming.lock();
        let first = coming.is_none();
        if first {
            *coming = Some(Arc::clone(router));
        }
        first
    }

    /// Takes rules back that were about to hold.
    pub(crate) fn withdraw(&self) {
        *self.coming.lock() = None;
    }

    /// The announced rules hold from here on for topics that are resolved.
    pub(crate) fn replace_rules(&self, router: Arc<Router>) {
        drop(self.router.swap(router));
        self.withdraw();
    }
}

/// An engine whose start has begun, or could not.
pub(crate) type Started = (Arc<Transport>, Result<EngineCall<()>, EngineError>);

/// What a subscription reaches.
pub(crate) struct Reach<'a> {
    pub(crate) transports: Vec<&'a Arc<Transport>>,
    pub(crate) memory: bool,
}

impl Carriers for Engines {
    fn route(&self, tenant: Option<&Tenant>, topic: &str) -> Carriage {
        let engine = self.router.load().route(tenant, topic);
        Carriage { engine, carried: self.transport(engine).is_some(), ..Carriage::default() }
    }

    fn left(&self, subscription: SubscriptionId, engines: u64) {
        for transport in self.transports().filter(|transport| engines & (1 << transport.number) != 0) {
            transport.leave(subscription);
        }
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.seats.iter().map(|seat| &seat.name)).finish()
    }
}

/// Tells people, by way of the bus, what an engine says.
struct Reports {
    name: Arc<str>,
    hooks: Arc<Hooks>,
}

impl Watch for Reports {
    fn state(&self, state: EngineState) {
        self.hooks.engine_state(&self.name, state);
    }

    fn rejected(&self, reason: &dyn fmt::Display) {
        self.hooks.warn(|| format!("engine \"{}\" rejects what arrived: {reason}", self.name));
    }

    fn report(&self, message: &str) {
        self.hooks.warn(|| format!("engine \"{}\": {message}", self.name));
    }
}
