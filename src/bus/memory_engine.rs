//! What a memory engine is called, and how large its queues are.

use crate::engine::QueueSizes;

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
    pub(super) sizes: QueueSizes,
}

impl MemoryEngine {
    /// An engine of that name, with the sizes of the bus.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), sizes: QueueSizes::default() }
    }

    /// Sets how many events a queue holds of a subscription that reaches its topics and does not say otherwise.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.sizes.default = Some(events);
        self
    }

    /// Sets the largest capacity that a subscription may have which reaches its topics, the default included.
    #[must_use]
    pub fn max_capacity(mut self, events: usize) -> Self {
        self.sizes.most = Some(events);
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
