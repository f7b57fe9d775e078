//! Many publishers, many topics, and the order of events.

use super::Test;
use super::client::{Client, Recorded};
use super::ground::{Ground, Outcome, at_once};
use super::history::{History, Rules};

pub(super) const TESTS: &[Test] = &[
    Test { name: "many_publishers_reach_every_subscription", skips: |_| None, run: many_publishers },
    Test { name: "topics_do_not_mix", skips: |_| None, run: topics_do_not_mix },
    Test {
        name: "events_of_a_publisher_keep_their_order",
        skips: |features| (!features.is_ordered()).then_some("no order is claimed"),
        run: order_of_a_publisher,
    },
    Test {
        name: "events_of_a_key_keep_their_order",
        skips: |features| (!features.keeps_keys_in_order()).then_some("no order of keys is claimed"),
        run: order_of_a_key,
    },
];

/// Publishes as so many at once, each so many events.
pub(super) fn publish_many(
    ground: &Ground<'_>,
    client: &Client,
    history: &History,
    topic: &str,
    publishers: std::ops::Range<u32>,
    events: u64,
) -> Outcome {
    let publish = |publisher| {
        move || {
            (0..events).try_for_each(|number| {
                client.publish_noted(ground, topic, (publisher, number), None, history)
            })
        }
    };
    at_once(publishers.map(publish)).map(drop)
}

fn many_publishers(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("many"), History::default());
    let wild = ground.topic("*");
    let subscriptions = [there.record(&[&topic])?, there.record(&[&wild])?, here.record(&[&topic])?];
    publish_many(ground, &here, &history, &topic, 0..50, 100)?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    for recorded in &subscriptions {
        recorded.wait_for(ground, 5000)?;
        ground.wait(|| history.missing(&[&recorded.log]))?;
        history.judge(ground, &recorded.log, rules)?;
    }
    Ok(())
}

fn topics_do_not_mix(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let rules = Rules { by_publisher: ground.features.is_ordered(), ..Rules::default() };
    let topics: Vec<_> = (0..20).map(|number| (number, ground.topic(format!("mix.{number}")))).collect();
    let recorded = topics.iter().map(|(_, topic)| there.record(&[topic]));
    let recorded: Vec<Recorded> = recorded.collect::<Outcome<_>>()?;
    let jobs = topics.iter().zip(&recorded).map(|((number, topic), recorded)| {
        let here = &here;
        move || {
            // What comes of another topic is a phantom here.
            let history = History::default();
            publish_many(ground, here, &history, topic, *number..*number + 1, 100)?;
            recorded.wait_for(ground, 100)?;
            history.judge(ground, &recorded.log, rules)
        }
    });
    at_once(jobs)?;
    // Once more, now that all are through.
    topics.iter().zip(&recorded).try_for_each(|((number, _), recorded)| {
        let others = recorded.log.items().iter().filter(|(publisher, _)| publisher != number).count();
        super::ground::ensure!(others == 0, "{others} events of other topics came");
        Ok(())
    })
}

fn order_of_a_publisher(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("order"), History::default());
    let recorded = [there.record(&[&topic])?, there.record(&[&ground.topic("+")])?];
    publish_many(ground, &here, &history, &topic, 0..4, 500)?;
    // And one alone.
    publish_many(ground, &here, &history, &topic, 4..5, 100)?;
    for recorded in &recorded {
        recorded.wait_for(ground, 2100)?;
        history.judge(ground, &recorded.log, Rules { by_publisher: true, ..Rules::default() })?;
    }
    Ok(())
}

fn order_of_a_key(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("keys"), History::default());
    let recorded = there.record(&[&topic])?;
    let publish = |publisher: u32| {
        let (topic, history, here) = (&topic, &history, &here);
        move || {
            (0..500_u64).try_for_each(|number| {
                here.publish_noted(ground, topic, (publisher, number), Some(number % 16), history)
            })
        }
    };
    at_once((0..2).map(publish))?;
    recorded.wait_for(ground, 1000)?;
    let rules = Rules { by_key: true, by_publisher: ground.features.is_ordered(), ..Rules::default() };
    history.judge(ground, &recorded.log, rules)
}
