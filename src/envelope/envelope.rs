//! An event as it is outside of the process.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::payload::Encoded;
use crate::event::{EventId, Metadata};
use crate::sync::clock::{self, Stamp};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// An event at the edge of a broker: what travels, and a payload in bytes. Cheap to clone, but for metadata.
///
/// `Debug` prints neither the payload nor the key nor the values of the metadata.
///
/// ```
/// # #[cfg(feature = "cloudevents")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use trolleybus::envelope::{Codec, Encoded, Envelope};
/// use trolleybus::topic;
///
/// let codec = Codec::new();
/// let sent = Envelope::new(topic!("user.created"), Encoded::json("ann")?).with_key("ann");
/// let message = codec.encode_structured(&sent)?;
///
/// let received = codec.decode(message)?;
/// assert_eq!(received, sent);
/// assert_eq!(received.payload().decode::<String>(64)?, "ann");
/// # Ok(()) }
/// # #[cfg(not(feature = "cloudevents"))]
/// # fn main() {}
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(super) topic: Topic,
    pub(super) payload: Encoded,
    pub(super) id: EventId,
    /// What a stranger wrote for the id, where that is not our notation of it.
    pub(super) original_id: Option<Arc<str>>,
    pub(super) time: SystemTime,
    pub(super) key: Option<Arc<str>>,
    pub(super) metadata: Metadata,
    pub(super) ttl: Option<Duration>,
    pub(super) tenant: Option<Tenant>,
}

impl Envelope {
    /// Makes an envelope with a new id and the time that it is now.
    #[must_use]
    pub fn new(topic: Topic, payload: Encoded) -> Self {
        let now = Stamp::precise().wall_ns;
        Self {
            topic,
            payload,
            id: EventId::generate(now),
            original_id: None,
            time: clock::wall_time(now),
            key: None,
            metadata: Metadata::new(),
            ttl: None,
            tenant: None,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self.original_id = None;
        self
    }

    /// Sets the event's time.
    #[must_use]
    pub fn with_time(mut self, time: SystemTime) -> Self {
        self.time = time;
        self
    }

    /// Sets the key: events of one key are handled in order.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets all of the metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets for how long the event is worth delivering. It travels in whole milliseconds, rounded up.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets whose the event is.
    #[must_use]
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Returns the id.
    ///
    /// That of an event from elsewhere is the UUID that it came with. From an id that is no UUID, and the
    /// event's source, one is derived that is the same at each delivery.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Returns the id of an event from elsewhere as it was written, if it reads other than [`id`](Self::id)
    /// does. It is written again when the event is passed on.
    #[must_use]
    pub fn original_id(&self) -> Option<&str> {
        self.original_id.as_deref()
    }

    /// Returns the event's time.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns for how long the event is worth delivering.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl
    }

    /// Returns whose the event is.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &Encoded {
        &self.payload
    }

    /// Takes the payload out.
    #[must_use]
    pub fn into_payload(self) -> Encoded {
        self.payload
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("topic", &self.topic.as_str())
            .field("id", &self.id)
            .field("original_id", &self.original_id)
            .field("time", &self.time)
            .field("ttl", &self.ttl)
            .field("tenant", &self.tenant)
            .field("metadata", &self.metadata)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topic;

    #[test]
    fn an_envelope_is_new_and_of_now() {
        let before = SystemTime::now();
        let [a, b] = [0, 1].map(|_| Envelope::new(topic!("a"), Encoded::raw("")));
        assert_ne!(a.id(), b.id());
        // The clocks of both readings may differ by a step.
        let second = Duration::from_secs(1);
        assert!(a.time() + second >= before && a.time() <= SystemTime::now() + second);
        let millis = a.time().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        assert_eq!(a.id().as_u128() >> 80, millis);
        assert_eq!((a.key(), a.ttl(), a.tenant(), a.original_id()), (None, None, None, None));
        assert!(a.metadata().is_empty());
    }

    #[test]
    fn debug_hides_payload_key_and_metadata() {
        let mut metadata = Metadata::new();
        metadata.set("name", "canary").expect("within the limits");
        let envelope = Envelope::new(topic!("a.b"), Encoded::raw("canary"))
            .with_key("canary")
            .with_metadata(metadata)
            .with_tenant(Tenant::new("acme").expect("a tenant"));
        let printed = format!("{envelope:?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("a.b") && printed.contains("acme") && printed.contains("name"), "{printed}");
    }

    #[test]
    fn an_id_of_ones_own_replaces_both() {
        let mut envelope = Envelope::new(topic!("a"), Encoded::raw(""));
        envelope.original_id = Some("foreign".into());
        let envelope = envelope.with_id(EventId::from_u128(7));
        assert_eq!((envelope.id().as_u128(), envelope.original_id()), (7, None));
    }
}
