//! Events of the original bus, version 1: its own JSON, from before it wrote CloudEvents.
//!
//! ```json
//! {"topic": "user.created", "payload": {}, "metadata": {"version": 2}, "createdAt": "2025-09-01T12:00:00Z"}
//! ```
//!
//! It has no id. One is derived from the whole message, so that a message that comes again is known again; two
//! events that read alike to the letter are one. Times of processing are passed over: nobody ever saw them set.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::content_type::ContentType;
use super::envelope::Envelope;
use super::error::{AttributeProblem, DecodeError};
use super::json::{self, Member, Refusal};
use super::payload::Encoded;
use super::structured::part;
use super::{identity, time};
use crate::event::{Metadata, MetadataError};
use crate::sync::clock;
use crate::topic::Topic;

/// Says whether an object is such an event: it has a topic, and nothing that a CloudEvents event must have.
pub(super) fn is_original(members: &[Member<'_>]) -> bool {
    let has = |name: &str| members.iter().any(|(known, _)| known == name);
    has("topic") && !["specversion", "id", "source", "type"].iter().any(|name| has(name))
}

/// Reads the members of such an event; others than its own are passed over, as the original did.
pub(super) fn decode(message: &Bytes, members: Vec<Member<'_>>) -> Result<Envelope, DecodeError> {
    let (mut topic, mut time, mut metadata) = (None, None, Metadata::new());
    let mut payload = Bytes::new();
    for (name, raw) in members {
        match &*name {
            "topic" => topic = Some(Topic::new(text("topic", raw)?)?),
            "payload" => payload = part(message, raw.get()),
            "metadata" if raw.get() != "null" => metadata = read_metadata(raw)?,
            "createdAt" if raw.get() != "null" => {
                let problem = || DecodeError::attribute("createdAt", AttributeProblem::NotATime);
                time = Some(time::parse(&text("createdAt", raw)?).ok_or_else(problem)?);
            }
            _ => {}
        }
    }
    Ok(Envelope {
        topic: topic.ok_or(DecodeError::MissingAttribute { name: "topic" })?,
        payload: Encoded::new(payload, ContentType::Json),
        id: identity::of_message(message),
        original_id: None,
        time: time.unwrap_or_else(clock::wall),
        key: None,
        metadata,
        ttl: None,
        tenant: None,
    })
}

/// Reads a member that must be a text.
fn text<'a>(name: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, DecodeError> {
    json::text(raw.get()).ok_or_else(|| DecodeError::attribute(name, AttributeProblem::Type))
}

/// Reads metadata in its order. Values that are no text become their JSON.
fn read_metadata(raw: &RawValue) -> Result<Metadata, DecodeError> {
    let members = json::members(raw.get(), Metadata::MAX_ENTRIES).map_err(|refusal| match refusal {
        Refusal::TooMany => MetadataError::TooManyEntries.into(),
        Refusal::Twice(name) => DecodeError::duplicate(&name),
        Refusal::NotAnObject | Refusal::Syntax { .. } => {
            DecodeError::attribute("metadata", AttributeProblem::Malformed)
        }
    })?;
    let mut metadata = Metadata::new();
    for (name, raw) in members {
        let json = raw.get();
        let value = if json.starts_with('"') {
            json::text(json).ok_or_else(|| DecodeError::attribute(&name, AttributeProblem::NotUnicode))?
        } else {
            Cow::Borrowed(json)
        };
        metadata.set(name, value)?;
    }
    Ok(metadata)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::envelope::Codec;

    fn decode(message: &'static str) -> Result<Envelope, DecodeError> {
        Codec::new().decode(message)
    }

    const SAMPLE: &str = r#"{"topic":"user.created","payload":{"id": 7, "tags":["a"]},
        "metadata":{"source":"api","version":2,"deep":{"a":[1, 2]},"no":null,"X-Id":"x"},
        "createdAt":"2025-09-01T12:00:00.123456789+02:00",
        "processingStarted":"2025-09-01T12:00:01Z","processingCompleted":null}"#;

    #[test]
    fn an_event_of_the_original_is_read() {
        let read = decode(SAMPLE).expect("an event");
        assert_eq!(read.topic(), "user.created");
        assert_eq!(&read.payload().bytes()[..], br#"{"id": 7, "tags":["a"]}"#);
        assert_eq!(read.payload().content_type(), &ContentType::Json);
        let metadata: Vec<_> = read.metadata().iter().collect();
        let expected =
            [("source", "api"), ("version", "2"), ("deep", r#"{"a":[1, 2]}"#), ("no", "null"), ("X-Id", "x")];
        assert_eq!(metadata, expected);
        assert_eq!(Some(read.time()), time::parse("2025-09-01T10:00:00.123456789Z"));
        assert_eq!((read.key(), read.tenant(), read.ttl(), read.original_id()), (None, None, None, None));
    }

    #[test]
    fn a_message_that_comes_again_has_the_same_id_and_another_has_not() {
        let [first, again] = [SAMPLE, SAMPLE].map(|sample| decode(sample).expect("an event").id());
        assert_eq!(first, again);
        let other = decode(r#"{"topic":"user.created","payload":1}"#).expect("an event");
        assert_ne!(other.id(), first);
    }

    #[test]
    fn it_can_be_passed_on_as_a_cloud_event() {
        let read = decode(SAMPLE).expect("an event");
        let message = Codec::new().encode_structured(&read).expect("a message");
        assert_eq!(Codec::new().decode(message), Ok(read));
    }

    #[test]
    fn little_is_needed() {
        let read = decode(r#"{"topic":"a","metadata":null,"createdAt":null}"#).expect("an event");
        assert!(read.payload().is_absent() && read.metadata().is_empty());
        let read = decode(r#"{"topic":"a","payload":null,"more":1}"#).expect("an event");
        assert_eq!(&read.payload().bytes()[..], b"null");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let attribute = |name: &str, problem| Err(DecodeError::attribute(name, problem));
        assert_eq!(decode(r#"{"topic":1}"#), attribute("topic", AttributeProblem::Type));
        assert!(matches!(decode(r#"{"topic":"a.*"}"#), Err(DecodeError::Topic(_))));
        assert_eq!(
            decode(r#"{"topic":"a","createdAt":"now"}"#),
            attribute("createdAt", AttributeProblem::NotATime)
        );
        assert_eq!(decode(r#"{"topic":"a","createdAt":1}"#), attribute("createdAt", AttributeProblem::Type));
        assert_eq!(
            decode(r#"{"topic":"a","metadata":[]}"#),
            attribute("metadata", AttributeProblem::Malformed)
        );
        assert_eq!(
            decode(r#"{"topic":"a","metadata":{"b":"\ud800"}}"#),
            attribute("b", AttributeProblem::NotUnicode)
        );
        assert_eq!(
            decode(r#"{"topic":"a","metadata":{"b":1,"b":2}}"#),
            Err(DecodeError::DuplicateAttribute { name: "b".into() })
        );
        assert!(matches!(decode(r#"{"topic":"a","metadata":{"":1}}"#), Err(DecodeError::Metadata(_))));
        let deep = |depth| format!(r#"{{"topic":"a","payload":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(Codec::new().decode(deep(64)).is_ok());
        assert_eq!(Codec::new().decode(deep(65)), Err(DecodeError::TooDeep { limit: 64 }));
        for message in [r#"{"topic":"a","id":"1"}"#, r#"{"topic":"a","type":"b"}"#, r#"{"payload":1}"#] {
            assert_eq!(decode(message), Err(DecodeError::NoSpecVersion));
        }
    }
}
