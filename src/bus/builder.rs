//! Building a bus.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::engine_options::{Arranged, EngineOptions};
use super::{EventBus, Starting, letters};
use crate::clock::{Clock, TimeSource};
use crate::dispatch::{DeadLetters, DeliveryMode, Hooks, MAX_DEPTH, Observer, Ttls};
use crate::engine::Engines;
use crate::error::BuildError;
use crate::history::{Limits, Rules};
use crate::lifecycle::{Feed, LifecycleEvent, Listener};
use crate::pattern::TopicPattern;
use crate::subscribe::{Hub, MAX_CAPACITY, Options};
use crate::sync::thread::available_parallelism;
use crate::topic::Topic;
use crate::trace::Tracing;
use crate::worker::Spawn;

/// The most worker threads.
pub(crate) const MAX_WORKERS: usize = 1024;

/// The largest raw payload by default, in bytes.
const DEFAULT_MAX_RAW: usize = 16 * 1024 * 1024;

/// The options of a bus. Begun by [`EventBus::builder`], ended by [`build`](Self::build).
///
/// ```
/// use trolleybus::{DeliveryMode, EventBus};
///
/// let bus = EventBus::builder().workers(2).delivery(DeliveryMode::Block).capacity(256).build()?;
/// # Ok::<(), trolleybus::BuildError>(())
/// ```
#[must_use = "a bus is made by `build`"]
pub struct BusBuilder {
    pub(super) options: Options,
    pub(super) engines: EngineOptions,
    observer: Option<Arc<dyn Observer>>,
    listeners: Vec<Listener>,
    /// What is wrong with a rule for times to live, or for dead letters.
    pub(super) bad_rule: Option<BuildError>,
    pub(super) dead_letters: Vec<(TopicPattern, Topic)>,
    tracing: Tracing,
    /// What is to be told of the configuration that this came from.
    loaded: Option<LifecycleEvent>,
}

