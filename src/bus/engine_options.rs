//! The engines and routing rules of a bus that is being built.

use std::sync::Arc;
use std::time::Duration;

use super::{BusBuilder, MemoryEngine};
use crate::dispatch::MAX_ENGINES;
use crate::engine::{Engine, Limits, QueueTerms, Router, Rule, Seated, Seating};
use crate::error::BuildError;
use crate::pattern::{PatternError, TopicPattern};
use crate::subscribe::MAX_CAPACITY;
use crate::tenant::{Tenant, TenantError};

/// The name of the memory engine of a bus that names none.
pub(crate) const MEMORY: &str = "memory";

/// What the original calls a memory engine that never drops.
pub(crate) const LOSSLESS: &str = "durable-memory";

/// The longest name of an engine, in bytes.
const MAX_NAME: usize = 64;

/// The most arrivals of an engine in flight.
const MAX_IN_FLIGHT: usize = 1 << 20;

/// Engines and rules as they were given.
pub(super) struct EngineOptions {
    named: Vec<(String, Seated)>,
    /// The engine of what no rule matches.
    default: Option<String>,
    routes: Routes,
    limits: Limits,
}

/// Rules that say which engine carries a topic: the first that matches decides.
///
/// See [`BusBuilder::route`] and [`EventBus::replace_routes`](crate::EventBus::replace_routes).
#[derive(Clone, Debug, Default)]
pub struct Routes {
    rules: Vec<GivenRule>,
}

#[derive(Clone, Debug)]
struct GivenRule {
    engine: String,
    patterns: Result<Vec<TopicPattern>, PatternError>,
    /// `None`: everybody's events, and those of no tenant.
    tenants: Option<Result<Vec<Tenant>, TenantError>>,
}

/// Engines and rules that were found to be right.
pub(super) struct Arranged {
    /// The first gets what no rule matches.
    pub(super) engines: Vec<Seating>,
    pub(super) router: Router,
    pub(super) limits: Limits,
}

impl Arranged {
    /// Says whether there is nothing but one memory engine, which gets everything.
    pub(super) fn is_plain(&self) -> bool {
        matches!(&self.engines[..], [(_, Seated::Memory(terms))] if *terms == QueueTerms::default())
    }

    pub(super) fn has_transports(&self) -> bool {
        self.engines.iter().any(|(_, engine)| matches!(engine, Seated::Engine(_)))
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        let limits = Limits { in_flight: 1024, timeout: Duration::from_secs(30) };
        Self { named: Vec::new(), default: None, routes: Routes::default(), limits }
    }
}

impl BusBuilder {
    /// Adds an engine under a name. It carries the topics that rules [route](Self::route) to it.
    pub fn engine(self, name: impl Into<String>, engine: impl Engine) -> Self {
        self.engine_arc(name, Arc::new(engine))
    }

    /// Adds an engine that somebody else holds, too.
    pub fn engine_arc(mut self, name: impl Into<String>, engine: Arc<dyn Engine>) -> Self {
        self.engines.named.push((name.into(), Seated::Engine(engine)));
        self
    }

    /// Adds a memory engine under a name, with an account of its own. A bus has one called `memory` without this.
    pub fn memory_engine(mut self, engine: impl Into<MemoryEngine>) -> Self {
        let MemoryEngine { name, terms } = engine.into();
        self.engines.named.push((name, Seated::Memory(terms)));
        self
    }

    /// Sets which engine gets what no rule matches: the memory engine called `memory` if not set.
    pub fn default_engine(mut self, name: impl Into<String>) -> Self {
        self.engines.default = Some(name.into());
        self
    }

    /// Adds a rule: topics that match one of the patterns go by that engine. Of all rules the first that matches
    /// decides.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder()
    ///     .memory_engine("audit")
    ///     .route("audit", ["auth.*", "user.deleted"])
    ///     .build()?;
    /// let _all = bus.subscribe_any("*").handle_inline(|_| ())?;
    /// bus.publish("auth.login", 7_u32)?;
    /// bus.publish("order.placed", 8_u32)?;
    /// assert_eq!(bus.explain("auth.login")?.engine, "audit");
    /// assert_eq!(bus.stats().engines.iter().map(|engine| engine.delivered).collect::<Vec<_>>(), [1, 1]);
    /// # Ok(()) }
    /// ```
    pub fn route<P>(mut self, engine: impl Into<String>, patterns: impl IntoIterator<Item = P>) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        self.engines.routes = self.engines.routes.route(engine, patterns);
        self
    }

    /// Adds rules that were made before. See [`route`](Self::route).
    pub fn routes(mut self, routes: Routes) -> Self {
        self.engines.routes.rules.extend(routes.rules);
        self
    }

    /// Sets how many arrivals of an engine may be in flight: handed over, and not done with. From 1 to 2^20; 1024 if not
    /// set.
    pub fn in_flight(mut self, arrivals: usize) -> Self {
        self.engines.limits.in_flight = arrivals;
        self
    }

    /// Sets how long a call of an engine may take, its start included: 30 seconds if not set. Then it counts as failed,
    /// and a publish as one of which nobody knows whether the event was stored.
    pub fn engine_timeout(mut self, timeout: Duration) -> Self {
        self.engines.limits.timeout = timeout;
        self
    }
}

