//! Configuration: texts in every format, the environment and code. Nothing panics, every error has a place, and what is
//! taken is printed and read to the same.
#![no_main]

use std::collections::HashMap;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use trolleybus::{Config, ConfigError, Format};

/// A text in which what configurations are made of is common and anything is possible.
#[derive(Debug)]
struct Text(String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const PARTS: &[&str] = &[
            "engine",
            "engines",
            "routing",
            "topics",
            "name",
            "type",
            "config",
            "workerCount",
            "deliveryMode",
            "spin",
            "publishBlockTimeout",
            "eventTTL",
            "maxRawPayload",
            "threadName",
            "externalBrokerPassword",
            "timeout",
            "drop",
            "memory",
            "custom",
            "redis",
            "a.*",
            "***",
            "redis://a:b@c",
            "password",
            "true",
            "null",
            "5",
            "-1",
            "0.5",
            "1e9",
            "30s",
            "16MiB",
            ": ",
            ": ",
            ": ",
            "\n",
            "\n",
            "\n",
            "\n  ",
            "\n  - ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "=",
            " = ",
            "\"",
            "\"",
            "'",
            "&a ",
            "*a",
            "<<: ",
            "!!str ",
            "# ",
            "---",
            "[[engines]]",
            "[[routing]]",
            "\\",
            "|",
            ">",
            "\t",
            "é",
        ];
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=60)? {
            if u.ratio(1, 12)? {
                text.push(u.arbitrary()?);
            } else {
                text.push_str(u.choose(PARTS)?);
            }
        }
        Ok(Self(text))
    }
}

/// The name of a variable, or something like it.
#[derive(Debug)]
struct Name(String);

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const PARTS: &[&str] = &[
            "ENGINES_",
            "ROUTING_",
            "TOPICS_",
            "TENANTS_",
            "NAME",
            "TYPE",
            "CONFIG_",
            "ENGINE",
            "WORKER_COUNT",
            "SPIN",
            "0",
            "1",
            "_",
            "__",
            "POOL",
            "é",
            "a",
        ];
        let mut name = String::from("EVENTBUS_");
        for _ in 0..u.int_in_range(0..=8)? {
            name.push_str(u.choose(PARTS)?);
        }
        Ok(Self(name))
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    texts: Vec<(u8, Text)>,
    /// Valid JSON or YAML is rare in texts: parts of it in the form of a file.
    keys: Vec<(u8, Text)>,
    variables: Vec<(Name, Text)>,
    set: Vec<(Text, Text)>,
}

fn check(error: &ConfigError) {
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let text = problem.to_string();
        let placed = problem.line().is_some() || !problem.path().is_empty();
        assert!(placed || problem.origin().starts_with("environment variable "), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(problem.line().is_some(), problem.column().is_some());
    }
    assert_eq!(error.to_string().lines().count(), error.problems().len());
}

fuzz_target!(|input: Input| {
    const KEYS: &[&str] = &[
        "engine",
        "maxEventQueueSize",
        "defaultEventBufferSize",
        "workerCount",
        "deliveryMode",
        "publishBlockTimeout",
        "spin",
        "threadName",
        "inlineDepth",
        "preciseTime",
        "maxRawPayload",
        "topicCache",
        "quarantineAfter",
        "engines",
        "routing",
    ];
    let mut loader = Config::loader();
    for (format, Text(text)) in &input.texts {
        let format = [Format::Yaml, Format::Json, Format::Toml][usize::from(*format) % 3];
        loader = loader.text("fuzz", text.as_str(), format);
    }
    let file: String = input.keys.iter().take(20).fold(String::new(), |mut file, (key, Text(value))| {
        let key = KEYS[usize::from(*key) % KEYS.len()];
        if !file.contains(&format!("{key}: ")) {
            file.push_str(&format!("{key}: {}\n", value.replace('\n', "\n  ")));
        }
        file
    });
    loader = loader.text("keys", file, Format::Yaml);
    loader = loader.env_from(input.variables.iter().map(|(Name(name), Text(value))| (name, value)));
    for (Text(path), Text(value)) in &input.set {
        loader = loader.set(path, value.as_str());
    }
    match loader.load() {
        Err(error) => check(&error),
        Ok(config) => {
            for engine in config.engines() {
                if let Err(error) = engine.settings().read::<HashMap<String, String>>() {
                    check(&error);
                }
            }
            let text = config.to_string();
            match Config::from_str(&text, Format::Yaml) {
                Ok(read) => assert!(read == config, "{text}"),
                // What is masked cannot be read.
                Err(error) => assert!(text.contains("***"), "{text}\n{error}"),
            }
            if let Err(error) = config.into_builder() {
                check(&error);
            }
        }
    }
});
