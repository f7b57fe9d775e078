//! Round trips of any envelope, and bad messages.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::event::{EventId, Metadata};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// Names of metadata: plain ones, those that mean something else, and any.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9]{1,12}",
        2 => prop::sample::select(vec![
            "source", "subject", "dataschema", "id", "type", "time", "data", "data_base64", "specversion",
            "datacontenttype", "partitionkey", "tenant", "ttlms", "tbmeta", "tbkey",
        ]).prop_map(str::to_owned),
        1 => "[A-Za-z_. é-]{1,8}",
        1 => "\\PC{1,20}",
    ]
}

/// Values of metadata, and keys.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9:/ ]{0,12}",
        1 => Just("trolleybus".to_owned()),
        2 => any::<String>(),
        1 => "[\"%\\\\\r\n\t\u{7f}\u{85}\u{fdd0}\u{ffff}€😀]{0,12}",
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    prop::collection::vec((name(), value()), 0..10).prop_map(|entries| {
        let mut metadata = Metadata::new();
        for (name, value) in entries {
            // What the limits refuse is left out.
            _ = metadata.set(name, value);
        }
        metadata
    })
}

fn content_type() -> impl Strategy<Value = ContentType> {
    let texts = [
        "application/json",
        "application/octet-stream",
        "text/plain; charset=\"a b\"",
        "a/b+json;x",
        "A/Json",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| text.parse().expect("a media type"))
}

fn payload() -> impl Strategy<Value = Encoded> {
    let json = prop_oneof![
        value().prop_map(|text| Encoded::json(&text).expect("JSON")),
        any::<(u64, Option<bool>, Vec<i8>)>().prop_map(|any| Encoded::json(&any).expect("JSON")),
    ];
    let any = (prop::collection::vec(any::<u8>(), 0..40), content_type());
    let texts = prop::sample::select(vec![
        "",
        " 1",
        "{\"a\" : [1]}\n",
        "{\"a\":\n1}",
        "\"\\ud800\"",
        "1e999",
        "]",
        "\"[",
    ]);
    prop_oneof![
        json,
        any.prop_map(|(bytes, content_type)| Encoded::new(bytes, content_type)),
        (texts, content_type()).prop_map(|(text, content_type)| Encoded::new(text, content_type)),
    ]
}

fn time() -> impl Strategy<Value = SystemTime> {
    // The years 1 to 9999, about.
    (-62_000_000_000_i64..253_000_000_000, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let start = SystemTime::UNIX_EPOCH;
        let whole = if seconds < 0 { start - distance } else { start + distance };
        whole + Duration::from_nanos(nanos.into())
    })
}

fn topic() -> impl Strategy<Value = Topic> {
    "[a-zé\"%\\\\{:]{1,8}(\\.[a-zé\"%\\\\{:]{1,8}){0,3}".prop_map(|text| Topic::new(text).expect("a topic"))
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let tenant = prop::option::of("[a-zA-Z0-9_-]{1,64}");
    let ttl = prop::option::of(prop_oneof![0..5000_u64, any::<u64>()]);
    let key = prop::option::of(value());
    (topic(), payload(), any::<u128>(), time(), key, metadata(), ttl, tenant).prop_map(
        |(topic, payload, id, time, key, metadata, ttl, tenant)| {
            let mut envelope = Envelope::new(topic, payload)
                .with_id(EventId::from_u128(id))
                .with_time(time)
                .with_metadata(metadata);
            envelope.key = key.map(Into::into);
            envelope.ttl = ttl.map(Duration::from_millis);
            envelope.tenant = tenant.map(|name| Tenant::new(name).expect("a tenant"));
            envelope
        },
    )
}

