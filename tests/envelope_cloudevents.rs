//! Envelopes against another implementation of CloudEvents, in both directions and both modes.

#![cfg(all(feature = "cloudevents", not(loom)))]

use std::time::{Duration, SystemTime};

use cloudevents::event::{Data, ExtensionValue, SpecVersion};
use cloudevents::message::{
    BinaryDeserializer, BinarySerializer, MessageAttributeValue, Result as MessageResult,
};
use cloudevents::{AttributesReader, Event, EventBuilder, EventBuilderV10};
use proptest::prelude::*;
use serde_json::json;
use trolleybus::envelope::{Binding, Codec, Encoded, Envelope};
use trolleybus::{EventId, Metadata, Tenant, Topic, topic};

/// What their event becomes as headers.
#[derive(Default)]
struct TheirHeaders(Vec<(String, String)>);

impl BinarySerializer<(Vec<(String, String)>, Vec<u8>)> for TheirHeaders {
    fn set_spec_version(mut self, version: SpecVersion) -> MessageResult<Self> {
        self.0.push(("ce_specversion".into(), version.to_string()));
        Ok(self)
    }

    fn set_attribute(mut self, name: &str, value: MessageAttributeValue) -> MessageResult<Self> {
        let name = if name == "datacontenttype" { "content-type".into() } else { format!("ce_{name}") };
        self.0.push((name, value.to_string()));
        Ok(self)
    }

    fn set_extension(self, name: &str, value: MessageAttributeValue) -> MessageResult<Self> {
        self.set_attribute(name, value)
    }

    fn end_with_data(self, body: Vec<u8>) -> MessageResult<(Vec<(String, String)>, Vec<u8>)> {
        Ok((self.0, body))
    }

    fn end(self) -> MessageResult<(Vec<(String, String)>, Vec<u8>)> {
        self.end_with_data(vec![])
    }
}

/// Our headers, for their reader.
struct OurHeaders(Vec<(String, String)>, Vec<u8>);

impl BinaryDeserializer for OurHeaders {
    fn deserialize_binary<R: Sized, V: BinarySerializer<R>>(self, visitor: V) -> MessageResult<R> {
        const KNOWN: [&str; 6] = ["id", "source", "type", "time", "subject", "dataschema"];
        let mut visitor = visitor.set_spec_version(SpecVersion::V10)?;
        for (name, value) in self.0 {
            let value = MessageAttributeValue::String(value);
            visitor = match name.strip_prefix("ce_") {
                Some("specversion") => visitor,
                Some(name) if KNOWN.contains(&name) => visitor.set_attribute(name, value)?,
                Some(name) => visitor.set_extension(name, value)?,
                None => visitor.set_attribute("datacontenttype", value)?,
            };
        }
        visitor.end_with_data(self.1)
    }
}

/// Nanoseconds since 1970 of their time.
fn nanos(event: &Event) -> Option<i64> {
    event.time()?.timestamp_nanos_opt()
}

fn nanos_of(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// Says that their event is what our envelope says.
fn check(event: &Event, envelope: &Envelope) {
    assert_eq!(event.ty(), envelope.topic().as_str());
    let id = envelope.original_id().map_or_else(|| envelope.id().to_string(), str::to_owned);
    assert_eq!(event.id(), id);
    assert_eq!(nanos(event), nanos_of(envelope.time()));
    assert_eq!(&**event.source(), envelope.metadata().get("source").unwrap_or("trolleybus"));
    assert_eq!(event.subject(), envelope.metadata().get("subject").filter(|subject| !subject.is_empty()));
    let text = |name: &str| event.extension(name).map(ToString::to_string);
    assert_eq!(text("partitionkey").as_deref(), envelope.key());
    assert_eq!(text("tenant").as_deref(), envelope.tenant().map(Tenant::as_str));
    assert_eq!(text("ttlms"), envelope.ttl().map(|ttl| ttl.as_millis().to_string()));
    for (name, value) in envelope.metadata().iter() {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase()) && !["source", "subject"].contains(&name);
        if plain && !value.is_empty() {
            assert_eq!(text(name).as_deref(), Some(value));
        }
    }
    match event.data() {
        None => assert!(envelope.payload().bytes().is_empty()),
        Some(Data::Json(json)) => {
            assert!(envelope.payload().content_type().is_json());
            assert_eq!(envelope.payload().decode::<serde_json::Value>(64).as_ref(), Ok(json));
        }
        Some(Data::Binary(bytes)) => assert_eq!(envelope.payload().bytes(), bytes),
        Some(Data::String(text)) => assert_eq!(envelope.payload().bytes(), text.as_bytes()),
    }
}

fn payloads() -> impl Strategy<Value = Encoded> {
    prop_oneof![
        any::<(Option<String>, i32)>().prop_map(|any| Encoded::json(&any).expect("JSON")),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Encoded::raw),
        "[a-z<>&é]{1,9}".prop_map(|text| Encoded::new(text, "text/plain".parse().expect("a media type"))),
    ]
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let entries = prop::collection::vec(
        (prop_oneof![Just("source".to_owned()), Just("subject".to_owned()), "[a-z]{8}"], "[a-z/ é%\"]{1,9}"),
        0..6,
    );
    let rest = ("[a-z ]{1,9}", 0..9_000_000_000_u64, "[a-z]{1,9}");
    (
        "[a-z]{1,5}(\\.[a-zé]{1,5}){0,3}",
        payloads(),
        any::<u128>(),
        0..9_000_000_000_000_000_000_u64,
        entries,
        rest,
    )
        .prop_map(|(topic, payload, id, nanos, entries, (key, ttl, tenant))| {
            let mut metadata = Metadata::new();
            for (name, value) in entries {
                metadata.set(name, value).expect("within the limits");
            }
            Envelope::new(Topic::new(topic).expect("a topic"), payload)
                .with_id(EventId::from_u128(id))
                .with_time(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
                .with_metadata(metadata)
                .with_key(key)
                .with_ttl(Duration::from_millis(ttl))
                .with_tenant(Tenant::new(tenant).expect("a tenant"))
        })
}

