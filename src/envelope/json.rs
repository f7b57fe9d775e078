//! What of JSON is needed here: depth, the members of an object, text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{AttributeProblem, DecodeError};

/// Returns the bytes as text if they are one JSON value with nothing around it, not even white space.
pub(super) fn value(bytes: &[u8]) -> Option<&str> {
    let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
    (raw.get().len() == bytes.len()).then(|| raw.get())
}

/// A member of an object: its name, and its value as it stands in the message.
pub(super) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Why the members of an object were not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There are more of them.
    TooMany,
    /// One is there twice.
    Twice(String),
    /// The text is JSON, but not an object.
    NotAnObject,
    /// The text is not JSON.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

impl Refusal {
    /// Says the same of a whole message.
    pub(super) fn of_message(self, limit: usize) -> DecodeError {
        match self {
            Self::TooMany => DecodeError::TooManyAttributes { limit },
            Self::Twice(name) => DecodeError::duplicate(&name),
            Self::NotAnObject => DecodeError::NotAnObject,
            Self::Syntax { line, column } => DecodeError::Syntax { line, column },
        }
    }
}

/// Reads the members of an object, at most so many, without reading their values.
pub(super) fn members(text: &str, limit: usize) -> Result<Vec<Member<'_>>, Refusal> {
    let mut refusal = None;
    let mut source = serde_json::Deserializer::from_str(text);
    let read = Members { limit, refusal: &mut refusal }.deserialize(&mut source);
    let whole = read.and_then(|members| source.end().map(|()| members));
    whole.map_err(|error| {
        let of_error = if error.is_data() {
            Refusal::NotAnObject
        } else {
            Refusal::Syntax { line: error.line(), column: error.column() }
        };
        refusal.unwrap_or(of_error)
    })
}

/// Reads members and says in a place of its own why it refuses: the parser's errors hold text only.
struct Members<'r> {
    limit: usize,
    refusal: &'r mut Option<Refusal>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<Member<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut list: Vec<Member<'de>> = Vec::new();
        while let Some(name) = map.next_key_seed(Text)? {
            // Quadratic, and the limit keeps it small.
            let refusal = if list.iter().any(|(known, _)| *known == name) {
                Refusal::Twice(name.into_owned())
            } else if list.len() >= self.limit {
                Refusal::TooMany
            } else {
                list.push((name, map.next_value()?));
                continue;
            };
            *self.refusal = Some(refusal);
            return Err(A::Error::custom("refused"));
        }
        Ok(list)
    }
}

/// Reads a text, borrowed where nothing in it is escaped.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }
}

/// Reads JSON that is a text; `None` for anything else, and for half of a surrogate pair.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let mut source = serde_json::Deserializer::from_str(json);
    let text = Text.deserialize(&mut source).ok()?;
    source.end().ok().map(|()| text)
}

/// Reads the value of an attribute as text; `None` for `null`, which says that it is not set.
pub(super) fn scalar(raw: &RawValue) -> Result<Option<Cow<'_, str>>, AttributeProblem> {
    let json = raw.get();
    let is_integer = || json.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    match json {
        "null" => Ok(None),
        "true" | "false" => Ok(Some(Cow::Borrowed(json))),
        _ if json.starts_with('"') => text(json).map(Some).ok_or(AttributeProblem::NotUnicode),
        _ if is_integer() => Ok(Some(Cow::Borrowed(json))),
        _ => Err(AttributeProblem::Type),
    }
}

/// Writes a text as JSON.
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\u{1f}' => push_escape(out, c),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a text as JSON in printable ASCII, so that it can be the value of any attribute.
pub(super) fn push_ascii(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => push_escape(out, c),
        }
    }
    out.push('"');
}

/// Writes a character by its number, as two halves where it has more than 16 bits.
fn push_escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            let digit = u32::from(*unit >> shift & 0xf);
            out.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_and_their_values_left() {
        let text = " {\"a\": [1, 2] , \"b\\u0063\":null} ";
        let read = members(text, 2).expect("an object");
        let read: Vec<_> = read.iter().map(|(name, raw)| (&**name, raw.get())).collect();
        assert_eq!(read, [("a", "[1, 2]"), ("bc", "null")]);
        assert!(members("{}", 0).is_ok_and(|list| list.is_empty()));
    }

    #[test]
    fn each_refusal_of_an_object_is_told() {
        assert!(matches!(members(r#"{"a":1,"b":2}"#, 1), Err(Refusal::TooMany)));
        assert!(matches!(members(r#"{"a":1,"\u0061":2}"#, 9), Err(Refusal::Twice(name)) if name == "a"));
        for text in ["[]", "1", "null", "\"a\"", "true"] {
            assert!(matches!(members(text, 9), Err(Refusal::NotAnObject)), "{text}");
        }
        for text in
            ["", "{", "{}x", "{}{}", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{\"\\ud800\":1}", "{\"a\":01}", "nul"]
        {
            assert!(matches!(members(text, 9), Err(Refusal::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn scalars_become_text() {
        let read = |json: &str| {
            let raw: Box<RawValue> = serde_json::from_str(json).expect("JSON");
            scalar(&raw).map(|text| text.map(Cow::into_owned))
        };
        for (json, text) in
            [(r#""a\n\u00e9""#, "a\né"), ("true", "true"), ("false", "false"), ("-12", "-12"), ("\"\"", "")]
        {
            assert_eq!(read(json), Ok(Some(text.to_owned())));
        }
        assert_eq!(read("null"), Ok(None));
        for json in ["1.0", "1e3", "[]", "{}"] {
            assert_eq!(read(json), Err(AttributeProblem::Type), "{json}");
        }
        assert_eq!(read(r#""\udc00""#), Err(AttributeProblem::NotUnicode));
    }

    #[test]
    fn texts_are_written_as_json() {
        for text in ["", "a", "\"\\/", "\0\u{1f}\n\t\u{7f}", "é€😀", "\u{ffff}\u{2028}"] {
            let (mut plain, mut ascii) = (String::new(), String::new());
            push_text(&mut plain, text);
            push_ascii(&mut ascii, text);
            assert_eq!(serde_json::from_str::<String>(&plain).expect("JSON"), text);
            assert_eq!(super::text(&ascii).expect("JSON"), text);
            assert!(ascii.bytes().all(|b| matches!(b, b' '..=b'~')), "{ascii}");
        }
    }

    #[test]
    fn a_value_is_json_and_nothing_else() {
        for text in ["1", "\"a\"", "[1, 2]", "{\"a\":\n1}"] {
            assert_eq!(value(text.as_bytes()), Some(text));
        }
        for text in ["", " 1", "1 ", "1,\"id\":2", "1 2", "}", "\u{feff}1", "\"\n\""] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
        assert_eq!(value(b"\"\xff\""), None);
    }
}
