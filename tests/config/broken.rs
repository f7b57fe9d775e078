//! Files with many errors: each is said, in order, word for word. The texts stand beside the files;
//! `TROLLEYBUS_WRITE_ERRORS=1` writes them anew, for a look at the difference.

use std::path::Path;

use trolleybus::{Config, ConfigProblemKind, Format};

use crate::refused;

fn check(name: &str, format: Format, problems: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let text = std::fs::read_to_string(folder.join(name)).expect("the file is readable");
    let error = Config::loader().text(name, text, format).load().expect_err("broken");
    let expected = folder.join(format!("{name}.errors"));
    if std::env::var_os("TROLLEYBUS_WRITE_ERRORS").is_some() {
        std::fs::write(&expected, format!("{error}\n")).expect("the errors can be written");
    }
    let expected = std::fs::read_to_string(expected).expect("the errors are readable");
    assert_eq!(format!("{error}\n"), expected);
    assert_eq!(error.problems().len(), problems);
    for problem in error.problems() {
        assert!(
            problem.line().is_some() && problem.column().is_some() && !problem.path().is_empty(),
            "{problem}"
        );
        assert_eq!(problem.origin(), name);
    }
}

#[test]
fn x5_a_broken_yaml_file_names_every_mistake() {
    check("broken.yaml", Format::Yaml, 13);
}

#[test]
fn x5_a_broken_json_file_names_every_mistake() {
    check("broken.json", Format::Json, 15);
}

#[test]
fn x5_a_broken_toml_file_names_every_mistake() {
    check("broken.toml", Format::Toml, 12);
}

#[test]
fn the_whole_text_may_be_of_another_type() {
    for (text, format) in [("just a text", Format::Yaml), ("[1, 2]", Format::Json), ("5", Format::Json)] {
        let error = Config::from_str(text, format).expect_err("refused");
        assert!(matches!(error.problems()[0].kind(), ConfigProblemKind::WrongType { .. }), "{error}");
    }
    assert_eq!(refused("just a text", Format::Yaml), "text:1:1: expected a map of keys, found a text");
}

#[test]
fn bombs_and_cycles_are_typed_errors() {
    let kind = |text: &str, format| match Config::from_str(text, format) {
        Ok(_) => panic!("this was taken"),
        Err(error) => error.problems()[0].kind().clone(),
    };
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, last) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        bomb += &format!(
            "{name}: &{name} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
    }
    assert!(matches!(kind(&bomb, Format::Yaml), ConfigProblemKind::TooMany { .. }));
    for (format, open) in [(Format::Yaml, "["), (Format::Json, "["), (Format::Toml, "[")] {
        let start = if format == Format::Toml { "a = " } else { "" };
        let close = open.replace('[', "]");
        let text = format!("{start}{}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(matches!(kind(&text, format), ConfigProblemKind::TooDeep { .. }), "{format:?}");
    }
    assert_eq!(kind("a: &a [*a]", Format::Yaml), ConfigProblemKind::Cycle);
    assert!(matches!(kind("<<: !include bus.yaml", Format::Yaml), ConfigProblemKind::Syntax { .. }));
    assert!(matches!(kind(&"#".repeat(2 << 20), Format::Toml), ConfigProblemKind::TooLarge { .. }));
}
