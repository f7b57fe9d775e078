//! Every invariant has a test: `tests/invariants.toml` maps them, and this file checks the map.
//!
//! It fails when an invariant is missing or not in the list below, has no test and is not one that a later
//! issue brings, waits for an issue that does not exist, or names a test that does not exist or is ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// All invariants: a letter, and how many there are of it.
const GROUPS: [(char, u32); 12] = [
    ('C', 5),
    ('O', 4),
    ('V', 6),
    ('L', 8),
    ('R', 5),
    ('P', 4),
    ('S', 5),
    ('I', 4),
    ('Z', 4),
    ('T', 6),
    ('M', 5),
    ('X', 5),
];

/// Those that later issues bring whole. No other may do without a test.
const LATER: [(&str, &str); 10] = [
    ("T1", "Time and failure"),
    ("T2", "Time and failure"),
    ("T3", "Time and failure"),
    ("T4", "Time and failure"),
    ("T5", "Time and failure"),
    ("T6", "Time and failure"),
    ("M2", "Brokers"),
    ("M4", "Engines, routing, configuration"),
    ("M5", "Engines, routing, configuration"),
    ("X2", "Engines, routing, configuration"),
];

/// Those of which later issues bring a part. They need tests for the rest, and must name the part.
const LATER_IN_PART: [(&str, &str); 3] =
    [("O2", "Time and failure"), ("O3", "Time and failure"), ("X5", "Engines, routing, configuration")];

/// One table of the map.
#[derive(Debug, Default)]
struct Entry {
    texts: BTreeMap<String, String>,
    tests: Option<Vec<String>>,
}

#[test]
fn every_invariant_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("tests/invariants.toml")).expect("the map is readable");
    let problems = match parse(&map) {
        Ok(entries) => check(&entries, |file| fs::read_to_string(root.join(file)).ok()),
        Err(problem) => vec![problem],
    };
    assert!(problems.is_empty(), "tests/invariants.toml:\n  {}", problems.join("\n  "));
}

/// Lists what is wrong with the map; `read` gives the text of a source file.
fn check(entries: &BTreeMap<String, Entry>, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let known: BTreeSet<String> =
        GROUPS.iter().flat_map(|&(group, count)| (1..=count).map(move |n| format!("{group}{n}"))).collect();
    let mut problems = Vec::new();
    for id in known.iter().filter(|id| !entries.contains_key(*id)) {
        problems.push(format!("{id} is missing"));
    }
    for (id, entry) in entries {
        if !known.contains(id) {
            problems.push(format!("{id} is not an invariant"));
            continue;
        }
        let text = |name: &str| entry.texts.get(name).map_or("", String::as_str);
        if text("text").is_empty() {
            problems.push(format!("{id} does not say what it is"));
        }
        let later = LATER.iter().find(|(known, _)| known == id).map(|(_, issue)| *issue);
        let in_part = LATER_IN_PART.iter().find(|(known, _)| known == id).map(|(_, issue)| *issue);
        let open = text("open");
        if !open.is_empty() && Some(open) != later.or(in_part) {
            problems.push(format!("{id} cannot be left open to `{open}`"));
        }
        if !open.is_empty() && in_part.is_some() && text("open_part").is_empty() {
            problems.push(format!("{id} does not say which part is open"));
        }
        let tests = entry.tests.as_deref().unwrap_or_default();
        if tests.is_empty() && (open.is_empty() || later.is_none()) {
            problems.push(format!("{id} has no test"));
        }
        for test in tests {
            if let Err(problem) = find_test(test, &read) {
                problems.push(format!("{id} names `{test}`: {problem}"));
            }
        }
    }
    problems
}

