//! Why a text is no pattern.

use thiserror::Error;

use super::TopicError;

/// Says why a text is no [`TopicPattern`](crate::TopicPattern); positions are bytes from its start.
///
/// Hostile characters are escaped in the message, so that it is safe in a log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// There is no text at all.
    #[error("the pattern is empty")]
    Empty,

    /// The pattern has too many bytes.
    #[error("the pattern has {len} bytes, more than {max}")]
    TooLong {
        /// Bytes of the pattern.
        len: usize,
        /// Most bytes allowed: [`Topic::MAX_LEN`](crate::Topic::MAX_LEN).
        max: usize,
    },

    /// The pattern has too many segments.
    #[error("more than {max} segments: one too many at byte {position}")]
    TooManySegments {
        /// Where the first segment above the limit starts.
        position: usize,
        /// Most segments allowed: [`Topic::MAX_SEGMENTS`](crate::Topic::MAX_SEGMENTS).
        max: usize,
    },

    /// The pattern has too many `**`.
    #[error("more than {max} times '**': one too many at byte {position}")]
    TooManyDeep {
        /// Where the first `**` above the limit stands.
        position: usize,
        /// Most allowed: [`TopicPattern::MAX_DEEP`](crate::TopicPattern::MAX_DEEP).
        max: usize,
    },

    /// There is a dot at the start, at the end, or two in a row.
    #[error("empty segment at byte {position}")]
    EmptySegment {
        /// Where the segment should start.
        position: usize,
    },

    /// There is a wildcard inside a segment, where it has no meaning.
    #[error("wildcard '{character}' inside a segment at byte {position}")]
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

impl From<TopicError> for PatternError {
    /// The same cause, said of a pattern.
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Empty => Self::Empty,
            TopicError::TooLong { len, max } => Self::TooLong { len, max },
            TopicError::TooManySegments { position, max } => Self::TooManySegments { position, max },
            TopicError::EmptySegment { position } => Self::EmptySegment { position },
            TopicError::Wildcard { character, position } => Self::Wildcard { character, position },
            TopicError::Control { character, position } => Self::Control { character, position },
            TopicError::WhiteSpace { character, position } => Self::WhiteSpace { character, position },
        }
    }
}

/// A pattern is one already.
impl From<std::convert::Infallible> for PatternError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
