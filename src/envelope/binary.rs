//! Binary mode: attributes are headers, and the payload is the body as it is.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::attributes::{self, Attributes};
use super::codec::{Codec, Limits};
use super::content_type::ContentType;
use super::envelope::Envelope;
use super::error::{AttributeProblem, DecodeError, EncodeError};
use super::extensions::Attribute;
use super::payload::Encoded;
use super::percent;

/// The protocol that carries headers: it says how they are named, and what their values may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Binding {
    /// Kafka: names begin with `ce_`, values are UTF-8 as it is.
    Kafka,
    /// NATS: names begin with `ce-`, values are percent-encoded to printable ASCII.
    Nats,
    /// HTTP: as NATS.
    Http,
}

impl Binding {
    /// What the names of attributes begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Kafka => "ce_",
            Self::Nats | Self::Http => "ce-",
        }
    }

    /// Says whether values are percent-encoded.
    const fn is_percent_encoded(self) -> bool {
        matches!(self, Self::Nats | Self::Http)
    }
}

/// The header of the content type, whatever the binding.
const CONTENT_TYPE: &str = "content-type";

/// Names and values of a message in binary mode, the content type among them.
///
/// Names are lower-case ASCII and there once each. `Debug` prints the names and hides the values.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    list: Vec<(String, String)>,
}

impl Headers {
    /// Iterates over names and values.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Says whether there are none, which no event has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl IntoIterator for Headers {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers")?;
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Writes an envelope.
pub(super) fn encode(
    envelope: &Envelope,
    binding: Binding,
    codec: &Codec,
) -> Result<(Headers, Bytes), EncodeError> {
    let limits = codec.limits();
    let payload = &envelope.payload;
    payload.check_depth(limits.max_depth).map_err(|_| EncodeError::TooDeep { limit: limits.max_depth })?;
    let attributes = attributes::write(envelope, codec.source())?;
    let mut list = Vec::with_capacity(attributes.len() + 1);
    for (name, value) in attributes {
        let text = value.into_text();
        let text = if binding.is_percent_encoded() { percent::encode(&text) } else { text.into_owned() };
        list.push(([binding.prefix(), name].concat(), text));
    }
    // It is printable ASCII already.
    list.push((CONTENT_TYPE.into(), payload.content_type().as_str().into()));

    if list.len() > limits.max_attributes {
        return Err(EncodeError::TooManyAttributes { count: list.len(), limit: limits.max_attributes });
    }
    let size = list.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > limits.max_header_bytes {
        return Err(EncodeError::HeadersTooLarge { size, limit: limits.max_header_bytes });
    }
    let size = payload.bytes().len().saturating_add(size);
    if size > limits.max_bytes {
        return Err(EncodeError::TooLarge { size, limit: limits.max_bytes });
    }
    Ok((Headers { list }, payload.bytes().clone()))
}

/// Reads those headers that are attributes, up to the limits.
pub(super) fn read_headers<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
    binding: Binding,
    limits: &Limits,
) -> Result<Vec<Attribute<'static>>, DecodeError> {
    let mut list: Vec<Attribute<'static>> = Vec::new();
    let mut left = limits.max_header_bytes;
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        let Some(attribute) = attribute_of(name, binding) else { continue };
        left = left
            .checked_sub(name.len().saturating_add(value.len()))
            .ok_or(DecodeError::HeadersTooLarge { limit: limits.max_header_bytes })?;
        if list.len() >= limits.max_attributes {
            return Err(DecodeError::TooManyAttributes { limit: limits.max_attributes });
        }
        if list.iter().any(|(known, _)| *known == attribute) {
            return Err(DecodeError::duplicate(&attribute));
        }
        let not_unicode = || DecodeError::attribute(&attribute, AttributeProblem::NotUnicode);
        let text = std::str::from_utf8(value).map_err(|_| not_unicode())?;
        let text = if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            text.trim().to_owned()
        } else if binding.is_percent_encoded() {
            percent::decode(text).ok_or_else(not_unicode)?
        } else {
            text.to_owned()
        };
        list.push((Cow::Owned(attribute), Cow::Owned(text)));
    }
    Ok(list)
}

