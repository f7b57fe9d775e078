//! How a payload came in, and payloads of raw bytes.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// How the payload of an event can travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadKind {
    /// A value that can be serialised: it reaches brokers as well as this process.
    Serde,
    /// A value that never leaves this process.
    Local,
    /// Bytes, sent as they are; the payload is a [`Raw`].
    Raw,
    /// What a broker brought, not decoded yet: the payload is an [`Encoded`](crate::engine::Encoded).
    Encoded,
}

/// What an event carries about itself in one word: how its payload can travel, and which engine brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    /// `engine` is the engine's number on its bus.
    #[inline]
    pub(crate) fn new(kind: PayloadKind, engine: u8) -> Self {
        Self(kind as u32 | u32::from(engine) << 8)
    }

    #[inline]
    pub(crate) fn kind(self) -> PayloadKind {
        match self.0 & 0xff {
            0 => PayloadKind::Serde,
            1 => PayloadKind::Local,
            2 => PayloadKind::Raw,
            _ => PayloadKind::Encoded,
        }
    }

    /// The same of another form of the event.
    pub(crate) fn with_kind(self, kind: PayloadKind) -> Self {
        Self(self.0 & !0xff | kind as u32)
    }

    /// The same of an event that nothing is to be told of to a collector.
    #[cfg(feature = "tracing")]
    pub(crate) fn muted(self) -> Self {
        Self(self.0 | 1 << 16)
    }

    /// Says whether nothing is to be told of the event to a collector.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_muted(self) -> bool {
        self.0 & 1 << 16 != 0
    }

    /// The number of the engine that brings the event; 0 is the bus's first.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "eight bits were put in")]
    pub(crate) fn engine(self) -> u8 {
        (self.0 >> 8) as u8
    }
}

/// By the first engine.
impl From<PayloadKind> for Tag {
    fn from(kind: PayloadKind) -> Self {
        Self::new(kind, 0)
    }
}

/// A payload of raw bytes, cheap to clone.
///
/// Its `Debug` prints the length and not the content.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Raw(Bytes);

impl Raw {
    /// Returns the bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Raw {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

impl From<Bytes> for Raw {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&'static [u8]> for Raw {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }
}

impl From<String> for Raw {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&'static str> for Raw {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_come_from_whatever_holds_bytes() {
        let expected: &[u8] = b"abc";
        let all = [
            Raw::from(expected.to_vec()),
            Raw::from(expected),
            Raw::from("abc"),
            Raw::from(String::from("abc")),
            Raw::from(Bytes::from_static(b"abc")),
        ];
        for raw in all {
            assert_eq!(&*raw, expected);
            assert_eq!(raw.as_ref(), expected);
            assert_eq!(raw.into_bytes(), expected);
        }
    }

    #[test]
    fn into_bytes_does_not_copy() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let address = bytes.as_ptr();
        assert_eq!(Raw::from(bytes).clone().into_bytes().as_ptr(), address);
    }

    #[test]
    fn a_tag_holds_a_kind_and_an_engine() {
        for kind in [PayloadKind::Serde, PayloadKind::Local, PayloadKind::Raw, PayloadKind::Encoded] {
            for engine in [0, 1, 255] {
                let tag = Tag::new(kind, engine);
                assert_eq!((tag.kind(), tag.engine()), (kind, engine));
            }
        }
    }

    #[test]
    fn debug_tells_the_length_and_hides_the_content() {
        assert_eq!(format!("{:?}", Raw::from("secret")), "Raw(6 bytes)");
    }
}
