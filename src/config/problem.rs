//! What is wrong with a configuration: everything at once, each with its place.

use std::error::Error;
use std::fmt;

use thiserror::Error;

use super::secret::quote;
use super::value::Place;
use crate::pattern::PatternError;
use crate::tenant::TenantError;
use crate::topic::TopicError;

/// Says all that is wrong with a configuration.
///
/// Its text has one line for each problem, in the order of the files, lines and columns:
///
/// ```
/// use trolleybus::{Config, Format};
///
/// let error = Config::from_str("workerCont: 4\ndeliveryMode: wait\n", Format::Yaml).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "text:1:1: workerCont: unknown key; did you mean \"workerCount\"?\n\
///      text:2:15: deliveryMode: \"wait\" is none of: drop, dropOldest, block, timeout"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// Of problems in any order, if there are any.
    pub(crate) fn check(problems: Vec<ConfigProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::of(problems)) }
    }

    /// Of problems in any order.
    pub(crate) fn of(mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems.dedup();
        Self { problems }
    }

    /// The problems, by file and line. There is at least one.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// One thing that is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigProblem {
    pub(crate) place: Place,
    pub(crate) path: String,
    /// In a box: results hold problems by value.
    pub(crate) kind: Box<ConfigProblemKind>,
}

impl ConfigProblem {
    pub(crate) fn new(place: &Place, path: impl Into<String>, kind: ConfigProblemKind) -> Self {
        Self { place: place.clone(), path: path.into(), kind: Box::new(kind) }
    }

    /// The file, `environment variable NAME`, or what else it was read from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.place.source
    }

    /// The line, from 1, if it stands in a text.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        Some(self.place.line).filter(|line| *line > 0)
    }

    /// The column in characters, from 1, if it stands in a text.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.line().map(|_| self.place.column)
    }

    /// The path of the key, such as `routing[1].engine`; empty when the whole text is meant.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ConfigProblemKind {
        &self.kind
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.kind.fmt(f)
    }
}

impl Error for ConfigProblem {}

/// What can be wrong with a configuration. Texts that were found are quoted, escaped, and never those of secrets.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigProblemKind {
    /// There is no such key.
    #[error("unknown key{}", hint(nearest.as_deref(), known))]
    UnknownKey {
        /// The known key that is nearest, if one is near.
        nearest: Option<String>,
        /// All keys that may stand here.
        known: Vec<String>,
    },
    /// The key stands twice in the same map.
    #[error("given twice, first in line {first}")]
    DuplicateKey {
        /// The line of the first.
        first: u32,
    },
    /// The value is of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// The value is too small or too large.
    #[error("{found} is out of range: it must be {allowed}")]
    OutOfRange {
        /// The value.
        found: String,
        /// The range.
        allowed: String,
    },
    /// The value is none of those that there are.
    #[error("{found} is none of: {}{}", allowed.join(", "), question(nearest.as_deref()))]
    NoChoice {
        /// The value.
        found: String,
        /// All that there are.
        allowed: Vec<String>,
        /// The one that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A key is missing that must be there.
    #[error("{key:?} is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// Two engines have the same name.
    #[error("there is an engine {name} already, at {first}")]
    DuplicateEngine {
        /// The name.
        name: String,
        /// Where the first one has it.
        first: String,
    },
    /// A rule leads to an engine that is not there.
    #[error("there is no engine {name}; there is: {}{}", known.join(", "), question(nearest.as_deref()))]
    UnknownEngine {
        /// The name.
        name: String,
        /// The engines that there are.
        known: Vec<String>,
        /// The one whose name is nearest, if one is near.
        nearest: Option<String>,
    },
    /// An engine does not take its settings.
    #[error("{message}")]
    Engine {
        /// What it says.
        message: String,
    },
    /// The key or the value is known and not supported by this release.
    #[error("not supported yet: {needs}")]
    NotSupported {
        /// What it needs.
        needs: &'static str,
    },
    /// Two keys contradict each other.
    #[error("{why}")]
    Conflict {
        /// The other key.
        with: &'static str,
        /// Why they do not go together, with the names of both.
        why: String,
    },
    /// The pattern of a rule is malformed.
    #[error("{pattern} is no pattern: {error}")]
    InvalidPattern {
        /// The text.
        pattern: String,
        /// Why.
        error: PatternError,
    },
    /// A text that is no topic.
    #[error("{topic} is no topic: {error}")]
    InvalidTopic {
        /// The text.
        topic: String,
        /// Why.
        error: TopicError,
    },
    /// A text that is no name of a tenant.
    #[error("{tenant} is no tenant: {error}")]
    InvalidTenant {
        /// The text.
        tenant: String,
        /// Why.
        error: TenantError,
    },
    /// The environment gives an entry of a list and none before it.
    #[error("entry {index} is given and the list has {len}: entries are numbered from 0, without gaps")]
    Gap {
        /// The entry.
        index: usize,
        /// How many entries there are.
        len: usize,
    },
    /// The value stands for a secret that was masked when a configuration was printed.
    #[error("the value is masked: a printed configuration does not hold its secrets")]
    Masked,
    /// The text is not in its format.
    #[error("{message}")]
    Syntax {
        /// What its parser says; never a part of the text.
        message: String,
    },
    /// The file is larger than any configuration.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size that is read.
        limit: u64,
    },
    /// Lists and maps are nested too deep.
    #[error("lists and maps nest deeper than {limit}")]
    TooDeep {
        /// How deep they may nest.
        limit: usize,
    },
    /// There are too many values, counted after all aliases have been replaced.
    #[error("more than {limit} values")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// An alias stands inside of what it stands for.
    #[error("an alias inside its own anchor")]
    Cycle,
    /// The file cannot be read.
    #[error("cannot be read: {message}")]
    Unreadable {
        /// What the system says.
        message: String,
    },
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The name of the file does not tell its format.
    #[error("the name must end in .yaml, .yml, .json or .toml")]
    UnknownFormat,
    /// What the author of an engine's settings says of them.
    #[error("{message}")]
    Custom {
        /// The message.
        message: String,
    },
}

