//! The example's load, live and once.

use std::time::Duration;

use trolleybus::engine::EngineState;

use super::eventually::eventually;
use super::load::Load;
use super::model::Model;
use super::once;
use super::support::watchdog;

#[test]
fn one_frame_without_a_terminal() {
    let _watchdog = watchdog("one_frame_without_a_terminal");
    let mut out = Vec::new();
    // It checks the accounts itself.
    once::run(&mut out).expect("it ends well");
    let text = String::from_utf8(out).expect("text");
    assert!(text.starts_with("trolleybus top  8 subscriptions, 3 engines"), "{text}");
    assert!(text.ends_with(" duplicate\n"), "{text}");
}

#[test]
fn the_live_load_goes_on_until_it_is_ended() {
    let _watchdog = watchdog("the_live_load_goes_on_until_it_is_ended");
    let mut load = Load::new().expect("a load");
    let state = |load: &Load| {
        let model = Model::first(&load.sample());
        model.engines.iter().find(|row| row.name == "sensors").map(|row| row.state)
    };
    let nightly_is_paused = |load: &Load| {
        let model = Model::first(&load.sample());
        model.subscriptions.iter().any(|row| row.name == "nightly" && row.paused)
    };
    load.start().expect("threads");
    load.turn(Duration::ZERO);
    assert_eq!((state(&load), nightly_is_paused(&load)), (Some(EngineState::Connected), false));
    eventually("each subscription gets something", || {
        load.sample().stats.subscriptions.iter().all(|one| one.ledger.delivered > 0)
    });
    load.turn(Duration::from_secs(12));
    assert!(nightly_is_paused(&load));
    load.turn(Duration::from_secs(22));
    assert_eq!((state(&load), nightly_is_paused(&load)), (Some(EngineState::Degraded), false));
    eventually("an engine that is unwell refuses", || {
        load.sample().published.is_some_and(|published| published.refused > 0)
    });
    load.turn(Duration::from_secs(26));
    assert_eq!(state(&load), Some(EngineState::Connecting));
    let ended = load.finish().expect("it ends well");
    assert!(ended.report.complete, "{:?}", ended.report);
    assert!(ended.stats.total.is_balanced(), "{:?}", ended.stats.total);
    assert_eq!((ended.stats.total.queued, ended.stats.total.running), (0, 0));
}
