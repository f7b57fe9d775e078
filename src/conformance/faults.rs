//! Cut connections and restarted brokers.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Test;
use super::client::{Client, Log, Recorded};
use super::features::Features;
use super::ground::{Failure, Gate, Ground, Opening, Outcome, ensure};
use super::history::{History, Rules};
use super::many::publish_many;
use crate::engine::EngineState;

pub(super) const TESTS: &[Test] = &[
    Test {
        name: "the_state_follows_the_connection",
        skips: |features| (!features.cuts).then_some("connections cannot be cut"),
        run: the_state_follows,
    },
    Test {
        name: "a_cut_loses_nothing_that_waits",
        skips: |features| match (features.cuts, features.at_least_once) {
            (false, _) => Some("connections cannot be cut"),
            (true, false) => Some("events may be lost"),
            (true, true) => None,
        },
        run: loses_nothing_that_waits,
    },
    Test {
        name: "cut_connections_lose_nothing_promised",
        skips: |features| (!features.cuts).then_some("connections cannot be cut"),
        run: |ground| during_faults(ground, 5, None, || ground.subject.cut()),
    },
    Test {
        name: "cut_connections_lose_nothing_of_a_group",
        skips: |features| match (features.cuts, features.shares_groups()) {
            (false, _) => Some("connections cannot be cut"),
            (true, false) => Some("no shared groups are claimed"),
            (true, true) => None,
        },
        run: |ground| during_faults(ground, 5, Some(&ground.name("faults")), || ground.subject.cut()),
    },
    Test {
        name: "a_restarted_broker_loses_nothing_promised",
        skips: |features| (!features.restarts).then_some("the broker cannot be restarted"),
        run: |ground| during_faults(ground, 3, None, || ground.subject.restart()),
    },
    Test { name: "what_was_stored_outlives_the_broker", skips: outlives_skips, run: stored_outlives },
];

fn outlives_skips(features: &Features) -> Option<&'static str> {
    if !features.restarts {
        return Some("the broker cannot be restarted");
    }
    let promised = features.capabilities.is_persistent() && features.starts_at(crate::Start::Beginning);
    (!promised).then_some("no persistence with a start at the beginning is claimed")
}

fn fault(result: Result<(), Box<dyn std::error::Error>>) -> Outcome {
    result.map_err(|error| Failure::new(format!("the fault could not be injected: {error}")))
}

/// Publishes until an event comes: whoever was thrown out is back then.
fn goes_on(ground: &Ground<'_>, here: &Client, topic: &str, history: &History, logs: &[&Log]) -> Outcome {
    let number = std::sync::atomic::AtomicU64::new(0);
    let publisher = 999;
    ground.wait(|| {
        let item = (publisher, number.fetch_add(1, Ordering::Relaxed));
        if let Err(failure) = here.publish_noted(ground, topic, item, None, history) {
            return Some(failure.to_string());
        }
        let come = |log: &&Log| log.items().iter().any(|(by, _)| *by == publisher);
        (!logs.iter().all(come)).then(|| "nothing comes any more after the last fault".to_owned())
    })
}

/// An engine says that its connection is lost, and that it is back, and goes on then.
fn the_state_follows(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("state"), History::default());
    let recorded = there.record(&[&topic])?;
    let connected = || there.engine().is_ok_and(|engine| engine.state == EngineState::Connected);
    ground.until("an engine that is connected", connected)?;
    let told = there.said.states().len();
    fault(ground.subject.cut())?;
    ground.wait(|| {
        let states = there.said.states();
        let since = states.get(told..).unwrap_or_default();
        let lost = since.iter().position(|state| *state != EngineState::Connected);
        let back = lost.is_some_and(|lost| since[lost..].contains(&EngineState::Connected));
        (!back).then(|| format!("after the cut the engine said {since:?}"))
    })?;
    goes_on(ground, &here, &topic, &history, &[&recorded.log])
}

