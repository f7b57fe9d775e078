//! The thirty scenarios of the original's feature file, each under its title, with what the title claims asserted.
//!
//! | file | what it holds |
//! |---|---|
//! | `scenarios/basics.rs` | one bus: publishing, subscribing, errors, the end |
//! | `scenarios/observation.rs` | what a bus tells of its life |
//! | `scenarios/engines.rs` | several engines and rules, from a configuration |
//! | `scenarios/tenants.rs` | tenants, and engines of their own |
//! | `scenarios/test_engine.rs` | an engine that can be told to fail |

#[path = "scenarios/basics.rs"]
mod basics;
#[path = "scenarios/engines.rs"]
mod engines;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/find_test.rs"]
mod find_test;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/heard.rs"]
mod heard;
#[path = "scenarios/observation.rs"]
mod observation;
#[path = "support/quiet_engine.rs"]
mod quiet_engine;
mod support;
#[path = "scenarios/tenants.rs"]
mod tenants;
#[path = "scenarios/test_engine.rs"]
mod test_engine;
#[path = "support/threads.rs"]
mod threads;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use trolleybus::{BusBuilder, Config, EngineRegistry, EventBus, Format};

/// A scenario stands in this file, as this function.
struct Tested(&'static str, &'static str);

/// The titles in the original's order.
const SCENARIOS: &[(&str, Tested)] = &[
    ("EventBus module initialization", Tested("basics", "eventbus_module_initialization")),
    ("Basic event publishing and subscribing", Tested("basics", "basic_event_publishing_and_subscribing")),
    (
        "Event publishing to multiple subscribers",
        Tested("basics", "event_publishing_to_multiple_subscribers"),
    ),
    ("Wildcard topic subscriptions", Tested("basics", "wildcard_topic_subscriptions")),
    ("Asynchronous event processing", Tested("basics", "asynchronous_event_processing")),
    ("Event subscription management", Tested("basics", "event_subscription_management")),
    ("Unsubscribing from events", Tested("basics", "unsubscribing_from_events")),
    ("Active topics listing", Tested("basics", "active_topics_listing")),
    ("EventBus with memory engine", Tested("basics", "eventbus_with_memory_engine")),
    ("Event handler error handling", Tested("basics", "event_handler_error_handling")),
    ("Event TTL and retention", Tested("basics", "event_ttl_and_retention")),
    ("EventBus shutdown and cleanup", Tested("basics", "eventbus_shutdown_and_cleanup")),
    (
        "Event observation during message publishing",
        Tested("observation", "event_observation_during_message_publishing"),
    ),
    (
        "Event observation during bus lifecycle",
        Tested("observation", "event_observation_during_bus_lifecycle"),
    ),
    (
        "Event observation during subscription management",
        Tested("observation", "event_observation_during_subscription_management"),
    ),
    // The original has two of this title.
    (
        "Event observation during message publishing",
        Tested("observation", "event_observation_during_message_publishing_with_and_without_subscribers"),
    ),
    (
        "Event observation during message reception",
        Tested("observation", "event_observation_during_message_reception"),
    ),
    (
        "Event observation during handler failures",
        Tested("observation", "event_observation_during_handler_failures"),
    ),
    (
        "Event observation during topic creation",
        Tested("observation", "event_observation_during_topic_creation"),
    ),
    (
        "Event observation during topic deletion",
        Tested("observation", "event_observation_during_topic_deletion"),
    ),
    ("Multi-engine configuration", Tested("engines", "multi_engine_configuration")),
    ("Topic routing between engines", Tested("engines", "topic_routing_between_engines")),
    ("Custom engine registration", Tested("engines", "custom_engine_registration")),
    ("Engine-specific configuration", Tested("engines", "engine_specific_configuration")),
    ("Multi-engine subscription management", Tested("engines", "multi_engine_subscription_management")),
    ("Routing rule evaluation", Tested("engines", "routing_rule_evaluation")),
    ("Multi-engine error handling", Tested("engines", "multi_engine_error_handling")),
    ("Engine router topic discovery", Tested("engines", "engine_router_topic_discovery")),
    ("Tenant-aware event routing", Tested("tenants", "tenant_aware_event_routing")),
    ("Tenant-specific engine routing", Tested("tenants", "tenant_specific_engine_routing")),
];

#[test]
fn every_scenario_is_tested_under_its_title_and_there_are_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    assert_eq!(SCENARIOS.len(), 30);
    let mut tests = BTreeSet::new();
    for (title, Tested(file, test)) in SCENARIOS {
        let name: String = title.to_lowercase().replace([' ', '-'], "_");
        assert!(test.starts_with(&name), "{title}: {test} is another title");
        let found = find_test::find_test(&format!("{file}.rs::{test}"), &read);
        assert_eq!(found, Ok(()), "{title}: {file}.rs::{test}");
        assert!(tests.insert((*test).to_owned()), "{test} stands for two scenarios");
    }
    for file in fs::read_dir(&folder).expect("the folder of the scenarios") {
        let path = file.expect("a file").path();
        let source = fs::read_to_string(&path).expect("a text");
        let lines: Vec<&str> = source.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[test]") {
            let name = pair[1].strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_else(|| panic!("{}: {} is no function", path.display(), pair[1]));
            assert!(tests.contains(name), "{}: {name} is no scenario", path.display());
        }
    }
}

/// A builder from YAML that must be fine, with engines of those types.
fn configured(text: &str, registry: &EngineRegistry) -> BusBuilder {
    let loader = Config::loader().text("bus.yaml", text, Format::Yaml).engine_types(registry.types());
    let builder = loader.load().and_then(|config| config.into_builder_with(registry));
    builder.unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// A bus from YAML that must be fine, with its engines started.
fn started(text: &str) -> EventBus {
    let builder = configured(text, &EngineRegistry::new());
    builder.start().wait().unwrap_or_else(|error| panic!("{text}\n{error}"))
}
