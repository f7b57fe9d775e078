//! Structured mode: the whole event is one JSON object, attributes and payload side by side.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::attributes::{self, Attributes, Value};
use super::codec::Codec;
use super::content_type::ContentType;
use super::depth;
use super::envelope::Envelope;
use super::error::{DecodeError, EncodeError};
use super::extensions::Attribute;
use super::json::{self, Member};
use super::original;
use super::payload::Encoded;

/// The media type of such an object.
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Writes an envelope.
pub(super) fn encode(envelope: &Envelope, codec: &Codec) -> Result<Bytes, EncodeError> {
    let limits = codec.limits();
    let payload = &envelope.payload;
    let bytes = payload.bytes();
    // Before the work, and before memory is asked for.
    check_size(bytes.len(), limits.max_bytes)?;
    payload.check_depth(limits.max_depth).map_err(|_| EncodeError::TooDeep { limit: limits.max_depth })?;
    let list = attributes::write(envelope, codec.source())?;
    let count = list.len() + 1 + usize::from(!payload.is_absent());
    if count > limits.max_attributes {
        return Err(EncodeError::TooManyAttributes { count, limit: limits.max_attributes });
    }

    let mut out = String::with_capacity(512 + bytes.len() / 3 * 4);
    out.push('{');
    for (name, value) in list {
        push_name(&mut out, name);
        match value {
            Value::Text(text) => json::push_text(&mut out, &text),
            Value::Integer(number) => out.push_str(&number.to_string()),
        }
        out.push(',');
    }
    push_name(&mut out, "datacontenttype");
    json::push_text(&mut out, payload.content_type().as_str());
    if !payload.is_absent() {
        out.push(',');
        let as_it_is = payload.content_type().is_json().then(|| json::value(bytes)).flatten();
        if let Some(json) = as_it_is {
            push_name(&mut out, "data");
            out.push_str(json);
        } else {
            push_name(&mut out, "data_base64");
            out.push('"');
            STANDARD.encode_string(bytes, &mut out);
            out.push('"');
        }
    }
    out.push('}');
    check_size(out.len(), limits.max_bytes)?;
    Ok(out.into())
}

fn check_size(size: usize, limit: usize) -> Result<(), EncodeError> {
    if size > limit {
        return Err(EncodeError::TooLarge { size, limit });
    }
    Ok(())
}

/// Writes the name of a member; no name of an attribute needs escapes.
fn push_name(out: &mut String, name: &str) {
    out.extend(["\"", name, "\":"]);
}

/// Reads a message, step by step, each of which protects the next: size, UTF-8, depth, members, values.
pub(super) fn decode(message: &Bytes, codec: &Codec) -> Result<Envelope, DecodeError> {
    let limits = codec.limits();
    if message.len() > limits.max_bytes {
        return Err(DecodeError::TooLarge { size: message.len(), limit: limits.max_bytes });
    }
    let text = std::str::from_utf8(message)
        .map_err(|error| DecodeError::NotUtf8 { position: error.valid_up_to() })?;
    // The payload lies one level below the object.
    if !depth::is_within_depth(message, limits.max_depth.saturating_add(1)) {
        return Err(DecodeError::TooDeep { limit: limits.max_depth });
    }
    let members = json::members(text, limits.max_attributes)
        .map_err(|refusal| refusal.of_message(limits.max_attributes))?;
    if original::is_original(&members) {
        return original::decode(message, members);
    }
    decode_event(message, members, codec)
}

/// Reads the members of an event.
fn decode_event(message: &Bytes, members: Vec<Member<'_>>, codec: &Codec) -> Result<Envelope, DecodeError> {
    let (mut data, mut base64) = (None, None);
    let mut list: Vec<Attribute<'_>> = Vec::with_capacity(members.len());
    for (name, raw) in members {
        match &*name {
            "data" => data = Some(raw),
            "data_base64" => base64 = Some(raw).filter(|raw| raw.get() != "null"),
            _ => match json::scalar(raw) {
                Ok(Some(value)) => list.push((name, value)),
                // Said to be unset.
                Ok(None) => {}
                Err(_) if name == "specversion" => return Err(DecodeError::SpecVersion),
                Err(problem) => return Err(DecodeError::attribute(&name, problem)),
            },
        }
    }
    let mut attributes = Attributes::new(list);
    attributes.check_version()?;
    let content_type = attributes.content_type()?;
    let payload = match (data, base64) {
        (Some(_), Some(_)) => return Err(DecodeError::TwoPayloads),
        (Some(data), None) => from_data(message, data, content_type.unwrap_or(ContentType::Json))?,
        // Nothing may be assumed of bytes without a content type.
        (None, Some(base64)) => from_base64(base64, content_type.unwrap_or(ContentType::OctetStream))?,
        (None, None) => Encoded::new(Bytes::new(), content_type.unwrap_or(ContentType::Json)),
    };
    payload.check_depth(codec.limits().max_depth)?;
    attributes.into_envelope(payload, codec.source())
}