/// One worker for each core.
pub(crate) fn default_workers() -> usize {
    available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

impl BusBuilder {
    pub(super) fn new() -> Self {
        Self {
            options: Options {
                capacity: 1024,
                max_capacity: MAX_CAPACITY,
                mode: DeliveryMode::Drop,
                workers: default_workers(),
                spin: Duration::from_micros(100),
                thread_name: "trolleybus".to_owned(),
                around: None,
                spawn: None,
                inline_depth: 64,
                rotate: false,
                max_raw: DEFAULT_MAX_RAW,
                topic_cache: 65_536,
                max_tenants: 1024,
                times: false,
                ttls: Ttls::default(),
                retention: Rules::default(),
                history_limits: Limits::default(),
                time: TimeSource::default(),
                quarantine_after: None,
            },
            engines: EngineOptions::default(),
            observer: None,
            listeners: Vec::new(),
            bad_rule: None,
            dead_letters: Vec::new(),
            tracing: Tracing::default(),
            loaded: None,
        }
    }

    /// Sets how many events a queue holds unless its subscription says otherwise. From 1 to 2^24;
    /// 1024 if not set.
    pub fn capacity(mut self, events: usize) -> Self {
        self.options.capacity = events;
        self
    }

    /// Sets the largest capacity that a subscription may have; one that asks for more is refused. From 1 to 2^24, which
    /// it is if not set. The default [`capacity`](Self::capacity) may not be larger.
    pub fn max_capacity(mut self, events: usize) -> Self {
        self.options.max_capacity = events;
        self
    }

    /// Sets what happens to an event that finds a queue full, unless the subscription says otherwise.
    /// [`DeliveryMode::Drop`] if not set.
    pub fn delivery(mut self, mode: DeliveryMode) -> Self {
        self.options.mode = mode;
        self
    }

    /// Sets the number of worker threads: one per core if not set, at most 1024. They are started by the
    /// first subscription that needs them. With 0, such a subscription is refused.
    pub fn workers(mut self, threads: usize) -> Self {
        self.options.workers = threads;
        self
    }

    /// Sets how long an idle worker looks for work before it sleeps: 100 µs if not set. Longer saves the
    /// wake-up (some 10 µs, half of it the publisher's) for events that are further apart, at the cost of
    /// CPU time; a bus in silence uses none either way.
    pub fn spin(mut self, time: Duration) -> Self {
        self.options.spin = time;
        self
    }

    /// Sets the name of the worker threads, to which each adds its number.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.options.thread_name = name.into();
        self
    }

    /// Wraps the body of each worker thread, to enter a runtime for example, so that its timers and
    /// sockets work inside handlers. The closure must call its argument, once.
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    /// let handle = runtime.handle().clone();
    /// let bus = EventBus::builder()
    ///     .around_workers(move |work| {
    ///         let _tokio = handle.enter();
    ///         work()
    ///     })
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn around_workers(mut self, around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        self.options.around = Some(Arc::new(around));
        self
    }

    /// Runs async handlers on the application's runtime instead of the bus's workers: one task for each
    /// unit of a subscription's concurrency.
    pub fn spawn_with(mut self, spawn: impl Spawn) -> Self {
        self.options.spawn = Some(Arc::new(spawn));
        self
    }

    /// Sets how deep inline handlers may nest that publish to one another: from 1 to 128, 64 if not set.
    pub fn inline_depth(mut self, depth: usize) -> Self {
        self.options.inline_depth = depth;
        self
    }

    /// Rotates the order of the subscribers from publish to publish, so that none is always first.
    pub fn rotate_order(mut self) -> Self {
        self.options.rotate = true;
        self
    }

    /// Gives events their time from the precise clock. Without, it comes in steps of a few
    /// milliseconds, which costs a fifth.
    pub fn precise_time(mut self) -> Self {
        self.options.time = TimeSource::Precise;
        self
    }

    /// Gives events their time, and counts their age, by another clock than the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.time = TimeSource::Custom(Arc::new(clock));
        self
    }

    /// Sets the largest raw payload, in bytes: 16 MiB if not set.
    pub fn max_raw_payload(mut self, bytes: usize) -> Self {
        self.options.max_raw = bytes;
        self
    }

    /// Sets how many topics are remembered that have neither a literal subscription nor a [`Publisher`](crate::Publisher):
    /// 65,536 if not set.
    ///
    /// One more takes the place of one that nobody has published to for a while. If there is none, publishing to it works,
    /// and costs a lookup under a lock. A topic that is remembered takes about 1 KB of memory: topics that are matched by the
    /// same subscriptions share what is known of those.
    pub fn topic_cache(mut self, topics: usize) -> Self {
        self.options.topic_cache = topics;
        self
    }

    /// Sets how many [tenants](EventBus::tenant) the bus serves at a time: 1,024 if not set.
    ///
    /// One more takes the place of one for whom nobody holds a handle or subscribes; his account goes with him. If there is
    /// none, he is refused. A tenant takes 6 KB of memory, and his topics [as many](Self::topic_cache) as everybody's.
    pub fn max_tenants(mut self, tenants: usize) -> Self {
        self.options.max_tenants = tenants;
        self
    }

    /// Puts a subscription into quarantine when its handler has panicked so many times in a row: it is
    /// paused until [`resume`](crate::Subscription::resume). Off if not set.
    pub fn quarantine_after(mut self, panics: NonZeroU32) -> Self {
        self.options.quarantine_after = Some(panics);
        self
    }

    /// Counts how long handlers take, for each subscription and for all together: see
    /// [`SubscriptionStats::handling`](crate::SubscriptionStats::handling).
    ///
    /// Each handler costs two looks at the clock more then, some 25 nanoseconds each, and an inline one leaves the shortest way
    /// past it; each subscription takes 264 bytes.
    pub fn time_handlers(mut self) -> Self {
        self.options.times = true;
        self
    }

    /// Sets who hears of every handler's end and of failures. Without, failures go to standard error,
    /// rate-limited.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Adds who hears of the [bus's life](crate::lifecycle): of every message, topic and subscription. Called by a thread of
    /// its own, in order; it may be slow, hang or panic, and holds nobody up.
    ///
    /// Each publish call and each handler costs some hundred nanoseconds more then.
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// # use std::time::Duration;
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (told, heard) = mpsc::channel();
    /// let bus = EventBus::builder().on_lifecycle(move |event| drop(told.send(event.clone()))).build()?;
    /// bus.publish("user.created", 7_u32)?;
    /// assert!(bus.shutdown(Duration::from_secs(1)).wait().complete);
    /// let types: Vec<_> = heard.iter().map(|event| event.event_type().to_owned()).collect();
    /// let expected = ["bus.started", "message.published", "bus.stopped"];
    /// assert_eq!(types, expected.map(|name| format!("com.modular.eventbus.{name}")));
    /// # Ok(()) }
    /// ```
    pub fn on_lifecycle(mut self, listener: impl Fn(&LifecycleEvent) + Send + Sync + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Traces the bus: each publish call and each handler has a span for those who collect them by way of the crate
    /// [`tracing`], what people must know is told as events there instead of on standard error, and each event takes its
    /// trace context with it, and who caused it. See the module [`trace`](crate::trace).
    ///
    /// Each publish call and each handler costs half a microsecond and more then, and more than that if somebody collects the
    /// spans.
    #[cfg(feature = "tracing")]
    pub fn traced(mut self) -> Self {
        self.tracing = Tracing::w3c();
        self
    }

    /// As [`traced`](Self::traced), with the trace contexts of another system, such as OpenTelemetry.
    #[cfg(feature = "tracing")]
    pub fn traced_with(mut self, propagator: impl crate::trace::Propagator) -> Self {
        self.tracing = Tracing::custom(propagator);
        self
    }

    /// Says that the options come from a configuration.
    #[cfg(feature = "config")]
    pub(crate) fn config_loaded(mut self, event: LifecycleEvent) -> Self {
        self.loaded = Some(event);
        self
    }

    /// The bus of a builder that nothing was changed of.
    pub(super) fn into_default_hub(self) -> Hub {
        Hub::new(self.options, Arc::new(Hooks::new(None, None, Box::default(), None)), None)
    }

    /// Makes the bus, if it has no engine that has to be started: otherwise [`start`](Self::start) does.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if an option is out of its range, or an engine or a rule is wrong.
    pub fn build(self) -> Result<EventBus, BuildError> {
        let (hub, needs_start) = self.into_hub()?;
        if needs_start {
            return Err(BuildError::NeedsStart);
        }
        Ok(EventBus::from_hub(letters::with_mail(hub)))
    }

    /// Makes the bus and starts its engines: all of them, or none. There is no bus that is not started, so the error of the
    /// original event bus for that has no counterpart; a bus that has been shut down [says so](crate::PublishRefusal).
    ///
    /// ```
    /// # use trolleybus::EventBus;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder().start().wait()?;
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Starting {
        Starting::new(self.into_hub().map(|(hub, _)| hub))
    }

    /// The inside of the bus, and whether an engine has to be started.
    fn into_hub(self) -> Result<(Hub, bool), BuildError> {
        let Options { capacity, max_capacity, workers, inline_depth: depth, .. } = self.options;
        if max_capacity == 0 || max_capacity > MAX_CAPACITY {
            return Err(BuildError::InvalidMaxCapacity { capacity: max_capacity, limit: MAX_CAPACITY });
        }
        if capacity == 0 || capacity > max_capacity {
            return Err(BuildError::InvalidCapacity { capacity, limit: max_capacity });
        }
        if workers > MAX_WORKERS {
            return Err(BuildError::TooManyWorkers { workers, limit: MAX_WORKERS });
        }
        if depth == 0 || depth > MAX_DEPTH {
            return Err(BuildError::InvalidDepth { depth, limit: MAX_DEPTH });
        }
        self.options.history_limits.check()?;
        if let Some(error) = self.bad_rule {
            return Err(error);
        }
        let arranged = self.engines.arrange()?;
        let names = arranged.engines.iter().map(|(name, _)| Arc::clone(name)).collect();
        let feed = if self.listeners.is_empty() {
            None
        } else {
            Some(Feed::start(self.listeners).map_err(BuildError::Threads)?)
        };
        let hooks = Hooks::new(self.observer, self.options.quarantine_after, names, feed);
        let hooks = hooks.timing(self.options.times).by_clock(self.options.time.clone());
        let hooks = Arc::new(hooks.traced(self.tracing).burying(DeadLetters::new(self.dead_letters)));
        if let Some(loaded) = self.loaded {
            hooks.tell(|_| loaded);
        }
        let (is_plain, needs_start) = (arranged.is_plain(), arranged.has_transports());
        let Arranged { engines, router, limits } = arranged;
        let engines =
            if is_plain { None } else { Some(Arc::new(Engines::new(engines, router, limits, &hooks))) };
        Ok((Hub::new(self.options, hooks, engines), needs_start))
    }
}

impl fmt::Debug for BusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        f.debug_struct("BusBuilder")
            .field("capacity", &options.capacity)
            .field("max_capacity", &options.max_capacity)
            .field("delivery", &options.mode)
            .field("workers", &options.workers)
            .field("spin", &options.spin)
            .field("thread_name", &options.thread_name)
            .field("inline_depth", &options.inline_depth)
            .field("rotate_order", &options.rotate)
            .field("time", &options.time)
            .field("ttl", &options.ttls)
            .field("retention", &options.retention)
            .field("history_limits", &options.history_limits)
            .field("dead_letters", &self.dead_letters)
            .field("max_raw_payload", &options.max_raw)
            .field("topic_cache", &options.topic_cache)
            .field("max_tenants", &options.max_tenants)
            .field("quarantine_after", &options.quarantine_after)
            .field("time_handlers", &options.times)
            .field("traced", &self.tracing)
            .field("observer", &self.observer.as_ref().map(|_| format_args!("<observer>")))
            .finish_non_exhaustive()
    }
}