/// The connection is cut while a handler holds everything back: what had been stored comes, in order.
fn loses_nothing_that_waits(ground: &Ground<'_>) -> Outcome {
    const LIMIT: usize = 4;
    let there = ground.client_with(|bus| bus.in_flight(LIMIT))?;
    let here = if ground.features.clients { ground.client()? } else { there.share() };
    let (topic, history, gate) = (ground.topic("held"), History::default(), Gate::default());
    let (opening, patience) = (Opening(gate.clone()), ground.features.deadline);
    let recorded = Recorded::with(there.listen(&[&topic]), move |_, _| {
        gate.pass(patience);
        Ok(())
    })?;
    publish_many(ground, &here, &history, &topic, 0..1, 50)?;
    let arrivals =
        || there.engine().map_or(0, |engine| engine.transport.map_or(0, |now| now.arrivals_in_flight));
    ground.until("as many arrivals as may be", || arrivals() == LIMIT)?;
    fault(ground.subject.cut())?;
    drop(opening);
    ground.wait(|| history.missing(&[&recorded.log]))?;
    let duplicates = ground.features.duplicates_per_fault;
    let by_publisher = ground.features.is_ordered();
    history.judge(ground, &recorded.log, Rules { duplicates, by_publisher, ..Rules::default() })
}

/// Faults while four publish. Nothing that was promised is lost, duplicates stay within the bound, and order holds.
fn during_faults(
    ground: &Ground<'_>,
    faults: usize,
    group: Option<&str>,
    inject: impl Fn() -> Result<(), Box<dyn std::error::Error>>,
) -> Outcome {
    const PUBLISHED: usize = 1000;
    let here = ground.client()?;
    let clients = if ground.features.clients {
        [ground.client_with(|bus| bus.in_flight(64))?, ground.client_with(|bus| bus.in_flight(64))?]
    } else {
        [here.share(), here.share()]
    };
    let (topic, history) = (ground.topic("faults"), History::default());
    let subscribe = |client: &Client| {
        let listen = client.listen(&[&topic]);
        Recorded::of(if let Some(group) = group { listen.group(group) } else { listen })
    };
    let recorded = clients.iter().map(subscribe).collect::<Result<Vec<_>, _>>()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let published = publish_many(ground, &here, &history, &topic, 0..4, PUBLISHED as u64 / 4);
            done.store(true, Ordering::Release);
            published
        });
        let injected = (1..=faults).try_for_each(|number| {
            let at = PUBLISHED * number / (faults + 1);
            ground.wait(|| {
                let begun = history.len();
                (begun < at && !done.load(Ordering::Acquire))
                    .then(|| format!("{begun} of {at} events were published"))
            })?;
            fault(inject())
        });
        let published = publishing.join().map_err(|_| Failure::new("a publisher panicked"))?;
        injected.and(published)
    })?;
    let stored = history.stored();
    let logs: Vec<&Log> = recorded.iter().map(|recorded| &recorded.log).collect();
    let may_lose = !ground.features.at_least_once;
    if group.is_none() {
        goes_on(ground, &here, &topic, &history, &logs)?;
    }
    let duplicates = faults as u64 * ground.features.duplicates_per_fault;
    let rules = Rules { may_lose, duplicates, by_publisher: ground.features.is_ordered(), by_key: false };
    if group.is_some() {
        ground.wait(|| history.missing(&logs).filter(|_| !may_lose))?;
        let reads: Vec<_> = logs.iter().flat_map(|log| log.reads()).collect();
        // Each member gets its part in order, all of them together are in none.
        return history.compare(ground, &reads).judge(Rules { by_publisher: false, ..rules });
    }
    for log in &logs {
        ground.wait(|| history.missing(&[log]).filter(|_| !may_lose))?;
        history.judge(ground, log, rules)?;
    }
    ensure!(stored * 2 > PUBLISHED, "only {stored} of {PUBLISHED} events were surely stored");
    Ok(())
}

/// Events that were stored before the broker was restarted are there afterwards, for a client that comes then.
fn stored_outlives(ground: &Ground<'_>) -> Outcome {
    let (topic, history) = (ground.topic("stored"), History::default());
    let here = ground.client()?;
    publish_many(ground, &here, &history, &topic, 0..1, 50)?;
    drop(here);
    fault(ground.subject.restart())?;
    let there = ground.client()?;
    let recorded = Recorded::of(there.listen(&[&topic]).from(crate::Start::Beginning))?;
    ground.wait(|| history.missing(&[&recorded.log]))?;
    history.judge(
        ground,
        &recorded.log,
        Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() },
    )
}
