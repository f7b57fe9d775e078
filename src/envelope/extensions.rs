//! Metadata as attributes, and back.
//!
//! A name and a value that a CloudEvents attribute may have become one. All others (names with capitals, dashes or
//! other scripts, names that mean something else there, values that are empty or hold control characters) travel
//! together, as a JSON object in the one attribute [`REST`].
//!
//! Attributes have no order: brokers and proxies shuffle them. Metadata has one. What is read from attributes alone
//! is sorted by name; where an event's metadata is not, [`REST`] names all of its names in their order, with
//! `null` for those that are attributes of their own. So metadata comes back as it was, whatever the way.

use std::borrow::Cow;

use super::error::{AttributeProblem, DecodeError};
use super::json;
use crate::event::Metadata;

/// The attribute of what has none of its own.
pub(super) const REST: &str = "tbmeta";

/// The attribute of the key: CloudEvents' own extension for partitions.
pub(super) const KEY: &str = "partitionkey";

/// The attribute of a key that [`KEY`] cannot hold: as a JSON text.
pub(super) const ODD_KEY: &str = "tbkey";

/// The attribute of the tenant.
pub(super) const TENANT: &str = "tenant";

/// The attribute of the time to live, in milliseconds.
pub(super) const TTL: &str = "ttlms";

/// Names that are never metadata of that name.
const RESERVED: [&str; 11] =
    ["specversion", "id", "type", "datacontenttype", "time", "data", KEY, ODD_KEY, TENANT, TTL, REST];

/// A name and its value.
pub(super) type Attribute<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Metadata, on its way out.
#[derive(Debug)]
pub(super) struct Spread<'a> {
    /// What becomes attributes, sorted by name.
    pub(super) own: Vec<(&'a str, &'a str)>,
    /// The value of [`REST`], where it is needed.
    pub(super) rest: Option<String>,
}

/// Divides metadata. `source` is the source of events that name none.
pub(super) fn spread<'a>(metadata: &'a Metadata, source: &str) -> Spread<'a> {
    let mut own: Vec<_> = metadata.iter().filter(|(name, value)| is_attribute(name, value)).collect();
    let comes_back = own.len() == metadata.len()
        && own.is_sorted_by(|(a, _), (b, _)| a < b)
        // Without being named it would be taken for the one that is always there.
        && !own.contains(&("source", source));
    let rest = (!comes_back).then(|| write_rest(metadata));
    own.sort_unstable();
    Spread { own, rest }
}

/// Writes all names in their order, with the values that have no other place.
fn write_rest(metadata: &Metadata) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in metadata.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        json::push_ascii(&mut text, name);
        text.push(':');
        if is_attribute(name, value) {
            text.push_str("null");
        } else {
            json::push_ascii(&mut text, value);
        }
    }
    text.push('}');
    text
}

/// Puts metadata together again: the attributes that mean nothing else, the source among them, and the value of
/// [`REST`]. `source` is the source of events that name none, which is not metadata unless [`REST`] says so.
pub(super) fn gather(
    mut attributes: Vec<Attribute<'_>>,
    rest: Option<&str>,
    source: &str,
) -> Result<Metadata, DecodeError> {
    let malformed = || DecodeError::attribute(REST, AttributeProblem::Malformed);
    let mut metadata = Metadata::new();
    let members = json::members(rest.unwrap_or("{}"), Metadata::MAX_ENTRIES).map_err(|_| malformed())?;
    for (name, raw) in members {
        let hidden = match raw.get() {
            "null" => None,
            json => Some(json::text(json).ok_or_else(malformed)?),
        };
        // What could be seen must not hide here, from whoever looks at attributes on the way.
        if hidden.as_ref().is_some_and(|value| is_attribute(&name, value)) {
            return Err(malformed());
        }
        let seen =
            attributes.iter().position(|(known, _)| *known == name).map(|at| attributes.swap_remove(at).1);
        let value = match (seen, hidden) {
            // There is always a source to be seen, also for one that no attribute can hold.
            (Some(_), Some(hidden)) if name == "source" => hidden,
            (Some(seen), _) => seen,
            (None, Some(hidden)) => hidden,
            // Somebody took it away.
            (None, None) => continue,
        };
        metadata.set(name, value)?;
    }
    attributes.sort_unstable();
    for (name, value) in attributes {
        if name != "source" || value != source {
            metadata.set(name, value)?;
        }
    }
    Ok(metadata)
}

/// Says whether metadata can be an attribute of the same name and value.
fn is_attribute(name: &str, value: &str) -> bool {
    let named = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && !RESERVED.contains(&name);
    named && is_text(value) && (name != "dataschema" || is_uri(value))
}

/// Says whether a text can be the value of an attribute: not empty, no control characters, and none of those that
/// Unicode keeps free.
pub(super) fn is_text(value: &str) -> bool {
    !value.is_empty() && !has_control(value)
}

/// Says whether a text holds what no attribute may hold.
pub(super) fn has_control(value: &str) -> bool {
    let kept_free = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    value.chars().any(|c| c.is_control() || kept_free(c))
}

