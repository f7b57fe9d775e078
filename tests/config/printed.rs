//! What is printed is read to the same configuration.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use trolleybus::{
    Config, DeliveryMode, EngineSettings, Format, Retention, Rule, Settings, Tenant, Topic, TopicPattern,
};

use crate::config;

/// A value of a setting, as JSON.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e300..1e300_f64).prop_map(Into::into),
        "\\PC*".prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        prop_oneof!["5", "true", "~", "null", "- a", "a: b", "#", "0x1", "1e3", ".inf"].prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            // Names of secrets would be masked.
            btree_map("[xyz]{1,3}|[é \"\\\\\n#-]{1,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    btree_map("[xyz]{1,3}", value(), 0..4).prop_filter_map("addresses are masked", |map| {
        let text = serde_json::to_string(&map).expect("JSON");
        (!text.contains("://")).then(|| Settings::parse(&text, Format::Json).expect("JSON is read"))
    })
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}(\\.[a-zé]{1,3}){0,3}", Just("*".to_owned()), Just("a.+.**".to_owned())]
}

fn any_config() -> impl Strategy<Value = Config> {
    // To the year, which is as long as may be.
    let time = |least: u64| (least..31_557_600_000).prop_map(Duration::from_millis);
    let patterns = || {
        let pattern = pattern().prop_map(|pattern| TopicPattern::new(&pattern).expect("a pattern"));
        vec(pattern, 1..4)
    };
    let ttls = (proptest::option::of(time(1)), vec((patterns(), time(0)), 0..3));
    let topic = "[a-z]{1,3}(\\.[a-zé]{1,3}){0,3}".prop_map(|topic| Topic::new(&topic).expect("a topic"));
    let some = || proptest::option::of(1..1_u64 << 40);
    let retention = (some(), some(), proptest::option::of(time(1)));
    let kept = (vec((patterns(), retention), 0..3), proptest::option::of(1..=36_500_u64), 1..1_u64 << 32);
    let all = (most_of_a_config(), ttls, vec((patterns(), topic), 0..3), kept);
    all.prop_map(|(config, (ttl, ttls), letters, (rules, days, most))| {
        let config = rules.into_iter().fold(config, |config, (topics, (count, bytes, age))| {
            let retention = count.into_iter().fold(Retention::new(), Retention::count);
            let retention = bytes.into_iter().fold(retention, Retention::bytes);
            config.with_retention(topics, age.into_iter().fold(retention, Retention::age))
        });
        let config = days.into_iter().fold(config, Config::with_retention_days);
        let config =
            config.with_max_history_events(most).with_max_history_bytes(most).with_max_history_topics(most);
        let config = ttls.into_iter().fold(config, |config, (topics, ttl)| config.with_ttl_of(topics, ttl));
        let config =
            letters.into_iter().fold(config, |config, (topics, to)| config.with_dead_letters(topics, to));
        ttl.into_iter().fold(config, Config::with_event_ttl)
    })
}

