//! Messages of any kind: reading one never panics, stays within its bounds, and what was read comes back from
//! every mode as it was.
//!
//! The first byte says what the rest is: a structured message, or lines of headers, an empty line and a body. So the
//! corpus can be read and written by hand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trolleybus::Metadata;
use trolleybus::envelope::{Binding, Codec, DecodeError, Envelope, Limits};

const BINDINGS: [Binding; 3] = [Binding::Kafka, Binding::Nats, Binding::Http];

/// Limits so small that inputs reach them.
fn small() -> Limits {
    let mut limits = Limits::default();
    (limits.max_bytes, limits.max_depth, limits.max_attributes, limits.max_header_bytes) =
        (2048, 8, 16, 1024);
    limits
}

/// Limits for what is written: text that no attribute can hold grows when it is escaped.
fn large() -> Limits {
    let mut limits = small();
    (limits.max_bytes, limits.max_attributes, limits.max_header_bytes) = (1 << 20, 100, 1 << 20);
    limits
}

fn check_bounds(envelope: &Envelope) {
    let limits = small();
    let held = envelope.metadata().iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        + envelope.payload().bytes().len()
        + envelope.original_id().map_or(0, str::len)
        + envelope.key().map_or(0, str::len)
        + envelope.topic().as_str().len();
    assert!(held <= limits.max_bytes + limits.max_header_bytes, "{held} bytes are held");
    assert!(envelope.metadata().len() <= Metadata::MAX_ENTRIES);
    let value = envelope.payload().decode::<serde_json::Value>(limits.max_depth);
    assert!(!matches!(value, Err(DecodeError::TooDeep { .. })), "deeper than it may be");
}

fn check_round_trips(envelope: &Envelope) {
    let codec = Codec::new().with_limits(large());
    let message = codec.encode_structured(envelope).expect("within the limits");
    assert_eq!(codec.decode(message.clone()).as_ref(), Ok(envelope));
    assert_eq!(codec.encode_structured(envelope), Ok(message), "written in another way again");
    for binding in BINDINGS {
        let (headers, body) = codec.encode_binary(envelope, binding).expect("within the limits");
        for (name, value) in headers.iter() {
            let plain = |text: &str| !text.contains(['\r', '\n', '\0']);
            assert!(plain(name) && plain(value), "a header that ends early");
            assert!(binding == Binding::Kafka || value.is_ascii(), "a header that is not ASCII");
        }
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.reverse();
        assert_eq!(
            codec.decode_binary(headers.iter().map(|(n, v)| (n, v)), body, binding).as_ref(),
            Ok(envelope)
        );
    }
}

fn check(read: Result<Envelope, DecodeError>) {
    match read {
        Ok(envelope) => {
            check_bounds(&envelope);
            check_round_trips(&envelope);
            _ = format!("{envelope:?}");
        }
        Err(error) => assert!(error.to_string().len() < 1024, "a message without end"),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    let codec = Codec::new().with_limits(small());
    match mode % 4 {
        0 => check(codec.decode(rest.to_vec())),
        mode => {
            let binding = BINDINGS[usize::from(mode) - 1];
            let mut rest = rest;
            let mut headers = Vec::new();
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let line = &rest[..end];
                rest = &rest[end + 1..];
                let Some(colon) = line.iter().position(|b| *b == b':') else { break };
                let name = String::from_utf8_lossy(&line[..colon]).into_owned();
                headers.push((name, line[colon + 1..].to_vec()));
            }
            check(codec.decode_binary(headers.clone(), rest.to_vec(), binding));
            check(codec.decode_message(headers, rest.to_vec(), binding));
        }
    }
});
