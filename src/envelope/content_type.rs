//! What the bytes of a payload are.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The media type of a payload.
///
/// ```
/// use trolleybus::envelope::ContentType;
///
/// let json: ContentType = "application/json".parse()?;
/// assert_eq!(json, ContentType::Json);
/// let patch: ContentType = "application/merge-patch+json; charset=utf-8".parse()?;
/// assert!(patch.is_json());
/// # Ok::<(), trolleybus::envelope::ContentTypeError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ContentType {
    /// `application/json`.
    Json,
    /// `application/octet-stream`: bytes of which no more is known.
    OctetStream,
    /// Any other, or one of these with parameters or in other letters.
    Other(MediaType),
}

impl ContentType {
    /// Returns the text, as in a header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json => "application/json",
            Self::OctetStream => "application/octet-stream",
            Self::Other(media_type) => media_type.as_str(),
        }
    }

    /// Says whether the payload is JSON: whether the subtype is `json` or ends with `+json`, whatever the
    /// parameters.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::Json => true,
            Self::OctetStream => false,
            Self::Other(media_type) => {
                let subtype = essence(media_type.as_str()).split_once('/').map_or("", |(_, subtype)| subtype);
                let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
                suffix.eq_ignore_ascii_case("json")
            }
        }
    }
}

/// Compares the texts, letter by letter.
impl PartialEq for ContentType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ContentType {}

impl Hash for ContentType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ContentType {
    type Err = ContentTypeError;

    fn from_str(text: &str) -> Result<Self, ContentTypeError> {
        match text {
            "application/json" => Ok(Self::Json),
            "application/octet-stream" => Ok(Self::OctetStream),
            _ => MediaType::new(text).map(Self::Other),
        }
    }
}

impl TryFrom<&str> for ContentType {
    type Error = ContentTypeError;

    fn try_from(text: &str) -> Result<Self, ContentTypeError> {
        text.parse()
    }
}

/// The checked text of a media type, cheap to clone.
///
/// A type and a subtype with a slash between them, and whatever follows a semicolon: printable ASCII, at
/// most 256 bytes. So it can stand in a header as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(Arc<str>);

impl MediaType {
    /// The longest media type, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks a text and makes a media type of it.
    ///
    /// # Errors
    ///
    /// The text is none.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ContentTypeError> {
        let text = text.as_ref();
        let printable = text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let token = |part: &str| !part.is_empty() && part.bytes().all(is_token);
        let typed = essence(text).split_once('/').is_some_and(|(main, sub)| token(main) && token(sub));
        if text.len() <= Self::MAX_LEN && printable && typed && text.trim() == text {
            Ok(Self(text.into()))
        } else {
            Err(ContentTypeError(()))
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part of a media type before its parameters.
pub(super) fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or(text).trim()
}

/// What names consist of in RFC 9110.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The text is no media type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content type is a type and a subtype with '/' between them, of at most {max} printable ASCII bytes", max = MediaType::MAX_LEN)]
pub struct ContentTypeError(());

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn parsed(text: &str) -> ContentType {
        text.parse().expect("a media type")
    }

    #[test]
    fn texts_are_kept_as_they_are() {
        for text in [
            "application/json",
            "application/octet-stream",
            "Application/JSON",
            "text/plain; charset=\"utf-8\"",
            "application/vnd.a.b+json;v=1",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
        assert!(matches!(parsed("application/json"), ContentType::Json));
        assert!(matches!(parsed("application/octet-stream"), ContentType::OctetStream));
    }

    #[test]
    fn a_known_type_that_was_named_as_another_is_still_the_same() {
        let other = ContentType::Other(MediaType::new("application/json").expect("a media type"));
        assert_eq!(other, ContentType::Json);
        assert!(HashSet::from([other]).contains(&ContentType::Json));
        assert_ne!(ContentType::Json, ContentType::OctetStream);
    }

    #[test]
    fn json_is_known_by_its_subtype() {
        for text in [
            "application/json",
            "APPLICATION/JSON",
            "text/json",
            "application/json; charset=utf-8",
            "application/json ; a=b",
            "application/problem+json",
            "application/a+b+JSON;x",
        ] {
            assert!(parsed(text).is_json(), "{text}");
        }
        for text in [
            "application/octet-stream",
            "text/plain; a=/json",
            "application/json+xml",
            "json/x",
            "a/jsonx",
            "a/xjson",
        ] {
            assert!(!parsed(text).is_json(), "{text}");
        }
    }

    #[test]
    fn what_could_break_out_of_a_header_is_no_media_type() {
        let long = format!("a/{}", "b".repeat(255));
        for text in [
            "",
            "json",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "a/b\r\nx: y",
            "a/b;\0",
            "a/b; é",
            " a/b",
            "a/b ",
            "a b/c",
            "a/b c",
            ";a/b",
            &long,
        ] {
            assert_eq!(text.parse::<ContentType>(), Err(ContentTypeError(())), "{text:?}");
        }
    }
}
