//! Retention and replay against a vector, by a clock that the test moves.

use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use trolleybus::{Event, EventBus, Received, Receiver, Retention, Start, TestClock};

const TOPICS: [&str; 3] = ["x.a", "x.b", "y"];

#[derive(Clone, Debug)]
enum Op {
    /// On that topic, with that key.
    Publish(usize, Option<usize>),
    Advance(u64),
    /// With that pattern and start: `from` counts from the end of the topic.
    Subscribe {
        wild: bool,
        start: usize,
        from: u64,
        capacity: usize,
    },
    /// So many events of a subscription.
    Take(usize, usize),
    Look,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..TOPICS.len(), proptest::option::of(0..3_usize)).prop_map(|(topic, key)| Op::Publish(topic, key)),
        2 => (0..40_u64).prop_map(Op::Advance),
        1 => (any::<bool>(), 0..6_usize, 0..8_u64, 1..6_usize)
            .prop_map(|(wild, start, from, capacity)| Op::Subscribe { wild, start, from, capacity }),
        2 => (0..4_usize, 1..10_usize).prop_map(|(which, many)| Op::Take(which, many)),
        1 => Just(Op::Look),
    ]
}

/// An event as the model knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    topic: usize,
    key: Option<usize>,
    number: u32,
    sequence: u64,
    at: u64,
}

struct Rule {
    count: Option<usize>,
    age: Option<u64>,
    events: usize,
}

/// What is kept, in the order of publication.
#[derive(Default)]
struct Model {
    kept: Vec<Known>,
    published: [u64; 3],
    now: u64,
    numbers: u32,
}

impl Model {
    fn publish(&mut self, topic: usize, key: Option<usize>, rule: &Rule) {
        self.published[topic] += 1;
        self.numbers += 1;
        let (number, sequence, at) = (self.numbers, self.published[topic], self.now);
        self.kept.push(Known { topic, key, number, sequence, at });
        self.trim(rule);
        while self.kept.len() > rule.events {
            // The topic whose last event is the oldest goes; if there is only one, its first event.
            let last =
                |topic: usize| self.kept.iter().rev().find(|known| known.topic == topic).map(|it| it.number);
            let coldest = (0..3).filter(|topic| last(*topic).is_some()).min_by_key(|topic| last(*topic));
            match coldest {
                Some(coldest) if coldest != topic => self.kept.retain(|known| known.topic != coldest),
                _ => drop(self.kept.remove(0)),
            }
        }
    }

    fn trim(&mut self, rule: &Rule) {
        for topic in 0..3 {
            let count = self.kept.iter().filter(|known| known.topic == topic).count();
            let mut too_many = count.saturating_sub(rule.count.unwrap_or(usize::MAX));
            self.kept.retain(|known| {
                let goes = known.topic == topic && too_many > 0;
                too_many -= usize::from(goes);
                !goes
            });
        }
        let (now, age) = (self.now, rule.age.unwrap_or(u64::MAX));
        self.kept.retain(|known| now - known.at < age);
    }
}

/// A subscription, and what it has had.
struct Sub {
    receiver: Receiver<Event<u32>>,
    topics: Vec<usize>,
    /// The next number of each topic; nothing before the first event for those that began with one of the last.
    next: [Option<u64>; 3],
    had: Vec<u32>,
    /// What it has to get if it reads now.
    first: Option<Vec<u32>>,
}

fn subscribe(
    bus: &EventBus,
    model: &Model,
    (wild, start, from, capacity): (bool, usize, u64, usize),
) -> Option<Sub> {
    let (pattern, topics) = if wild { ("x.*", vec![0, 1]) } else { ("x.a", vec![0]) };
    let of_topic = |known: &&Known| topics.contains(&known.topic);
    let matching: Vec<&Known> = model.kept.iter().filter(of_topic).collect();
    let at = model.now.saturating_sub(from * 5);
    let last_by = |key: &dyn Fn(&Known) -> (usize, Option<usize>)| -> Vec<u32> {
        let is_last = |known: &&&Known| {
            matching.iter().rev().find(|other| key(other) == key(known)).map(|it| it.number)
                == Some(known.number)
        };
        matching.iter().filter(is_last).map(|known| known.number).collect()
    };
    let (start, expected): (Start, Vec<u32>) = match start {
        0 => (Start::Beginning, matching.iter().map(|known| known.number).collect()),
        1 => {
            let last = usize::try_from(from).expect("small") + 1;
            let skipped = matching.len().saturating_sub(last);
            (Start::LastN(last), matching[skipped..].iter().map(|known| known.number).collect())
        }
        2 => {
            let since = matching.iter().filter(|known| known.at >= at);
            (
                Start::Time(SystemTime::UNIX_EPOCH + Duration::from_millis(at)),
                since.map(|known| known.number).collect(),
            )
        }
        3 => (Start::LastPerTopic, last_by(&|known| (known.topic, None))),
        4 => (Start::LastPerKey, last_by(&|known| (known.topic, known.key))),
        _ if wild => return None,
        _ => {
            let sequence = (model.published[0] + 1).saturating_sub(from).max(1);
            let since = matching.iter().filter(|known| known.sequence >= sequence);
            (Start::Sequence(sequence), since.map(|known| known.number).collect())
        }
    };
    let receiver =
        bus.subscribe::<u32>(pattern).from(start).capacity(capacity).receiver().expect("subscribe");
    let next = if let Start::Sequence(sequence) = start { [Some(sequence), None, None] } else { [None; 3] };
    Some(Sub { receiver, topics, next, had: Vec::new(), first: Some(expected) })
}

