//! The formats of files, their limits, and what every reader shares.

use std::path::Path;
use std::sync::Arc;

use super::problem::{ConfigProblem, ConfigProblemKind, join};
use super::value::{Node, Place, Value};
use super::{json, toml, yaml};

/// The largest text that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// How deep lists and maps may nest.
pub(crate) const MAX_DEPTH: usize = 32;

/// The most values of one text, after its aliases have been replaced.
pub(crate) const MAX_NODES: usize = 10_000;

/// The longest key, in bytes.
const MAX_KEY: usize = 256;

/// The format of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// YAML 1.2 with anchors, aliases and merge keys; tags other than those of the core schema are refused.
    Yaml,
    /// JSON.
    Json,
    /// TOML 1.0.
    Toml,
}

impl Format {
    /// The format that the end of a file's name tells.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    /// Reads a text into a tree. An empty one is an empty map.
    pub(crate) fn parse(self, text: &str, source: &Arc<str>) -> Result<Node, Vec<ConfigProblem>> {
        let start = Place::new(source, 1, 1);
        if text.len() as u64 > MAX_BYTES {
            return Err(vec![ConfigProblem::new(
                &start,
                "",
                ConfigProblemKind::TooLarge { limit: MAX_BYTES },
            )]);
        }
        // Windows editors begin a text with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let node = match self {
            Self::Yaml => yaml::parse(text, source).map_err(|problem| vec![problem])?,
            Self::Json => json::parse(text, source).map_err(|problem| vec![problem])?,
            Self::Toml => toml::parse(text, source)?,
        };
        let mut problems = Vec::new();
        check_keys(&node, "", &mut problems);
        if problems.is_empty() { Ok(node) } else { Err(problems) }
    }
}

/// Checks that no key is there twice or endless.
fn check_keys(node: &Node, path: &str, problems: &mut Vec<ConfigProblem>) {
    match &node.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_keys(item, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Map(entries) => {
            let mut sorted: Vec<_> = entries.iter().map(|(key, _)| key).collect();
            // Stable: of equal ones the first stays first.
            sorted.sort_by_key(|key| key.name.as_str());
            for pair in sorted.windows(2).filter(|pair| pair[0].name == pair[1].name) {
                let kind = ConfigProblemKind::DuplicateKey { first: pair[0].at.line };
                problems.push(ConfigProblem::new(&pair[1].at, join(path, &pair[1].name), kind));
            }
            for (key, value) in entries {
                if key.name.len() > MAX_KEY {
                    let message = format!("a key of more than {MAX_KEY} bytes");
                    problems.push(ConfigProblem::new(&key.at, path, ConfigProblemKind::Syntax { message }));
                }
                check_keys(value, &join(path, &key.name), problems);
            }
        }
        _ => {}
    }
}

/// Finds lines and columns for byte positions of a text.
pub(crate) struct Lines<'a> {
    text: &'a str,
    source: &'a Arc<str>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str, source: &'a Arc<str>) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, source, starts }
    }

    /// The place of a byte; of the end if there are not so many.
    pub(crate) fn at(&self, byte: usize) -> Place {
        let byte =
            (0..=byte.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts[line - 1];
        let column = self.text[start..byte].chars().count() + 1;
        Place::new(self.source, small(line), small(column))
    }
}

/// A line or a column: texts are smaller than this type.
pub(crate) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        for (name, format) in [
            ("a.yaml", Some(Format::Yaml)),
            ("a.b.YML", Some(Format::Yaml)),
            ("/x/a.json", Some(Format::Json)),
            ("a.toml", Some(Format::Toml)),
            ("a.ini", None),
            ("yaml", None),
            ("", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn places_count_characters_and_begin_at_one() {
        let source: Arc<str> = "t".into();
        let lines = Lines::new("ab\néc\n", &source);
        let at = |byte| (lines.at(byte).line, lines.at(byte).column);
        assert_eq!((at(0), at(2), at(3), at(5), at(6)), ((1, 1), (1, 3), (2, 1), (2, 2), (2, 3)));
        // In the middle of a character, at the end, and behind it.
        assert_eq!((at(4), at(7), at(100)), ((2, 1), (3, 1), (3, 1)));
    }

    #[test]
    fn a_key_that_is_there_twice_is_found_in_every_format() {
        let source: Arc<str> = "t".into();
        for (format, text) in [
            (Format::Yaml, "a:\n  - b: 1\n    b: 2\n"),
            (Format::Json, "{\"a\": [\n{\"b\": 1,\n    \"b\": 2}]}"),
        ] {
            let problems = format.parse(text, &source).err().expect("refused");
            assert_eq!(problems.len(), 1, "{format:?}");
            assert_eq!(problems[0].to_string(), "t:3:5: a[0].b: given twice, first in line 2");
        }
        let problems = Format::Toml.parse("[[a]]\nb = 1\nb = 2\n", &source).err().expect("refused");
        assert_eq!(problems[0].to_string(), "t:3:1: duplicate key");
    }

    #[test]
    fn what_is_too_large_is_not_parsed() {
        let source: Arc<str> = "t".into();
        let text = " ".repeat(1024 * 1024 + 1);
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            let problems = format.parse(&text, &source).err().expect("refused");
            assert!(
                matches!(*problems[0].kind, ConfigProblemKind::TooLarge { limit: MAX_BYTES }),
                "{format:?}"
            );
            let key = "k".repeat(257);
            let text = match format {
                Format::Yaml => format!("{key}: 1"),
                Format::Json => format!("{{\"{key}\": 1}}"),
                Format::Toml => format!("{key} = 1"),
            };
            assert!(format.parse(&text, &source).is_err(), "{format:?}");
        }
    }
}
