//! The attributes of an envelope, which are the same in both modes.

use std::borrow::Cow;
use std::time::Duration;

use super::content_type::ContentType;
use super::envelope::Envelope;
use super::error::{AttributeProblem, DecodeError, EncodeError};
use super::extensions::{self, Attribute, KEY, ODD_KEY, REST, Spread, TENANT, TTL};
use super::payload::Encoded;
use super::{identity, json, time};
use crate::sync::clock;
use crate::tenant::Tenant;
use crate::topic::Topic;

/// The version of CloudEvents that is written, and the only one that is read.
pub(super) const SPEC_VERSION: &str = "1.0";

/// The longest id, in bytes.
const MAX_ID_LEN: usize = 1024;

/// The value of an attribute that is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// What CloudEvents calls an integer: 32 bits.
    Integer(i32),
}

impl<'a> Value<'a> {
    /// Returns the value as text.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => Cow::Owned(number.to_string()),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// Returns all attributes but the content type, with the source of events that name none.
pub(super) fn write<'a>(
    envelope: &'a Envelope,
    default_source: &'a str,
) -> Result<Vec<(&'a str, Value<'a>)>, EncodeError> {
    let time = time::format(envelope.time).ok_or(EncodeError::Time)?;
    let Spread { own, rest } = extensions::spread(&envelope.metadata, default_source);
    let source = own.iter().find(|(name, _)| *name == "source").map_or(default_source, |&(_, value)| value);
    // The foreign text may only stand for the id where it leads to it again, and the source takes part in that.
    let original = envelope.original_id().filter(|text| identity::of_event(source, text) == envelope.id);
    let id = original.map_or_else(|| envelope.id.to_string().into(), Value::from);

    let mut list: Vec<(&str, Value<'_>)> = vec![
        ("specversion", SPEC_VERSION.into()),
        ("id", id),
        ("source", source.into()),
        ("type", envelope.topic.as_str().into()),
        ("time", time.into()),
    ];
    list.extend(
        own.into_iter().filter(|(name, _)| *name != "source").map(|(name, value)| (name, value.into())),
    );
    if let Some(key) = envelope.key() {
        if extensions::is_text(key) {
            list.push((KEY, key.into()));
        } else {
            let mut text = String::new();
            json::push_ascii(&mut text, key);
            list.push((ODD_KEY, text.into()));
        }
    }
    if let Some(tenant) = &envelope.tenant {
        list.push((TENANT, tenant.as_str().into()));
    }
    if let Some(ttl) = envelope.ttl {
        let millis = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        list.push((TTL, i32::try_from(millis).map_or_else(|_| millis.to_string().into(), Value::Integer)));
    }
    if let Some(rest) = rest {
        list.push((REST, rest.into()));
    }
    Ok(list)
}

/// Attributes that were read, none of them twice.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
}

impl<'a> Attributes<'a> {
    /// Takes attributes, none of which may be there twice.
    pub(super) fn new(list: Vec<Attribute<'a>>) -> Self {
        Self { list }
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.list.iter().position(|(known, _)| known == name)?;
        Some(self.list.swap_remove(at).1)
    }

    fn require(&mut self, name: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        let value = self.take(name).ok_or(DecodeError::MissingAttribute { name })?;
        if value.is_empty() {
            return Err(DecodeError::attribute(name, AttributeProblem::Empty));
        }
        Ok(value)
    }

    /// Takes the version and refuses any but ours.
    pub(super) fn check_version(&mut self) -> Result<(), DecodeError> {
        match self.take("specversion").as_deref() {
            Some(SPEC_VERSION) => Ok(()),
            Some(_) => Err(DecodeError::SpecVersion),
            None => Err(DecodeError::NoSpecVersion),
        }
    }

    /// Takes the content type, if there is one.
    pub(super) fn content_type(&mut self) -> Result<Option<ContentType>, DecodeError> {
        let Some(text) = self.take("datacontenttype") else { return Ok(None) };
        let problem = |_| DecodeError::attribute("datacontenttype", AttributeProblem::NotAMediaType);
        text.parse().map(Some).map_err(problem)
    }

