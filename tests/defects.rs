//! Every defect of the original that is known has a test here that is named by its number, or waits for a later issue:
//! `tests/defects.toml` maps them, and this file checks the map.

#[path = "support/find_test.rs"]
mod find_test;
#[path = "support/test_map.rs"]
mod test_map;

use std::collections::{BTreeMap, BTreeSet};

use find_test::find_test;
use test_map::{Entry, Read, assert_right, parse};

/// What a table may say beside its tests.
const KEYS: &[&str] = &["text", "later"];

/// All defects that have a number: what they are about, and how many there are.
const GROUPS: [(&str, u32); 10] = [
    ("ALL", 12),
    ("MOD", 6),
    ("RTR", 5),
    ("MEM", 9),
    ("CUS", 3),
    ("DUR", 4),
    ("RED", 4),
    ("KAF", 6),
    ("KIN", 5),
    ("NAT", 3),
];

/// The issues that a defect may wait for.
const ISSUES: [&str; 2] = ["Time and failure", "Brokers"];

#[test]
fn every_defect_has_a_test_or_an_issue() {
    assert_right("tests/defects.toml", KEYS, check);
}

/// Lists what is wrong with the map; `read` gives the text of a source file.
fn check(entries: &BTreeMap<String, Entry>, read: Read<'_>) -> Vec<String> {
    let numbered =
        GROUPS.iter().flat_map(|&(group, count)| (1..=count).map(move |n| format!("D-{group}-{n}")));
    let known: BTreeSet<String> = numbered.chain(["D-EXPORTERS".to_owned()]).collect();
    let mut problems = Vec::new();
    for id in known.iter().filter(|id| !entries.contains_key(*id)) {
        problems.push(format!("{id} is missing"));
    }
    for (id, entry) in entries {
        if !known.contains(id) {
            problems.push(format!("{id} is no known defect"));
        }
        if entry.text("text").is_empty() {
            problems.push(format!("{id} does not say what it is"));
        }
        let later = entry.text("later");
        let tests = entry.tests.as_deref().unwrap_or_default();
        if !later.is_empty() && !ISSUES.contains(&later) {
            problems.push(format!("{id} waits for `{later}`, which is no issue"));
        }
        if tests.is_empty() == later.is_empty() {
            problems.push(format!("{id} has to have tests, or an issue that it waits for"));
        }
        // `d_all_1_` is not a part of `d_all_10_`.
        let number = format!("{}_", id.to_lowercase().replace('-', "_"));
        for test in tests {
            if !test.contains(&number) {
                problems.push(format!("{id} names `{test}`, which is not named by it"));
            }
            if let Err(problem) = find_test(test, read) {
                problems.push(format!("{id} names `{test}`: {problem}"));
            }
        }
    }
    problems
}

/// What the checker says about a map in which everything is right but for one table.
fn verdict(id: &str, table: &str) -> Vec<String> {
    let mut map = format!("[D-EXPORTERS]\ntext = \"t\"\nlater = \"Brokers\"\n[{id}]\n{table}\n");
    for (group, count) in GROUPS {
        for other in (1..=count).map(|n| format!("D-{group}-{n}")).filter(|other| other != id) {
            map += &format!("[{other}]\ntext = \"t\"\nlater = \"Brokers\"\n");
        }
    }
    let source = "#[test]\nfn d_all_1_good() {}\n#[test]\nfn good() {}\nfn d_all_1_helper() {}\n";
    match parse(&map, KEYS) {
        Ok(entries) => check(&entries, &|file| (file == "a.rs").then(|| source.to_owned())),
        Err(problem) => vec![problem],
    }
}

#[test]
fn the_checker_tells_right_from_wrong() {
    assert_eq!(verdict("D-ALL-1", "text = \"t\"\ntests = [\"a.rs::d_all_1_good\"]"), [""; 0]);
    for (table, expected) in [
        ("tests = [\"a.rs::d_all_1_good\"]", "does not say what it is"),
        ("text = \"t\"", "has to have tests"),
        ("text = \"t\"\ntests = []", "has to have tests"),
        ("text = \"t\"\nlater = \"Someday\"", "no issue"),
        ("text = \"t\"\nlater = \"Brokers\"\ntests = [\"a.rs::d_all_1_good\"]", "has to have tests, or"),
        ("text = \"t\"\ntests = [\"a.rs::good\"]", "not named by it"),
        ("text = \"t\"\ntests = [\"a.rs::d_all_1_helper\"]", "it is not a test"),
        ("text = \"t\"\ntests = [\"a.rs::d_all_1_gone\"]", "no such function"),
    ] {
        let problems = verdict("D-ALL-1", table);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
    // A number that there is not, in the place of one that there is.
    let problems = verdict("D-ALL-13", "text = \"t\"\nlater = \"Brokers\"");
    assert_eq!(problems, ["D-ALL-13 is no known defect"]);
    let problems = verdict("D-ALL-10", "text = \"t\"\ntests = [\"a.rs::d_all_1_good\"]");
    assert!(problems.iter().any(|problem| problem.contains("not named by it")), "{problems:?}");
}
