//! What goes wrong in the deserializer, and the way to where it does.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::merge::Step;
use super::nearest::nearest;
use super::problem::{ConfigProblem, ConfigProblemKind};
use super::secret::{is_secret, mask_address, quote};
use super::settings::below;
use super::value::Place;

/// The way to a node, without an allocation unless something is wrong.
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl Path<'_> {
    fn steps(&self) -> Vec<Step> {
        let (parent, step) = match self {
            Self::Root => return Vec::new(),
            Self::Key(parent, name) => (parent, Step::Key((*name).to_owned())),
            Self::Index(parent, index) => (parent, Step::Index(*index)),
        };
        let mut steps = parent.steps();
        steps.push(step);
        steps
    }
}

/// What is wrong, and where as soon as that is known.
#[derive(Debug)]
pub(crate) struct ReadError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ConfigProblemKind,
    /// The same without what was found, for a secret.
    discreet: ConfigProblemKind,
    at: Option<(Place, Vec<Step>)>,
}

impl ReadError {
    pub(crate) fn of(kind: ConfigProblemKind) -> Self {
        Self::both(kind.clone(), kind)
    }

    /// With what is shown of it if it stands under a secret key.
    fn both(discreet: ConfigProblemKind, kind: ConfigProblemKind) -> Self {
        Self(Box::new(Inner { kind, discreet, at: None }))
    }

    /// Says where, if that is not known.
    pub(crate) fn or_at(mut self, place: &Place, path: &Path<'_>) -> Self {
        if self.0.at.is_none() {
            let steps = path.steps();
            if steps.iter().any(|step| matches!(step, Step::Key(name) if is_secret(name))) {
                self.0.kind = self.0.discreet.clone();
            }
            self.0.at = Some((place.clone(), steps));
        }
        self
    }

    /// The path below the settings.
    pub(crate) fn steps(&self) -> &[Step] {
        self.0.at.as_ref().map_or(&[], |(_, steps)| steps)
    }

    /// The key that is missing, if that is what is wrong.
    pub(crate) fn missing(&self) -> Option<&str> {
        match &self.0.kind {
            ConfigProblemKind::Missing { key } => Some(key),
            _ => None,
        }
    }

    pub(crate) fn into_problem(self, root: &Place, path: &str) -> ConfigProblem {
        let (place, steps) = self.0.at.unwrap_or_else(|| (root.clone(), Vec::new()));
        ConfigProblem::new(&place, below(path, &steps), self.0.kind)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl std::error::Error for ReadError {}

/// What was found, with and without its content.
fn found(unexpected: Unexpected<'_>) -> (String, &'static str) {
    match unexpected {
        Unexpected::Bool(flag) => (flag.to_string(), "a flag"),
        Unexpected::Unsigned(number) => (number.to_string(), "a number"),
        Unexpected::Signed(number) => (number.to_string(), "a number"),
        Unexpected::Float(number) => (number.to_string(), "a number"),
        Unexpected::Char(letter) => (format!("the text {}", quote(&letter.to_string())), "a text"),
        Unexpected::Str(text) => (format!("the text {}", quote(text)), "a text"),
        Unexpected::Unit | Unexpected::Option => ("nothing".to_owned(), "nothing"),
        Unexpected::Seq => ("a list".to_owned(), "a list"),
        Unexpected::Map | Unexpected::StructVariant => ("a map".to_owned(), "a map"),
        _ => ("something else".to_owned(), "something else"),
    }
}

impl Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = mask_address(&message.to_string()).into_owned();
        let discreet = "not valid; what is wrong is not shown, since it may show the secret".to_owned();
        Self::both(ConfigProblemKind::Custom { message: discreet }, ConfigProblemKind::Custom { message })
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, plain) = found(unexpected);
        let wrong = |found| ConfigProblemKind::WrongType { found, expected: expected.to_string() };
        Self::both(wrong(plain.to_owned()), wrong(found))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        let found = format!("a list of {len}");
        Self::of(ConfigProblemKind::WrongType { found, expected: expected.to_string() })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let kind = |found: &str, variant: &str| ConfigProblemKind::NoChoice {
            found: found.to_owned(),
            allowed: expected.iter().map(|name| (*name).to_owned()).collect(),
            nearest: nearest(variant, expected.iter().copied()).map(str::to_owned),
        };
        Self::both(kind("the text", ""), kind(&quote(variant), variant))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of(ConfigProblemKind::UnknownKey {
            nearest: nearest(field, expected.iter().copied()).map(str::to_owned),
            known: expected.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(ConfigProblemKind::Missing { key: field.to_owned() })
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format!("{field:?} is given twice, under two names"))
    }
}
