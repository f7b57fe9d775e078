//! From what a format has written to a value of the type that its key has.

use std::time::Duration;

use super::keys::Kind;
use super::nearest::nearest;
use super::problem::ConfigProblemKind;
use super::scalar;
use super::secret::quote;
use super::value::Value;

/// A value of the type that its key has.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    Number(u64),
    Time(Duration),
    Flag(bool),
    Text(String),
}

/// What was found, in words, for a key that is no secret.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) | Value::Untyped(text) => format!("the text {}", quote(text)),
        Value::Null | Value::List(_) | Value::Map(_) => value.kind().to_owned(),
    }
}

/// Makes of a value what its key takes.
pub(crate) fn parse(kind: Kind, value: &Value) -> Result<Parsed, ConfigProblemKind> {
    let wrong = |found| Err(ConfigProblemKind::WrongType { found, expected: kind.expected() });
    let text = match value {
        Value::Text(text) | Value::Untyped(text) => Some(text.as_str()),
        _ => None,
    };
    let (written, value) = (value, value.resolved());
    let out = || ConfigProblemKind::OutOfRange { found: found(&value), allowed: kind.range() };
    match kind {
        Kind::Count(least, most) | Kind::Size(least, most) => {
            let number = match &value {
                Value::Int(number) => Some(*number),
                // JSON and TOML write whole numbers in both ways.
                Value::Float(number) if number.fract() == 0.0 => {
                    Some(scalar::whole(*number).ok_or_else(out)?)
                }
                Value::Text(text) if matches!(kind, Kind::Size(..)) => scalar::size(text).map(i128::from),
                _ => None,
            };
            let Some(number) = number else { return wrong(found(&value)) };
            match u64::try_from(number) {
                Ok(number) if (least..=most).contains(&number) => Ok(Parsed::Number(number)),
                _ => Err(out()),
            }
        }
        Kind::Time(least, most) => {
            let time = match &value {
                Value::Int(_) | Value::Float(_) => scalar::seconds(&value).ok_or_else(out)?,
                Value::Text(text) => match scalar::duration(text) {
                    Some(time) => time,
                    None => return wrong(found(&value)),
                },
                _ => return wrong(found(&value)),
            };
            if (u128::from(least)..=u128::from(most)).contains(&time.as_nanos()) {
                Ok(Parsed::Time(time))
            } else {
                Err(out())
            }
        }
        Kind::Flag => match value {
            Value::Bool(flag) => Ok(Parsed::Flag(flag)),
            _ => wrong(found(&value)),
        },
        Kind::Choice(choices) => match text {
            Some(text) if choices.contains(&text) => Ok(Parsed::Text(text.to_owned())),
            Some(text) => Err(no_choice(text, choices)),
            None => wrong(found(written)),
        },
        Kind::EngineType => match text {
            Some(text) if !text.is_empty() => Ok(Parsed::Text(text.to_owned())),
            _ => wrong(found(written)),
        },
        Kind::Text(most) => match text {
            Some(text) if is_name(text, most) => Ok(Parsed::Text(text.to_owned())),
            _ => wrong(found(written)),
        },
        Kind::Secret => match text {
            Some(text) => Ok(Parsed::Text(text.to_owned())),
            None => wrong(value.kind().to_owned()),
        },
        Kind::Settings | Kind::Patterns | Kind::Topic | Kind::Tenants => wrong(value.kind().to_owned()),
    }
}

/// A name that fits.
pub(crate) fn is_name(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A text that is none of those that there are.
pub(crate) fn no_choice(text: &str, allowed: &[&str]) -> ConfigProblemKind {
    ConfigProblemKind::NoChoice {
        found: quote(text),
        allowed: allowed.iter().map(|name| (*name).to_owned()).collect(),
        nearest: nearest(text, allowed.iter().copied()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn untyped(text: &str) -> Value {
        Value::Untyped(text.to_owned())
    }

    #[test]
    fn d_all_3_numbers_are_numbers_however_a_format_writes_them() {
        let count = |value: &Value| parse(Kind::Count(1, 100), value).ok();
        for value in [Value::Int(5), Value::Float(5.0), untyped("5"), untyped("5.0")] {
            assert_eq!(count(&value), Some(Parsed::Number(5)));
        }
        for value in [
            text("5"),
            Value::Float(5.5),
            Value::Int(0),
            Value::Int(101),
            Value::Int(-5),
            untyped(""),
            Value::Null,
        ] {
            assert_eq!(count(&value), None);
        }
        let size = |value: &Value| parse(Kind::Size(0, 1 << 20), value).ok();
        for value in [Value::Int(1024), text("1KiB"), untyped("1 KiB"), untyped("1024")] {
            assert_eq!(size(&value), Some(Parsed::Number(1024)));
        }
        assert_eq!((size(&text("1024")), size(&text("1GiB"))), (None, None));
    }

    #[test]
    fn times_are_seconds_or_have_units() {
        let time = |value: &Value| parse(Kind::Time(0, 10_000_000_000), value).ok();
        let second = Some(Parsed::Time(Duration::from_secs(1)));
        for value in
            [Value::Int(1), Value::Float(1.0), text("1s"), text("1000ms"), untyped("1"), untyped("1s")]
        {
            assert_eq!(time(&value), second);
        }
        for value in [
            text("1"),
            Value::Int(-1),
            Value::Float(f64::NAN),
            Value::Int(11),
            text("11s"),
            Value::Bool(true),
        ] {
            assert_eq!(time(&value), None);
        }
    }

    #[test]
    fn what_is_a_text_is_not_taken_for_anything_else() {
        let name = |value: &Value| parse(Kind::Text(4), value).ok();
        assert_eq!(
            (name(&untyped("5")), name(&text("5"))),
            (name(&text("5")), Some(Parsed::Text("5".to_owned())))
        );
        for value in [Value::Int(5), text(""), text("12345"), text("a\n"), Value::Null] {
            assert_eq!(name(&value), None);
        }
        assert_eq!(parse(Kind::Flag, &untyped("true")), Ok(Parsed::Flag(true)));
        for value in [text("true"), untyped("1"), untyped("yes"), Value::Int(1)] {
            assert!(parse(Kind::Flag, &value).is_err());
        }
    }

    #[test]
    fn an_error_says_nothing_of_a_secret() {
        for value in [Value::Int(7_723_001), Value::Bool(true), Value::Null] {
            let error = parse(Kind::Secret, &value).expect_err("no text").to_string();
            assert!(!error.contains("7723001") && error.starts_with("expected a text, found"), "{error}");
        }
    }
}
