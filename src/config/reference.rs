//! The documentation of the keys, made of their table.

use std::fmt::Write as _;

use super::config::Config;
use super::keys::{KEYS, KeySpec, Kind, PREFIX};

impl Config {
    /// The tables of keys above, as Markdown: for the help of a program.
    #[must_use]
    pub fn reference() -> String {
        tables()
    }
}

fn tables() -> String {
    let mut text = String::from(
        "| key | takes | unit of a plain number | default | in the environment | effect |\n|---|---|---|---|---|---|\n",
    );
    for KeySpec { path, env, kind, default, effect, .. } in KEYS {
        let (takes, unit) = (kind.expected(), unit(*kind));
        // Writing to a String does not fail.
        let _ = writeln!(text, "| `{path}` | {takes} | {unit} | {default} | `{PREFIX}{env}` | {effect} |");
    }
    text.push_str(
        "\nWhere a default is another than the original's:\n\n| key | original | here |\n|---|---|---|\n",
    );
    for KeySpec { path, default, original, .. } in KEYS {
        if let Some(original) = original.filter(|original| !original.is_empty()) {
            let _ = writeln!(text, "| `{path}` | {original} | {default} |");
        }
    }
    text
}

/// What a number without a unit is.
fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::Size(..) => "bytes",
        Kind::Time(..) => "seconds",
        Kind::Count(..) => "-",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_documentation_are_true() {
        let tables = tables();
        if std::env::var_os("TROLLEYBUS_WRITE_TABLES").is_some() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/keys.md");
            std::fs::write(path, &tables).expect("src/config/keys.md can be written");
        }
        // To write them anew: TROLLEYBUS_WRITE_TABLES=1 cargo test --features config tables
        assert!(
            tables == include_str!("keys.md"),
            "src/config/keys.md is not what the table says:\n{tables}"
        );
    }
}
