//! The settings of an engine: a tree that its author reads into a type of his own.

use std::fmt;

use serde::de::DeserializeOwned;

use super::de::TreeDeserializer;
use super::de_error::Path;
use super::format::Format;
use super::merge::{Assignment, Step};
use super::print;
use super::problem::{ConfigError, ConfigProblem, ConfigProblemKind, join};
use super::secret::{MASK, is_masked, is_secret};
use super::value::{Node, Place, Value};

/// What stands under the key `config` of an engine.
///
/// An engine reads it into a type of its own, with all that `serde` can say; every error has the file, the line and the
/// path of the key:
///
/// ```
/// use serde::Deserialize;
/// use trolleybus::{Format, Secret, Settings};
///
/// #[derive(Debug, Deserialize)]
/// #[serde(deny_unknown_fields, rename_all = "camelCase")]
/// struct Redis {
///     url: String,
///     password: Option<Secret>,
///     pool_size: u16,
/// }
///
/// let settings = Settings::parse("url: redis://host\npoolSize: ten\npasword: x\n", Format::Yaml)?;
/// assert_eq!(
///     settings.read::<Redis>().unwrap_err().to_string(),
///     "text:2:11: poolSize: expected u16, found the text \"ten\"\n\
///      text:3:1: pasword: unknown key; did you mean \"password\"?"
/// );
/// # Ok::<(), trolleybus::ConfigError>(())
/// ```
///
/// Printed, values whose keys sound like secrets are masked, and so is who logs in at an address.
#[derive(Clone)]
pub struct Settings {
    node: Node,
    /// Where the tree stands, such as `engines[0].config`.
    path: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { node: Node::map(Place::whole("defaults")), path: String::new() }
    }
}

impl Settings {
    /// Reads a text of their own.
    ///
    /// # Errors
    ///
    /// The text is not in its format, or no map.
    pub fn parse(text: &str, format: Format) -> Result<Self, ConfigError> {
        let node = format.parse(text, &"text".into()).map_err(ConfigError::of)?;
        if !matches!(node.value, Value::Map(_)) {
            let (found, expected) = (node.value.kind().to_owned(), "a map of settings".to_owned());
            return Err(
                ConfigProblem::new(&node.at, "", ConfigProblemKind::WrongType { found, expected }).into()
            );
        }
        let settings = Self { node, path: String::new() };
        let mut problems = Vec::new();
        settings.find_masked(&mut problems);
        ConfigError::check(problems)?;
        Ok(settings)
    }

    /// No settings, of an engine that stands somewhere.
    pub(super) fn empty(at: &Place, path: String) -> Self {
        Self { node: Node::map(at.clone()), path }
    }

    pub(super) fn of(node: Node, path: String) -> Self {
        Self { node, path }
    }

    /// Says whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.node.value, Value::Map(entries) if entries.is_empty())
    }

    /// Reads them into a type.
    ///
    /// # Errors
    ///
    /// What is wrong, as much of it as can be found: after a wrong value or an unknown key, what else there is, is
    /// looked for without it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let (mut node, mut problems, mut without) = (self.node.clone(), Vec::new(), Vec::new());
        loop {
            let error = match T::deserialize(TreeDeserializer::new(&node, &Path::Root)) {
                Ok(value) => {
                    ConfigError::check(problems)?;
                    return Ok(value);
                }
                Err(error) => error,
            };
            let steps = error.steps().to_vec();
            // Each turn takes one entry away, so this ends; 20 errors are enough for a reader as well.
            let echo = error
                .missing()
                .is_some_and(|key| without.contains(&[&*steps, &[Step::Key(key.to_owned())]].concat()));
            let missing = error.missing().is_some();
            if !echo {
                problems.push(error.into_problem(&self.node.at, &self.path));
            }
            if echo || missing || problems.len() == 20 || !remove(&mut node, &steps) {
                return Err(ConfigError::of(problems));
            }
            without.push(steps);
        }
    }

    /// Finds what was masked when it was printed.
    pub(super) fn find_masked(&self, problems: &mut Vec<ConfigProblem>) {
        find_masked(&self.node, &self.path, false, problems);
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }
}

fn find_masked(node: &Node, path: &str, secret: bool, problems: &mut Vec<ConfigProblem>) {
    match &node.value {
        Value::Text(text) | Value::Untyped(text) if is_masked(text) && (secret || text != MASK) => {
            problems.push(ConfigProblem::new(&node.at, path, ConfigProblemKind::Masked));
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                find_masked(item, &format!("{path}[{index}]"), secret, problems);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                find_masked(value, &join(path, &key.name), secret || is_secret(&key.name), problems);
            }
        }
        _ => {}
    }
}

/// Takes an entry of a map away. Those of lists stay: the others would change their numbers.
fn remove(node: &mut Node, steps: &[Step]) -> bool {
    let Some((Step::Key(name), parents)) = steps.split_last() else { return false };
    let mut node = node;
    for step in parents {
        let next = match (step, &mut node.value) {
            (Step::Key(name), Value::Map(entries)) => {
                entries.iter_mut().find(|(key, _)| key.name == *name).map(|(_, node)| node)
            }
            (Step::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return false };
        node = next;
    }
    let Value::Map(entries) = &mut node.value else { return false };
    let before = entries.len();
    entries.retain(|(key, _)| key.name != *name);
    entries.len() < before
}

/// The same settings; places do not count.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({})", print::flow(&self.node))
    }
}

