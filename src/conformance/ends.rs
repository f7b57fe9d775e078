//! The end of a bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Test;
use super::client::{Client, Recorded, ledger};
use super::ground::{Failure, Gate, Ground, Opening, Outcome, ensure};
use super::history::{History, Rules};
use super::many::publish_many;
use crate::SubscribeError;
use crate::engine::EngineState;

pub(super) const TESTS: &[Test] = &[
    Test { name: "a_shutdown_handles_what_was_accepted", skips: |_| None, run: handles_what_was_accepted },
    Test { name: "a_shutdown_waits_for_handlers", skips: |_| None, run: waits_for_handlers },
    Test {
        name: "a_shutdown_acknowledges_what_it_handled",
        skips: |features| (!features.durable_groups).then_some("no durable groups are claimed"),
        run: acknowledges_what_it_handled,
    },
    Test { name: "a_shutdown_ends_at_its_deadline", skips: |_| None, run: ends_at_its_deadline },
    Test { name: "nothing_is_taken_after_a_shutdown", skips: |_| None, run: nothing_is_taken },
];

/// How long a shutdown is watched that must not return yet.
const MOMENT: Duration = Duration::from_millis(100);

/// What was accepted is handled or counted when the shutdown returns; all of it, if that is claimed.
fn handles_what_was_accepted(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let (topic, history) = (ground.topic("accepted"), History::default());
    let recorded = client.record(&[&topic])?;
    publish_many(ground, &client, &history, &topic, 0..2, 100)?;
    let report = client.bus.shutdown(ground.features.deadline).wait();
    ensure!(report.complete && report.engines.is_empty(), "the shutdown was not complete: {report:?}");
    let (stats, come) = (recorded.subscription.stats(), recorded.log.len());
    ensure!(stats.queued + stats.running == 0, "something is left: {}", ledger(&recorded.subscription));
    ensure!(stats.is_balanced(), "out of balance: {}", ledger(&recorded.subscription));
    ensure!(stats.delivered == come as u64, "{come} events came: {}", ledger(&recorded.subscription));
    ensure!(stats.dropped.total() == 0, "a complete shutdown dropped: {}", ledger(&recorded.subscription));
    let transport = client.engine()?.transport.unwrap_or_default();
    ensure!(transport.arrivals_in_flight == 0, "{} arrivals in flight", transport.arrivals_in_flight);
    history.judge(ground, &recorded.log, Rules { may_lose: !ground.features.drains, ..Rules::default() })?;
    ensure!(recorded.log.len() == come, "events came after the shutdown");
    Ok(())
}

/// A handler that runs when the bus is shut down has returned when the shutdown has.
fn waits_for_handlers(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let (topic, gate) = (ground.topic("waits"), Gate::default());
    let opening = Opening(gate.clone());
    let (running, patience) = (Arc::new(AtomicUsize::new(0)), ground.features.deadline);
    let counted = Arc::clone(&running);
    let recorded = Recorded::with(client.listen(&[&topic]), move |_, _| {
        counted.fetch_add(1, Ordering::AcqRel);
        gate.pass(patience);
        counted.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    })?;
    client.publish(ground, &topic, (1, 0))?;
    ground.until("a handler that runs", || running.load(Ordering::Acquire) == 1)?;
    shut_down_around(ground, &client, opening)?;
    let left = running.load(Ordering::Acquire);
    ensure!(left == 0, "{left} handlers run after the shutdown");
    ensure!(recorded.subscription.stats().delivered == 1, "{}", ledger(&recorded.subscription));
    Ok(())
}

/// Shuts a client down, opens a gate when it is about to end, and waits for it.
fn shut_down_around(ground: &Ground<'_>, client: &Client, opening: Opening) -> Outcome {
    let returned = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| {
            let report = client.bus.shutdown(ground.features.deadline).wait();
            returned.store(true, Ordering::Release);
            report
        });
        let closed = ground.until("a bus that is shut down", || client.bus.is_closed());
        // What must not happen is given a moment to do so.
        let moment = Instant::now() + MOMENT;
        let stopped = || client.engine().is_ok_and(|engine| engine.state == EngineState::Stopped);
        let early = || (ground.features.carried && stopped()) || returned.load(Ordering::Acquire);
        let waited = ground.until("a moment", || early() || Instant::now() >= moment);
        let early = early();
        drop(opening);
        let report = shutdown.join().map_err(|_| Failure::new("the shutdown panicked"))?;
        closed.and(waited)?;
        ensure!(!early, "the shutdown returned, or the engine has stopped, while a handler ran");
        Ok(report)
    })?;
    ensure!(report.complete, "the shutdown was not complete: {report:?}");
    Ok(())
}

