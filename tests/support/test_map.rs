//! Maps from what must hold to the tests that hold it, in a part of TOML.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One table of the map.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    texts: BTreeMap<String, String>,
    pub(crate) tests: Option<Vec<String>>,
}

impl Entry {
    /// A text of the table; empty if it is not there.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }
}

/// Gives the text of a source file.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Fails with everything that `check` finds wrong with the tables of a map of this crate; it gets what reads source files.
pub(crate) fn assert_right(
    map: &str,
    keys: &[&str],
    check: fn(&BTreeMap<String, Entry>, Read<'_>) -> Vec<String>,
) {
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok();
    let problems = match parse(&read(map).expect("the map is readable"), keys) {
        Ok(entries) => check(&entries, &read),
        Err(problem) => vec![problem],
    };
    assert!(problems.is_empty(), "{map}:\n  {}", problems.join("\n  "));
}

/// Reads the part of TOML that maps use: tables, strings without escapes under those keys, and lists of such strings under
/// `tests`.
pub(crate) fn parse(map: &str, keys: &[&str]) -> Result<BTreeMap<String, Entry>, String> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut id = None;
    let mut lines = map.lines().map(str::trim).enumerate();
    while let Some((number, line)) = lines.next() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if entries.insert(name.to_owned(), Entry::default()).is_some() {
                return Err(wrong("a second table of that name"));
            }
            id = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once(" = ").ok_or_else(|| wrong("neither a table nor a key"))?;
        let entry = id.as_ref().and_then(|id| entries.get_mut(id)).ok_or_else(|| wrong("outside a table"))?;
        let twice = match key {
            "tests" => {
                let mut list = value.to_owned();
                while !list.ends_with(']') {
                    let (_, more) = lines.next().ok_or_else(|| wrong("the list has no end"))?;
                    if !more.starts_with('#') {
                        list.push_str(more);
                    }
                }
                let inner = list.trim_start_matches('[').trim_end_matches(']');
                let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
                let tests: Option<Vec<String>> = items.map(string).collect();
                entry.tests.replace(tests.ok_or_else(|| wrong("not a list of strings"))?).is_some()
            }
            key if keys.contains(&key) => {
                let value = string(value).ok_or_else(|| wrong("not a string"))?;
                entry.texts.insert(key.to_owned(), value).is_some()
            }
            _ => return Err(wrong("unknown key")),
        };
        if twice {
            return Err(wrong("the key stands twice"));
        }
    }
    Ok(entries)
}

fn string(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
}