    /// Makes an envelope of what is left, with the source of events that name none.
    pub(super) fn into_envelope(
        mut self,
        payload: Encoded,
        default_source: &str,
    ) -> Result<Envelope, DecodeError> {
        let refuse = |name: &str, problem| Err(DecodeError::attribute(name, problem));
        let topic = Topic::new(self.require("type")?)?;
        let source = self.require("source")?;
        if extensions::has_control(&source) {
            return refuse("source", AttributeProblem::Control);
        }
        let written_id = self.require("id")?;
        if written_id.len() > MAX_ID_LEN {
            return refuse("id", AttributeProblem::TooLong { limit: MAX_ID_LEN });
        }
        if extensions::has_control(&written_id) {
            return refuse("id", AttributeProblem::Control);
        }
        let id = identity::of_event(&source, &written_id);
        let time = match self.take("time") {
            Some(text) => match time::parse(&text) {
                Some(time) => time,
                None => return refuse("time", AttributeProblem::NotATime),
            },
            None => clock::wall(),
        };
        let key = match (self.take(KEY), self.take(ODD_KEY)) {
            (key, None) => key,
            (None, Some(odd)) => match json::text(&odd) {
                Some(key) => Some(Cow::Owned(key.into_owned())),
                None => return refuse(ODD_KEY, AttributeProblem::Malformed),
            },
            (Some(_), Some(_)) => return refuse(ODD_KEY, AttributeProblem::Malformed),
        };
        let tenant = self.take(TENANT).map(Tenant::new).transpose()?;
        let ttl = match self.take(TTL) {
            Some(text) => match milliseconds(&text) {
                Some(ttl) => Some(ttl),
                None => return refuse(TTL, AttributeProblem::NotMilliseconds),
            },
            None => None,
        };
        let rest = self.take(REST);
        self.list.push(("source".into(), source));
        Ok(Envelope {
            topic,
            payload,
            id,
            original_id: (id.to_string() != written_id).then(|| (*written_id).into()),
            time,
            key: key.map(|key| (*key).into()),
            metadata: extensions::gather(self.list, rest.as_deref(), default_source)?,
            ttl,
            tenant,
        })
    }
}