/// Takes `data`: JSON as it stands there, or else the text that it is.
fn from_data(message: &Bytes, data: &RawValue, content_type: ContentType) -> Result<Encoded, DecodeError> {
    if content_type.is_json() {
        return Ok(Encoded::new(part(message, data.get()), content_type));
    }
    match json::text(data.get()) {
        Some(Cow::Borrowed(text)) => Ok(Encoded::new(part(message, text), content_type)),
        Some(Cow::Owned(text)) => Ok(Encoded::new(text, content_type)),
        None => Err(DecodeError::PayloadNotText),
    }
}

/// Takes `data_base64`.
fn from_base64(raw: &RawValue, content_type: ContentType) -> Result<Encoded, DecodeError> {
    let text = json::text(raw.get()).ok_or(DecodeError::PayloadNotBase64)?;
    let bytes = STANDARD.decode(&*text).map_err(|_| DecodeError::PayloadNotBase64)?;
    Ok(Encoded::new(bytes, content_type))
}

/// Returns a part of the message, which it keeps alive, instead of a copy.
pub(super) fn part(message: &Bytes, text: &str) -> Bytes {
    message.slice_ref(text.as_bytes())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::envelope::Limits;
    use crate::envelope::error::AttributeProblem;
    use crate::topic;

    /// A message with the attributes that must be there, and more members.
    fn message(more: &str) -> String {
        let comma = if more.is_empty() { "" } else { "," };
        format!(r#"{{"specversion":"1.0","type":"a.b","source":"/s","id":"x"{comma}{more}}}"#)
    }

    fn decode(more: &str) -> Result<Envelope, DecodeError> {
        Codec::new().decode(message(more))
    }

    fn payload(more: &str) -> Encoded {
        decode(more).expect("an event").into_payload()
    }

    fn encoded(payload: Encoded) -> String {
        let envelope = Envelope::new(topic!("a.b"), payload);
        let message = Codec::new().encode_structured(&envelope).expect("a message");
        assert_eq!(Codec::new().decode(message.clone()), Ok(envelope));
        String::from_utf8(message.into()).expect("UTF-8")
    }

    #[test]
    fn data_is_what_the_content_type_says() {
        let xml: ContentType = "application/xml".parse().expect("a media type");
        for (more, bytes, content_type) in [
            (r#""data":{"a": "\u0041"}"#, r#"{"a": "\u0041"}"#, ContentType::Json),
            (r#""data":"1""#, r#""1""#, ContentType::Json),
            (r#""data":null"#, "null", ContentType::Json),
            ("", "", ContentType::Json),
            (
                r#""data":"<much wow=\"xml\"/>","datacontenttype":"application/xml""#,
                "<much wow=\"xml\"/>",
                xml.clone(),
            ),
            (r#""datacontenttype":"application/xml","data":"plain""#, "plain", xml.clone()),
            (r#""datacontenttype":"application/xml""#, "", xml),
            (r#""data_base64":"AP8\/""#, "\0\u{7f}", ContentType::OctetStream),
            (r#""data_base64":"MQ==","datacontenttype":"application/json""#, "1", ContentType::Json),
            (r#""data_base64":null,"data":1"#, "1", ContentType::Json),
            (r#""data_base64":"""#, "", ContentType::OctetStream),
        ] {
            let read = payload(more);
            if bytes == "\0\u{7f}" {
                assert_eq!(&read.bytes()[..], [0, 0xff, 0x3f]);
            } else {
                assert_eq!(read.bytes(), bytes, "{more}");
            }
            assert_eq!(read.content_type(), &content_type, "{more}");
        }
    }

    #[test]
    fn payloads_that_are_none_are_refused() {
        assert_eq!(decode(r#""data":1,"data_base64":"MQ==""#), Err(DecodeError::TwoPayloads));
        for data in ["1", "{}", "null", r#""\ud800""#] {
            let more = format!(r#""datacontenttype":"text/plain","data":{data}"#);
            assert_eq!(decode(&more), Err(DecodeError::PayloadNotText));
        }
        for base64 in ["1", "\"MQ\"", "\"MQ=\"", "\"M-==\"", "\"MQ==\\n\"", "\"MR==\""] {
            assert_eq!(decode(&format!(r#""data_base64":{base64}"#)), Err(DecodeError::PayloadNotBase64));
        }
    }

    #[test]
    fn json_stands_in_the_message_as_it_is() {
        let json = |text: &'static str| encoded(Encoded::new(text, ContentType::Json));
        assert!(json("{\"a\": [1,\n2]}").ends_with(",\"data\":{\"a\": [1,\n2]}}"));
        assert!(json("").ends_with(r#""datacontenttype":"application/json"}"#));
        // What could end the member, or has lost something, cannot.
        for text in [" 1", "1,\"id\":\"forged\"", "1}", "\u{feff}1"] {
            assert!(json(text).contains(r#""data_base64":""#), "{text}");
        }
        assert!(encoded(Encoded::new(&b"\"\xff\""[..], ContentType::Json)).contains("data_base64"));
        assert!(encoded(Encoded::raw("1")).ends_with(r#""data_base64":"MQ=="}"#));
    }

    #[test]
    fn a_payload_of_json_is_a_part_of_the_message() {
        let message = Bytes::from(message(r#""data":[1]"#));
        let inside = message.as_ptr_range();
        let read = Codec::new().decode(message.clone()).expect("an event");
        assert!(inside.contains(&read.payload().bytes().as_ptr()));
    }

    #[test]
    fn values_of_attributes_become_text() {
        let read =
            decode(r#""flag":true,"count":-7,"unset":null,"Odd_Name":"x","data":1"#).expect("an event");
        let metadata: Vec<_> = read.metadata().iter().collect();
        assert_eq!(metadata, [("Odd_Name", "x"), ("count", "-7"), ("flag", "true"), ("source", "/s")]);
        for value in ["1.5", "[]", "{}"] {
            let error = decode(&format!("\"odd\":{value}"));
            assert_eq!(error, Err(DecodeError::attribute("odd", AttributeProblem::Type)));
        }
    }

    #[test]
    fn another_version_is_refused() {
        let with = |version: &str| {
            Codec::new()
                .decode(message("").replace(r#""specversion":"1.0""#, &format!("\"specversion\":{version}")))
        };
        for version in ["\"0.3\"", "\"1.1\"", "\"1\"", "1.0", "1", "true", "[]", "\"\"", "\"1.0 \""] {
            assert_eq!(with(version), Err(DecodeError::SpecVersion), "{version}");
        }
        assert_eq!(with("null"), Err(DecodeError::NoSpecVersion));
        let without = message("").replace(r#""specversion":"1.0","#, "");
        assert_eq!(Codec::new().decode(without), Err(DecodeError::NoSpecVersion));
    }

    #[test]
    fn limits_hold_in_both_directions() {
        let mut limits = Limits::default();
        (limits.max_bytes, limits.max_depth, limits.max_attributes) = (300, 2, 8);
        let codec = Codec::new().with_limits(limits);
        let small = Envelope::new(topic!("a.b"), Encoded::new("[[1]]", ContentType::Json));
        let message = codec.encode_structured(&small).expect("within the limits");
        assert_eq!(codec.decode(message), Ok(small.clone()));

        let with = |payload| Envelope { payload, ..small.clone() };
        let large = |length| codec.encode_structured(&with(Encoded::raw("x".repeat(length))));
        assert_eq!(large(301), Err(EncodeError::TooLarge { size: 301, limit: 300 }));
        assert!(matches!(large(200), Err(EncodeError::TooLarge { .. })));
        let deep = Encoded::new("[[[1]]]", ContentType::Json);
        assert_eq!(codec.encode_structured(&with(deep)), Err(EncodeError::TooDeep { limit: 2 }));
        let keyed = small.clone().with_key("k").with_ttl(std::time::Duration::ZERO);
        assert_eq!(
            codec.encode_structured(&keyed),
            Err(EncodeError::TooManyAttributes { count: 9, limit: 8 })
        );

        let read = |more: &str| codec.decode(self::message(more));
        assert!(read(r#""data":[[1]]"#).is_ok());
        assert_eq!(read(r#""data":[[[1]]]"#), Err(DecodeError::TooDeep { limit: 2 }));
        let hidden = STANDARD.encode("[[[1]]]");
        let hidden = read(&format!(r#""datacontenttype":"text/json","data_base64":"{hidden}""#));
        assert_eq!(hidden, Err(DecodeError::TooDeep { limit: 2 }));
        let many = read(r#""e":1,"f":1,"g":1,"h":1,"i":1"#);
        assert_eq!(many, Err(DecodeError::TooManyAttributes { limit: 8 }));
    }
}