proptest! {
    #[test]
    fn any_envelope_comes_back_in_every_mode(sent in envelope()) {
        let codec = Codec::new();
        let message = codec.encode_structured(&sent).expect("within the limits");
        prop_assert_eq!(codec.decode(message), Ok(sent.clone()));
        for binding in [Binding::Kafka, Binding::Nats, Binding::Http] {
            let (headers, body) = codec.encode_binary(&sent, binding).expect("within the limits");
            for (name, value) in headers.iter() {
                prop_assert!(!value.contains(['\r', '\n', '\0']), "{name}");
            }
            // Brokers shuffle headers.
            let mut shuffled: Vec<_> = headers.into_iter().collect();
            shuffled.sort_by_key(|(name, value)| (value.len(), name.clone()));
            prop_assert_eq!(codec.decode_binary(shuffled, body, binding), Ok(sent.clone()));
        }
    }

    #[test]
    fn an_event_from_elsewhere_comes_back_when_it_is_passed_on(
        id in "\\PC{1,20}", source in "\\PC{1,20}", meta in prop::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..4),
    ) {
        let mut message = serde_json::json!({"specversion": "1.0", "type": "a", "id": id, "source": source});
        for (name, number) in meta {
            if !["id", "type", "time", "data"].contains(&&*name) {
                message[name] = number.into();
            }
        }
        let codec = Codec::new();
        let read = match codec.decode(message.to_string()) {
            Ok(read) => read,
            // Characters that Unicode keeps free.
            Err(error) => {
                let control = AttributeProblem::Control;
                prop_assert!(matches!(error, DecodeError::InvalidAttribute { problem, .. } if problem == control), "{error}");
                return Ok(());
            }
        };
        prop_assert_eq!(read.original_id(), Some(&*id));
        let passed_on = codec.encode_structured(&read).expect("within the limits");
        prop_assert_eq!(codec.decode(passed_on), Ok(read.clone()));
        let (headers, body) = codec.encode_binary(&read, Binding::Nats).expect("within the limits");
        prop_assert_eq!(codec.decode_message(headers.iter(), body, Binding::Nats), Ok(read));
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a1\\\\ ]{0,60}") {
        _ = Codec::new().decode(bytes);
        _ = Codec::new().decode(text);
    }
}

