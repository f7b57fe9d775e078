//! The whole API against a sequential model: whatever is done to a bus by one thread, its receipts,
//! ledgers, received events, completions, topics and counts are those that the documentation promises
//! (C3, O1, V2, V4).
//!
//! Pooled handlers are not part of it: when they run is not for one thread to say.

#[path = "state_machine/compare.rs"]
mod compare;
#[path = "support/env.rs"]
mod env;
#[path = "state_machine/held.rs"]
mod held;
#[path = "state_machine/model.rs"]
mod model;
#[path = "state_machine/ops.rs"]
mod ops;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "state_machine/publish.rs"]
mod publish;
#[path = "state_machine/records.rs"]
mod records;
#[path = "support/signs.rs"]
mod signs;
#[path = "state_machine/subscribe.rs"]
mod subscribe;
mod support;
#[path = "state_machine/system.rs"]
mod system;

use std::cell::Cell;
use std::time::Instant;

use env::number_from_env;
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};

/// How many lives of a bus are tried unless `TROLLEYBUS_CASES` says otherwise.
const CASES: u64 = 256;

#[test]
fn c3_receipts_ledgers_events_and_counts_are_those_of_the_model() {
    let cases = u32::try_from(number_from_env("TROLLEYBUS_CASES", CASES)).expect("not so many cases");
    // A failing case is kept there, and is the first that the next run tries.
    let kept = FileFailurePersistence::Direct("tests/state_machine.proptest-regressions");
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(kept)),
        max_shrink_iters: 4096,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let watchdog = support::watchdog("the state machine");
    let (steps, start) = (Cell::new(0_u64), Instant::now());
    let result = TestRunner::new(config).run(&ops::life(), |life| {
        watchdog.alive();
        let tried = life.clone();
        watchdog.report("the life", move || format!("{tried:#?}"));
        let mut system = system::System::new();
        for op in &life {
            system.step(op);
            steps.set(steps.get() + 1);
        }
        system.finish();
        Ok(())
    });
    match result {
        Ok(()) => {
            let seconds = start.elapsed().as_secs_f64();
            println!("{} steps, {:.0} per second", steps.get(), steps.get() as f64 / seconds);
        }
        Err(TestError::Fail(reason, life)) => panic!(
            "{reason}\nsmallest life that fails:\n{}\n\
             kept in tests/state_machine.proptest-regressions; replay: cargo test --test state_machine",
            life.iter().map(|op| format!("  {op:?}\n")).collect::<String>(),
        ),
        Err(error) => panic!("{error}"),
    }
}
