//! Every invariant has a test: `tests/invariants.toml` maps them, and this file checks the map.
//!
//! It fails when an invariant is missing or not in the list below, has no test and is not one that a later
//! issue brings, waits for an issue that does not exist, or names a test that does not exist or is ignored.

#[path = "support/find_test.rs"]
mod find_test;
#[path = "support/test_map.rs"]
mod test_map;

use std::collections::{BTreeMap, BTreeSet};

use find_test::find_test;
use test_map::{Entry, Read, assert_right, parse};

/// What a table may say beside its tests.
const KEYS: &[&str] = &["text", "open", "open_part"];

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
    ('T', 7),
    ('M', 5),
    ('X', 5),
];

/// Those that later issues bring whole. No other may do without a test.
const LATER: [(&str, &str); 7] = [
    ("T1", "Time and failure"),
    ("T2", "Time and failure"),
    ("T3", "Time and failure"),
    ("M2", "Brokers"),
    ("M4", "Engines, routing, configuration"),
    ("M5", "Engines, routing, configuration"),
    ("X2", "Engines, routing, configuration"),
];

/// Those of which later issues bring a part. They need tests for the rest, and must name the part.
const LATER_IN_PART: [(&str, &str); 2] =
    [("O2", "Time and failure"), ("X5", "Engines, routing, configuration")];

#[test]
fn every_invariant_has_a_test() {
    assert_right("tests/invariants.toml", KEYS, check);
}

/// Lists what is wrong with the map; `read` gives the text of a source file.
fn check(entries: &BTreeMap<String, Entry>, read: Read<'_>) -> Vec<String> {
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
        if entry.text("text").is_empty() {
            problems.push(format!("{id} does not say what it is"));
        }
        let later = LATER.iter().find(|(known, _)| known == id).map(|(_, issue)| *issue);
        let in_part = LATER_IN_PART.iter().find(|(known, _)| known == id).map(|(_, issue)| *issue);
        let open = entry.text("open");
        if !open.is_empty() && Some(open) != later.or(in_part) {
            problems.push(format!("{id} cannot be left open to `{open}`"));
        }
        if !open.is_empty() && in_part.is_some() && entry.text("open_part").is_empty() {
            problems.push(format!("{id} does not say which part is open"));
        }
        let tests = entry.tests.as_deref().unwrap_or_default();
        if tests.is_empty() && (open.is_empty() || later.is_none()) {
            problems.push(format!("{id} has no test"));
        }
        for test in tests {
            if let Err(problem) = find_test(test, read) {
                problems.push(format!("{id} names `{test}`: {problem}"));
            }
        }
    }
    problems
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
    match parse(map, KEYS) {
        Ok(entries) => check(&entries, &|file| (file == "a.rs").then(|| source.to_owned())),
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
