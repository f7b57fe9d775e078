//! Several clients of one broker.

use super::Test;
use super::client::{Client, Recorded};
use super::features::Features;
use super::ground::{Gate, Ground, Opening, Outcome, at_once, ensure};
use super::history::{History, Rules};
use super::many::publish_many;

pub(super) const TESTS: &[Test] = &[
    Test { name: "what_one_client_publishes_the_others_get", skips: needs_clients, run: the_others_get },
    Test {
        name: "a_client_that_leaves_disturbs_nobody",
        skips: needs_clients,
        run: leaves_and_disturbs_nobody,
    },
    Test {
        name: "what_a_client_has_not_handled_others_get",
        skips: |features| match (features.at_least_once, features.shares_groups()) {
            (false, _) => Some("events may be lost"),
            (true, false) => Some("no shared groups are claimed"),
            (true, true) => None,
        },
        run: others_get_what_is_left,
    },
];

fn needs_clients(features: &Features) -> Option<&'static str> {
    (!features.clients).then_some("clients do not reach each other")
}

fn the_others_get(ground: &Ground<'_>) -> Outcome {
    let clients = [ground.client()?, ground.client()?, ground.client()?];
    let (topic, history) = (ground.topic("all"), History::default());
    let recorded =
        clients.iter().map(|client| client.record(&[&topic])).collect::<Outcome<Vec<Recorded>>>()?;
    let publish = |(publisher, client): (u32, &Client)| {
        (0..100)
            .try_for_each(|number| client.publish_noted(ground, &topic, (publisher, number), None, &history))
    };
    at_once((0..).zip(&clients).map(|each| move || publish(each)))?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for recorded in &recorded {
        recorded.wait_for(ground, 300)?;
        history.judge(ground, &recorded.log, rules)?;
    }
    Ok(())
}

/// Clients come and go, in order and without a word, while others publish and receive.
fn leaves_and_disturbs_nobody(ground: &Ground<'_>) -> Outcome {
    let (here, there) = (ground.client()?, ground.client()?);
    let (topic, history) = (ground.topic("leaves"), History::default());
    let recorded = there.record(&[&topic])?;
    for number in 0..300_u64 {
        if number.is_multiple_of(50) {
            let leaves = ground.client()?;
            let also = leaves.record(&[&topic])?;
            here.publish_noted(ground, &topic, (0, number), None, &history)?;
            also.wait_for(ground, 1)?;
            if number.is_multiple_of(100) {
                leaves.abandon();
            }
        } else {
            here.publish_noted(ground, &topic, (0, number), None, &history)?;
        }
    }
    recorded.wait_for(ground, 300)?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    history.judge(ground, &recorded.log, rules)
}

/// A client goes without a word while its handler runs and more events have come: the rest of the group gets all of them.
fn others_get_what_is_left(ground: &Ground<'_>) -> Outcome {
    let (here, dies) = (ground.client()?, ground.client()?);
    let (topic, group, history) = (ground.topic("dies"), ground.name("dies"), History::default());
    let (gate, patience) = (Gate::default(), ground.features.deadline);
    let opening = Opening(gate.clone());
    let held = Recorded::with(dies.listen(&[&topic]).group(group.clone()), move |_, _| {
        gate.pass(patience);
        Ok(())
    })?;
    publish_many(ground, &here, &history, &topic, 0..1, 20)?;
    held.wait_for(ground, 1)?;
    ground.until("several arrivals", || {
        dies.engine()
            .is_ok_and(|engine| engine.transport.is_some_and(|transport| transport.arrivals_in_flight > 1))
    })?;
    let lives = ground.client()?;
    let takes_over = Recorded::of(lives.listen(&[&topic]).group(group))?;
    dies.abandon();
    drop(opening);
    ground.wait(|| history.missing(&[&takes_over.log, &held.log]))?;
    // The one that was being handled comes again or not, the others once.
    history.compare(ground, &takes_over.log.reads()).judge(Rules { may_lose: true, ..Rules::default() })?;
    let both = held.log.len() + takes_over.log.len();
    ensure!(both <= 21, "{both} events came, of 20 of which one was being handled");
    Ok(())
}
