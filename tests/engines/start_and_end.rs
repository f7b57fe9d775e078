//! The start of all engines or none, and the end.

use std::time::Duration;

use trolleybus::engine::{EngineErrorKind, EngineState};
use trolleybus::{BuildError, EventBus, PublishRefusal, StartError, SubscribeError};

use crate::eventually::eventually;
use crate::faulty_engine::{Call, Does, Plan, Remote};
use crate::support::watchdog;

fn count(remote: &Remote, call: &Call) -> usize {
    remote.calls().iter().filter(|made| *made == call).count()
}

#[test]
fn m5_d_rtr_3_an_engine_that_does_not_start_stops_those_that_did() {
    let _watchdog = watchdog("all or none");
    for (does, kind) in [
        (Does::Fails, EngineErrorKind::Rejected),
        (Does::Hangs, EngineErrorKind::Timeout),
        (Does::Panics, EngineErrorKind::Panicked),
    ] {
        let (good, bad) = (Remote::default(), Remote::new(Plan { start: does, ..Plan::default() }));
        let builder = EventBus::builder()
            .engine("good", good.engine())
            .engine("bad", bad.engine())
            .engine_timeout(Duration::from_millis(50));
        let Err(StartError::Engines(failures)) = builder.start().wait() else { panic!("it started") };
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!((&*failures[0].engine, failures[0].error.kind()), ("bad", kind));
        for remote in [&good, &bad] {
            assert_eq!((count(remote, &Call::Start), count(remote, &Call::Shutdown)), (1, 1), "{does:?}");
            assert!(remote.ingress().is_closed());
        }
    }
}

#[test]
fn m5_what_fails_in_stopping_again_is_said_too() {
    let _watchdog = watchdog("roll back");
    let good = Remote::new(Plan { shutdown: Does::Fails, ..Plan::default() });
    let bad = Remote::new(Plan { start: Does::Fails, ..Plan::default() });
    let start = EventBus::builder().engine("good", good.engine()).engine("bad", bad.engine()).start();
    let Err(StartError::Engines(failures)) = smol::block_on(start) else { panic!("it started") };
    let names: Vec<&str> = failures.iter().map(|failure| &*failure.engine).collect();
    assert_eq!(names, ["bad", "good"]);
}

#[test]
fn d_rtr_3_a_start_that_nobody_waits_for_leaves_nothing_behind() {
    let _watchdog = watchdog("dropped start");
    let remote = Remote::new(Plan { start: Does::Hangs, ..Plan::default() });
    drop(EventBus::builder().engine("slow", remote.engine()).start());
    // Not polled yet: the engine was told nothing but to stop.
    assert_eq!(remote.calls(), [Call::Shutdown]);
}

#[test]
fn m5_d_rtr_3_a_shutdown_tells_what_every_engine_said() {
    let _watchdog = watchdog("all errors");
    let plan = |shutdown| Remote::new(Plan { shutdown, ..Plan::default() });
    let (fails, panics, well) = (plan(Does::Fails), plan(Does::Panics), plan(Does::Well));
    let bus = EventBus::builder()
        .engine("fails", fails.engine())
        .engine("panics", panics.engine())
        .engine("well", well.engine())
        .start()
        .wait()
        .expect("it starts");
    let report = bus.shutdown(Duration::from_secs(5)).wait();
    let mut names: Vec<&str> = report.engines.iter().map(|failure| &*failure.engine).collect();
    names.sort_unstable();
    assert_eq!(names, ["fails", "panics"]);
    assert!(report.complete, "no event was lost: {report:?}");
    assert_eq!(report.threads_running, 0);
    assert_eq!(count(&well, &Call::Shutdown), 1);
}

#[test]
fn an_engine_whose_shutdown_never_ends_does_not_hold_the_bus() {
    let _watchdog = watchdog("hanging shutdown");
    let remote = Remote::new(Plan { shutdown: Does::Hangs, ..Plan::default() });
    let bus = EventBus::builder().engine("slow", remote.engine()).start().wait().expect("it starts");
    let report = bus.shutdown(Duration::from_millis(50)).wait();
    assert_eq!(report.engines.len(), 1, "{report:?}");
    assert_eq!(report.engines[0].error.kind(), EngineErrorKind::Timeout);
    assert_eq!(report.threads_running, 0);
    assert_eq!(bus.stats().engines[1].state, EngineState::Stopped);
}