fn most_of_a_config() -> impl Strategy<Value = Config> {
    let mode = prop_oneof![
        Just(DeliveryMode::Drop),
        Just(DeliveryMode::DropOldest),
        Just(DeliveryMode::Block),
        (0..31_557_600_u64, 0..1_000_000_000_u32)
            .prop_map(|(s, n)| DeliveryMode::Timeout(Duration::new(s, n))),
    ];
    let sizes = (1..=1_usize << 24).prop_flat_map(|most| (Just(most), proptest::option::of(1..=most)));
    let name = "[^\\p{Cc}]{1,16}";
    let numbers = (
        0..=1024_usize,
        1..=128_usize,
        0..=1_usize << 30,
        0..=1_usize << 24,
        any::<u32>(),
        0..=1_000_000_000_u64,
    );
    let engines = vec(("[a-z]{1,8}", prop_oneof![Just("memory"), Just("custom")], settings()), 0..4);
    let tenants = proptest::option::of(vec("[A-Za-z0-9_-]{1,8}", 1..3));
    let rules = vec((vec(pattern(), 1..4), tenants, any::<prop::sample::Index>()), 0..4);
    (mode, sizes, name, numbers, any::<[bool; 2]>(), engines, rules).prop_map(
        |(
            mode,
            (most, capacity),
            name,
            (workers, depth, raw, cache, panics, spin),
            [rotate, precise],
            engines,
            rules,
        )| {
            let mut config = Config::new()
                .with_delivery_mode(mode)
                .with_max_event_queue_size(most)
                .with_thread_name(name)
                .with_worker_count(workers)
                .with_inline_depth(depth)
                .with_max_raw_payload(raw)
                .with_topic_cache(cache)
                .with_spin(Duration::from_nanos(spin))
                .with_rotate_subscriber_order(rotate)
                .with_precise_time(precise);
            if let Some(capacity) = capacity {
                config = config.with_default_event_buffer_size(capacity);
            }
            if let Some(panics) = NonZeroU32::new(panics) {
                config = config.with_quarantine_after(panics);
            }
            for (number, (name, kind, settings)) in engines.into_iter().enumerate() {
                let engine = EngineSettings::new(format!("{name}{number}"), kind).with_settings(settings);
                config = config.with_engine_settings(engine);
            }
            let names: Vec<_> = match config.engines() {
                [] => vec!["default".to_owned()],
                engines => engines.iter().map(|engine| engine.name().to_owned()).collect(),
            };
            for (patterns, tenants, engine) in rules {
                let patterns = patterns.iter().map(|pattern| TopicPattern::new(pattern).expect("a pattern"));
                let mut rule = Rule::new(patterns.collect::<Vec<_>>(), engine.get(&names).clone());
                if let Some(tenants) = tenants {
                    rule = rule
                        .for_tenants(tenants.into_iter().map(|name| Tenant::new(name).expect("a tenant")));
                }
                config = config.with_rule(rule);
            }
            config
        },
    )
}

proptest! {
    #[test]
    fn a_printed_configuration_is_read_to_the_same(original in any_config()) {
        // Names of up to 16 characters may have more bytes than are allowed: then it is no configuration.
        prop_assume!(original.check().is_ok());
        let text = original.to_string();
        match Config::from_str(&text, Format::Yaml) {
            Ok(read) => {
                prop_assert!(read == original, "{text}\n{read}");
                prop_assert_eq!(read.to_string(), text);
            }
            Err(error) => prop_assert!(false, "{}\n{}", text, error),
        }
    }
}

#[test]
fn the_effective_configuration_has_every_key_and_its_default() {
    let config = Config::new().with_worker_count(2);
    let expected = "engine: \"memory\"\nmaxEventQueueSize: 16777216\ndefaultEventBufferSize: 1024\nworkerCount: 2\n\
                    deliveryMode: drop\nrotateSubscriberOrder: false\nspin: 100us\nthreadName: \"trolleybus\"\n\
                    inlineDepth: 64\npreciseTime: false\nmaxRawPayload: 16MiB\ntopicCache: 65536\n\
                    maxTenants: 1024\nmaxHistoryEvents: 1048576\nmaxHistoryBytes: 256MiB\nmaxHistoryTopics: 65536\n";
    assert_eq!(config.to_string(), expected);
    assert!(format!("{config:?}").contains(expected));
}

#[test]
fn settings_from_the_environment_are_printed_too() {
    let variables = [
        ("EVENTBUS_ENGINES_0_NAME", "5"),
        ("EVENTBUS_ENGINES_0_TYPE", "custom"),
        ("EVENTBUS_ENGINES_0_CONFIG_SIZE", "5"),
        ("EVENTBUS_ENGINES_0_CONFIG_TITLE", "five: 5"),
        ("EVENTBUS_ENGINES_0_CONFIG_PASSWORD", "five"),
    ];
    let read = Config::loader().env_from(variables).load().expect("fine");
    let mut text = read.to_string();
    assert!(text.contains("config: {\"password\": \"***\", \"size\": 5, \"title\": \"five: 5\"}"), "{text}");
    // A masked secret is not taken for a password of three stars.
    let error = Config::from_str(&text, Format::Yaml).expect_err("masked").to_string();
    assert!(error.contains("engines[0].config.password: the value is masked"), "{error}");
    text = text.replace("\"***\"", "five");
    assert_eq!(config(&text), read);
    writeln!(text, "spin: 1s").expect("a string");
    assert!(
        Config::from_str(&text, Format::Yaml).expect_err("twice").to_string().contains("spin: given twice")
    );
}