impl EngineOptions {
    /// Checks names and rules, and puts the engine that gets the rest first.
    pub(super) fn arrange(self) -> Result<Arranged, BuildError> {
        let Self { mut named, default, routes, limits } = self;
        if limits.in_flight == 0 || limits.in_flight > MAX_IN_FLIGHT {
            return Err(BuildError::InvalidInFlight { arrivals: limits.in_flight, limit: MAX_IN_FLIGHT });
        }
        if limits.timeout.is_zero() {
            return Err(BuildError::ZeroTimeout);
        }
        for (at, (name, engine)) in named.iter().enumerate() {
            if let Seated::Memory(terms) = engine {
                check_terms(*terms)?;
            }
            if !is_engine_name(name) {
                return Err(BuildError::InvalidEngineName { name: name.clone() });
            }
            if named[..at].iter().any(|(other, _)| other == name) {
                return Err(BuildError::DuplicateEngine { name: name.clone() });
            }
        }
        let is_known = |named: &[(String, _)], name: &str| named.iter().any(|(known, _)| known == name);
        let default = default.unwrap_or_else(|| MEMORY.to_owned());
        if !is_known(&named, &default) {
            if default != MEMORY {
                return Err(BuildError::UnknownEngine { name: default });
            }
            named.insert(0, (default.clone(), Seated::Memory(QueueTerms::default())));
        }
        if named.len() > MAX_ENGINES {
            return Err(BuildError::TooManyEngines { engines: named.len(), limit: MAX_ENGINES });
        }
        // In the order given, but for the one that gets the rest.
        named.sort_by_key(|(name, _)| *name != default);
        let router = routes.arrange(&named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
        let engines = named.into_iter().map(|(name, engine)| (Arc::from(name), engine)).collect();
        Ok(Arranged { engines, router, limits })
    }
}

impl Routes {
    /// No rules: everything goes by the default engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule, after those that there are: topics that match one of the patterns go by that engine.
    #[must_use]
    pub fn route<P>(self, engine: impl Into<String>, patterns: impl IntoIterator<Item = P>) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        self.rule(engine.into(), patterns, None)
    }

    /// Adds a rule for events of these [tenants](crate::EventBus::tenant) alone: those on topics that match one of the
    /// patterns go by that engine.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Routes};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = Routes::new().route_tenants("large", ["acme"], ["*"]);
    /// let bus = EventBus::builder().memory_engine("large").routes(routes).build()?;
    /// assert_eq!(bus.tenant("acme")?.explain("order.placed")?.engine, "large");
    /// assert_eq!(bus.tenant("globex")?.explain("order.placed")?.engine, "memory");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn route_tenants<T, P>(
        self,
        engine: impl Into<String>,
        tenants: impl IntoIterator<Item = T>,
        patterns: impl IntoIterator<Item = P>,
    ) -> Self
    where
        T: TryInto<Tenant, Error: Into<TenantError>>,
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        let tenants = tenants.into_iter().map(|tenant| tenant.try_into().map_err(Into::into));
        let tenants = tenants.collect();
        self.rule(engine.into(), patterns, Some(tenants))
    }

    fn rule<P>(
        mut self,
        engine: String,
        patterns: impl IntoIterator<Item = P>,
        tenants: Option<Result<Vec<Tenant>, TenantError>>,
    ) -> Self
    where
        P: TryInto<TopicPattern, Error: Into<PatternError>>,
    {
        let patterns = patterns.into_iter().map(|pattern| pattern.try_into().map_err(Into::into));
        self.rules.push(GivenRule { engine, patterns: patterns.collect(), tenants });
        self
    }

    /// The rules, with the engines' numbers for their names.
    pub(super) fn arrange(self, names: &[&str]) -> Result<Router, BuildError> {
        let rule = |GivenRule { engine, patterns, tenants }| {
            let patterns = patterns.map_err(BuildError::InvalidRule)?;
            let tenants = tenants.transpose().map_err(BuildError::InvalidTenant)?;
            if patterns.is_empty() || tenants.as_ref().is_some_and(Vec::is_empty) {
                return Err(BuildError::EmptyRule { engine });
            }
            match names.iter().position(|name| *name == engine).map(u8::try_from) {
                Some(Ok(engine)) => Ok(Rule { patterns, tenants, engine }),
                _ => Err(BuildError::UnknownEngine { name: engine }),
            }
        };
        self.rules.into_iter().map(rule).collect::<Result<_, _>>().map(Router::new)
    }
}

/// Checks the sizes of a memory engine.
fn check_terms(QueueTerms { default, most, .. }: QueueTerms) -> Result<(), BuildError> {
    let limit = most.unwrap_or(MAX_CAPACITY);
    if limit == 0 || limit > MAX_CAPACITY {
        return Err(BuildError::InvalidMaxCapacity { capacity: limit, limit: MAX_CAPACITY });
    }
    match default {
        Some(capacity) if capacity == 0 || capacity > limit => {
            Err(BuildError::InvalidCapacity { capacity, limit })
        }
        _ => Ok(()),
    }
}

/// Letters, digits, and some marks between them: names stand in metrics and messages.
pub(crate) fn is_engine_name(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    begins && name.len() <= MAX_NAME && name.bytes().all(goes_on)
}
