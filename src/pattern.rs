//! Topic patterns and their algebra.
//!
//! | file | what it holds |
//! |---|---|
//! | `pattern.rs` | [`TopicPattern`], its grammar in words, its conversions |
//! | `pattern/parse.rs` | from text to atoms |
//! | `pattern/error.rs` | [`PatternError`] |
//! | `pattern/matching.rs` | a pattern against a topic |
//! | `pattern/algebra.rs` | a pattern against a pattern: `intersects`, `covers` |

mod algebra;
mod error;
mod matching;
mod parse;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::topic::{Topic, TopicError};

pub use error::PatternError;
pub(crate) use matching::split;
pub(crate) use parse::Atom;
use parse::Piece;

/// The atoms of one pattern; most have few.
pub(crate) type Atoms<'a> = SmallVec<[Atom<'a>; 6]>;

/// What a subscription listens to: one topic, or all those that a wildcard pattern matches.
///
/// | pattern | matches |
/// |---|---|
/// | `user.created` | that topic |
/// | `*` | every topic |
/// | `user.*` | every topic below `user.`, at any depth, but not `user` itself |
/// | `user.cr*` | every topic that starts with `user.cr`: `user.cr`, `user.created`, `user.created.v2` |
/// | `user.+`, `user.+.done` | exactly one segment in that place |
/// | `user.*.done` | a `*` before the end is one segment, like `+` |
/// | `a.**`, `a.**.z` | zero or more segments in that place: `a`, `a.b`, `a.b.c`; `a.z`, `a.b.z` |
///
/// The corners:
///
/// - `**` alone matches every topic, as `*` does.
/// - Only the last segment may end in `*` after other characters. Any other wildcard inside a segment is
///   refused: `a*.b`, `ab**`, `a+`, `+a`, `a*b`, `*a`, `***`.
/// - A trailing `*` is one segment or more whatever stands before it: `+.*` matches topics of two or more
///   segments, `**.*` every topic, `*.*` the same as `+.*`.
/// - A trailing raw prefix starts at a segment, whatever stands before it: `+.ab*` matches topics whose
///   second segment starts with `ab`, `**.ab*` those with any segment that does.
/// - The text between the wildcards obeys the rules of a [`Topic`], and so do the limits: 256 bytes and
///   32 segments. At most [`MAX_DEEP`](Self::MAX_DEEP) segments are `**`.
///
/// Two patterns are equal when their texts are: `a.+.b` and `a.*.b` differ, though each
/// [covers](Self::covers) the other.
///
/// Matching never backtracks beyond the last `**`: it compares at most (segments of the pattern) x
/// (segments of the topic) segments, 1,024 in the worst case, and usually as many as the topic has.
///
/// ```
/// use trolleybus::{PatternError, TopicPattern, topic};
///
/// let pattern: TopicPattern = "user.*".parse()?;
/// assert!(pattern.matches(&topic!("user.created.v2")));
/// assert!(!pattern.matches(&topic!("user")));
///
/// let done = TopicPattern::new("+.**.done")?;
/// assert!(pattern.intersects(&done)); // both match user.import.done
/// assert!(pattern.covers(&TopicPattern::new("user.+.done")?));
///
/// assert_eq!(TopicPattern::new("us*.created"), Err(PatternError::Wildcard { character: '*', position: 2 }));
/// # Ok::<(), PatternError>(())
/// ```
#[derive(Clone)]
pub struct TopicPattern {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    /// No wildcards.
    Literal(Topic),
    /// At least one wildcard.
    Wild(Arc<Wild>),
}

/// A parsed pattern with wildcards.
struct Wild {
    text: Box<str>,
    shape: Shape,
}

/// How a wildcard pattern is matched.
enum Shape {
    /// The only wildcard is a `*` at the end: the topic starts with the text before it. (For `user.*` a
    /// segment must follow, but no topic ends in a dot.)
    StartsWith,
    /// Anything else, as a sequence of pieces of `text`.
    Pieces(Box<[Piece]>),
}

