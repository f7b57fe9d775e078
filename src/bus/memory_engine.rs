//! What a memory engine is called, and how large its queues are.

use crate::engine::QueueTerms;

/// A memory engine of a bus that has several. See [`BusBuilder::memory_engine`](crate::BusBuilder::memory_engine).
///
/// A subscription that reaches topics of several engines with sizes of their own gets the smallest of them.
///
/// ```
/// use trolleybus::{EventBus, MemoryEngine};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::builder()
///     .memory_engine(MemoryEngine::new("sensors").capacity(16).max_capacity(64))
///     .route("sensors", ["sensor.*"])
///     .build()?;
/// let _small = bus.subscribe::<u32>("sensor.*").receiver()?;
/// let _usual = bus.subscribe::<u32>("order.*").receiver()?;
/// let capacities: Vec<_> = bus.stats().subscriptions.iter().map(|one| one.capacity).collect();
/// assert_eq!(capacities, [16, 1024]);
/// assert!(bus.subscribe::<u32>("sensor.*").capacity(65).receiver().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryEngine {
    pub(super) name: String,
    pub(super) terms: QueueTerms,
}

impl MemoryEngine {
    /// An engine of that name, with the sizes of the bus.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), terms: QueueTerms::default() }
    }

    /// Sets how many events a queue holds of a subscription that reaches its topics and does not say otherwise.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.terms.default = Some(events);
        self
    }

    /// Makes it one that never drops for want of room: what the original calls `durable-memory`. **Nothing survives the
    /// process** on this engine either.
    ///
    /// Subscriptions that reach its topics have the mode [`Block`](crate::DeliveryMode::Block), whatever the bus's default;
    /// one that asks for another is [refused](crate::SubscribeError::NeverDrops). Publishers wait for room, and not for ever
    /// where nobody could make any: a cancelled subscription or the end of the bus releases them, and a handler that would
    /// wait for itself gets `deadlock` in its receipt. What a publisher says itself goes before:
    /// [`try_publish`](crate::EventBus::try_publish), or a [deadline](crate::EventBuilder::deadline). A shutdown lets what is
    /// queued be handled until its time is over. Whatever is dropped by one of these ways is counted, by its reason.
    ///
    /// ```
    /// use trolleybus::{DeliveryMode, EventBus, MemoryEngine, SubscribeError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = MemoryEngine::new("orders").lossless().capacity(2);
    /// let bus = EventBus::builder().memory_engine(orders).route("orders", ["order.*"]).build()?;
    /// let billing = bus.subscribe::<u32>("order.*").handle(|_| ())?;
    /// for number in 0..100_u32 {
    ///     // Waits when two are queued.
    ///     bus.publish("order.placed", number)?;
    /// }
    /// assert!(billing.drain(std::time::Duration::from_secs(10)).wait().complete);
    /// assert_eq!(billing.stats().delivered, 100);
    /// let drops = bus.subscribe::<u32>("order.*").delivery(DeliveryMode::Drop).handle(|_| ());
    /// assert!(matches!(drops, Err(SubscribeError::NeverDrops { .. })));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn lossless(mut self) -> Self {
        self.terms.lossless = true;
        self
    }

    /// Sets the largest capacity that a subscription may have which reaches its topics, the default included.
    #[must_use]
    pub fn max_capacity(mut self, events: usize) -> Self {
        self.terms.most = Some(events);
        self
    }
}

impl From<&str> for MemoryEngine {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for MemoryEngine {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}