/// A message of an event, with another member.
fn with(member: &str) -> Vec<u8> {
    format!(r#"{{"specversion":"1.0","type":"a","source":"/s","id":"x",{member}}}"#).into_bytes()
}

#[test]
fn bad_messages_are_refused_each_for_its_reason() {
    let attribute = |name: &str, problem| DecodeError::attribute(name, problem);
    let many: String = (0..100).map(|n| format!("\"a{n}\":1,")).collect();
    let deep = |depth| with(&format!("\"data\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    let long = "x".repeat(9000);
    let mut invalid = with("\"subject\":\"??\"");
    let position = invalid.iter().position(|b| *b == b'?').expect("there");
    invalid[position..position + 2].copy_from_slice(b"\xc0\xa0");
    let table: Vec<(Vec<u8>, DecodeError)> = vec![
        (vec![b' '; 10_000_000], DecodeError::TooLarge { size: 10_000_000, limit: 1 << 20 }),
        (vec![b'['; 1 << 20], DecodeError::TooDeep { limit: 64 }),
        (b"{\"a\":".repeat(10_000), DecodeError::TooDeep { limit: 64 }),
        (deep(10_000), DecodeError::TooDeep { limit: 64 }),
        (deep(65), DecodeError::TooDeep { limit: 64 }),
        (invalid, DecodeError::NotUtf8 { position }),
        (b"\xff".to_vec(), DecodeError::NotUtf8 { position: 0 }),
        (vec![], DecodeError::Syntax { line: 1, column: 0 }),
        (b"{\"a\"".to_vec(), DecodeError::Syntax { line: 1, column: 4 }),
        ([with("\"a\":1"), b"x".to_vec()].concat(), DecodeError::Syntax { line: 1, column: 62 }),
        (b"[]".to_vec(), DecodeError::NotAnObject),
        (b"{}".to_vec(), DecodeError::NoSpecVersion),
        (with(&format!("{many}\"b\":1")), DecodeError::TooManyAttributes { limit: 80 }),
        (with("\"id\":\"y\""), DecodeError::DuplicateAttribute { name: "id".into() }),
        (with("\"data\":1,\"data\":1"), DecodeError::DuplicateAttribute { name: "data".into() }),
        (br#"{"specversion":"0.3"}"#.to_vec(), DecodeError::SpecVersion),
        (br#"{"specversion":"1.0"}"#.to_vec(), DecodeError::MissingAttribute { name: "type" }),
        (with("\"a\":{}"), attribute("a", AttributeProblem::Type)),
        (with("\"a\":\"\\ud800\""), attribute("a", AttributeProblem::NotUnicode)),
        (with("\"ttlms\":-1"), attribute("ttlms", AttributeProblem::NotMilliseconds)),
        (with("\"time\":0"), attribute("time", AttributeProblem::NotATime)),
        (with("\"tbmeta\":\"[]\""), attribute("tbmeta", AttributeProblem::Malformed)),
        (with("\"datacontenttype\":\"json\""), attribute("datacontenttype", AttributeProblem::NotAMediaType)),
        (with("\"tenant\":\"a.b\""), DecodeError::Tenant(crate::TenantError::Character { position: 1 })),
        (
            with(&format!("\"a\":\"{long}\"")),
            DecodeError::Metadata(crate::MetadataError::ValueTooLong { name: "a".into(), length: 9000 }),
        ),
        (with("\"data\":1,\"data_base64\":\"\""), DecodeError::TwoPayloads),
        (with("\"data\":1,\"datacontenttype\":\"a/b\""), DecodeError::PayloadNotText),
        (with("\"data_base64\":\"?\""), DecodeError::PayloadNotBase64),
    ];
    for (message, expected) in table {
        let start = String::from_utf8_lossy(&message[..message.len().min(100)]).into_owned();
        let error = Codec::new().decode(message).expect_err("no event");
        assert_eq!(error, expected, "{start}");
        assert!(!error.to_string().is_empty());
    }
    assert!(Codec::new().decode(deep(64)).is_ok());
}

#[test]
fn no_error_and_no_debug_repeats_a_value() {
    const SECRET: &str = "canary";
    for member in [
        r#""ttlms":"canary""#,
        r#""time":"canary""#,
        r#""tbmeta":"canary""#,
        r#""tbmeta":"{\"A\":canary}""#,
        r#""tbkey":"canary""#,
        r#""datacontenttype":"canary""#,
        r#""tenant":"canary.""#,
        r#""data_base64":"canary.""#,
        r#""data":"canary","data_base64":"""#,
        r#""subject":["canary"]"#,
        r#""subject":"canary" canary"#,
        r#""subject":"canary\ud800""#,
    ] {
        let error = Codec::new().decode(with(member)).expect_err("no event");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    let read = Codec::new()
        .decode(with(r#""a":"canary","partitionkey":"canary","data":"canary""#))
        .expect("an event");
    assert!(!format!("{read:?}").contains(SECRET));
    let error = read.payload().decode::<u64>(64).expect_err("a text");
    assert!(!format!("{error} {error:?}").contains(SECRET));
}

#[test]
fn x3_all_types_can_go_anywhere() {
    fn anywhere<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    anywhere::<(Envelope, Encoded, ContentType, MediaType, Codec, Limits, Headers, Binding)>();
    anywhere::<(EncodeError, DecodeError, AttributeProblem, ContentTypeError, SourceError)>();
}

#[test]
fn the_largest_metadata_comes_back_within_limits_that_allow_it() {
    let mut metadata = Metadata::new();
    for n in 0..Metadata::MAX_ENTRIES {
        metadata.set(format!("{n:0>250}é"), "\u{7f}".repeat(4096)).expect("within the limits");
    }
    let sent =
        Envelope::new(Topic::new("a").expect("a topic"), Encoded::new(Bytes::new(), ContentType::Json))
            .with_metadata(metadata);
    let mut limits = Limits::default();
    assert!(matches!(Codec::new().encode_structured(&sent), Err(EncodeError::TooLarge { .. })));
    (limits.max_bytes, limits.max_header_bytes) = (8 << 20, 8 << 20);
    let codec = Codec::new().with_limits(limits);
    let message = codec.encode_structured(&sent).expect("within the limits");
    assert_eq!(codec.decode(message), Ok(sent.clone()));
    let (headers, body) = codec.encode_binary(&sent, Binding::Http).expect("within the limits");
    assert_eq!(codec.decode_binary(headers, body, Binding::Http), Ok(sent));
}
