//! Subscriptions that begin and end while others go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Test;
use super::client::{Recorded, ledger};
use super::ground::{Failure, Ground, Outcome, at_once, ensure};
use super::history::{History, Rules};
use super::many::publish_many;

pub(super) const TESTS: &[Test] = &[
    Test { name: "a_subscription_is_there_when_it_returns", skips: |_| None, run: there_when_it_returns },
    Test { name: "an_ended_subscription_gets_nothing_more", skips: |_| None, run: gets_nothing_more },
    Test { name: "an_ended_subscription_leaves_the_engine", skips: |_| None, run: leaves_the_engine },
    Test { name: "coming_and_going_disturbs_nobody", skips: |_| None, run: coming_and_going },
    Test { name: "clients_close_at_once", skips: |_| None, run: clients_close_at_once },
];

/// An event that is published right after `subscribe` has returned comes.
fn there_when_it_returns(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    for round in 0..50 {
        // A topic that the broker has not seen, by name and by pattern.
        let topic = ground.topic(format!("fresh.{round}.x"));
        let pattern = if round % 2 == 0 { topic.clone() } else { ground.topic(format!("fresh.{round}.*")) };
        let recorded = there.record(&[&pattern])?;
        here.publish(ground, &topic, (1, round))?;
        recorded.wait_for(ground, 1)?;
    }
    Ok(())
}

fn gets_nothing_more(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let topic = ground.topic("ended");
    let (stays, ends) = (there.record(&[&topic])?, there.record(&[&topic])?);
    here.publish(ground, &topic, (1, 0))?;
    stays.wait_for(ground, 1)?;
    ends.wait_for(ground, 1)?;
    ensure!(ends.subscription.cancel(), "it had ended before");
    for number in 1..=50 {
        here.publish(ground, &topic, (1, number))?;
    }
    stays.wait_for(ground, 51)?;
    let come = ends.log.len();
    ensure!(come == 1, "{} events came after the end: {}", come - 1, ledger(&ends.subscription));
    // And it may begin again.
    let again = there.record(&[&topic])?;
    here.publish(ground, &topic, (1, 51))?;
    again.wait_for(ground, 1)?;
    ensure!(again.log.items() == [(1, 51)], "a new subscription got {:?}", again.log.items());
    Ok(())
}

/// The engine counts as many members as there are subscriptions, and so does the broker, if it tells.
fn leaves_the_engine(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let topic = ground.topic("leaving");
    let members = || Ok::<_, Failure>(client.engine()?.transport.map(|transport| transport.members));
    let (before, known_before) = (members()?, ground.subject.subscriptions());
    let mut held = Vec::new();
    for round in 0..20 {
        let subscribe = client.listen(&[&topic]);
        held.push(Recorded::of(if round % 2 == 0 {
            subscribe
        } else {
            subscribe.group(ground.name("left"))
        })?);
        if round % 3 == 0 {
            held.pop();
        }
    }
    let count = held.len();
    let during = members()?;
    ensure!(
        during == before.map(|before| before + count),
        "{during:?} members, {before:?} before {count} came"
    );
    drop(held);
    ground.wait(|| {
        let after = members().ok()?;
        (after != before).then(|| format!("{after:?} members are left, {before:?} were there before"))
    })?;
    ground.wait(|| {
        let known = ground.subject.subscriptions();
        (known > known_before).then(|| format!("the broker knows of {known:?}, {known_before:?} before"))
    })
}

fn coming_and_going(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("churn"), History::default());
    let wild = ground.topic("**");
    let stay = [there.record(&[&topic])?, there.record(&[&wild])?, here.record(&[&topic])?];
    let (done, churning) = (AtomicBool::new(false), AtomicUsize::new(0));
    let churn = |churner: usize| {
        let (topic, wild, done, churning) = (&topic, &wild, &done, &churning);
        let client = if churner.is_multiple_of(2) { &here } else { &there };
        move || {
            for round in 0_u32.. {
                let pattern = if round.is_multiple_of(2) { topic } else { wild };
                let recorded = client.record(&[pattern])?;
                if round.is_multiple_of(3) {
                    recorded.subscription.cancel();
                }
                if round == 0 {
                    churning.fetch_add(1, Ordering::Relaxed);
                }
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            Ok::<(), Failure>(())
        }
    };
    std::thread::scope(|scope| {
        let churners: Vec<_> = (0..4).map(|churner| scope.spawn(churn(churner))).collect();
        let begun = ground.until("subscriptions that come and go", || churning.load(Ordering::Relaxed) == 4);
        let published = begun.and_then(|()| publish_many(ground, &here, &history, &topic, 0..4, 250));
        done.store(true, Ordering::Relaxed);
        for churner in churners {
            churner.join().map_err(|_| Failure::new("a subscriber panicked"))??;
        }
        published
    })?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for recorded in &stay {
        recorded.wait_for(ground, 1000)?;
        history.judge(ground, &recorded.log, rules)?;
    }
    Ok(())
}

/// Ten clients come, subscribe and leave at once, in order or without; those that stay are not disturbed.
fn clients_close_at_once(ground: &Ground<'_>) -> Outcome {
    let stays = ground.client()?;
    let topic = ground.topic("closing");
    let recorded = stays.record(&[&topic])?;
    let close = |number: u32| {
        let topic = &topic;
        move || {
            let client = ground.client()?;
            let _recorded = client.record(&[topic])?;
            if number.is_multiple_of(2) {
                let report = client.bus.shutdown(ground.features.deadline).wait();
                ensure!(report.engines.is_empty(), "an engine did not stop in order: {:?}", report.engines);
                ensure!(report.threads_running == 0, "{} threads still run", report.threads_running);
            } else {
                client.abandon();
            }
            Ok(())
        }
    };
    at_once((0..10).map(close))?;
    stays.publish(ground, &topic, (1, 0))?;
    recorded.wait_for(ground, 1)
}