/// The end of the text on an unknown key.
fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(name) => question(Some(name)),
        None if known.is_empty() => "; there are none here".to_owned(),
        None => format!("; known here: {}", known.join(", ")),
    }
}

fn question(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {}?", quote(name)))
}

/// The path of a key below another, such as `engines[0].config.url`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if plain { key.chars().take(64).collect() } else { quote(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_sorted_and_each_is_a_line() {
        let problem = |line, kind| {
            let place = Place::new(&"bus.yaml".into(), line, 1);
            ConfigProblem::new(&place, "a", kind)
        };
        let first = problem(2, ConfigProblemKind::Masked);
        let error = ConfigError::check(vec![
            problem(10, ConfigProblemKind::Missing { key: "name".to_owned() }),
            first.clone(),
            first,
        ])
        .expect_err("problems");
        assert_eq!(error.problems().len(), 2);
        assert!(error.to_string().ends_with("\nbus.yaml:10:1: a: \"name\" is missing"), "{error}");
        assert_eq!((error.problems()[0].line(), error.problems()[0].origin()), (Some(2), "bus.yaml"));
        assert_eq!(ConfigError::check(vec![]), Ok(()));
    }

    #[test]
    fn paths_quote_what_is_no_plain_name() {
        assert_eq!(join("", "engine"), "engine");
        assert_eq!(join("engines[0]", "max-size"), "engines[0].max-size");
        assert_eq!(join("a", "b.c\n"), "a.\"b.c\\n\"");
        assert_eq!(join("a", ""), "a.\"\"");
    }

    #[test]
    fn an_unknown_key_says_what_there_is() {
        let unknown = |nearest: Option<&str>, known: &[&str]| ConfigProblemKind::UnknownKey {
            nearest: nearest.map(str::to_owned),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(unknown(Some("url"), &["url"]).to_string(), "unknown key; did you mean \"url\"?");
        assert_eq!(unknown(None, &["url", "db"]).to_string(), "unknown key; known here: url, db");
        assert_eq!(unknown(None, &[]).to_string(), "unknown key; there are none here");
    }
}
