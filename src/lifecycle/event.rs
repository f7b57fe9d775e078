//! One event of a bus's life.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::event::EventId;
use crate::sync::clock::{self, Stamp};
use crate::tenant::Tenant;

/// The types, as the original bus names them, and some more.
pub(crate) mod types {
    pub(crate) const PUBLISHED: &str = "com.modular.eventbus.message.published";
    pub(crate) const RECEIVED: &str = "com.modular.eventbus.message.received";
    pub(crate) const FAILED: &str = "com.modular.eventbus.message.failed";
    pub(crate) const TOPIC_CREATED: &str = "com.modular.eventbus.topic.created";
    pub(crate) const TOPIC_DELETED: &str = "com.modular.eventbus.topic.deleted";
    pub(crate) const SUBSCRIPTION_CREATED: &str = "com.modular.eventbus.subscription.created";
    pub(crate) const SUBSCRIPTION_REMOVED: &str = "com.modular.eventbus.subscription.removed";
    pub(crate) const BUS_STARTED: &str = "com.modular.eventbus.bus.started";
    pub(crate) const BUS_STOPPED: &str = "com.modular.eventbus.bus.stopped";
    pub(crate) const CONFIG_LOADED: &str = "com.modular.eventbus.config.loaded";
    pub(crate) const ENGINE_STATE: &str = "com.modular.eventbus.engine.state";
    pub(crate) const QUARANTINED: &str = "com.modular.eventbus.subscription.quarantined";
    pub(crate) const CIRCUIT: &str = "com.modular.eventbus.subscription.circuit";
    pub(crate) const TOPIC_REFUSED: &str = "com.modular.eventbus.topic.refused";
}

/// Something that happened to a bus, or that an application [emits](crate::EventBus::emit).
#[derive(Clone, PartialEq)]
pub struct LifecycleEvent {
    event_type: Cow<'static, str>,
    source: Cow<'static, str>,
    id: EventId,
    time: SystemTime,
    data: Vec<(Cow<'static, str>, LifecycleValue)>,
}

/// A piece of data of a [`LifecycleEvent`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LifecycleValue {
    /// Text.
    Text(Cow<'static, str>),
    /// A count.
    Count(u64),
    /// A measure, of milliseconds for example.
    Measure(f64),
    /// Yes or no.
    Flag(bool),
    /// Nothing: what was not set.
    Null,
}

impl LifecycleEvent {
    /// The ten types of the original bus, in its order.
    pub const TYPES: [&'static str; 10] = [
        types::PUBLISHED,
        types::RECEIVED,
        types::FAILED,
        types::TOPIC_CREATED,
        types::TOPIC_DELETED,
        types::SUBSCRIPTION_CREATED,
        types::SUBSCRIPTION_REMOVED,
        types::BUS_STARTED,
        types::BUS_STOPPED,
        types::CONFIG_LOADED,
    ];

    /// The types that this bus adds to them.
    pub const MORE_TYPES: [&'static str; 4] =
        [types::ENGINE_STATE, types::QUARANTINED, types::CIRCUIT, types::TOPIC_REFUSED];

    /// Where events of the bus itself come from.
    pub const SOURCE: &'static str = "eventbus-service";

    /// Makes an event of an application's own, that happens now.
    pub fn new(event_type: impl Into<Cow<'static, str>>, source: impl Into<Cow<'static, str>>) -> Self {
        let now = Stamp::precise().wall_ns;
        Self {
            event_type: event_type.into(),
            source: source.into(),
            id: EventId::generate(now),
            time: clock::wall_time(now),
            data: Vec::new(),
        }
    }

    /// An event of the bus itself.
    pub(crate) fn of_bus(event_type: &'static str) -> Self {
        Self::new(event_type, Self::SOURCE)
    }

    /// Says whom it is about, if that is a tenant.
    pub(crate) fn of_tenant(self, tenant: Option<&Tenant>) -> Self {
        match tenant {
            Some(tenant) => self.with("tenant", tenant.to_string()),
            None => self,
        }
    }

    /// Adds a piece of data.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<LifecycleValue>) -> Self {
        self.data.push((name.into(), value.into()));
        self
    }

