//! A conformance suite for engines. Needs the feature `conformance`.
//!
//! Who writes an [engine](crate::engine::Engine) implements [`Subject`], states in [`Features`] what the engine
//! promises, and calls [`run`]: the suite picks the tests that the promises call for, and lists the others by name.
//!
//! ```
//! use trolleybus::conformance::{self, Features, Subject};
//! use trolleybus::{BusBuilder, EventBus, StartError};
//!
//! struct Memory;
//!
//! impl Subject for Memory {
//!     fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
//!         builder.start().wait() // another engine: `builder.engine("x", ..).default_engine("x").start().wait()`
//!     }
//!
//!     fn features(&self) -> Features {
//!         Features::in_process()
//!     }
//! }
//!
//! let report = conformance::run_some(&Memory, &["events_arrive_whole", "events_are_shared_over_clients"]);
//! println!("{report}");
//! report.assert_passed();
//! assert_eq!(report.skipped(), ["events_are_shared_over_clients"]);
//! ```
//!
//! Topics and groups have names that no other run has, so a broker may hold what earlier runs left behind. No test
//! waits for a fixed time: each waits for a condition until the [deadline](Features::deadline), and says then what was
//! missing. What was published is compared with what was read as Jepsen does: an event of which nobody knows whether it
//! was stored may be there or not, one that was surely not stored must not.
//!
//! What a test cannot end is a call that never gives its thread back, one of a `publish` that blocks instead of being
//! pending for example: the test program needs a watchdog of its own.
//!
//! | file | what it tests |
//! |---|---|
//! | `whole.rs` | events arrive as they were: ids, keys, metadata, payloads, names |
//! | `ways.rs` | every way to publish; calls that nobody awaits |
//! | `many.rs` | many publishers, many topics, order |
//! | `patterns.rs` | patterns mean the same by every engine |
//! | `lifecycle.rs` | subscribing and ending: confirmed, gone, concurrent |
//! | `groups.rs` | groups share events, within a client and over several |
//! | `pressure.rs` | slow subscriptions, the bound on arrivals, handlers that publish |
//! | `accounts.rs` | every event is counted once |
//! | `failures.rs` | handlers that fail, payloads that cannot be decoded |
//! | `ends.rs` | shutdown |
//! | `clients.rs` | several clients of one broker |
//! | `faults.rs` | cut connections, restarted brokers |
//! | `starts.rs` | subscriptions that begin in the past |
//! | `features.rs`, `report.rs` | what goes in, and what comes out |
//! | `ground.rs`, `client.rs`, `history.rs` | what the tests stand on; the checker |

// It tests from outside, by the public API alone, with what every test uses.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod accounts;
mod client;
mod clients;
mod ends;
mod failures;
mod faults;
mod features;
mod ground;
mod groups;
mod history;
mod lifecycle;
mod many;
mod patterns;
mod pressure;
mod report;
mod starts;
mod ways;
mod whole;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::{BusBuilder, EventBus, StartError};

pub use features::Features;
pub use report::{Report, TestReport, TestVerdict};

use client::Client;
use ground::{Ground, Outcome, RunId};

/// What is tested: a way to clients of one and the same broker.
pub trait Subject: Sync {
    /// Starts a bus whose default engine is the tested one. Each is another client, as if in a process of its own.
    ///
    /// # Errors
    ///
    /// As [`BusBuilder::start`].
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError>;

    /// States what the engine promises.
    fn features(&self) -> Features;

    /// Cuts the connections of all clients, which may connect again at once.
    ///
    /// # Errors
    ///
    /// Says why it could not. Without [`Features::cuts`] it is not called.
    fn cut(&self) -> Result<(), Box<dyn std::error::Error>> {
        Err("connections cannot be cut".into())
    }

    /// Kills the broker and starts it again.
    ///
    /// # Errors
    ///
    /// Says why it could not. Without [`Features::restarts`] it is not called.
    fn restart(&self) -> Result<(), Box<dyn std::error::Error>> {
        Err("the broker cannot be restarted".into())
    }

    /// How many subscriptions of all clients the broker knows of, if it tells.
    fn subscriptions(&self) -> Option<usize> {
        None
    }
}

/// A test of the suite.
struct Test {
    name: &'static str,
    /// Why it is not run, if it is not.
    skips: fn(&Features) -> Option<&'static str>,
    run: fn(&Ground<'_>) -> Outcome,
}

/// All tests, in the order in which they run.
fn all() -> impl Iterator<Item = &'static Test> {
    [
        whole::TESTS,
        ways::TESTS,
        many::TESTS,
        patterns::TESTS,
        lifecycle::TESTS,
        groups::TESTS,
        pressure::TESTS,
        accounts::TESTS,
        failures::TESTS,
        ends::TESTS,
        clients::TESTS,
        starts::TESTS,
        faults::TESTS,
    ]
    .into_iter()
    .flatten()
}

/// Runs all tests that the subject's features call for.
pub fn run(subject: &impl Subject) -> Report {
    run_chosen(subject, |_| true)
}

/// Runs the tests of these names. One that there is not counts as failed.
pub fn run_some(subject: &impl Subject, names: &[&'static str]) -> Report {
    let mut report = run_chosen(subject, |name| names.contains(&name));
    let unknown = names.iter().filter(|name| all().all(|test| test.name != **name));
    report.tests.extend(unknown.map(|name| TestReport {
        name,
        verdict: TestVerdict::Failed("there is no such test".to_owned()),
        took: std::time::Duration::ZERO,
    }));
    report
}

/// Returns the names of all tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|test| test.name)
}

fn run_chosen(subject: &dyn Subject, chosen: impl Fn(&'static str) -> bool) -> Report {
    let (features, run) = (subject.features(), RunId::new());
    let judge = |(number, test): (usize, &'static Test)| {
        let begun = Instant::now();
        let verdict = match (test.skips)(&features) {
            Some(why) => TestVerdict::Skipped(why),
            None => {
                let ground = Ground::new(subject, features.clone(), run, number);
                match catch_unwind(AssertUnwindSafe(|| (test.run)(&ground))) {
                    Ok(Ok(())) => TestVerdict::Passed,
                    Ok(Err(failure)) => TestVerdict::Failed(failure.to_string()),
                    Err(panic) => TestVerdict::Failed(panic_text(&*panic)),
                }
            }
        };
        TestReport { name: test.name, verdict, took: begun.elapsed() }
    };
    Report { tests: all().enumerate().filter(|(_, test)| chosen(test.name)).map(judge).collect() }
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the test panicked: {}", text.unwrap_or("without a message"))
}
