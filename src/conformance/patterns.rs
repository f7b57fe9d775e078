//! Patterns mean the same by every engine.

use std::collections::BTreeSet;

use super::Test;
use super::client::Recorded;
use super::ground::{Ground, Outcome, ensure};
use crate::{Topic, TopicPattern};

pub(super) const TESTS: &[Test] = &[
    Test { name: "patterns_mean_what_they_say", skips: |_| None, run: patterns_mean_what_they_say },
    Test {
        name: "overlapping_patterns_deliver_once",
        skips: |_| None,
        run: overlapping_patterns_deliver_once,
    },
];

/// Patterns; `P` stands for the test's own first segment.
const PATTERNS: [&str; 40] = [
    "*",
    "**",
    "+.**",
    "**.z",
    "+.a",
    "+.*",
    "+.a*",
    "P",
    "P*",
    "P.*",
    "P.**",
    "P.+",
    "P.+.+",
    "P.+.*",
    "P.*.b",
    "P.+.b",
    "P.a",
    "P.a.b",
    "P.a.b.c",
    "P.a*",
    "P.ab*",
    "P.abc*",
    "P.a.*",
    "P.a.**",
    "P.a.+",
    "P.a.b*",
    "P.**.b",
    "P.**.c*",
    "P.**.b.**",
    "P.a.**.z",
    "P.+.**.c",
    "P.**.+.c",
    "P.A",
    "P.ü",
    "P.ü*",
    "P.ü.+",
    "P.x-y_z",
    "P.a.b.+.d",
    "P.#",
    "P.>",
];

/// Topics that one or another of them matches.
const TOPICS: [&str; 26] = [
    "P",
    "P.a",
    "P.b",
    "P.c",
    "P.z",
    "P.A",
    "P.ü",
    "P.#",
    "P.>",
    "P.x-y_z",
    "P.ab",
    "P.abc",
    "P.abcd",
    "P.a.a",
    "P.a.b",
    "P.a.z",
    "P.ab.b",
    "P.ü.b",
    "P.ü.ü",
    "P.a.b.c",
    "P.a.b.c.d",
    "P.a.c.b",
    "P.b.b.c",
    "P.a.b.z",
    "P.ab.c",
    "P.a.bc",
];

/// Cuts the `P` off a pattern or a topic, and puts the test's own first segment in its place.
fn own(ground: &Ground<'_>, text: &str) -> String {
    match text.strip_prefix('P') {
        Some(rest) => format!("{}{rest}", ground.prefix()),
        None => text.to_owned(),
    }
}

fn patterns_mean_what_they_say(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let patterns = PATTERNS.map(|pattern| own(ground, pattern));
    let topics: Vec<Topic> =
        TOPICS.iter().map(|topic| Topic::new(own(ground, topic))).collect::<Result<_, _>>()?;
    let recorded = patterns.iter().map(|pattern| there.record(&[pattern]));
    let recorded: Vec<Recorded> = recorded.collect::<Outcome<_>>()?;
    for (number, topic) in (0_u64..).zip(&topics) {
        here.publish(ground, topic.as_str(), (1, number))?;
    }
    // What is not of this test may be anybody's: a bare `*` gets all that the broker carries.
    let own_items = |recorded: &Recorded| -> Vec<u64> {
        let reads = recorded.log.reads();
        reads.iter().filter(|read| read.id == ground.id(read.item)).map(|read| read.item.1).collect()
    };
    for (pattern, recorded) in patterns.iter().zip(&recorded) {
        let parsed = TopicPattern::new(pattern)?;
        let expected: BTreeSet<u64> = (0_u64..)
            .zip(&topics)
            .filter(|(_, topic)| parsed.matches(topic))
            .map(|(number, _)| number)
            .collect();
        ground.wait(|| {
            let come: BTreeSet<u64> = own_items(recorded).into_iter().collect();
            let first = expected.difference(&come).next()?;
            let topic = usize::try_from(*first).ok().and_then(|first| topics.get(first))?;
            Some(format!("nothing on \"{topic}\" came to the pattern \"{pattern}\""))
        })?;
        let come = own_items(recorded);
        ensure!(
            come.len() == expected.len(),
            "{} events came to the pattern \"{pattern}\", {} match",
            come.len(),
            expected.len()
        );
    }
    Ok(())
}

/// An event comes once to a subscription of which several patterns match, and to each of several that match.
fn overlapping_patterns_deliver_once(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let patterns = ["a.b", "a.*", "**", "+.b"].map(|pattern| ground.topic(pattern));
    let several = there.record(&patterns.each_ref().map(String::as_str))?;
    let single = patterns.iter().map(|pattern| there.record(&[pattern])).collect::<Outcome<Vec<_>>>()?;
    let topic = ground.topic("a.b");
    for number in 0..50 {
        here.publish(ground, &topic, (1, number))?;
    }
    // Whatever would come twice has done so when the last has come everywhere.
    for recorded in single.iter().chain([&several]) {
        recorded.wait_for(ground, 50)?;
    }
    for recorded in single.iter().chain([&several]) {
        let come = recorded.log.len();
        ensure!(come == 50, "{come} of 50 events came");
    }
    Ok(())
}
