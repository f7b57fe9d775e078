//! Subscriptions that begin in the past.

use super::Test;
use super::client::Recorded;
use super::ground::{Ground, Outcome, ensure};
use super::history::{History, Rules};
use super::many::publish_many;
use crate::Start;

pub(super) const TESTS: &[Test] = &[
    Test {
        name: "a_start_that_is_not_offered_is_refused",
        skips: |features| {
            let all = features.starts_at(Start::Beginning) && features.starts_at(Start::LastN(1));
            all.then_some("all starts are claimed")
        },
        run: a_start_is_refused,
    },
    Test {
        name: "a_new_subscription_gets_old_events",
        skips: |features| {
            (!features.starts_at(Start::Beginning)).then_some("no start at the beginning is claimed")
        },
        run: gets_old_events,
    },
    Test {
        name: "old_and_new_events_meet_without_a_gap",
        skips: |features| {
            (!features.starts_at(Start::Beginning)).then_some("no start at the beginning is claimed")
        },
        run: without_a_gap,
    },
    Test {
        name: "a_subscription_begins_with_the_last_events",
        skips: |features| {
            (!features.starts_at(Start::LastN(1))).then_some("no start with the last is claimed")
        },
        run: begins_with_the_last,
    },
];

fn a_start_is_refused(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    for start in [Start::Beginning, Start::LastN(5)] {
        if !ground.features.starts_at(start) {
            let made = client.listen(&[&ground.topic("start")]).from(start).handle(|_| ());
            ensure!(made.is_err(), "a subscription begins at {start:?}, which is not claimed");
        }
    }
    Ok(())
}

/// Each of three subscriptions that come one after the other gets all from the beginning, in order.
fn gets_old_events(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, wild, history) = (ground.topic("old"), ground.topic("*"), History::default());
    let mut all = Vec::new();
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for round in 0..3_usize {
        let publisher = u32::try_from(round).unwrap_or(0);
        publish_many(ground, &here, &history, &topic, publisher..publisher + 1, 50)?;
        let pattern = if round == 1 { &wild } else { &topic };
        all.push(Recorded::of(there.listen(&[pattern]).from(Start::Beginning))?);
        for recorded in &all {
            recorded.wait_for(ground, 50 * (round + 1))?;
            history.judge(ground, &recorded.log, rules)?;
        }
    }
    Ok(())
}

/// What is published while a subscription begins in the past comes once.
fn without_a_gap(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("seam"), History::default());
    publish_many(ground, &here, &history, &topic, 0..1, 50)?;
    let subscribe = || {
        let begin = |_| Recorded::of(there.listen(&[&topic]).from(Start::Beginning));
        (0..5).map(begin).collect::<Result<Vec<_>, _>>()
    };
    let (published, subscribed) = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| publish_many(ground, &here, &history, &topic, 1..4, 100));
        let subscribed = subscribe();
        (publishing.join(), subscribed)
    });
    published.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for recorded in &subscribed? {
        recorded.wait_for(ground, 350)?;
        history.judge(ground, &recorded.log, rules)?;
    }
    Ok(())
}

fn begins_with_the_last(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("last"), History::default());
    publish_many(ground, &here, &history, &topic, 0..1, 50)?;
    let recorded = Recorded::of(there.listen(&[&topic]).from(Start::LastN(10)))?;
    publish_many(ground, &here, &history, &topic, 1..2, 10)?;
    recorded.wait_for(ground, 20)?;
    let mut items = recorded.log.items();
    items.sort_unstable();
    let expected: Vec<_> =
        (40..50).map(|number| (0, number)).chain((0..10).map(|number| (1, number))).collect();
    ensure!(items == expected, "the last 10 of 50 and 10 more are {items:?}");
    // More than there are: all.
    let all = Recorded::of(there.listen(&[&topic]).from(Start::LastN(1000)))?;
    all.wait_for(ground, 60)?;
    history.judge(ground, &all.log, Rules::default())
}