impl Sub {
    /// Takes what comes, and checks that nothing is missing of which it was not told.
    fn take(&mut self, most: usize, per_key: bool) -> usize {
        for taken in 0..most {
            match self.receiver.try_recv_or_gap() {
                Ok(Received::Gap(gap)) => {
                    let topic = TOPICS.iter().position(|topic| gap.topic.as_str() == *topic).expect("known");
                    assert!(gap.first <= gap.last && self.topics.contains(&topic));
                    if let Some(next) = self.next[topic] {
                        assert!(per_key || gap.first == next, "{gap} after {next}");
                    }
                    self.next[topic] = Some(gap.last + 1);
                }
                Ok(Received::Event(event)) => {
                    let topic =
                        TOPICS.iter().position(|topic| event.topic().as_str() == *topic).expect("known");
                    let sequence = event.sequence().expect("a number");
                    if let Some(next) = self.next[topic] {
                        assert!(sequence == next || per_key && sequence > next, "{sequence} after {next}");
                    }
                    self.next[topic] = Some(sequence + 1);
                    self.had.push(*event);
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => return taken,
            }
        }
        most
    }
}

fn run(rule: &Rule, ops: Vec<Op>) {
    let clock = TestClock::new();
    let mut retention = Retention::new();
    retention = rule.count.iter().fold(retention, |retention, count| retention.count(*count as u64));
    retention = rule.age.iter().fold(retention, |retention, age| retention.age(Duration::from_millis(*age)));
    let builder = EventBus::builder().retain(["*"], retention).max_history_events(rule.events as u64);
    let bus = builder.clock(clock.clone()).build().expect("valid");
    let (mut model, mut subs) = (Model::default(), Vec::<(Sub, bool)>::new());
    for op in ops {
        match op {
            Op::Publish(topic, key) => {
                model.publish(topic, key, rule);
                let mut event = bus.event(TOPICS[topic], model.numbers);
                if let Some(key) = key {
                    event = event.key(key.to_string());
                }
                event.publish().expect("publish");
            }
            Op::Advance(ms) => {
                clock.advance(Duration::from_millis(ms));
                model.now += ms;
            }
            Op::Subscribe { wild, start, from, capacity } => {
                model.trim(rule);
                if let Some(mut sub) = subscribe(&bus, &model, (wild, start, from, capacity)) {
                    let per_key = start == 4;
                    if from % 2 == 0 {
                        // It reads at once: then it gets exactly that.
                        while sub.take(usize::MAX, per_key) == usize::MAX {}
                        assert_eq!(Some(&sub.had), sub.first.as_ref());
                    }
                    subs.push((sub, per_key));
                }
            }
            Op::Take(which, many) => {
                if let Some((sub, per_key)) = subs.get_mut(which) {
                    sub.take(many, *per_key);
                }
            }
            Op::Look => {
                model.trim(rule);
                let history = bus.history("*").expect("kept");
                let kept: Vec<_> = history
                    .iter()
                    .map(|event| (*event.payload::<u32>().expect("a number"), event.sequence().expect("one")))
                    .collect();
                let expected: Vec<_> =
                    model.kept.iter().map(|known| (known.number, known.sequence)).collect();
                assert_eq!(kept, expected);
                let stats = bus.stats().history;
                assert_eq!((stats.events, stats.bytes), (kept.len() as u64, 256 * kept.len() as u64));
            }
        }
    }
    for (mut sub, per_key) in subs {
        while sub.take(usize::MAX, per_key) == usize::MAX {}
        // Each has been told of all that there is, as an event or as missing.
        for topic in sub.topics {
            if let Some(next) = sub.next[topic] {
                assert_eq!(next, model.published[topic] + 1, "{}", TOPICS[topic]);
            }
        }
        assert!(sub.had.is_sorted_by(|a, b| a != b));
        assert!(sub.receiver.subscription().stats().is_balanced());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t4_t5_what_is_kept_and_replayed_is_what_a_vector_says(
        count in proptest::option::of(1..6_usize),
        // Not both: events that are too old and that nobody has looked at still count for the limits.
        (age, events) in prop_oneof![
            proptest::option::of(1..60_u64).prop_map(|age| (age, 1000)),
            (1..12_usize).prop_map(|events| (None, events)),
        ],
        ops in vec(op(), 1..120),
    ) {
        run(&Rule { count, age, events }, ops);
    }
}