/// Returns the attribute that a header is, in lower case; headers ignore case.
fn attribute_of(name: &str, binding: Binding) -> Option<String> {
    if name.eq_ignore_ascii_case(CONTENT_TYPE) {
        return Some("datacontenttype".into());
    }
    let (prefix, attribute) = name.split_at_checked(binding.prefix().len())?;
    prefix.eq_ignore_ascii_case(binding.prefix()).then(|| attribute.to_ascii_lowercase())
}

/// Reads an event from its attributes and its payload.
pub(super) fn decode(
    list: Vec<Attribute<'static>>,
    body: Bytes,
    codec: &Codec,
) -> Result<Envelope, DecodeError> {
    let limits = codec.limits();
    let headers: usize = list.iter().map(|(name, value)| name.len() + value.len()).sum();
    let size = body.len().saturating_add(headers);
    if size > limits.max_bytes {
        return Err(DecodeError::TooLarge { size, limit: limits.max_bytes });
    }
    let mut attributes = Attributes::new(list);
    attributes.check_version()?;
    // Nothing may be assumed of bytes without a content type.
    let content_type = attributes.content_type()?.unwrap_or(ContentType::OctetStream);
    let payload = Encoded::new(body, content_type);
    payload.check_depth(limits.max_depth)?;
    attributes.into_envelope(payload, codec.source())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::event::Metadata;
    use crate::topic;

    const ALL: [Binding; 3] = [Binding::Kafka, Binding::Nats, Binding::Http];

    fn envelope() -> Envelope {
        let mut metadata = Metadata::new();
        metadata.set("subject", "Euro € 😀 \"%\"").expect("within the limits");
        metadata.set("x-forged", "a\r\nset-cookie: b").expect("within the limits");
        Envelope::new(topic!("größe.a"), Encoded::json(&1).expect("JSON"))
            .with_key("k")
            .with_metadata(metadata)
    }

    fn decode_with(more: &[(&str, &str)]) -> Result<Envelope, DecodeError> {
        let all = [("ce-specversion", "1.0"), ("ce-type", "a"), ("ce-source", "/s"), ("ce-id", "x")];
        let all = all.into_iter().filter(|(name, _)| !more.iter().any(|(known, _)| known == name));
        Codec::new().decode_binary(all.chain(more.iter().copied()), "body", Binding::Http)
    }

    #[test]
    fn headers_and_the_body_come_back() {
        for binding in ALL {
            let sent = envelope();
            let (headers, body) = Codec::new().encode_binary(&sent, binding).expect("a message");
            assert_eq!(body, "1");
            assert_eq!(headers.get("content-type"), Some("application/json"));
            let shouted = headers.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.as_bytes()));
            assert_eq!(Codec::new().decode_binary(shouted, body, binding), Ok(sent));
        }
    }

    #[test]
    fn values_are_percent_encoded_where_headers_are_ascii() {
        let (headers, _) = Codec::new().encode_binary(&envelope(), Binding::Nats).expect("a message");
        assert_eq!(headers.get("ce-subject"), Some("Euro%20%E2%82%AC%20%F0%9F%98%80%20%22%25%22"));
        assert_eq!(headers.get("ce-type"), Some("gr%C3%B6%C3%9Fe.a"));
        for (name, value) in headers.iter() {
            assert!(name.bytes().chain(value.bytes()).all(|b| matches!(b, b'!'..=b'~')), "{name}: {value}");
        }
        let (headers, _) = Codec::new().encode_binary(&envelope(), Binding::Kafka).expect("a message");
        assert_eq!(headers.get("ce_subject"), Some("Euro € 😀 \"%\""));
        // Not even there does a line end stand as it is.
        assert!(headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
        assert_eq!((headers.len(), headers.is_empty()), (headers.clone().into_iter().count(), false));
        let printed = format!("{headers:?}");
        assert!(printed.contains("ce_subject") && !printed.contains("Euro"), "{printed}");
    }

    #[test]
    fn headers_of_others_mean_nothing() {
        let read =
            decode_with(&[("x-other", "1"), ("ce_kafka", "2"), ("c", "3"), ("é-", "4")]).expect("an event");
        assert_eq!(read.metadata().iter().collect::<Vec<_>>(), [("source", "/s")]);
        assert_eq!(read.payload(), &Encoded::raw("body"));
        let read = decode_with(&[("Content-Type", " text/plain ")]).expect("an event");
        assert_eq!(read.payload().content_type().as_str(), "text/plain");
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(decode_with(&[("ce-specversion", "0.3")]), Err(DecodeError::SpecVersion));
        let nothing: [(&str, &str); 0] = [];
        assert_eq!(Codec::new().decode_binary(nothing, "", Binding::Kafka), Err(DecodeError::NoSpecVersion));
        let twice = Err(DecodeError::duplicate("a"));
        assert_eq!(decode_with(&[("ce-a", "1"), ("CE-A", "1")]), twice);
        let twice = Err(DecodeError::duplicate("datacontenttype"));
        assert_eq!(decode_with(&[("content-type", "a/b"), ("ce-datacontenttype", "a/b")]), twice);
        let problem = AttributeProblem::NotUnicode;
        assert_eq!(decode_with(&[("ce-a", "%C0%A0")]), Err(DecodeError::attribute("a", problem)));
        let problem = AttributeProblem::NotAMediaType;
        let error = DecodeError::attribute("datacontenttype", problem);
        assert_eq!(decode_with(&[("content-type", "json")]), Err(error));
        let headers = [("ce_a", &b"\xff"[..])];
        let problem = AttributeProblem::NotUnicode;
        assert_eq!(
            Codec::new().decode_binary(headers, "", Binding::Kafka),
            Err(DecodeError::attribute("a", problem))
        );
        assert!(matches!(decode_with(&[("ce-", "1")]), Err(DecodeError::Metadata(_))));
    }

    #[test]
    fn limits_hold_in_both_directions() {
        let mut limits = Limits::default();
        (limits.max_header_bytes, limits.max_bytes, limits.max_depth) = (400, 500, 2);
        limits.max_attributes = 10;
        let codec = Codec::new().with_limits(limits);
        let with = |payload: &'static str, key: &str| {
            let payload = Encoded::new(payload, ContentType::Json);
            codec.encode_binary(&Envelope::new(topic!("a"), payload).with_key(key), Binding::Nats)
        };
        assert!(with("[[1]]", "k").is_ok());
        assert_eq!(with("[[[1]]]", "k"), Err(EncodeError::TooDeep { limit: 2 }));
        assert!(matches!(with("1", &"k".repeat(401)), Err(EncodeError::HeadersTooLarge { limit: 400, .. })));
        let large: &str = "x".repeat(450).leak();
        assert!(matches!(with(large, "k"), Err(EncodeError::TooLarge { limit: 500, .. })));
        let mut metadata = Metadata::new();
        for name in ["a", "b", "c", "d", "e"] {
            metadata.set(name, "x").expect("within the limits");
        }
        let many = Envelope::new(topic!("a"), Encoded::raw("")).with_metadata(metadata);
        assert!(matches!(
            codec.encode_binary(&many, Binding::Http),
            Err(EncodeError::TooManyAttributes { count: 11, limit: 10 })
        ));

        let read = |headers: Vec<(String, String)>, body: &'static str| {
            codec.decode_binary(headers, body, Binding::Nats)
        };
        let one = |length| vec![("ce-a".to_owned(), "x".repeat(length))];
        assert_eq!(read(one(397), ""), Err(DecodeError::HeadersTooLarge { limit: 400 }));
        assert_eq!(read(one(396), ""), Err(DecodeError::NoSpecVersion));
        assert!(matches!(read(one(396), large), Err(DecodeError::TooLarge { limit: 500, .. })));
        let many = (0..11).map(|n| (format!("ce-a{n}"), String::new())).collect();
        assert_eq!(read(many, ""), Err(DecodeError::TooManyAttributes { limit: 10 }));
        let deep = [("ce-specversion", "1.0"), ("content-type", "text/json")];
        let deep = codec.decode_binary(deep, "[[[", Binding::Nats);
        assert_eq!(deep, Err(DecodeError::TooDeep { limit: 2 }));
    }
}
