//! Retention and replay against a vector: rules by count and bytes, two topics, replays of every start. What is kept is
//! what the vector says, and a replay brings that, in order.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use trolleybus::{Event, EventBus, Raw, Received, Receiver, Retention, Start};

#[derive(Arbitrary, Debug)]
struct Input {
    count: Option<u8>,
    bytes: Option<u16>,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Publish { second: bool, length: u8 },
    Replay { start: u8, argument: u64, capacity: u8, read: bool },
    Take { which: u8, events: u8 },
}

/// The most calls, and replays at a time.
const MOST: usize = 256;
const TOPICS: [&str; 2] = ["a.x", "a.y"];

/// Sequence number, order of publication and length.
type Kept = Vec<(u64, u64, usize)>;

fuzz_target!(|input: Input| {
    let mut rule = Retention::new();
    rule = input.count.iter().fold(rule, |rule, count| rule.count((*count).into()));
    rule = input.bytes.iter().fold(rule, |rule, bytes| rule.bytes((*bytes).into()));
    let built = EventBus::builder().retain(["a.*"], rule).build();
    assert_eq!(built.is_err(), input.count == Some(0) || input.bytes == Some(0));
    let Ok(bus) = built else { return };
    let mut kept: [Kept; 2] = Default::default();
    let (mut published, mut all) = ([0_u64; 2], 0);
    let mut replays: Vec<(Receiver<Event<Raw>>, [u64; 2])> = Vec::new();
    for op in input.ops.into_iter().take(MOST) {
        match op {
            Op::Publish { second, length } => {
                let topic = usize::from(second);
                (published[topic], all) = (published[topic] + 1, all + 1);
                let length = usize::from(length);
                kept[topic].push((published[topic], all, length));
                let weight = |kept: &Kept| kept.iter().map(|(.., length)| 256 + length).sum::<usize>();
                while input.count.is_some_and(|count| kept[topic].len() > count.into())
                    || input.bytes.is_some_and(|bytes| weight(&kept[topic]) > bytes.into())
                {
                    kept[topic].remove(0);
                }
                bus.publish_raw(TOPICS[topic], vec![0; length]).expect("publish");
            }
            Op::Replay { start, argument, capacity, read } => {
                let one = start % 5 == 2;
                let pattern = if one { TOPICS[0] } else { "a.*" };
                let last = usize::try_from(argument % 16).unwrap_or(0);
                let from = match start % 5 {
                    0 => Start::Beginning,
                    1 => Start::LastN(last),
                    2 => Start::Sequence(argument % 64),
                    3 => Start::LastPerTopic,
                    _ => Start::LastPerKey,
                };
                let subscribe = bus.subscribe_raw(pattern).from(from).capacity(usize::from(capacity) + 1);
                let refused = match from {
                    Start::LastN(last) => last == 0,
                    Start::Sequence(sequence) => sequence == 0 || sequence > published[0] + 1,
                    _ => false,
                };
                let made = subscribe.receiver();
                assert_eq!(made.is_err(), refused, "{from:?}");
                let Ok(mut receiver) = made else { continue };
                let mut expected: Vec<(u64, usize)> = kept
                    .iter()
                    .take(if one { 1 } else { 2 })
                    .flat_map(|kept| {
                        let skipped = if start % 5 > 2 { kept.len().saturating_sub(1) } else { 0 };
                        kept.iter()
                            .skip(skipped)
                            .map(|(sequence, number, length)| (*sequence, *number, *length))
                    })
                    .filter(|(sequence, ..)| !one || *sequence >= argument % 64)
                    .map(|(_, number, length)| (number, length))
                    .collect();
                expected.sort_unstable();
                if start % 5 == 1 {
                    expected.drain(..expected.len().saturating_sub(last));
                }
                let mut next = [0; 2];
                if read {
                    let mut lengths = Vec::new();
                    while let Some(event) = take(&mut receiver, &mut next) {
                        lengths.extend(event);
                    }
                    assert_eq!(lengths, expected.iter().map(|(_, length)| *length).collect::<Vec<_>>());
                }
                replays.push((receiver, next));
                replays.truncate(8);
            }
            Op::Take { which, events } => {
                if let Some((receiver, next)) = replays.get_mut(usize::from(which)) {
                    for _ in 0..events {
                        take(receiver, next);
                    }
                }
            }
        }
        for (topic, kept) in TOPICS.iter().zip(&kept) {
            let history = bus.history(*topic).expect("kept");
            let seen: Vec<_> = history.iter().map(|event| event.sequence().expect("a number")).collect();
            assert_eq!(seen, kept.iter().map(|(sequence, ..)| *sequence).collect::<Vec<_>>());
        }
    }
    for (mut receiver, mut next) in replays {
        while take(&mut receiver, &mut next).is_some() {}
        for (next, published) in next.iter().zip(published) {
            assert!(*next == 0 || *next == published + 1, "{next} of {published}");
        }
        assert!(receiver.subscription().stats().is_balanced());
    }
});

/// Takes an event or a gap, and checks that it is the next of its topic. The length of an event.
fn take(receiver: &mut Receiver<Event<Raw>>, next: &mut [u64; 2]) -> Option<Option<usize>> {
    let of = |topic: &str| usize::from(topic == TOPICS[1]);
    match receiver.try_recv_or_gap().ok()? {
        Received::Event(event) => {
            let (next, sequence) =
                (&mut next[of(event.topic().as_str())], event.sequence().expect("a number"));
            assert!(*next == 0 || *next == sequence, "{sequence} after {next}");
            *next = sequence + 1;
            Some(Some(event.len()))
        }
        Received::Gap(gap) => {
            let next = &mut next[of(gap.topic.as_str())];
            assert!(*next == 0 || *next == gap.first, "{gap} after {next}");
            *next = gap.last + 1;
            Some(None)
        }
        _ => None,
    }
}