/// Looks for the test `path/of/file.rs::function`.
fn find_test(test: &str, read: &impl Fn(&str) -> Option<String>) -> Result<(), &'static str> {
    let (file, function) = test.split_once(".rs::").ok_or("not of the form file.rs::function")?;
    let source = read(&format!("{file}.rs")).ok_or("no such file")?;
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let start = lines.iter().position(|line| names_function(line, function)).ok_or("no such function")?;
    // Its attributes and comments stand directly above it.
    let attributes: Vec<&str> = lines[..start]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .filter(|line| line.starts_with("#["))
        .copied()
        .collect();
    if attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Err("it is ignored");
    }
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    if attributes.iter().any(is_test) { Ok(()) } else { Err("it is not a test") }
}

fn names_function(line: &str, function: &str) -> bool {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function));
    rest.is_some_and(|rest| rest.trim_start().starts_with(['(', '<']))
}

/// Reads the part of TOML that the map uses: tables, strings without escapes, lists of such strings.
fn parse(map: &str) -> Result<BTreeMap<String, Entry>, String> {
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
            "text" | "open" | "open_part" => {
                let value = string(value).ok_or_else(|| wrong("not a string"))?;
                entry.texts.insert(key.to_owned(), value).is_some()
            }
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

/// A map in which everything is right, with `tests` as the tests of C1.
fn map_with(tests: &str) -> String {
    let mut map = String::new();
    for (group, count) in GROUPS {
        for n in 1..=count {
            let id = format!("{group}{n}");
            map += &format!("[{id}]\ntext = \"t\"\n");
            if let Some((_, issue)) = LATER.iter().find(|(later, _)| *later == id) {
                map += &format!("open = \"{issue}\"\n");
            } else if id == "C1" {
                map += &format!("tests = {tests}\n");
            } else {
                map += "tests = [\"a.rs::good\"]\n";
            }
        }
    }
    map
}

/// What the checker says about a map, with one source file `a.rs`.
fn verdict(map: &str) -> Vec<String> {
    let source = "#[test]\n/// A comment.\nfn good() {}\nfn helper() {}\n#[test]\n#[ignore = \"slow\"]\nfn idle() {}\n\
        // fn gone() {}\n";
    match parse(map) {
        Ok(entries) => check(&entries, |file| (file == "a.rs").then(|| source.to_owned())),
        Err(problem) => vec![problem],
    }
}

#[test]
fn the_checker_accepts_a_right_map() {
    assert_eq!(verdict(&map_with("[\"a.rs::good\"]")), [""; 0]);
    assert_eq!(
        verdict(&map_with("[\n    \"a.rs::good\",\n    # a comment\n    \"a.rs::good\",\n]")),
        [""; 0]
    );
}

#[test]
fn the_checker_refuses_what_is_wrong() {
    let right = map_with("[\"a.rs::good\"]");
    let cases = [
        (map_with("[]"), "C1 has no test"),
        (map_with("[\"a.rs::helper\"]"), "it is not a test"),
        (map_with("[\"a.rs::idle\"]"), "it is ignored"),
        (map_with("[\"a.rs::gone\"]"), "no such function"),
        (map_with("[\"a.rs::goo\"]"), "no such function"),
        (map_with("[\"b.rs::good\"]"), "no such file"),
        (map_with("[\"good\"]"), "not of the form"),
        (map_with("[]\nopen = \"Time and failure\""), "C1 cannot be left open"),
        (right.replace("[X5]", "[X6]"), "X5 is missing"),
        (right.replace("[X5]", "[X6]"), "X6 is not an invariant"),
        (right.replace("open = \"Brokers\"", "open = \"Someday\""), "M2 cannot be left open"),
        (right.replace("open = \"Brokers\"\n", ""), "M2 has no test"),
        (right.replace("[O2]\n", "[O2]\nopen = \"Time and failure\"\n"), "O2 does not say which part"),
        (right.replace("[C2]", "[C1]"), "a second table"),
        (right.replace("text =", "title ="), "unknown key"),
    ];
    for (map, expected) in cases {
        let problems = verdict(&map);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
}
