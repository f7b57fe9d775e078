//! Groups share events: each group gets all, each event goes to one member.

use super::Test;
use super::client::{Client, Log, Recorded};
use super::features::Features;
use super::ground::{Failure, Ground, Item, Outcome, ensure};
use super::history::History;
use super::many::publish_many;

pub(super) const TESTS: &[Test] = &[
    Test { name: "groups_get_all_and_members_share", skips: |_| None, run: members_share },
    Test { name: "events_are_shared_over_clients", skips: needs_shared_groups, run: shared_over_clients },
    Test {
        name: "groups_of_other_clients_get_all",
        skips: |features| match (features.clients, features.shares_groups()) {
            (false, _) => Some("clients do not reach each other"),
            (true, true) => Some("groups are shared"),
            (true, false) => None,
        },
        run: of_other_clients,
    },
    Test { name: "a_member_that_leaves_leaves_its_share", skips: needs_shared_groups, run: leaves_its_share },
    Test {
        name: "a_group_goes_on_where_it_was",
        skips: |features| (!features.durable_groups).then_some("no durable groups are claimed"),
        run: goes_on_where_it_was,
    },
];

fn needs_shared_groups(features: &Features) -> Option<&'static str> {
    match (features.clients, features.shares_groups()) {
        (false, _) => Some("clients do not reach each other"),
        (true, false) => Some("no shared groups are claimed"),
        (true, true) => None,
    }
}

/// A member of a group that remembers what comes.
fn member(client: &Client, topic: &str, group: String) -> Outcome<Recorded> {
    Ok(Recorded::of(client.listen(&[topic]).group(group))?)
}

/// Waits until the members have got all of an history, and compares: each event once, in one of them.
fn shared(ground: &Ground<'_>, members: &[&Recorded], history: &History) -> Outcome {
    let logs: Vec<&Log> = members.iter().map(|member| &member.log).collect();
    ground.wait(|| history.missing(&logs))?;
    let mut reads = Vec::new();
    for member in members {
        // A member gets a part: only what it got is compared.
        let findings = history.compare(ground, &member.log.reads());
        ensure!(findings.phantoms.is_empty(), "phantoms came: {:?}", findings.phantoms.first());
        reads.extend(member.log.reads());
    }
    let findings = history.compare(ground, &reads);
    let shares: Vec<_> = logs.iter().map(|log| log.len()).collect();
    ensure!(findings.duplicates == 0, "{} events came to two members: {shares:?}", findings.duplicates);
    Ok(())
}

fn members_share(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("group"), History::default());
    let group = |group: u32| {
        (0..3).map(|_| member(&there, &topic, ground.name(group))).collect::<Outcome<Vec<Recorded>>>()
    };
    let groups = [group(0)?, group(1)?];
    let plain = there.record(&[&topic])?;
    publish_many(ground, &here, &history, &topic, 0..3, 100)?;
    plain.wait_for(ground, 300)?;
    for members in &groups {
        shared(ground, &members.iter().collect::<Vec<_>>(), &history)?;
        let shares: Vec<_> = members.iter().map(|member| member.log.len()).collect();
        ensure!(shares.iter().all(|share| *share > 0), "a member got nothing: {shares:?}");
    }
    Ok(())
}

fn shared_over_clients(ground: &Ground<'_>) -> Outcome {
    let (publisher, first, second) = (ground.client()?, ground.client()?, ground.client()?);
    let (topic, history) = (ground.topic("group"), History::default());
    let group = |client: &Client, name: u32| member(client, &topic, ground.name(name));
    let one = [group(&first, 1)?, group(&second, 1)?, group(&second, 1)?];
    let other = [group(&first, 2)?];
    publish_many(ground, &publisher, &history, &topic, 0..3, 100)?;
    shared(ground, &one.iter().collect::<Vec<_>>(), &history)?;
    shared(ground, &other.iter().collect::<Vec<_>>(), &history)
}

/// Members in one process share what the process gets, and members in others get it, too.
fn of_other_clients(ground: &Ground<'_>) -> Outcome {
    let (first, second) = (ground.client()?, ground.client()?);
    let (topic, history) = (ground.topic("group"), History::default());
    let pair = |client: &Client| {
        Ok::<_, Failure>([member(client, &topic, ground.name(1))?, member(client, &topic, ground.name(1))?])
    };
    let pairs = [pair(&first)?, pair(&second)?];
    publish_many(ground, &first, &history, &topic, 0..3, 100)?;
    pairs.iter().try_for_each(|[one, other]| shared(ground, &[one, other], &history))
}

/// What a member would get that has left, by cancel, by shutdown or without a word, the others get.
fn leaves_its_share(ground: &Ground<'_>) -> Outcome {
    let (publisher, stays) = (ground.client()?, ground.client()?);
    let topic = ground.topic("share");
    let keeps = member(&stays, &topic, ground.name("share"))?;
    let mut number = 0_u64;
    for way in ["cancel", "shutdown", "without a word"] {
        let leaves = ground.client()?;
        let left = member(&leaves, &topic, ground.name("share"))?;
        match way {
            "cancel" => _ = left.subscription.cancel(),
            "shutdown" => _ = leaves.bus.shutdown(ground.features.deadline).wait(),
            _ => leaves.abandon(),
        }
        // To leave takes a moment of which nobody is told. From some round on all come.
        let deadline = ground.deadline();
        loop {
            let round: Vec<Item> = (number..number + 20).map(|number| (1, number)).collect();
            number += 20;
            for item in &round {
                publisher.publish(ground, &topic, *item)?;
            }
            let last = round[round.len() - 1];
            let complete = || {
                let items = keeps.log.items();
                round.iter().filter(|item| !items.contains(item)).count()
            };
            let patience = std::time::Instant::now() + std::time::Duration::from_millis(500);
            ground
                .until("the last of a round", || complete() == 0 || std::time::Instant::now() >= patience)?;
            if complete() == 0 {
                break;
            }
            ensure!(
                std::time::Instant::now() < deadline,
                "after a member left ({way}), {} of 20 events up to {last:?} went nowhere",
                complete()
            );
        }
    }
    Ok(())
}

/// What is published while a group has no member is there when one comes.
fn goes_on_where_it_was(ground: &Ground<'_>) -> Outcome {
    let publisher = ground.client()?;
    let (topic, history, group) = (ground.topic("durable"), History::default(), ground.name("durable"));
    let mut before: Vec<Recorded> = Vec::new();
    for round in 0..4 {
        let client = ground.client()?;
        let recorded = member(&client, &topic, group.clone())?;
        before.push(recorded);
        // One batch while it is there, one when it has gone.
        publish_many(ground, &publisher, &history, &topic, 2 * round..2 * round + 1, 50)?;
        let logs: Vec<&Log> = before.iter().map(|recorded| &recorded.log).collect();
        ground.wait(|| history.missing(&logs))?;
        let report = client.bus.shutdown(ground.features.deadline).wait();
        ensure!(report.complete, "a shutdown was not complete: {report:?}");
        publish_many(ground, &publisher, &history, &topic, 2 * round + 1..2 * round + 2, 50)?;
    }
    let client = ground.client()?;
    before.push(member(&client, &topic, group)?);
    shared(ground, &before.iter().collect::<Vec<_>>(), &history)
}