    /// Returns the type, in reverse domain notation.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Returns who tells it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Returns when it happened, on the wall clock.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns a piece of data.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&LifecycleValue> {
        self.data.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns a piece of data that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            LifecycleValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns all data, in the order in which it was added.
    pub fn data(&self) -> impl ExactSizeIterator<Item = (&str, &LifecycleValue)> {
        self.data.iter().map(|(name, value)| (&**name, value))
    }

    /// Returns the event as one that travels: CloudEvents, once it is encoded.
    ///
    /// # Errors
    ///
    /// [`TopicError`](crate::TopicError) if the type of an application's event is no topic.
    ///
    /// # Panics
    ///
    /// Never: data is made of what JSON can hold.
    #[cfg(feature = "json")]
    pub fn to_envelope(&self) -> Result<crate::envelope::Envelope, crate::TopicError> {
        let topic = crate::Topic::new(&*self.event_type)?;
        let data = crate::envelope::Encoded::json(&Data(&self.data)).expect("text, numbers and flags");
        let mut metadata = crate::Metadata::new();
        // A source that is too long for metadata is left out: the codec has one of its own.
        let _ = metadata.set("source", &self.source);
        let envelope = crate::envelope::Envelope::new(topic, data).with_id(self.id).with_time(self.time);
        Ok(envelope.with_metadata(metadata))
    }
}

/// Hides values, which may quote an application's errors.
impl fmt::Debug for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleEvent")
            .field("type", &self.event_type)
            .field("source", &self.source)
            .field("data", &self.data.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The data as a map.
struct Data<'a>(&'a [(Cow<'static, str>, LifecycleValue)]);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// As a map of type, source, id and data.
impl Serialize for LifecycleEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("type", &*self.event_type)?;
        map.serialize_entry("source", &*self.source)?;
        map.serialize_entry("id", &self.id.to_string())?;
        map.serialize_entry("data", &Data(&self.data))?;
        map.end()
    }
}

impl Serialize for LifecycleValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Measure(measure) => serializer.serialize_f64(*measure),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Null => serializer.serialize_none(),
        }
    }
}

impl From<&'static str> for LifecycleValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for LifecycleValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for LifecycleValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for LifecycleValue {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for LifecycleValue {
    fn from(measure: f64) -> Self {
        Self::Measure(measure)
    }
}

impl From<bool> for LifecycleValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_exactly_ten_types_of_the_original() {
        let types: BTreeSet<_> = LifecycleEvent::TYPES.into_iter().collect();
        assert_eq!(types.len(), 10);
        assert!(types.iter().all(|name| name.starts_with("com.modular.eventbus.")));
        assert!(LifecycleEvent::MORE_TYPES.iter().all(|name| !types.contains(name)));
    }

    #[test]
    fn data_is_found_by_name_and_not_printed() {
        let event = LifecycleEvent::new("com.example.deployed", "deployer")
            .with("version", "secret")
            .with("ok", true);
        assert_eq!(
            (event.text("version"), event.get("ok")),
            (Some("secret"), Some(&LifecycleValue::Flag(true)))
        );
        assert_eq!((event.text("ok"), event.get("other")), (None, None));
        assert!(!format!("{event:?}").contains("secret"));
        let json = serde_json::to_value(&event).expect("JSON");
        assert_eq!(json["data"], serde_json::json!({"version": "secret", "ok": true}));
    }

    #[test]
    #[cfg(feature = "cloudevents")]
    fn it_travels_as_a_cloud_event() {
        let event = LifecycleEvent::of_bus(types::TOPIC_CREATED).with("topic", "user.*");
        let envelope = event.to_envelope().expect("its type is a topic");
        let bytes = crate::envelope::Codec::new().encode_structured(&envelope).expect("it is small");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(json["type"], types::TOPIC_CREATED);
        assert_eq!(
            (&json["source"], &json["id"]),
            (&LifecycleEvent::SOURCE.into(), &event.id().to_string().into())
        );
        assert_eq!(json["data"], serde_json::json!({"topic": "user.*"}));
    }
}
