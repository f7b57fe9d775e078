//! The trace context of the W3C: which trace an event belongs to, and which span it comes from.

use std::fmt;
use std::sync::Arc;

use super::state;
use crate::event::{Metadata, random};

/// The metadata of the trace and the span; the name of CloudEvents' extension "distributed tracing".
pub(super) const TRACEPARENT: &str = "traceparent";

/// The metadata of what else tracing systems want to know of each other.
pub(super) const TRACESTATE: &str = "tracestate";

/// The caller may have recorded its span.
const SAMPLED: u8 = 0x01;

/// The flags that are passed on: `sampled`, and `random-trace-id` of the second level of the recommendation.
const KNOWN_FLAGS: u8 = 0x03;

/// So long is a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A [trace context](https://www.w3.org/TR/trace-context/): the trace that an event belongs to, and the span that published
/// it.
///
/// ```
/// use trolleybus::Metadata;
/// use trolleybus::trace::TraceContext;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut metadata = Metadata::new();
/// metadata.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
/// let context = TraceContext::of(&metadata).expect("it is well-formed");
/// assert_eq!(context.trace_id(), 0x4bf92f3577b34da6a3ce929d0e0e4736);
/// assert_eq!(context.span_id(), 0x00f067aa0ba902b7);
/// assert!(context.is_sampled());
/// assert_eq!(context.traceparent(), metadata.get("traceparent").unwrap_or_default());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// Reads the context out of metadata; `None` if there is no well-formed `traceparent`. A `tracestate` that is not
    /// well-formed is left out.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let context = Self::parse(metadata.get(TRACEPARENT)?)?;
        let state = metadata.get(TRACESTATE).filter(|state| !state.is_empty() && state::is_valid(state));
        Some(Self { state: state.map(Arc::from), ..context })
    }

    /// Reads a `traceparent`; `None` if it is not well-formed: of the version `ff` or cut short, in capitals, with an id of
    /// zeros, or with more behind it than its version allows.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (known, rest) = traceparent.as_bytes().split_at_checked(LENGTH)?;
        let version = number(&known[..2])?;
        // What comes behind is for later versions to say.
        let fits = if version == 0 { rest.is_empty() } else { matches!(rest.first(), None | Some(b'-')) };
        if version == 0xff || !fits || [2, 35, 52].iter().any(|dash| known[*dash] != b'-') {
            return None;
        }
        let trace_id = u128::from(number(&known[3..19])?) << 64 | u128::from(number(&known[19..35])?);
        let (span_id, flags) = (number(&known[36..52])?, u8::try_from(number(&known[53..])?).ok()?);
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags, state: None })
    }

    /// Returns the id of the trace. Never zero.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// Returns the id of the span. Never zero.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Says whether the span may have been recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the context as a `traceparent` of version 00.
    #[must_use]
    pub fn traceparent(&self) -> String {
        // One allocation, and no formatting: each traced publish call writes one.
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        push_digits(&mut text, self.trace_id, 32);
        text.push('-');
        push_digits(&mut text, self.span_id.into(), 16);
        text.push('-');
        push_digits(&mut text, (self.flags & KNOWN_FLAGS).into(), 2);
        text
    }

    /// Returns the `tracestate`, as it came.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The context of the first span of a trace.
    pub(super) fn new_trace() -> Self {
        Self { trace_id: random().max(1), span_id: new_span_id(), flags: 0, state: None }
    }

    /// The context of the next span of this trace.
    pub(super) fn next(&self) -> Self {
        Self { span_id: new_span_id(), ..self.clone() }
    }

    /// Says that the span is recorded.
    pub(super) fn sample(&mut self) {
        self.flags |= SAMPLED;
    }
}

fn new_span_id() -> u64 {
    // The high bits are the best.
    u64::try_from(random() >> 64).unwrap_or(0).max(1)
}

/// Writes the last so many digits of base 16 of a number.
fn push_digits(text: &mut String, number: u128, count: u32) {
    text.extend(
        (0..count).rev().map(|digit| char::from(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize])),
    );
}

/// The number in lower-case digits of base 16, at most 16 of them.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

/// Leaves out the `tracestate`, which is somebody else's.
impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceContext").field(&format_args!("{}", self.traceparent())).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_survives_its_text() {
        let context = TraceContext::parse(GOOD).expect("well-formed");
        assert_eq!((context.traceparent().as_str(), context.is_sampled()), (GOOD, true));
        let new = TraceContext::new_trace();
        assert_eq!(TraceContext::parse(&new.traceparent()), Some(new.clone()));
        let next = new.next();
        assert_eq!(next.trace_id(), new.trace_id());
        assert_ne!(next.span_id(), new.span_id());
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let bad = [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(TraceContext::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known_and_written_as_the_first() {
        for later in ["", "-", "-more"] {
            let text = format!("cc{}{later}", &GOOD[2..]);
            assert_eq!(
                TraceContext::parse(&text).map(|context| context.traceparent()).as_deref(),
                Some(GOOD)
            );
        }
        let flags = TraceContext::parse(&format!("{}ff", &GOOD[..53])).expect("well-formed");
        assert!(flags.traceparent().ends_with("-03"), "unknown flags are not passed on");
    }

    #[test]
    fn a_state_without_or_against_the_rules_is_left_out() {
        let of = |entries: &[(&str, &str)]| {
            let mut metadata = Metadata::new();
            entries.iter().for_each(|(name, value)| metadata.set(name, value).expect("within the limits"));
            TraceContext::of(&metadata)
        };
        let state = |state| of(&[(TRACEPARENT, GOOD), (TRACESTATE, state)]).expect("a context").state;
        assert_eq!(state("a=1,b=2").as_deref(), Some("a=1,b=2"));
        assert_eq!((state(""), state("a"), state("a=1,a=2")), (None, None, None));
        assert_eq!(
            (of(&[(TRACESTATE, "a=1")]), of(&[(TRACEPARENT, "x"), (TRACESTATE, "a=1")])),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn every_context_is_read_as_it_was_written(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in 0..4_u8) {
            let context = TraceContext { trace_id: trace, span_id: span, flags, state: None };
            prop_assert_eq!(TraceContext::parse(&context.traceparent()), Some(context));
        }

        #[test]
        fn what_is_read_is_what_a_plain_reading_finds(
            text in "[0-9a-fA-F]{2}-[0-9a-g]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-[a-z]{0,3})?"
        ) {
            let parts: Vec<&str> = text.split('-').collect();
            let is_hex = |part: &str, length| {
                part.len() == length && part.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
            };
            let expected = is_hex(parts[0], 2)
                && parts[0] != "ff"
                && is_hex(parts[1], 32)
                && is_hex(parts[2], 16)
                && is_hex(parts[3], 2)
                && parts[1].contains(|c| c != '0')
                && parts[2].contains(|c| c != '0')
                && (parts[0] != "00" || parts.len() == 4);
            prop_assert_eq!(TraceContext::parse(&text).is_some(), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", at in 0..=LENGTH, odd in any::<char>()) {
            let _ = TraceContext::parse(&text);
            // Nearly right ones go further.
            let mut nearly: Vec<char> = GOOD.chars().collect();
            nearly.insert(at, odd);
            let _ = TraceContext::parse(&nearly.iter().collect::<String>());
            nearly.remove((at + 1) % nearly.len());
            let _ = TraceContext::parse(&nearly.iter().collect::<String>());
        }
    }
}