impl TopicPattern {
    /// The most `**` in a pattern. It bounds the work of [`covers`](Self::covers), and of the index that finds
    /// the patterns of a topic.
    pub const MAX_DEEP: usize = 4;

    /// Checks a pattern and makes it ready to match.
    ///
    /// # Errors
    ///
    /// The first thing that makes the text no pattern, and where it stands.
    pub fn new(pattern: impl AsRef<str>) -> Result<Self, PatternError> {
        parse::parse(pattern.as_ref())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.repr {
            Repr::Literal(topic) => topic.as_str(),
            Repr::Wild(wild) => &wild.text,
        }
    }

    /// Tells whether the pattern has no wildcards, and so matches exactly one topic.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.as_topic().is_some()
    }

    /// Returns the name of the only topic that matches, if the pattern has no wildcards.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        self.as_topic().map(Topic::as_str)
    }

    /// Returns the only topic that matches, if the pattern has no wildcards.
    #[must_use]
    pub fn as_topic(&self) -> Option<&Topic> {
        match &self.repr {
            Repr::Literal(topic) => Some(topic),
            Repr::Wild(_) => None,
        }
    }

    /// Tells whether a topic matches.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        self.matches_str(topic.as_str())
    }

    /// Tells whether a name that is known to be a topic matches.
    pub(crate) fn matches_str(&self, topic: &str) -> bool {
        match &self.repr {
            Repr::Literal(literal) => literal == topic,
            Repr::Wild(wild) => match &wild.shape {
                Shape::StartsWith => topic.starts_with(&wild.text[..wild.text.len() - 1]),
                Shape::Pieces(pieces) => matching::matches(&wild.text, pieces, topic, || ()),
            },
        }
    }

    /// Tells whether there is a topic that both patterns match.
    ///
    /// Exact: it counts only topics within the limits of length and of segments. Meant for set-up and for
    /// routing rules: it takes microseconds, not nanoseconds.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        match (self.as_literal(), other.as_literal()) {
            (Some(topic), _) => other.matches_str(topic),
            (_, Some(topic)) => self.matches_str(topic),
            _ => algebra::intersect(&self.atoms(), &other.atoms()),
        }
    }

    /// Tells whether this pattern matches every topic that `other` matches.
    ///
    /// Exact: it counts only topics within the limits of length and of segments. Meant for set-up and for
    /// routing rules: it takes microseconds, not nanoseconds.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match other.as_literal() {
            Some(topic) => self.matches_str(topic),
            None => self == other || algebra::covers(&self.atoms(), &other.atoms()),
        }
    }

    /// Takes the pattern apart, in its normal form: see [`Atom`].
    pub(crate) fn atoms(&self) -> Atoms<'_> {
        match &self.repr {
            Repr::Literal(topic) => topic.segments().map(Atom::Literal).collect(),
            Repr::Wild(wild) => match &wild.shape {
                Shape::StartsWith => parse::pieces(&wild.text).map(|piece| piece.atom(&wild.text)).collect(),
                Shape::Pieces(pieces) => pieces.iter().map(|piece| piece.atom(&wild.text)).collect(),
            },
        }
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicPattern").field(&self.as_str()).finish()
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl AsRef<str> for TopicPattern {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for TopicPattern {}

impl Hash for TopicPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl FromStr for TopicPattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        Self::new(pattern)
    }
}

impl TryFrom<&str> for TopicPattern {
    type Error = PatternError;

    fn try_from(pattern: &str) -> Result<Self, PatternError> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = PatternError;

    fn try_from(pattern: String) -> Result<Self, PatternError> {
        Self::new(pattern)
    }
}

/// The pattern that matches just this topic; without a copy of its name.
impl From<Topic> for TopicPattern {
    fn from(topic: Topic) -> Self {
        Self { repr: Repr::Literal(topic) }
    }
}

impl From<&Topic> for TopicPattern {
    fn from(topic: &Topic) -> Self {
        topic.clone().into()
    }
}