/// The path of steps below another.
pub(super) fn below(root: &str, steps: &[Step]) -> String {
    let rest = Assignment::path(steps);
    match (root.is_empty(), rest.is_empty()) {
        (true, _) => rest,
        (_, true) => root.to_owned(),
        _ if rest.starts_with('[') => format!("{root}{rest}"),
        _ => format!("{root}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::secret::Secret;
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Custom {
        url: String,
        #[serde(default)]
        pool_size: Option<u16>,
        #[serde(default)]
        filters: Vec<Filter>,
        #[serde(default)]
        limits: BTreeMap<String, f64>,
        #[serde(default)]
        password: Option<Secret>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    enum Filter {
        All,
        Prefixes(Vec<String>),
        Range { from: u8, to: u8 },
        One(i64),
    }

    fn read(text: &str) -> Result<Custom, String> {
        Settings::parse(text, Format::Yaml).expect("YAML").read().map_err(|error| error.to_string())
    }

    #[test]
    fn d_all_3_types_are_those_of_the_engine_in_every_format() {
        let expected = Custom {
            url: "x".to_owned(),
            pool_size: Some(10),
            filters: vec![Filter::All, Filter::Prefixes(vec!["a".to_owned()]), Filter::One(-1)],
            limits: BTreeMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 0.5)]),
            password: Some(Secret::new("hunter2")),
        };
        for (format, text) in [
            (
                Format::Yaml,
                "url: x\npoolSize: 10\nfilters: [all, prefixes: [a], one: -1]\nlimits: {a: 1, b: 0.5}\npassword: hunter2",
            ),
            (
                Format::Json,
                r#"{"url": "x", "poolSize": 10.0, "filters": ["all", {"prefixes": ["a"]}, {"one": -1}], "limits": {"a": 1, "b": 0.5}, "password": "hunter2"}"#,
            ),
            (
                Format::Toml,
                "url = 'x'\npoolSize = 10\nfilters = ['all', {prefixes = ['a']}, {one = -1}]\nlimits = {a = 1, b = 0.5}\npassword = 'hunter2'",
            ),
        ] {
            let settings =
                Settings::parse(text, format).unwrap_or_else(|error| panic!("{format:?}: {error}"));
            assert_eq!(settings.read::<Custom>().as_ref(), Ok(&expected), "{format:?}");
        }
    }

    #[test]
    fn every_error_has_the_place_and_the_path_of_the_innermost_key() {
        for (text, expected) in [
            ("poolSize: 1", "text:1:1: \"url\" is missing"),
            ("url: x\npoolSize: 70000", "text:2:11: poolSize: expected u16, found 70000"),
            ("url: x\npoolSize: [1]", "text:2:11: poolSize: expected u16, found a list"),
            ("url: 5", "text:1:6: url: expected a string, found 5"),
            (
                "url: x\nfilters:\n  - all\n  - range: {from: 1, to: 300}",
                "text:4:26: filters[1].range.to: expected u8, found 300",
            ),
            (
                "url: x\nfilters: [range: {from: 1, two: 2}]",
                "text:2:28: filters[0].range.two: unknown key; did you mean \"to\"?",
            ),
            ("url: x\nfilters: [range: {from: 1}]", "text:2:18: filters[0].range: \"to\" is missing"),
            (
                "url: x\nfilters: [al]",
                "text:2:11: filters[0]: \"al\" is none of: all, prefixes, range, one; did you mean \"all\"?",
            ),
            ("url: x\nlimits: {a: b}", "text:2:13: limits.a: expected f64, found the text \"b\""),
        ] {
            let error = read(text).expect_err("wrong");
            assert!(error.split('\n').any(|line| line == expected), "{text}\n{error}\n{expected}");
        }
    }

    #[test]
    fn all_unknown_keys_and_wrong_values_are_said_at_once() {
        let error = read("ulr: x\npoolSiz: 1\npoolSize: ten\nlimits: 5\n").expect_err("wrong");
        assert_eq!(
            error,
            "text:1:1: ulr: unknown key; did you mean \"url\"?\n\
             text:1:1: \"url\" is missing\n\
             text:2:1: poolSiz: unknown key; did you mean \"poolSize\"?\n\
             text:3:11: poolSize: expected u16, found the text \"ten\"\n\
             text:4:9: limits: expected a map, found 5"
        );
    }

    #[test]
    fn no_error_shows_what_stands_under_a_secret_key() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Odd {
            #[serde(rename = "apiToken")]
            _token: u16,
            #[serde(rename = "pin")]
            _pin: Option<Secret>,
        }
        for text in
            ["apiToken: hunter2", "apiToken: 7723001", "apiToken: {a: hunter2}", "apiToken: 1\npin: 7723001"]
        {
            let settings = Settings::parse(text, Format::Yaml).expect("YAML");
            let error = settings.read::<Odd>().expect_err("wrong").to_string();
            assert!(!error.contains("hunter2") && !error.contains("7723001"), "{error}");
        }
    }

    #[test]
    fn debug_masks_secrets_and_what_is_masked_is_refused() {
        let text = "url: redis://me:hunter2@host/0\nsasl: {password: hunter2, auth: {a: [hunter2]}}\n";
        let settings = Settings::parse(text, Format::Yaml).expect("YAML");
        let printed = format!("{settings:?}");
        assert!(!printed.contains("hunter2") && printed.contains("redis://***@host/0"), "{printed}");
        let text = printed.trim_start_matches("Settings(").trim_end_matches(')');
        let error = Settings::parse(text, Format::Yaml).expect_err("masked").to_string();
        assert_eq!(error.matches("the value is masked").count(), 3, "{error}");
    }
}
