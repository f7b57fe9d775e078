//! Engines and rules; the keys that are known and refused.

use serde::Deserialize;
use trolleybus::{Config, ConfigProblemKind, Format};

use crate::{bus, config, refused};

const TWO: &str = "engines: [{name: near, type: memory}, {name: far, type: custom}]\n";

#[test]
fn x5_engines_name_and_type_make_a_bus_of_several_engines() {
    let config = config(TWO);
    assert!(config.is_multi_engine() && config.default_engine() == "near");
    let found: Vec<_> = config.engines().iter().map(|engine| (engine.name(), engine.kind())).collect();
    assert_eq!(found, [("near", "memory"), ("far", "custom")]);
    bus("engines: [{name: near, type: memory}]").publish("n", 1_u32).expect("publish");
}

#[test]
fn x5_engines_config_reaches_the_engine_with_places() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Custom {
        enable_metrics: bool,
        brokers: Vec<String>,
    }
    let text =
        "engines:\n  - name: far\n    type: custom\n    config: {enableMetrics: true, brokers: [a, b]}\n";
    let settings = config(text).engines()[0].settings().read::<Custom>().expect("fine");
    assert_eq!(settings, Custom { enable_metrics: true, brokers: vec!["a".to_owned(), "b".to_owned()] });
    let text = text.replace("true", "yes").replace("brokers: [a, b]", "brokers: [a, 5], broker: x");
    let error = config(&text).engines()[0].settings().read::<Custom>().expect_err("wrong").to_string();
    assert_eq!(
        error,
        "text:4:29: engines[0].config.enableMetrics: expected a boolean, found the text \"yes\"\n\
         text:4:47: engines[0].config.brokers[1]: expected a string, found 5"
    );
}

#[test]
fn d_all_3_settings_from_the_environment_have_the_types_of_the_engine() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Custom {
        pool_size: u16,
        name: String,
        brokers: Vec<String>,
        tls: Option<bool>,
    }
    let config = Config::loader()
        .text("file", "engines: [{name: far, type: custom, config: {brokers: [a]}}]", Format::Yaml)
        .env_from([
            ("EVENTBUS_ENGINES_0_CONFIG_POOL_SIZE", "16"),
            ("EVENTBUS_ENGINES_0_CONFIG_NAME", "16"),
            ("EVENTBUS_ENGINES_0_CONFIG_BROKERS_1", "b"),
            ("EVENTBUS_ENGINES_0_CONFIG_TLS", "true"),
        ])
        .load()
        .expect("fine");
    let brokers = vec!["a".to_owned(), "b".to_owned()];
    let expected = Custom { pool_size: 16, name: "16".to_owned(), brokers, tls: Some(true) };
    assert_eq!(config.engines()[0].settings().read::<Custom>().expect("fine"), expected);
}

#[test]
fn x5_routing_topics_and_engine_are_rules_in_their_order() {
    let config = config(&format!(
        "{TWO}routing: [{{topics: [a.*, b], engine: far}}, {{topics: ['*'], engine: near}}]"
    ));
    let found: Vec<_> = config.routing().iter().map(|rule| (rule.patterns().len(), rule.engine())).collect();
    assert_eq!(found, [(2, "far"), (1, "near")]);
    assert!(config.routing()[0].patterns()[0].as_str() == "a.*");
}

#[test]
fn d_mod_6_a_rule_to_a_missing_engine_is_found_before_the_first_publish() {
    // In the original this fails at the publish, if the bus has one engine.
    let single = refused("routing: [{topics: [a], engine: redis-primary}]", Format::Yaml);
    assert_eq!(
        single,
        "text:1:33: routing[0].engine: there is no engine \"redis-primary\"; there is: default"
    );
    let multi = refused(&format!("{TWO}routing: [{{topics: [a], engine: neer}}]"), Format::Yaml);
    assert_eq!(
        multi,
        "text:2:33: routing[0].engine: there is no engine \"neer\"; there is: near, far; did you mean \"near\"?"
    );
}

