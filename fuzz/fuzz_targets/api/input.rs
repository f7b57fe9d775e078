//! The input of the fuzzer: a bus, and what is called on it.

use std::num::NonZeroU32;
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};

/// A topic or a pattern, of few names so that they meet, and sometimes of anything.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        // The good ones first: that is what an input that has run out of bytes chooses.
        const GOOD: &[&str] =
            &["a", "a.b", "a.b.c", "x", "*", "a.*", "a.+", "+.b", "**", "a.**", "**.c", "a*", "a.*.c", "é.ü"];
        const HOSTILE: &[&str] = &["", ".", "a..b", "a b", "a\r\nPUB", "\0", "a.b*.c", "\u{2028}"];
        Ok(Self(match u.int_in_range(0..=31)? {
            31 => u.arbitrary()?,
            // At and beyond the limits of length and segments.
            30 => "l".repeat(u.int_in_range(250..=260)?),
            29 => vec!["s"; u.int_in_range(30..=34)?].join("."),
            28 => (*u.choose(HOSTILE)?).to_owned(),
            _ => (*u.choose(GOOD)?).to_owned(),
        }))
    }
}

/// A duration from nothing to the end of time. Those that something waits for are cut short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl<'a> Arbitrary<'a> for Span {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let nanos = Duration::from_nanos(u64::from(u.arbitrary::<u16>()?));
        Ok(Self(*u.choose(&[Duration::ZERO, Duration::from_nanos(1), nanos, Duration::MAX])?))
    }
}

impl Span {
    /// Short enough to be waited for.
    pub(crate) fn short(self) -> Duration {
        self.0.min(Duration::from_millis(1))
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Mode {
    Drop,
    DropOldest,
    Block,
    Timeout(Span),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Kind {
    Inline,
    Pooled,
    Async,
    Receiver,
}

/// What a handler does.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Deed {
    Nothing,
    Fail,
    /// Publishes to the topic of the event, and so perhaps to itself.
    PublishAgain,
    Stats,
    Shutdown,
    CancelledAsk,
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Spec {
    pub(crate) pattern: Text,
    pub(crate) more: Option<Vec<Text>>,
    pub(crate) kind: Kind,
    pub(crate) any: bool,
    pub(crate) capacity: Option<Size>,
    pub(crate) mode: Option<Mode>,
    pub(crate) concurrency: Option<Size>,
    pub(crate) filter: Option<bool>,
    pub(crate) take: Option<Size>,
    pub(crate) group: Option<u8>,
    pub(crate) start: bool,
    pub(crate) deed: Deed,
    pub(crate) detach: bool,
}

/// A number that is 0, small, or huge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) usize);

impl<'a> Arbitrary<'a> for Size {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(match u.int_in_range(0..=19)? {
            19 => 0,
            18 => usize::MAX,
            17 => u.arbitrary()?,
            _ => u.int_in_range(1..=4)?,
        }))
    }
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Setup {
    pub(crate) workers: u8,
    pub(crate) capacity: Option<Size>,
    pub(crate) depth: Option<Size>,
    pub(crate) mode: Option<Mode>,
    pub(crate) spin: Span,
    pub(crate) quarantine: Option<NonZeroU32>,
    pub(crate) rotate: bool,
    pub(crate) precise: bool,
    pub(crate) cache: Option<Size>,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Op {
    Subscribe(Spec),
    Publish { topic: Text, number: u32 },
    PublishText { topic: Text, text: String },
    PublishRaw { topic: Text, len: u8 },
    TryPublish { topic: Text, number: u32 },
    PollOnce { topic: Text, number: u32 },
    Build(Box<Build>),
    Publisher(Text),
    ByHandle { which: u8, events: u8, attempt: bool },
    Expect { pattern: Text, timeout: Span },
    Receive { which: u8, timeout: Option<Span> },
    Pause(u8),
    Resume(u8),
    Cancel { which: u8, wait: bool },
    Drain { which: u8, grace: Span, wait: bool },
    Drop(u8),
    Look(Text),
    Clone,
    Downgrade,
    Shutdown { timeout: Span, discard: bool, wait: bool },
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Build {
    pub(crate) topic: Text,
    pub(crate) number: u32,
    pub(crate) key: Option<String>,
    pub(crate) meta: Vec<(String, String)>,
    pub(crate) ttl: Option<Span>,
    pub(crate) deadline: Option<Span>,
    pub(crate) complete: Option<bool>,
    pub(crate) face: u8,
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Input {
    pub(crate) setup: Setup,
    pub(crate) ops: Vec<Op>,
}
