//! The collector: what it is made with, and one scrape.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::families::Page;
use super::format::{Format, classic};
use crate::bus::EventBus;
use crate::metrics::reading::Shown;
use crate::subscribe::Hub;

/// The namespace of the original event bus.
pub(super) const NAMESPACE: &str = "modular_eventbus";

/// So many subscriptions, and tenants, have series of their own, if nothing else is said.
const LABELS: usize = 100;

/// Reads the accounts of a bus for Prometheus, at each scrape. See the [module](super).
///
/// Clones are the same collector: its counters go back in none of them. It keeps no bus alive, and has nothing to show
/// when the bus is gone with all that belongs to it.
///
/// ```
/// use prometheus_client::registry::Registry;
/// use trolleybus::EventBus;
/// use trolleybus::metrics::prometheus::PrometheusCollector;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = EventBus::new();
/// let mut registry = Registry::default();
/// let collector = PrometheusCollector::new(&bus).namespace("shop_events")?.subscription_labels(20);
/// registry.register_collector(Box::new(collector));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PrometheusCollector {
    /// Not a handle of the bus: the last of those closes it, and a scrape shall not.
    hub: Weak<Hub>,
    shown: Arc<Shown>,
    namespace: Arc<str>,
    labels: usize,
    tenant_labels: usize,
    all: bool,
}

/// A namespace that cannot begin the name of a metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{namespace}\" cannot begin the name of a metric: letters, digits and `_`, no digit first")]
#[non_exhaustive]
pub struct NamespaceError {
    /// The namespace.
    pub namespace: String,
}

impl PrometheusCollector {
    /// Makes a collector for a bus.
    #[must_use]
    pub fn new(bus: &EventBus) -> Self {
        Self {
            hub: Arc::downgrade(bus.hub()),
            shown: Arc::default(),
            namespace: Arc::from(NAMESPACE),
            labels: LABELS,
            tenant_labels: LABELS,
            all: false,
        }
    }

    /// Sets what the names of all metrics begin with: `modular_eventbus` if not set.
    ///
    /// # Errors
    ///
    /// [`NamespaceError`] unless it is made of ASCII letters, digits and `_`, and does not begin with a digit.
    pub fn namespace(mut self, namespace: &str) -> Result<Self, NamespaceError> {
        let begins =
            namespace.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        if !begins || !namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(NamespaceError { namespace: namespace.to_owned() });
        }
        self.namespace = Arc::from(namespace);
        Ok(self)
    }

    /// Shows the original's series `engine="_all"` beside those of the engines, in the two metrics that the original has.
    /// No engine can be called so.
    #[must_use]
    pub fn with_all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Sets how many labels subscriptions have, beside `other` for all that come later: 100 if not set.
    #[must_use]
    pub fn subscription_labels(mut self, most: usize) -> Self {
        self.labels = most;
        self
    }

    /// Sets how many tenants have series of their own: 100 if not set. They are those who came first; of the others nothing
    /// is shown but how many they are, and what all engines say.
    #[must_use]
    pub fn tenant_labels(mut self, most: usize) -> Self {
        self.tenant_labels = most;
        self
    }

    /// Makes the text of a scrape, of this bus alone.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut open = String::new();
        // Nothing but the writer fails, and a string takes everything.
        let _ = text::encode(&mut open, &registry);
        match format {
            Format::OpenMetrics => open,
            Format::Text => classic(&open),
        }
    }
}

impl Collector for PrometheusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(hub) = self.hub.upgrade() else { return Ok(()) };
        let stats = self.shown.read(&hub);
        // The writer may be slow.
        drop(hub);
        let tenants = self.shown.labelled(&stats.tenants, self.tenant_labels);
        let mut page = Page { encoder: &mut encoder, namespace: &self.namespace };
        page.write(&stats, &tenants, self.labels, self.all)
    }
}

// A panic of user code is caught before it reaches the bus's state, and the collector's changes in one step.
impl std::panic::UnwindSafe for PrometheusCollector {}
impl std::panic::RefUnwindSafe for PrometheusCollector {}

impl fmt::Debug for PrometheusCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusCollector").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