/// Says whether a text looks like a URI with a scheme, as other implementations demand of a `dataschema`.
fn is_uri(value: &str) -> bool {
    let Some((scheme, _)) = value.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && value.bytes().all(|b| b.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&b))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SOURCE: &str = "trolleybus";

    fn metadata(entries: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, value) in entries {
            metadata.set(name, value).expect("within the limits");
        }
        metadata
    }

    /// Sends metadata on its way: the attributes come in another order, and with a source.
    fn there_and_back(sent: &Metadata) -> Metadata {
        let Spread { own, rest } = spread(sent, SOURCE);
        let mut attributes: Vec<Attribute<'_>> =
            own.iter().rev().map(|&(name, value)| (name.into(), value.into())).collect();
        if !own.iter().any(|(name, _)| *name == "source") {
            attributes.push(("source".into(), SOURCE.into()));
        }
        gather(attributes, rest.as_deref(), SOURCE).expect("what was written")
    }

    #[test]
    fn plain_names_in_order_are_attributes_alone() {
        let sent = metadata(&[("a1", "é"), ("b", "x y"), ("source", "/s"), ("subject", "t")]);
        let Spread { own, rest } = spread(&sent, SOURCE);
        assert_eq!(own, [("a1", "é"), ("b", "x y"), ("source", "/s"), ("subject", "t")]);
        assert_eq!(rest, None);
        assert_eq!(there_and_back(&sent), sent);
    }

    #[test]
    fn names_out_of_order_are_named() {
        let sent = metadata(&[("b", "1"), ("a", "2")]);
        let Spread { own, rest } = spread(&sent, SOURCE);
        assert_eq!(own, [("a", "2"), ("b", "1")]);
        assert_eq!(rest.as_deref(), Some(r#"{"b":null,"a":null}"#));
        assert_eq!(there_and_back(&sent), sent);
    }

    #[test]
    fn what_no_attribute_can_be_travels_in_the_rest() {
        let sent = metadata(&[
            ("X-Trace", "1"),
            ("größe", "\u{7f}\u{ffff}"),
            ("id", "2"),
            ("time", "3"),
            ("type", "4"),
            ("data", "5"),
            ("data_base64", "6"),
            ("tbmeta", "7"),
            ("tbkey", "8"),
            ("tenant", "9"),
            ("ttlms", "10"),
            ("partitionkey", "11"),
            ("specversion", "12"),
            ("datacontenttype", "13"),
            ("empty", ""),
            ("lines", "a\r\nb"),
            ("dataschema", "no uri"),
            ("source", "a\0b"),
        ]);
        let Spread { own, rest } = spread(&sent, SOURCE);
        assert!(own.is_empty(), "{own:?}");
        assert!(rest.is_some_and(|rest| rest.bytes().all(|b| matches!(b, b' '..=b'~'))));
        assert_eq!(there_and_back(&sent), sent);
    }

    #[test]
    fn the_source_that_is_always_there_is_metadata_when_it_was() {
        let sent = metadata(&[("source", SOURCE)]);
        assert_eq!(spread(&sent, SOURCE).rest.as_deref(), Some(r#"{"source":null}"#));
        assert_eq!(there_and_back(&sent), sent);
        assert_eq!(there_and_back(&Metadata::new()), Metadata::new());
    }

    #[test]
    fn what_others_changed_on_the_way_is_taken() {
        let attributes =
            vec![("new".into(), "1".into()), ("a".into(), "2".into()), ("source".into(), "s".into())];
        let read = gather(attributes, Some(r#"{"gone":null,"b-":"3","a":null}"#), SOURCE).expect("metadata");
        assert_eq!(read, metadata(&[("b-", "3"), ("a", "2"), ("new", "1"), ("source", "s")]));
        let read = gather(vec![("subject".into(), "seen".into())], Some(r#"{"subject":"\n"}"#), SOURCE);
        assert_eq!(read, Ok(metadata(&[("subject", "seen")])));
    }

    #[test]
    fn a_rest_in_another_form_is_refused() {
        let malformed = Err(DecodeError::attribute(REST, AttributeProblem::Malformed));
        for rest in
            ["", "[]", "{", "{}x", r#"{"A":1}"#, r#"{"A":["x"]}"#, r#"{"A":"1","A":"2"}"#, r#"{"a":"seen"}"#]
        {
            assert_eq!(gather(vec![], Some(rest), SOURCE), malformed, "{rest}");
        }
        let many: Vec<_> = (0..65).map(|n| format!("\"A{n}\":\"\"")).collect();
        assert_eq!(gather(vec![], Some(&format!("{{{}}}", many.join(","))), SOURCE), malformed);
        assert!(matches!(gather(vec![], Some(r#"{"":"x"}"#), SOURCE), Err(DecodeError::Metadata(_))));
    }

    #[test]
    fn a_schema_is_a_uri() {
        for uri in ["http://a/b?c#d", "urn:x:y", "a+b-c.d:", "mailto:a@b"] {
            assert!(is_uri(uri), "{uri}");
        }
        for text in ["", "a", ":a", "1a:b", "a b:c", "a:b c", "a:é", "/a:b", "a:<"] {
            assert!(!is_uri(text), "{text}");
        }
    }
}
