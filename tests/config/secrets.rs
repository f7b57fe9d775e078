//! A secret in every place where one can stand: no error and nothing printed shows it, in no encoding.

use std::fmt::Write as _;

use serde::Deserialize;
use trolleybus::{Config, EngineSettings, Format, Secret, Settings};

use crate::canary::{CANARY, base64, clean, forms};

#[test]
fn the_forms_are_what_a_leak_would_look_like() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
    for offset in 0..3 {
        let leaked = base64(format!("{}{CANARY}", "?".repeat(offset)).as_bytes());
        assert!(forms().iter().any(|form| leaked.contains(form)), "{offset}");
    }
}

#[test]
fn x4_no_error_and_no_printed_configuration_shows_a_secret() {
    let user = format!("me:{CANARY}");
    let mut seen = String::new();
    let mut see = |result: Result<Config, trolleybus::ConfigError>| match result {
        Ok(config) => {
            write!(seen, "{config}\n{config:?}\n{:?}\n", config.engines()).expect("a string");
            if let Err(error) = config.into_builder() {
                write!(seen, "{error}\n{error:?}\n").expect("a string");
            }
        }
        Err(error) => write!(seen, "{error}\n{error:?}\n").expect("a string"),
    };
    // Refused keys, wrong types, texts where maps belong, and texts that are not in their format.
    for text in [
        format!("externalBrokerPassword: '{CANARY}'"),
        format!("externalBrokerURL: redis://{user}@host"),
        format!("externalBrokerUser: ['{CANARY}']"),
        format!("externalBrokerPassword '{CANARY}'"),
        format!("engine: redis://{user}@host"),
        format!("engines: redis://{user}@host"),
        format!("engines: [{{name: a, type: custom, config: redis://{user}@host}}]"),
        format!(
            "engines: [{{name: a, type: custom, config: {{url: 'redis://{user}@host/0', password: '{CANARY}'}}}}]"
        ),
        format!(
            "engines: [{{name: a, type: custom, config: {{sasl: {{password: '{CANARY}'}}, tokens: ['{CANARY}']}}}}]"
        ),
        format!("engines: [{{name: a, type: custom, config: {{url: 'nats://h?token={CANARY}'}}}}]"),
        format!("externalBrokerPassword: !{CANARY} x"),
        format!("externalBrokerPassword: *{CANARY}"),
        format!("externalBrokerPassword: @{CANARY}"),
        format!("externalBrokerPassword: \"{CANARY}"),
        format!("externalBrokerPassword: [{CANARY}"),
        format!("externalBrokerPassword: {CANARY}: x"),
        format!("externalBrokerPassword: | {CANARY}"),
    ] {
        see(Config::from_str(&text, Format::Yaml));
    }
    for text in [
        format!("{{\"externalBrokerPassword\": \"{CANARY}\"}}"),
        format!("{{\"externalBrokerPassword\": {CANARY}}}"),
        format!("{{\"externalBrokerPassword\": \"{CANARY}}}"),
        format!("{{\"externalBrokerPassword\": \"{CANARY}\\q\"}}"),
    ] {
        see(Config::from_str(&text, Format::Json));
    }
    for text in [
        format!("externalBrokerPassword = '{CANARY}'"),
        format!("externalBrokerPassword = {CANARY}"),
        format!("externalBrokerPassword = '{CANARY}"),
        format!("externalBrokerPassword = \"{CANARY}\\q\""),
        format!("externalBrokerPassword = '{CANARY}' '{CANARY}'"),
        format!("externalBrokerPassword = '{CANARY}'\nexternalBrokerPassword = '{CANARY}'"),
    ] {
        see(Config::from_str(&text, Format::Toml));
    }
    for name in [
        "EVENTBUS_EXTERNAL_BROKER_PASSWORD",
        "EVENTBUS_EXTERNAL_BROKER_PASWORD",
        "EVENTBUS_ENGINES_0_CONFIG_PASSWORD",
    ] {
        see(Config::loader().env_from([(name, CANARY)]).load());
        let file = "engines: [{name: a, type: custom}]";
        see(Config::loader().text("t", file, Format::Yaml).env_from([(name, CANARY)]).load());
        let loader = Config::loader().env_from([(name, CANARY)]).text("t", CANARY, Format::Yaml);
        clean(&format!("{loader:?}"));
    }
    see(Config::loader().set("externalBrokerPassword", CANARY).load());
    let settings = Settings::parse(&format!("password: '{CANARY}'"), Format::Yaml).expect("fine");
    see(Ok(Config::new().with_engine_settings(EngineSettings::new("a", "custom").with_settings(settings))));
    clean(&seen);
    assert!(seen.lines().count() > 60, "too little was looked at:\n{seen}");
}

#[test]
fn x4_settings_that_an_engine_reads_show_no_secret() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its errors and its Debug are looked at")]
    struct Engine {
        password: Secret,
        #[serde(default)]
        token: Option<u16>,
        #[serde(default)]
        mode: Option<Mode>,
        #[serde(default)]
        url: Option<Address>,
    }
    #[derive(Debug, Deserialize)]
    enum Mode {
        Plain,
    }
    /// Whose author quotes the text in the error.
    #[derive(Debug)]
    struct Address;
    impl<'de> Deserialize<'de> for Address {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("no address: {text}")))
        }
    }
    for text in [
        format!("password: '{CANARY}'"),
        format!("password: ['{CANARY}']"),
        format!("password: x\ntoken: '{CANARY}'"),
        format!("password: x\nurl: 'redis://me:{CANARY}@host'"),
        format!("pasword: '{CANARY}'"),
        format!("password: {{Plain: ['{CANARY}']}}"),
        "password: x\nmode: {Plain: 5}".to_owned(),
    ] {
        let settings = Settings::parse(&text, Format::Yaml).expect("fine");
        clean(&format!("{settings:?}"));
        match settings.read::<Engine>() {
            Ok(engine) => clean(&format!("{engine:?}")),
            Err(error) => clean(&format!("{error}\n{error:?}")),
        }
    }
}
