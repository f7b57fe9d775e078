//! Slow subscriptions, the bound on arrivals in flight, and handlers that publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::Test;
use super::client::{Client, Log, Recorded};
use super::ground::{Gate, Ground, Item, Opening, Outcome, ensure};
use super::history::{History, Rules};
use super::many::publish_many;
use crate::{Event, HandlerError};

pub(super) const TESTS: &[Test] = &[
    Test { name: "a_slow_subscription_gets_everything", skips: |_| None, run: slow_gets_everything },
    Test {
        name: "arrivals_in_flight_are_bounded",
        skips: |features| (!features.carried).then_some("a publish goes straight to the subscriptions"),
        run: in_flight_is_bounded,
    },
    Test { name: "a_handler_that_publishes_waits_for_nobody", skips: |_| None, run: handler_that_publishes },
    Test { name: "publishing_goes_on_while_arrivals_wait", skips: |_| None, run: publishing_goes_on },
];

/// With room for one event, and slower than the others: it gets all, and each event has come to the others first.
fn slow_gets_everything(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("slow"), History::default());
    let fast = there.record(&[&topic])?;
    let (ahead, starved, patience) =
        (fast.log.clone(), Arc::new(AtomicU64::new(0)), ground.features.deadline);
    let counted = Arc::clone(&starved);
    let slow = Recorded::with(there.listen(&[&topic]).capacity(1), move |event, _| {
        // As slow as the other one lets it be: it waits until that has this event.
        let deadline = Instant::now() + patience;
        while ahead.count(**event) == 0 {
            if Instant::now() >= deadline {
                counted.fetch_add(1, Ordering::Relaxed);
                break;
            }
            std::thread::yield_now();
        }
        Ok(())
    })?;
    publish_many(ground, &here, &history, &topic, 0..2, 50)?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for recorded in [&fast, &slow] {
        recorded.wait_for(ground, 100)?;
        history.judge(ground, &recorded.log, rules)?;
    }
    let starved = starved.load(Ordering::Relaxed);
    ensure!(starved == 0, "{starved} events came to the slow subscription and to no other");
    Ok(())
}

/// As many arrivals are in flight as the bus allows, and never more.
fn in_flight_is_bounded(ground: &Ground<'_>) -> Outcome {
    const LIMIT: usize = 4;
    let there = ground.client_with(|bus| bus.in_flight(LIMIT))?;
    let publisher = if ground.features.clients { ground.client()? } else { there.share() };
    let (topic, gate, history) = (ground.topic("bound"), Gate::default(), History::default());
    let opening = Opening(gate.clone());
    let patience = ground.features.deadline;
    let recorded = Recorded::with(there.listen(&[&topic]), move |_, _| {
        gate.pass(patience);
        Ok(())
    })?;
    publish_many(ground, &publisher, &history, &topic, 0..1, 50)?;
    let most = AtomicUsize::new(0);
    let look = || -> Outcome<usize> {
        let in_flight = there.engine()?.transport.map_or(0, |transport| transport.arrivals_in_flight);
        most.fetch_max(in_flight, Ordering::Relaxed);
        Ok(in_flight)
    };
    ground.until("as many arrivals in flight as may be", || look().is_ok_and(|count| count == LIMIT))?;
    let offered = recorded.subscription.stats().offered;
    ensure!(offered <= LIMIT as u64, "{offered} events were offered with {LIMIT} arrivals in flight");
    drop(opening);
    ground.wait(|| {
        let _ = look();
        let come = recorded.log.len();
        (come < 50).then(|| format!("{come} of 50 events came"))
    })?;
    ground.until("no arrival in flight", || look().is_ok_and(|count| count == 0))?;
    let most = most.load(Ordering::Relaxed);
    ensure!(most <= LIMIT, "{most} arrivals were in flight, {LIMIT} may be");
    history.judge(ground, &recorded.log, Rules::default())
}

/// A handler that publishes what it has got, one less, until it is zero.
fn countdown(
    client: &Client,
    topic: &str,
    log: &Log,
) -> impl Fn(&Event<Item>) -> Result<(), HandlerError> + use<> {
    let (bus, topic, log) = (client.bus.downgrade(), topic.to_owned(), log.clone());
    move |event| {
        log.note(event);
        let (publisher, number) = **event;
        if let (Some(bus), Some(next)) = (bus.upgrade(), number.checked_sub(1)) {
            bus.publish(&topic, (publisher, next)).map_err(|error| HandlerError::new(error.to_string()))?;
        }
        Ok(())
    }
}

/// Handlers publish to the topic that they handle, with one arrival in flight: theirs.
fn handler_that_publishes(ground: &Ground<'_>) -> Outcome {
    const EVENTS: usize = 21;
    for inline in [true, false] {
        let client = ground.client_with(|bus| bus.in_flight(1))?;
        let (topic, log) = (ground.topic(format!("loop.{inline}")), Log::default());
        let handler = countdown(&client, &topic, &log);
        let subscription = if inline {
            client.listen(&[&topic]).handle_inline(handler)?
        } else {
            client.listen(&[&topic]).handle(handler)?
        };
        client.publish(ground, &topic, (1, EVENTS as u64 - 1))?;
        ground.wait(|| {
            let come = log.len();
            let ledger = super::client::ledger(&subscription);
            (come < EVENTS).then(|| format!("{come} of {EVENTS} events came, inline: {inline}: {ledger}"))
        })?;
        ground.until("the last handler's end", || subscription.stats().delivered == EVENTS as u64)?;
        let ledger = subscription.stats();
        ensure!(
            ledger.failed == 0,
            "{} handlers could not publish: {:?}",
            ledger.failed,
            client.said.warnings()
        );
    }
    Ok(())
}

/// While a handler holds all arrivals back, publishing works.
fn publishing_goes_on(ground: &Ground<'_>) -> Outcome {
    let client = ground.client_with(|bus| bus.in_flight(1))?;
    let (topic, other, gate) = (ground.topic("held"), ground.topic("other"), Gate::default());
    let opening = Opening(gate.clone());
    let (patience, waits) = (ground.features.deadline, Arc::new(AtomicBool::new(false)));
    let waiting = Arc::clone(&waits);
    let held = Recorded::with(client.listen(&[&topic]), move |_, _| {
        waiting.store(true, Ordering::Release);
        gate.pass(patience);
        Ok(())
    })?;
    let others = client.record(&[&other])?;
    client.publish(ground, &topic, (1, 0))?;
    ground.until("a handler that waits", || waits.load(Ordering::Acquire))?;
    let begun = Instant::now();
    for number in 1..=20 {
        client.publish(ground, &other, (1, number))?;
    }
    let took = begun.elapsed();
    ensure!(took < patience, "20 publishes took {took:?} while a handler waited");
    drop(opening);
    held.wait_for(ground, 1)?;
    others.wait_for(ground, 20)
}
