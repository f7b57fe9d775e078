//! Topic names: checked once, cheap to clone.
//!
//! A [`Topic`] is two words. It points either to a reference-counted name or to one that lives as
//! long as the process. The second kind matters on hot paths: when several threads clone and drop the
//! same name at every event, its reference count travels between their caches, 16 to 27 ns a time;
//! a `&'static` costs nothing to copy. [`topic!`](crate::topic!) makes the second kind at compile
//! time, `intern` (see `topic/intern.rs`) at run time, within a bound.

mod error;
mod grammar;
mod intern;

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use error::TopicError;
pub(crate) use grammar::scan;
pub(crate) use intern::intern_refusals;

/// The text of a topic. Public only for the expansion of [`topic!`](crate::topic!).
#[doc(hidden)]
#[derive(Debug)]
pub struct Name {
    text: Cow<'static, str>,
}

impl Name {
    /// Checks a name at compile time.
    ///
    /// # Panics
    ///
    /// When the name is no topic; in a `static`, that is a compile error.
    #[must_use]
    pub const fn checked(text: &'static str) -> Self {
        match Topic::validate(text) {
            Ok(()) => Self { text: Cow::Borrowed(text) },
            Err(error) => panic!("{}", error.summary()),
        }
    }

    fn as_str(&self) -> &str {
        &self.text
    }
}

/// Where a topic's text lives.
#[derive(Clone)]
enum Repr {
    /// For as long as the process: by `topic!` or by interning. Copying it touches no shared memory.
    Static(&'static Name),
    /// For as long as somebody holds the topic.
    Shared(Arc<Name>),
}

/// The name that an event is published under: a validated string, two words wide, cheap to clone.
///
/// A topic is 1 to 32 non-empty segments joined by `.`, at most 256 bytes long, in which there are no
/// wildcards (`*`, `+`), no control characters and no white space, in Unicode's sense of both; the
/// line separators U+2028 and U+2029 count as control characters. Letters of any script are welcome,
/// and case matters. Nothing is normalised: two topics are equal when their bytes are.
///
/// Compares, orders and hashes as its text does, so that a map keyed by `Topic` is searched by `&str`.
///
/// ```
/// use trolleybus::{Topic, TopicError};
///
/// let topic = Topic::new("user.created")?;
/// assert_eq!(topic, "user.created");
/// assert_eq!(topic.segments().collect::<Vec<_>>(), ["user", "created"]);
///
/// assert_eq!(Topic::new("user..created"), Err(TopicError::EmptySegment { position: 5 }));
/// assert_eq!(Topic::new("user.*").unwrap_err().to_string(), "wildcard '*' in a topic at byte 5");
/// # Ok::<(), TopicError>(())
/// ```
#[derive(Clone)]
pub struct Topic {
    repr: Repr,
}

impl Topic {
    /// The longest topic, in bytes.
    pub const MAX_LEN: usize = 256;

    /// The most segments that a topic has.
    pub const MAX_SEGMENTS: usize = 32;

    /// Checks a name and makes a topic of it.
    ///
    /// For a name that is known when the program is written, [`topic!`](crate::topic!) checks at compile
    /// time and allocates nothing.
    ///
    /// # Errors
    ///
    /// The first thing that makes the name no topic, and where it stands.
    pub fn new(name: impl AsRef<str>) -> Result<Self, TopicError> {
        let name = name.as_ref();
        Self::validate(name)?;
        Ok(Self::shared(name.to_owned()))
    }

    /// Checks a name without making a topic, also at compile time.
    ///
    /// ```
    /// const _: () = assert!(trolleybus::Topic::validate("user.created").is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// The first thing that makes the name no topic, and where it stands.
    pub const fn validate(name: &str) -> Result<(), TopicError> {
        scan(name, false)
    }

    /// Wraps a name that was checked at compile time.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_name(name: &'static Name) -> Self {
        Self { repr: Repr::Static(name) }
    }

    /// Wraps text that is known to be a topic.
    fn shared(text: String) -> Self {
        Self { repr: Repr::Shared(Arc::new(Name { text: Cow::Owned(text) })) }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.repr {
            Repr::Static(name) => name.as_str(),
            Repr::Shared(name) => name.as_str(),
        }
    }

    /// Iterates over the segments, the parts between the dots; there is at least one.
    #[must_use]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone + fmt::Debug {
        self.as_str().split('.')
    }
}

/// Makes a [`Topic`] of a constant, checked at compile time, without an allocation.
///
/// ```
/// use trolleybus::topic;
///
/// const CREATED: &str = "user.created";
/// assert_eq!(topic!("user.created"), topic!(CREATED));
/// ```
///
/// What is no topic does not compile:
///
/// ```compile_fail,E0080
/// let all = trolleybus::topic!("user.*");
/// ```
#[macro_export]
macro_rules! topic {
    ($name:expr $(,)?) => {{
        static NAME: $crate::__macro::Name = $crate::__macro::Name::checked($name);
        $crate::Topic::from_name(&NAME)
    }};
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Topic {
    type Error = TopicError;

    fn try_from(name: &str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(name: String) -> Result<Self, TopicError> {
        Self::validate(&name)?;
        Ok(Self::shared(name))
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Topic {}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Topic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Topic {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Topic {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// As a string.
impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// From a string, which is checked.
impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Topic;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Topic, E> {
                Topic::new(name).map_err(E::custom)
            }

            fn visit_string<E: de::Error>(self, name: String) -> Result<Topic, E> {
                Topic::try_from(name).map_err(E::custom)
            }
        }

        deserializer.deserialize_string(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    #[test]
    fn a_topic_is_two_words() {
        assert_eq!(size_of::<Topic>(), 16);
        assert_eq!(size_of::<Option<Topic>>(), 16);
    }

    #[test]
    fn a_topic_behaves_as_its_text() {
        let shared = Topic::new("a.b").expect("a topic");
        let fixed = topic!("a.b");
        assert_eq!(shared, fixed);
        assert_eq!(shared, "a.b");
        assert_eq!(shared, *"a.b");
        assert_ne!(shared, "a.c");
        assert_eq!(format!("{shared}|{shared:>5}|{shared:?}"), r#"a.b|  a.b|Topic("a.b")"#);

        let map = HashMap::from([(shared.clone(), 1)]);
        assert_eq!((map.get("a.b"), map.get(&fixed), map.get("a")), (Some(&1), Some(&1), None));
        let sorted: BTreeSet<Topic> = [topic!("b"), topic!("a.b"), topic!("a")].into();
        assert_eq!(sorted.iter().map(Topic::as_str).collect::<Vec<_>>(), ["a", "a.b", "b"]);
    }

    #[test]
    fn every_way_to_make_a_topic_checks_it() {
        let error = TopicError::Wildcard { character: '+', position: 2 };
        assert_eq!(Topic::new("a.+"), Err(error));
        assert_eq!("a.+".parse::<Topic>(), Err(error));
        assert_eq!(Topic::try_from("a.+"), Err(error));
        assert_eq!(Topic::try_from(String::from("a.+")), Err(error));
        assert!(serde_json::from_str::<Topic>(r#""a.+""#).is_err_and(|e| e.to_string().contains("wildcard")));
        assert!(
            serde_json::from_str::<Topic>("1").is_err_and(|e| e.to_string().contains("expected a topic"))
        );
    }

    #[test]
    fn a_topic_travels_through_serde() {
        let topic = topic!("user.crée");
        let json = serde_json::to_string(&topic).expect("a string");
        assert_eq!(json, r#""user.crée""#);
        assert_eq!(serde_json::from_str::<Topic>(&json).expect("a topic"), topic);
    }
}