#[test]
fn d_mod_6_rules_that_the_original_only_writes_down_are_checked() {
    for (text, expected) in [
        (
            "deliveryMode: wait",
            "text:1:15: deliveryMode: \"wait\" is none of: drop, dropOldest, block, timeout",
        ),
        ("workerCount: -1", "text:1:14: workerCount: -1 is out of range: it must be from 0 to 1024"),
        (
            "defaultEventBufferSize: 0",
            "text:1:25: defaultEventBufferSize: 0 is out of range: it must be from 1 to 16777216",
        ),
        (
            "engines: [{name: '', type: memory}]",
            "text:1:18: engines[0].name: expected a text of 1 to 64 bytes, without control characters, found the text \"\"",
        ),
        (
            "routing: [{topics: [], engine: default}]",
            "text:1:20: routing[0].topics: a list of 0 is out of range: it must be one or more",
        ),
        (
            "routing: [{topics: ['a..b'], engine: default}]",
            "text:1:21: routing[0].topics[0]: \"a..b\" is no pattern: empty segment at byte 2",
        ),
        (
            "engines: [{name: a, type: postgres}]",
            "text:1:27: engines[0].type: \"postgres\" is none of: memory, durable-memory, custom",
        ),
    ] {
        assert_eq!(refused(text, Format::Yaml), expected);
    }
}

#[test]
fn types_that_are_registered_are_accepted() {
    let load = |types: &[&str]| {
        let text = "engines: [{name: a, type: postgres}]";
        Config::loader().text("t", text, Format::Yaml).engine_types(types.iter().copied()).load()
    };
    assert!(load(&["memory", "postgres"]).is_ok());
    assert!(load(&["memory"]).is_err());
}

#[test]
fn keys_of_brokers_and_of_later_releases_are_refused_by_name() {
    for key in ["externalBrokerURL", "externalBrokerUser", "externalBrokerPassword"] {
        let problem = refused(&format!("{key}: x"), Format::Yaml);
        assert!(problem.contains(&format!("{key}: not supported yet: only a broker engine")), "{problem}");
    }
    for (text, expected) in [
        ("eventTTL: 0", "text:1:11: eventTTL: 0 is out of range: it must be from 1ms to 100years"),
        ("retentionDays: 0", "text:1:16: retentionDays: 0 is out of range: it must be from 1 to 36500"),
        (
            "engine: redis",
            "text:1:9: engine: not supported yet: there is no engine of this type in this release",
        ),
    ] {
        assert_eq!(refused(text, Format::Yaml), expected);
    }
    for kind in ["redis", "kafka", "kinesis", "nats"] {
        let error = Config::new().with_engine(kind).check().expect_err("refused");
        assert!(matches!(error.problems()[0].kind(), ConfigProblemKind::NotSupported { .. }), "{error}");
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused_with_both_names() {
    for (text, expected) in [
        (
            "deliveryMode: block\npublishBlockTimeout: 1s",
            "text:2:22: publishBlockTimeout: publishBlockTimeout is for deliveryMode timeout, and it is block",
        ),
        (
            "publishBlockTimeout: 1s",
            "text:1:22: publishBlockTimeout: publishBlockTimeout is for deliveryMode timeout, and it is drop",
        ),
        (
            "deliveryMode: timeout",
            "text:1:15: deliveryMode: deliveryMode is timeout, which needs publishBlockTimeout",
        ),
        (
            "engine: memory\nengines: [{name: a, type: memory}]",
            "text:1:9: engine: engine is for a bus with one engine, and engines lists some",
        ),
        (
            "maxEventQueueSize: 5\ndefaultEventBufferSize: 6",
            "text:2:25: defaultEventBufferSize: defaultEventBufferSize is 6, and maxEventQueueSize only 5",
        ),
    ] {
        assert_eq!(refused(text, Format::Yaml), expected);
    }
}