#[test]
fn a_bus_that_is_dropped_stops_its_engines() {
    let _watchdog = watchdog("drop");
    for shutdown in [Does::Well, Does::Hangs, Does::Panics] {
        let remote = Remote::new(Plan { shutdown, ..Plan::default() });
        let bus = EventBus::builder().engine("e", remote.engine()).start().wait().expect("it starts");
        drop(bus);
        assert_eq!(count(&remote, &Call::Shutdown), 1);
        assert!(remote.ingress().is_closed());
    }
}

/// The last handle may go at any moment of the engine's thread: between its look for errands and the one for arrivals, too.
#[test]
fn a_bus_that_is_dropped_stops_its_engines_whatever_their_threads_do() {
    let _watchdog = watchdog("drop, often");
    for round in 0..2000_u32 {
        let remote = Remote::default();
        let bus = EventBus::builder().engine("e", remote.engine()).start().wait().expect("it starts");
        for _ in 0..round % 64 {
            std::hint::spin_loop();
        }
        drop(bus);
        // Mostly it has been told by now; but a drop waits a second at most, and the engine's thread may not have been run.
        eventually("the engine is told", || count(&remote, &Call::Shutdown) == 1);
    }
}

#[test]
fn a_bus_that_is_shut_down_refuses_publishes_and_subscriptions() {
    let remote = Remote::default();
    let bus = EventBus::builder()
        .engine("e", remote.engine())
        .default_engine("e")
        .start()
        .wait()
        .expect("it starts");
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
    let error = bus.publish("a.b", 1_u32).expect_err("it is shut down");
    assert_eq!(*error.refusal(), PublishRefusal::ShutDown);
    assert!(matches!(bus.subscribe::<u32>("a.b").receiver(), Err(SubscribeError::ShutDown)));
    assert_eq!(remote.calls(), [Call::Start, Call::Shutdown]);
}

#[test]
fn names_and_rules_are_checked_before_anything_starts() {
    let remote = Remote::default();
    let engine = || remote.engine();
    let builder = EventBus::builder;
    let error = |start: trolleybus::Starting| match start.wait() {
        Err(StartError::Build(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let said = [
        error(builder().engine("a", engine()).memory_engine("a").start()),
        error(builder().engine("", engine()).start()),
        error(builder().engine("_all", engine()).start()),
        error(builder().engine("x".repeat(65), engine()).start()),
        error(builder().default_engine("b").start()),
        error(builder().engine("a", engine()).route("b", ["x.*"]).start()),
        error(builder().engine("a", engine()).route("a", [] as [&str; 0]).start()),
        error(builder().engine("a", engine()).route("a", ["x..y"]).start()),
        error(builder().engine("a", engine()).in_flight(0).start()),
        error(builder().engine("a", engine()).engine_timeout(Duration::ZERO).start()),
        error((0..64).fold(builder(), |builder, number| builder.memory_engine(format!("m{number}"))).start()),
    ];
    let expected = [
        "two engines are called \"a\"",
        "an engine cannot be called \"\"",
        "an engine cannot be called \"_all\"",
        "an engine cannot be called \"xxx",
        "there is no engine \"b\"",
        "there is no engine \"b\"",
        "the rule for engine \"a\" has no pattern",
        "invalid pattern in a rule",
        "0 arrivals in flight",
        "a timeout of zero",
        "65 engines are over the limit",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
    assert!(matches!(builder().engine("a", engine()).build(), Err(BuildError::NeedsStart)));
    assert_eq!(remote.calls(), []);
}

#[test]
fn an_engine_is_shut_down_once_however_often_its_bus_is() {
    let _watchdog = watchdog("shut down once");
    for shutdown in [Does::Well, Does::Fails, Does::Hangs, Does::Panics] {
        let remote = Remote::new(Plan { shutdown, ..Plan::default() });
        let bus = EventBus::builder().engine("e", remote.engine()).start().wait().expect("it starts");
        for _ in 0..3 {
            let report = bus.shutdown(Duration::from_millis(20)).wait();
            assert!(report.complete, "{shutdown:?}: {report:?}");
        }
        drop(bus);
        assert_eq!(remote.calls(), [Call::Start, Call::Shutdown], "{shutdown:?}");
    }
}