fn their_events() -> impl Strategy<Value = Event> {
    let extension = prop_oneof![
        "[a-zé\"% ]{1,9}".prop_map(ExtensionValue::String),
        any::<bool>().prop_map(ExtensionValue::Boolean),
        any::<i64>().prop_map(ExtensionValue::Integer),
    ];
    let data = prop_oneof![
        any::<(Option<String>, i32)>().prop_map(|any| ("application/json", Data::Json(json!(any)))),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|any| ("application/octet-stream", Data::Binary(any))),
        "\\PC{0,9}".prop_map(|text| ("text/xml", Data::String(text))),
    ];
    let extensions = prop::collection::btree_map("[a-z]{8,12}", extension, 0..5);
    ("[a-zA-Z0-9é-]{1,40}", "/[a-z]{1,9}", "[a-z]{1,5}(\\.[a-z]{1,5}){0,3}", "[a-z/ ]{1,9}", data, extensions)
        .prop_map(|(id, source, ty, subject, (content_type, data), extensions)| {
            let mut builder =
                EventBuilderV10::new().id(id).source(source).ty(ty).subject(subject).data(content_type, data);
            builder = builder.time("2026-11-26T18:25:33.123456789+01:00");
            for (name, value) in extensions {
                builder = builder.extension(&name, value);
            }
            builder.build().expect("an event")
        })
}

proptest! {
    #[test]
    fn they_read_what_we_write(sent in envelopes()) {
        let codec = Codec::new();
        let message = codec.encode_structured(&sent).expect("within the limits");
        let event: Event = serde_json::from_slice(&message).expect("an event to them");
        check(&event, &sent);
        let theirs = serde_json::to_vec(&event).expect("JSON");
        let back = codec.decode(theirs).expect("an event to us");
        check(&event, &back);
        // JSON is printed anew by them, all else is as it was.
        prop_assert_eq!(back.metadata(), sent.metadata());
        prop_assert_eq!((back.id(), back.time(), back.ttl()), (sent.id(), sent.time(), sent.ttl()));

        let (headers, body) = codec.encode_binary(&sent, Binding::Kafka).expect("within the limits");
        let event = OurHeaders(headers.into_iter().collect(), body.to_vec()).into_event().expect("an event to them");
        check(&event, &sent);
    }

    #[test]
    fn we_read_what_they_write(event in their_events()) {
        let codec = Codec::new();
        let message = serde_json::to_vec(&event).expect("JSON");
        let read = codec.decode(message).expect("an event to us");
        check(&event, &read);
        let again: Event = serde_json::from_slice(&codec.encode_structured(&read).expect("within the limits"))
            .expect("an event to them");
        check(&again, &read);
        prop_assert_eq!((again.id(), again.source()), (event.id(), event.source()));

        let (headers, body) =
            BinaryDeserializer::deserialize_binary(event.clone(), TheirHeaders::default()).expect("headers");
        let read = codec.decode_binary(headers, body, Binding::Kafka).expect("an event to us");
        check(&event, &read);
    }
}

#[test]
fn the_flat_json_of_later_versions_of_the_original_is_read_by_both() {
    let sample = json!({
        "specversion": "1.0",
        "id": "0f3c1a52-6b7e-4f0e-9a53-1d2f3c4b5a69",
        "source": "eventbus",
        "type": "user.created",
        "time": "2026-03-02T08:15:00.25Z",
        "datacontenttype": "application/json",
        "data_base64": "eyJpZCI6N30=",
        "partitionkey": "user-7",
        "correlationid": "c-1",
        "attempt": 2,
        "replayed": false,
    });
    let read = Codec::new().decode(sample.to_string()).expect("an event");
    check(&serde_json::from_value(sample).expect("an event to them"), &read);
    assert_eq!(read.payload().bytes(), r#"{"id":7}"#);
    assert_eq!(
        (read.topic().as_str(), read.key(), read.original_id()),
        ("user.created", Some("user-7"), None)
    );
    let metadata: Vec<_> = read.metadata().iter().collect();
    assert_eq!(
        metadata,
        [("attempt", "2"), ("correlationid", "c-1"), ("replayed", "false"), ("source", "eventbus")]
    );
}

#[test]
fn names_and_keys_that_only_we_know_do_not_trouble_them() {
    let mut metadata = Metadata::new();
    for (name, value) in
        [("X-Id", "1"), ("dataschema", "no uri"), ("subject", ""), ("id", "2"), ("lines", "a\nb")]
    {
        metadata.set(name, value).expect("within the limits");
    }
    let codec = Codec::new();
    let sent = Envelope::new(topic!("a.b"), Encoded::raw("x")).with_metadata(metadata).with_key("\0");
    let message = codec.encode_structured(&sent).expect("within the limits");
    let event: Event = serde_json::from_slice(&message).expect("an event to them");
    assert_eq!(event.iter_extensions().count(), 2);
    let theirs = serde_json::to_vec(&event).expect("JSON");
    assert_eq!(codec.decode(theirs), Ok(sent));
}