/// What handlers have finished during a shutdown does not come again to the group.
fn acknowledges_what_it_handled(ground: &Ground<'_>) -> Outcome {
    let (here, leaves) = (ground.client()?, ground.client()?);
    let (topic, group, gate) = (ground.topic("last"), ground.name("last"), Gate::default());
    let (opening, patience) = (Opening(gate.clone()), ground.features.deadline);
    let handled = Recorded::with(leaves.listen(&[&topic]).group(group.clone()), move |_, _| {
        gate.pass(patience);
        Ok(())
    })?;
    for number in 0..5 {
        here.publish(ground, &topic, (1, number))?;
    }
    handled.wait_for(ground, 1)?;
    shut_down_around(ground, &leaves, opening)?;
    let next = ground.client()?;
    let goes_on = Recorded::of(next.listen(&[&topic]).group(group))?;
    here.publish(ground, &topic, (1, 5))?;
    ground.until("the last event", || goes_on.log.count((1, 5)) > 0)?;
    let (mut all, before) = (handled.log.items(), handled.log.len());
    all.extend(goes_on.log.items());
    all.sort_unstable();
    let expected: Vec<_> = (0..6).map(|number| (1, number)).collect();
    ensure!(
        all == expected,
        "of 6 events {before} came before the shutdown, and then {:?}",
        goes_on.log.items()
    );
    Ok(())
}

/// A handler that does not end holds a shutdown up until its deadline, and is named in the report.
fn ends_at_its_deadline(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let (topic, gate) = (ground.topic("hangs"), Gate::default());
    let _opening = Opening(gate.clone());
    let (patience, hangs) = (ground.features.deadline, Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&hangs);
    let recorded = Recorded::with(client.listen(&[&topic]), move |_, _| {
        told.store(true, Ordering::Release);
        gate.pass(patience * 2);
        Ok(())
    })?;
    for number in 0..5 {
        client.publish(ground, &topic, (1, number))?;
    }
    ground.until("a handler that hangs", || hangs.load(Ordering::Acquire))?;
    let begun = Instant::now();
    let report = client.bus.shutdown(Duration::from_millis(200)).wait();
    let took = begun.elapsed();
    ensure!(took < patience, "a shutdown with 200 ms took {took:?}");
    ensure!(!report.complete, "a shutdown was complete while a handler hung: {report:?}");
    let id = recorded.subscription.id();
    ensure!(
        report.unfinished.iter().any(|unfinished| unfinished.subscription == id),
        "not named: {report:?}"
    );
    Ok(())
}

fn nothing_is_taken(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let topic = ground.topic("after");
    let publisher = client.bus.publisher::<super::ground::Item>(&topic)?;
    let _recorded = client.record(&[&topic])?;
    let report = client.bus.shutdown(ground.features.deadline).wait();
    ensure!(report.complete, "the shutdown was not complete: {report:?}");
    for refused in [client.bus.publish(&topic, (1, 0)), publisher.publish((1, 1))] {
        ensure!(
            refused.as_ref().is_err_and(crate::PublishError::is_shut_down),
            "a publish after the shutdown came to {refused:?}"
        );
    }
    let refused = client.listen(&[&topic]).handle(|_| ());
    ensure!(matches!(refused, Err(SubscribeError::ShutDown)), "a subscription after it came to {refused:?}");
    let state = client.engine()?.state;
    let stopped = !ground.features.carried || state == EngineState::Stopped;
    ensure!(stopped, "the engine is {state} after the shutdown");
    // Once more, and from a second handle.
    let report = client.bus.clone().shutdown(ground.features.deadline).wait();
    ensure!(report.complete, "a second shutdown was not complete: {report:?}");
    Ok(())
}
