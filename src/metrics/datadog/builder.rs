//! What an exporter is made with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::address::client;
use super::error::DatadogError;
use super::exporter::DatadogExporter;
use super::round::Rounds;
use crate::bus::EventBus;
use crate::subscribe::Hub;

/// The prefix of the original event bus.
const PREFIX: &str = "eventbus";

/// Where an agent listens that nobody has configured.
const ADDRESS: &str = "127.0.0.1:8125";

/// How often an agent passes on what it got.
const INTERVAL: Duration = Duration::from_secs(10);

/// The options of a [`DatadogExporter`]. Begun by [`DatadogExporter::builder`], ended by [`start`](Self::start).
#[derive(Clone)]
#[must_use = "an exporter is started by `start`"]
pub struct DatadogBuilder {
    hub: Arc<Hub>,
    address: String,
    prefix: String,
    interval: Duration,
    tags: Vec<String>,
}

impl DatadogBuilder {
    pub(super) fn new(bus: &EventBus) -> Self {
        Self {
            hub: Arc::clone(bus.hub()),
            address: ADDRESS.to_owned(),
            prefix: PREFIX.to_owned(),
            interval: INTERVAL,
            tags: Vec::new(),
        }
    }

    /// Sets where the agent listens: `host:port` for UDP, which may begin with `udp://`; or `unix://` (or `unixgram://`) and
    /// the path of a datagram socket, which need not be there yet. `127.0.0.1:8125` if not set.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets what the names of all metrics begin with, before a `.`: `eventbus` if not set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how much time lies between two rounds: 10 seconds if not set, as long as an agent gathers before it passes on.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Adds a tag to every metric: `key:value`, or one word.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Adds tags to every metric. See [`tag`](Self::tag).
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Starts the exporter's thread. It sends for the first time after one interval.
    ///
    /// # Errors
    ///
    /// [`DatadogError`] if an option is invalid, or the system refuses a socket or a thread.
    ///
    /// # Blocking
    ///
    /// While the name of a host is looked up.
    pub fn start(self) -> Result<DatadogExporter, DatadogError> {
        let Self { hub, address, prefix, interval, tags } = self;
        if interval.is_zero() {
            return Err(DatadogError::ZeroInterval);
        }
        if !is_prefix(&prefix) {
            return Err(DatadogError::InvalidPrefix { prefix });
        }
        if let Some(tag) = tags.iter().find(|tag| !is_tag(tag)) {
            return Err(DatadogError::InvalidTag { tag: tag.clone() });
        }
        let client = client(&address, &prefix, &tags)?;
        DatadogExporter::start(Rounds::new(hub, client, address), interval)
    }
}

impl fmt::Debug for DatadogBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatadogBuilder")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("interval", &self.interval)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// Segments of a name, joined by dots.
fn is_prefix(prefix: &str) -> bool {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    prefix.split('.').all(is_segment)
}

/// What a line can carry, and no tag that the exporter gives to lines itself.
fn is_tag(tag: &str) -> bool {
    let key = tag.split(':').next().unwrap_or_default();
    let is_ours = key == "engine" || key == "reason";
    !key.is_empty() && !is_ours && !tag.contains(|it: char| it == ',' || it == '|' || it.is_control())
}
