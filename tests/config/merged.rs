//! Files, the environment and code together.

use trolleybus::{Config, Format};

use crate::config;

#[test]
fn the_environment_replaces_fields_in_the_lists_of_files_and_adds_entries() {
    let file = "engines:\n  - {name: a, type: memory}\nrouting:\n  - {topics: [x.*, y.*], engine: a}\n";
    let merged = Config::loader()
        .text("bus.yaml", file, Format::Yaml)
        .env_from([
            ("EVENTBUS_ENGINES_0_TYPE", "custom"),
            ("EVENTBUS_ENGINES_1_NAME", "b"),
            ("EVENTBUS_ENGINES_1_TYPE", "memory"),
            ("EVENTBUS_ROUTING_0_TOPICS_1", "z.*"),
            ("EVENTBUS_ROUTING_1_TOPICS_0", "*"),
            ("EVENTBUS_ROUTING_1_ENGINE", "b"),
        ])
        .load()
        .expect("fine");
    let expected = config(
        "engines: [{name: a, type: custom}, {name: b, type: memory}]\n\
         routing: [{topics: [x.*, z.*], engine: a}, {topics: ['*'], engine: b}]",
    );
    assert_eq!(merged, expected);
}

#[test]
fn the_environment_alone_is_enough() {
    let variables = [
        ("EVENTBUS_DELIVERY_MODE", "timeout"),
        ("EVENTBUS_PUBLISH_BLOCK_TIMEOUT", "5"),
        ("EVENTBUS_WORKER_COUNT", "2"),
        ("EVENTBUS_ROTATE_SUBSCRIBER_ORDER", "true"),
        ("EVENTBUS_MAX_RAW_PAYLOAD", "1MiB"),
        ("EVENTBUS_THREAD_NAME", "7"),
    ];
    let expected = "{deliveryMode: timeout, publishBlockTimeout: 5s, workerCount: 2, rotateSubscriberOrder: true,\n\
                    maxRawPayload: 1048576, threadName: '7'}";
    assert_eq!(Config::loader().env_from(variables).load().expect("fine"), config(expected));
}

#[test]
fn errors_name_the_variable_the_file_and_the_line_of_code() {
    let loader = Config::loader()
        .text("bus.toml", "inlineDepth = 0\n", Format::Toml)
        .env_from([
            ("EVENTBUS_WORKER_COUNT", "four"),
            ("EVENTBUS_SPINN", "1s"),
            ("EVENTBUS_ROUTING_3_ENGINE", "x"),
        ])
        .bare_env_names(true);
    let (loader, line) = (loader.set("threadName", ""), line!());
    let error = loader.load().expect_err("wrong");
    let expected = [
        "bus.toml:1:15: inlineDepth: 0 is out of range: it must be from 1 to 128".to_owned(),
        "environment variable EVENTBUS_ROUTING_3_ENGINE: routing[3]: entry 3 is given and the list has 0: entries are \
         numbered from 0, without gaps"
            .to_owned(),
        "environment variable EVENTBUS_SPINN: unknown key; did you mean \"EVENTBUS_SPIN\"?".to_owned(),
        "environment variable EVENTBUS_WORKER_COUNT: workerCount: expected a whole number from 0 to 1024, found the \
         text \"four\""
            .to_owned(),
        format!(
            "tests/config/merged.rs:{line}:34: threadName: expected a text of 1 to 64 bytes, without control \
             characters, found the text \"\""
        ),
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn d_mod_1_a_default_does_not_replace_what_was_said() {
    let merged = Config::loader()
        .text("user", "workerCount: 7\n", Format::Yaml)
        .text("nothing", "", Format::Yaml)
        .env_from([("PATH", "/bin")])
        .load()
        .expect("fine");
    assert_eq!(merged.worker_count(), 7);
}

#[test]
fn files_are_read_in_all_three_formats_and_mixed() {
    let folder = std::env::temp_dir().join(format!("trolleybus-merged-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let yaml = file("a.yaml", "\u{feff}workerCount: 1\nspin: 1us\n");
    let json = file("b.json", "{\"workerCount\": 2, \"topicCache\": 5}");
    let toml = file("c.toml", "workerCount = 3\r\n");
    let merged = Config::loader().file(&yaml).file(&json).file(&toml).load().expect("fine");
    assert_eq!(merged, config("{workerCount: 3, spin: 1us, topicCache: 5}"));
    let error = Config::from_file(file("d.yml", "workerCount: x\n")).expect_err("wrong");
    assert!(error.problems()[0].origin().ends_with("d.yml"), "{error}");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn bare_names_count_only_when_they_are_asked_for() {
    let variables = [("ENGINE", "diesel"), ("WORKER_COUNT", "3")];
    let load = |bare| Config::loader().env_from(variables).bare_env_names(bare).load();
    assert_eq!(load(false).expect("fine"), Config::new());
    let error = load(true).expect_err("no engine of ours").to_string();
    assert!(error.starts_with("environment variable ENGINE: engine: \"diesel\" is none of"), "{error}");
}
