//! Why a name is no topic.

use thiserror::Error;

/// Says why a name is no [`Topic`](crate::Topic); positions are bytes from the start of the name.
///
/// Hostile characters are escaped in the message, so that it is safe in a log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// There is no text at all.
    #[error("the topic is empty")]
    Empty,

    /// The name has too many bytes.
    #[error("the topic has {len} bytes, more than {max}")]
    TooLong {
        /// Bytes of the name.
        len: usize,
        /// Most bytes allowed: [`Topic::MAX_LEN`](crate::Topic::MAX_LEN).
        max: usize,
    },

    /// The name has too many segments.
    #[error("more than {max} segments: one too many at byte {position}")]
    TooManySegments {
        /// Where the first segment above the limit starts.
        position: usize,
        /// Most segments allowed: [`Topic::MAX_SEGMENTS`](crate::Topic::MAX_SEGMENTS).
        max: usize,
    },

    /// There is a dot at the start, at the end, or two in a row.
    #[error("empty segment at byte {position}")]
    EmptySegment {
        /// Where the segment should start.
        position: usize,
    },

    /// There is a `*` or a `+`, which belong in patterns.
    #[error("wildcard '{character}' in a topic at byte {position}")]
    Wildcard {
        /// The wildcard.
        character: char,
        /// Where it stands.
        position: usize,
    },

    /// There is a control character or a line separator.
    #[error("control character '{}' at byte {position}", character.escape_default())]
    Control {
        /// The control character.
        character: char,
        /// Where it stands.
        position: usize,
    },

    /// There is white space.
    #[error("white space '{}' at byte {position}", character.escape_default())]
    WhiteSpace {
        /// The white space.
        character: char,
        /// Where it stands.
        position: usize,
    },
}

impl TopicError {
    /// Says the cause at compile time, where nothing can be formatted.
    pub(super) const fn summary(&self) -> &'static str {
        match self {
            Self::Empty => "the topic is empty",
            Self::TooLong { .. } => "the topic is too long",
            Self::TooManySegments { .. } => "the topic has too many segments",
            Self::EmptySegment { .. } => "the topic has an empty segment",
            Self::Wildcard { .. } => "there is a wildcard in the topic",
            Self::Control { .. } => "there is a control character in the topic",
            Self::WhiteSpace { .. } => "there is white space in the topic",
        }
    }
}
