//! Configuration: every key does something, everything wrong is said at once, and no secret is shown (X4, X5).
//!
//! | file | what it holds |
//! |---|---|
//! | `config/effects.rs` | each key that is accepted, seen on a bus that runs |
//! | `config/engines.rs` | engines and rules, and the keys that are refused |
//! | `config/broken.rs` | files with many errors, word for word |
//! | `config/merged.rs` | files, the environment and code together |
//! | `config/secrets.rs` | secrets in every place, and where they must not turn up |
//! | `config/printed.rs` | what is printed is read to the same configuration |

#[path = "config/broken.rs"]
mod broken;
#[path = "support/canary.rs"]
mod canary;
#[path = "config/effects.rs"]
mod effects;
#[path = "config/engines.rs"]
mod engines;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "config/merged.rs"]
mod merged;
#[path = "config/printed.rs"]
mod printed;
#[path = "config/secrets.rs"]
mod secrets;
mod support;
#[path = "support/threads.rs"]
mod threads;

use trolleybus::{Config, EventBus, Format};

/// A configuration from YAML that must be fine.
fn config(text: &str) -> Config {
    Config::from_str(text, Format::Yaml).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// A bus from YAML that must be fine.
fn bus(text: &str) -> EventBus {
    let builder = config(text).into_builder().unwrap_or_else(|error| panic!("{text}\n{error}"));
    builder.build().unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// What is wrong with a text.
fn refused(text: &str, format: Format) -> String {
    match Config::from_str(text, format) {
        Ok(config) => panic!("this was taken:\n{text}\nas {config}"),
        Err(error) => error.to_string(),
    }
}

/// Each key that is accepted has a test here that is named by it; the table of the documentation says which there are.
#[test]
fn every_accepted_key_has_a_test_of_its_effect() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let read = |name| std::fs::read_to_string(folder.join(name)).expect("a file of this test");
    let source = read("effects.rs") + &read("engines.rs");
    let tests: Vec<_> = source.lines().filter(|line| line.starts_with("fn x5_")).collect();
    let reference = Config::reference();
    let keys: Vec<_> = reference
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("| `") && !line.contains("the key is refused"))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    assert!(keys.len() > 15 && keys.contains(&"engines[].name"), "{keys:?}");
    for key in keys {
        let words = key.split("[].").map(|part| {
            part.chars().fold(String::new(), |word, c| match c {
                // An acronym is one word.
                'A'..='Z' if word.ends_with("_t") || word.ends_with("_tt") => {
                    word + &c.to_lowercase().to_string()
                }
                'A'..='Z' => word + "_" + &c.to_lowercase().to_string(),
                _ => word + &c.to_string(),
            })
        });
        let words: Vec<_> = words.collect();
        let found = tests.iter().any(|test| words.iter().all(|word| test.contains(word.as_str())));
        assert!(found, "no test x5_{}", words.join("_"));
    }
}