/// Reads a number of milliseconds: digits and nothing else.
fn milliseconds(text: &str) -> Option<Duration> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Duration::from_millis)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::event::{EventId, Metadata};
    use crate::topic;

    fn written(envelope: &Envelope, name: &str) -> Option<String> {
        let list = write(envelope, "here").expect("a time within the years");
        list.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.into_text().into_owned())
    }

    fn read(attributes: &[(&'static str, &'static str)]) -> Result<Envelope, DecodeError> {
        let all = [("type", "a.b"), ("source", "/s"), ("id", "x")];
        let all = all.iter().filter(|(name, _)| !attributes.iter().any(|(known, _)| known == name));
        let list = all.chain(attributes).map(|&(name, value)| (name.into(), value.into())).collect();
        Attributes::new(list).into_envelope(Encoded::raw(""), "here")
    }

    fn envelope() -> Envelope {
        Envelope::new(topic!("a.b"), Encoded::raw(""))
    }

    #[test]
    fn ttls_are_rounded_up_and_large_ones_are_text() {
        let ttl = |ttl| written(&envelope().with_ttl(ttl), TTL).expect("a ttl");
        assert_eq!(ttl(Duration::ZERO), "0");
        assert_eq!(ttl(Duration::from_nanos(1)), "1");
        assert_eq!(ttl(Duration::from_micros(2_001)), "3");
        assert_eq!(ttl(Duration::from_secs(3_000_000)), "3000000000");
        assert_eq!(ttl(Duration::MAX), u64::MAX.to_string());
        assert_eq!(read(&[(TTL, "1500")]).expect("a ttl").ttl(), Some(Duration::from_millis(1500)));
        for text in ["", "-1", "+1", "1.5", "1s", "18446744073709551616", "true"] {
            let problem = AttributeProblem::NotMilliseconds;
            assert_eq!(read(&[(TTL, text)]), Err(DecodeError::attribute(TTL, problem)), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_year_of_four_digits_is_refused() {
        let far = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(write(&envelope().with_time(far), "here"), Err(EncodeError::Time));
    }

    #[test]
    fn keys_that_no_attribute_can_hold_travel_as_json() {
        assert_eq!(written(&envelope().with_key("k é"), KEY).as_deref(), Some("k é"));
        assert_eq!(written(&envelope().with_key(""), ODD_KEY).as_deref(), Some("\"\""));
        assert_eq!(written(&envelope().with_key("\n"), ODD_KEY).as_deref(), Some(r#""\u000a""#));
        assert_eq!(read(&[(ODD_KEY, r#""\u000a""#)]).expect("a key").key(), Some("\n"));
        assert_eq!(read(&[(KEY, "k")]).expect("a key").key(), Some("k"));
        let malformed = Err(DecodeError::attribute(ODD_KEY, AttributeProblem::Malformed));
        assert_eq!(read(&[(ODD_KEY, "k")]), malformed);
        assert_eq!(read(&[(ODD_KEY, "\"k\""), (KEY, "k")]), malformed);
    }

    #[test]
    fn a_foreign_id_is_kept_as_long_as_it_leads_to_the_same() {
        let foreign = read(&[]).expect("an envelope");
        assert_eq!(foreign.original_id(), Some("x"));
        assert_eq!(
            (written(&foreign, "id"), written(&foreign, "source")),
            (Some("x".into()), Some("/s".into()))
        );
        assert_eq!(foreign.metadata().get("source"), Some("/s"));
        let moved = foreign.clone().with_metadata(Metadata::new());
        assert_eq!(written(&moved, "id"), Some(foreign.id().to_string()));
        let loud = read(&[("id", "01890A5D-AC96-774B-BCCE-B302099A8057")]).expect("an envelope");
        assert_eq!(loud.original_id(), Some("01890A5D-AC96-774B-BCCE-B302099A8057"));
        assert_eq!(written(&loud, "id"), loud.original_id().map(str::to_owned));
        let plain = read(&[("id", "01890a5d-ac96-774b-bcce-b302099a8057")]).expect("an envelope");
        assert_eq!((plain.original_id(), plain.id()), (None, loud.id()));
    }

    #[test]
    fn attributes_that_must_be_there_are_and_hold_something() {
        for name in ["type", "source", "id"] {
            assert_eq!(read(&[(name, "")]), Err(DecodeError::attribute(name, AttributeProblem::Empty)));
            let others = ["type", "source", "id"].iter().filter(|other| **other != name);
            let list = others.map(|name| ((*name).into(), "a".into())).collect();
            let error = Attributes::new(list).into_envelope(Encoded::raw(""), "here");
            assert_eq!(error, Err(DecodeError::MissingAttribute { name }));
        }
        for name in ["source", "id"] {
            assert_eq!(read(&[(name, "a\0")]), Err(DecodeError::attribute(name, AttributeProblem::Control)));
        }
        assert!(matches!(read(&[("type", "a.*")]), Err(DecodeError::Topic(_))));
        assert!(matches!(read(&[("tenant", "a.b")]), Err(DecodeError::Tenant(_))));
        assert_eq!(read(&[("time", "now")]), Err(DecodeError::attribute("time", AttributeProblem::NotATime)));
    }

    #[test]
    fn a_long_id_is_refused() {
        let list = [("type", "a".into()), ("source", "a".into()), ("id", "x".repeat(1025))];
        let list = list.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let problem = AttributeProblem::TooLong { limit: 1024 };
        assert_eq!(
            Attributes::new(list).into_envelope(Encoded::raw(""), "here"),
            Err(DecodeError::attribute("id", problem))
        );
    }

    #[test]
    fn an_envelope_of_ours_has_what_must_be_there() {
        let envelope = envelope().with_id(EventId::from_u128(1)).with_time(std::time::SystemTime::UNIX_EPOCH);
        let list: Vec<_> = write(&envelope, "here").expect("a time").into_iter().collect();
        assert_eq!(
            list,
            [
                ("specversion", "1.0".into()),
                ("id", "00000000-0000-0000-0000-000000000001".into()),
                ("source", "here".into()),
                ("type", "a.b".into()),
                ("time", "1970-01-01T00:00:00Z".into()),
            ]
        );
    }
}
