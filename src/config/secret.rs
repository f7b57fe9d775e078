//! What nobody may read in a log: [`Secret`], and what else is masked.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::nearest::nearest;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// How a deserializer of ours recognizes that a [`Secret`] is wanted.
pub(crate) const NAME: &str = "trolleybus::Secret";

/// A text that no `Debug`, no error and no printed configuration shows.
///
/// It has no `Display` and is not `Serialize`: [`expose`](Self::expose) is the only way to its content, and easy
/// to find in a review. For the settings of an engine.
///
/// ```
/// use trolleybus::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        // Whatever else is found is not said. Asked for a text, a format would quote the number that it found instead;
        // so it is asked for anything.
        impl<'de> Visitor<'de> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Secret, D::Error> {
                inner.deserialize_any(self)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom("expected a text, found a flag: put it in quotes"))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("expected a text, found a number: put it in quotes"))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                self.visit_i64(0)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                self.visit_i64(0)
            }
        }

        deserializer.deserialize_newtype_struct(NAME, Text)
    }
}

/// Says whether a setting of this name is a secret. In doubt it is.
pub(crate) fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "apikey",
        "accesskey",
        "privatekey",
        "auth",
    ];
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    // A slip in the name must not uncover what it hides.
    let slip = || nearest(&plain, ["password", "secret", "token", "credential"]).is_some();
    plain == "pass" || plain == "pwd" || PARTS.iter().any(|part| plain.contains(part)) || slip()
}

/// Masks what is secret in an address: who logs in, and all from the first parameter on that is named like a secret.
pub(crate) fn mask_address(text: &str) -> Cow<'_, str> {
    let Some(scheme) = text.find("://").map(|at| at + 3) else { return Cow::Borrowed(text) };
    // Up to the last @: a password that is not encoded may hold anything.
    let host = text.rfind('@').filter(|at| *at >= scheme).unwrap_or(scheme);
    let rest = &text[host..];
    let secret = rest.match_indices('=').find(|(at, _)| {
        let name = rest[..*at].rsplit(['?', '&', ';', '#']).next().unwrap_or_default();
        is_secret(name)
    });
    let login = if host > scheme { MASK } else { "" };
    match secret {
        Some((at, _)) => Cow::Owned(format!("{}{login}{}={MASK}", &text[..scheme], &rest[..at])),
        None if login.is_empty() => Cow::Borrowed(text),
        None => Cow::Owned(format!("{}{login}{rest}", &text[..scheme])),
    }
}

/// Says whether a text is one that masking has made.
pub(crate) fn is_masked(text: &str) -> bool {
    text == MASK || text.contains("://***@") || text.contains("=***")
}

/// A text as an error quotes it: in quotes, escaped, at most 60 characters of it, and nothing that logs in.
pub(crate) fn quote(text: &str) -> String {
    let masked = mask_address(text);
    let mut quoted = String::from("\"");
    for (number, character) in masked.chars().enumerate() {
        if number == 60 {
            quoted.push('…');
            break;
        }
        quoted.extend(character.escape_debug());
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "password",
            "PASSWORD",
            "sasl.password",
            "secretAccessKey",
            "access_key_id",
            "api-key",
            "pasword",
            "sercet",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["url", "user", "poolSize", "keyspace", "compass", "partitionKey"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn addresses_keep_what_is_no_secret() {
        for (address, masked) in [
            ("redis://host/0", "redis://host/0"),
            ("redis://me:hunter2@host/0", "redis://***@host/0"),
            ("redis://me:hun/te@r2?x@host/0?db=1", "redis://***@host/0?db=1"),
            ("nats://host?tls=1&token=hunter2&a=b", "nats://host?tls=1&token=***"),
            ("nats://me:hunter2@host?token=hunter2", "nats://***@host?token=***"),
            ("no address, me@home", "no address, me@home"),
            ("", ""),
        ] {
            assert_eq!(mask_address(address), masked);
            assert_eq!(is_masked(masked), address.contains("hunter2") || address.contains("hun/"));
        }
    }

    #[test]
    fn a_quote_is_short_and_one_line() {
        assert_eq!(quote("a\n\"b\""), "\"a\\n\\\"b\\\"\"");
        assert_eq!(quote(&"é".repeat(1000)).chars().count(), 63);
        assert_eq!(quote("redis://me:hunter2@host"), "\"redis://***@host\"");
    }

    #[test]
    fn a_secret_shows_nothing_and_takes_texts_only() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
        assert_eq!(serde_json::from_str::<Secret>("\"hunter2\"").expect("a text").expose(), "hunter2");
        for json in ["7723", "-7723", "7723.5", "true"] {
            let error = serde_json::from_str::<Secret>(json).expect_err("no text").to_string();
            assert!(!error.contains(json), "{error}");
        }
    }
}
