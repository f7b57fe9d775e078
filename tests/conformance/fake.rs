//! A broker that can do all that the suite tests, and what the suite says when it does one thing wrong.

use std::time::Duration;

use trolleybus::conformance::{self, Features, Subject, TestVerdict};
use trolleybus::{BusBuilder, EventBus, StartError};

use super::fake_broker::{FakeBroker, FakeEngine, Flaw};
use super::support::watchdog;

/// A broker in this process.
struct Fake {
    broker: FakeBroker,
    deadline: Duration,
}

impl Fake {
    fn with(flaw: Flaw, deadline: Duration) -> Self {
        Self { broker: FakeBroker::with(flaw), deadline }
    }
}

impl Subject for Fake {
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
        builder.engine("fake", FakeEngine::new(&self.broker)).default_engine("fake").start().wait()
    }

    fn features(&self) -> Features {
        // What was in flight comes again, and what waited for room.
        let duplicates = 65;
        Features::of(FakeEngine::capabilities())
            .clients()
            .durable_groups()
            .at_least_once()
            .redelivers()
            .cuts(duplicates)
            .restarts(duplicates)
            .deadline(self.deadline)
    }

    fn cut(&self) -> Result<(), Box<dyn std::error::Error>> {
        self.broker.cut();
        Ok(())
    }

    fn restart(&self) -> Result<(), Box<dyn std::error::Error>> {
        self.broker.restart();
        Ok(())
    }

    fn subscriptions(&self) -> Option<usize> {
        Some(self.broker.subscriptions())
    }
}

#[test]
fn an_engine_of_a_broker_conforms() {
    let _watchdog = watchdog("an_engine_of_a_broker_conforms");
    let report = conformance::run(&Fake::with(Flaw::None, Duration::from_secs(30)));
    println!("{report}");
    report.assert_passed();
    // Two promises are not made that would contradict the others.
    let skipped = ["groups_of_other_clients_get_all", "a_start_that_is_not_offered_is_refused"];
    assert_eq!(report.skipped(), skipped);
}

/// Each flaw, and the tests that have to find it.
const FLAWS: &[(Flaw, &[&str])] = &[
    (Flaw::LosesEveryTenth, &["events_arrive_whole", "many_publishers_reach_every_subscription"]),
    (Flaw::StoresTwice, &["events_arrive_whole", "many_publishers_reach_every_subscription"]),
    (Flaw::Reorders, &["events_of_a_publisher_keep_their_order"]),
    (Flaw::IgnoresUnsubscribe, &["an_ended_subscription_leaves_the_engine"]),
    (Flaw::ConfirmsEarly, &["a_subscription_is_there_when_it_returns"]),
    (Flaw::AcknowledgesEarly, &["a_failed_event_comes_again", "what_a_client_has_not_handled_others_get"]),
    (Flaw::MixesScopes, &["groups_get_all_and_members_share"]),
    (Flaw::WaitsForHandlers, &["a_handler_that_publishes_waits_for_nobody"]),
    (Flaw::MatchesOneSegment, &["patterns_mean_what_they_say"]),
    (Flaw::LosesKeys, &["events_arrive_whole", "events_of_a_key_keep_their_order"]),
    (Flaw::GoesOnAtTheEnd, &["a_cut_loses_nothing_that_waits"]),
    (Flaw::HidesItsState, &["the_state_follows_the_connection"]),
    (Flaw::StartsAtTheBeginning, &["a_subscription_begins_with_the_last_events"]),
    (Flaw::LeavesInAHurry, &["a_shutdown_acknowledges_what_it_handled"]),
    (Flaw::ForgetsAtRestart, &["what_was_stored_outlives_the_broker"]),
];

#[test]
fn what_an_engine_does_wrong_is_found() {
    let _watchdog = watchdog("what_an_engine_does_wrong_is_found");
    for (flaw, tests) in FLAWS {
        let report = conformance::run_some(&Fake::with(*flaw, Duration::from_secs(1)), tests);
        println!("{flaw:?}\n{report}\n");
        assert_eq!(report.failed(), *tests, "{flaw:?} was not found\n{report}");
    }
}

#[test]
fn a_test_that_there_is_not_has_failed() {
    let report = conformance::run_some(&Fake::with(Flaw::None, Duration::from_secs(30)), &["no_such_test"]);
    assert!(
        matches!(report.tests(), [test] if test.verdict == TestVerdict::Failed("there is no such test".into()))
    );
    assert!(conformance::names().all(|name| name != "no_such_test"));
}
