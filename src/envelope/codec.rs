//! What writes and reads envelopes, and within which limits.

use std::sync::Arc;

use bytes::Bytes;

use super::binary::{self, Binding, Headers};
use super::content_type::essence;
use super::envelope::Envelope;
use super::error::{DecodeError, EncodeError};
use super::extensions;
use super::structured::{self, MEDIA_TYPE};
use crate::event::Metadata;

/// How large messages may be, in both directions.
///
/// What is refused is refused before it is parsed, and nothing is allocated for what a message only claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message, headers included: 1 MiB, which is what NATS, Kafka and Kinesis take unless they are
    /// told otherwise.
    pub max_bytes: usize,
    /// How deep the JSON of a payload may be nested: 64. A parser that recurses needs a bound; that of
    /// `serde_json` is 127.
    pub max_depth: usize,
    /// The most attributes, the payload of a structured message included: 80. That is all that metadata may
    /// have, the 11 that are ours or CloudEvents' own, and some to spare.
    pub max_attributes: usize,
    /// The largest headers, names and values together: 64 KiB, as HTTP servers take. Those of a structured
    /// message do not count.
    pub max_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024,
            max_depth: 64,
            max_attributes: Metadata::MAX_ENTRIES + 16,
            max_header_bytes: 64 * 1024,
        }
    }
}

/// Writes and reads envelopes as CloudEvents 1.0. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Codec {
    source: Arc<str>,
    limits: Limits,
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec {
    /// Makes a codec with the source `trolleybus` and the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self { source: "trolleybus".into(), limits: Limits::default() }
    }

    /// Sets the source of events whose metadata names none.
    ///
    /// An event that is read with this very source has no `source` in its metadata, unless it had one when it
    /// was written. Where several applications share a broker, each needs a source of its own: that, and the
    /// id, say which event is which.
    ///
    /// # Errors
    ///
    /// The source is empty, longer than metadata may be, or contains a control character.
    pub fn with_source(mut self, source: impl Into<Arc<str>>) -> Result<Self, SourceError> {
        let source = source.into();
        if source.len() > Metadata::MAX_VALUE_LEN || !extensions::is_text(&source) {
            return Err(SourceError(()));
        }
        self.source = source;
        Ok(self)
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Returns the source of events whose metadata names none.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Writes an envelope as one JSON object, of the media type [`STRUCTURED`](Self::STRUCTURED).
    ///
    /// A payload of JSON stands in it as it is, white space inside of it included. All others are Base64, and
    /// so is what is called JSON and could not stand there: a broken payload can be passed on, too.
    ///
    /// # Errors
    ///
    /// A limit is exceeded, or the time is one that RFC 3339 cannot tell.
    pub fn encode_structured(&self, envelope: &Envelope) -> Result<Bytes, EncodeError> {
        structured::encode(envelope, self)
    }

    /// Writes an envelope as headers and the payload as it is.
    ///
    /// # Errors
    ///
    /// A limit is exceeded, or the time is one that RFC 3339 cannot tell.
    pub fn encode_binary(
        &self,
        envelope: &Envelope,
        binding: Binding,
    ) -> Result<(Headers, Bytes), EncodeError> {
        binary::encode(envelope, binding, self)
    }

    /// Reads a structured message: a CloudEvents 1.0 event in JSON, or one of the original bus, version 1.
    ///
    /// A payload of JSON is a part of the message, not a copy.
    ///
    /// # Errors
    ///
    /// The first thing that makes it neither.
    pub fn decode(&self, message: impl Into<Bytes>) -> Result<Envelope, DecodeError> {
        structured::decode(&message.into(), self)
    }

    /// Reads headers and a payload. Headers without the binding's prefix mean nothing, but for `content-type`.
    ///
    /// # Errors
    ///
    /// The first thing that makes them no event.
    pub fn decode_binary<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        body: impl Into<Bytes>,
        binding: Binding,
    ) -> Result<Envelope, DecodeError> {
        let attributes = binary::read_headers(headers, binding, &self.limits)?;
        binary::decode(attributes, body.into(), self)
    }

    /// Reads a message of either mode, as its headers say: structured if the content type is
    /// [`STRUCTURED`](Self::STRUCTURED) or no header is an attribute, binary otherwise.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode) and [`decode_binary`](Self::decode_binary).
    pub fn decode_message<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        body: impl Into<Bytes>,
        binding: Binding,
    ) -> Result<Envelope, DecodeError> {
        let attributes = binary::read_headers(headers, binding, &self.limits)?;
        let content_type = attributes.iter().find(|(name, _)| name == "datacontenttype");
        let declared = content_type.is_some_and(|(_, text)| essence(text).eq_ignore_ascii_case(MEDIA_TYPE));
        if declared || attributes.len() == usize::from(content_type.is_some()) {
            return self.decode(body);
        }
        binary::decode(attributes, body.into(), self)
    }

    /// The media type of a structured message.
    pub const STRUCTURED: &str = MEDIA_TYPE;
}

/// The text is no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source is 1 to {max} bytes without control characters", max = Metadata::MAX_VALUE_LEN)]
pub struct SourceError(());

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::envelope::Encoded;
    use crate::topic;

    #[test]
    fn a_source_that_no_event_can_have_is_refused() {
        for source in [String::new(), "a\n".into(), "x".repeat(8193)] {
            assert!(Codec::new().with_source(source).is_err());
        }
        let codec = Codec::default().with_source("/shop").expect("a source");
        assert_eq!((codec.source(), codec.limits()), ("/shop", &Limits::default()));
    }

    #[test]
    fn a_source_is_metadata_for_others_and_not_for_us() {
        let shop = Codec::new().with_source("/shop").expect("a source");
        let sent = Envelope::new(topic!("a"), Encoded::raw(""));
        let message = shop.encode_structured(&sent).expect("a message");
        assert_eq!(shop.decode(message.clone()), Ok(sent));
        let read = Codec::new().decode(message).expect("an event");
        assert_eq!(read.metadata().iter().collect::<Vec<_>>(), [("source", "/shop")]);
    }

    #[test]
    fn either_mode_is_recognised() {
        let codec = Codec::new();
        let sent = Envelope::new(topic!("a"), Encoded::json(&1).expect("JSON"));
        let message = codec.encode_structured(&sent).expect("a message");
        for headers in [
            vec![],
            vec![("x-other", "1"), ("content-type", "application/json")],
            vec![("Content-Type", "application/cloudevents+json; charset=UTF-8"), ("ce_id", "repeated")],
        ] {
            assert_eq!(codec.decode_message(headers, message.clone(), Binding::Kafka), Ok(sent.clone()));
        }
        let (headers, body) = codec.encode_binary(&sent, Binding::Kafka).expect("a message");
        assert_eq!(codec.decode_message(headers.iter(), body, Binding::Kafka), Ok(sent));
        let half = codec.decode_message([("ce_id", "x")], message, Binding::Kafka);
        assert_eq!(half, Err(DecodeError::NoSpecVersion));
    }
}
