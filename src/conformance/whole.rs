//! Events arrive as they were published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Test;
use super::client::{Client, waiting};
use super::ground::{Ground, Item, Outcome, ensure};
use crate::{Event, EventId, Raw, Subscription, Topic};

pub(super) const TESTS: &[Test] = &[
    Test { name: "events_arrive_whole", skips: |_| None, run: events_arrive_whole },
    Test { name: "receipts_say_who_took_it", skips: |_| None, run: receipts_say_who_took_it },
    Test { name: "each_subscription_gets_its_form", skips: |_| None, run: each_subscription_gets_its_form },
    Test { name: "payloads_of_any_size_arrive", skips: |_| None, run: payloads_of_any_size_arrive },
    Test {
        name: "names_and_keys_of_any_kind_arrive",
        skips: |_| None,
        run: names_and_keys_of_any_kind_arrive,
    },
];

/// All that an event has, but for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whole {
    topic: String,
    key: Option<String>,
    ttl: Option<Duration>,
    metadata: Vec<(String, String)>,
    payload: Item,
}

type Wholes = Arc<Mutex<HashMap<EventId, Vec<Whole>>>>;

fn record_whole(client: &Client, pattern: &str) -> Outcome<(Subscription, Wholes)> {
    let come = Wholes::default();
    let noted = Arc::clone(&come);
    let subscription =
        waiting(client.bus.subscribe::<Item>(pattern)).handle(move |event: &Event<Item>| {
            let whole = Whole {
                topic: event.topic().to_string(),
                key: event.key().map(str::to_owned),
                ttl: event.ttl(),
                metadata: event
                    .metadata()
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                payload: **event,
            };
            let mut come = noted.lock().unwrap_or_else(PoisonError::into_inner);
            come.entry(event.id()).or_default().push(whole);
        })?;
    Ok((subscription, come))
}

/// Publishes events and compares what comes with them. An engine may add metadata.
fn compare(ground: &Ground<'_>, events: &[Whole]) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (_subscription, come) = record_whole(&there, &ground.topic("**"))?;
    for (number, event) in (0_u64..).zip(events) {
        let mut building = here.bus.event(&event.topic, event.payload).id(ground.id((9, number)));
        if let Some(key) = &event.key {
            building = building.key(key.clone());
        }
        if let Some(ttl) = event.ttl {
            building = building.ttl(ttl);
        }
        for (name, value) in &event.metadata {
            building = building.meta(name, value);
        }
        building.publish()?;
    }
    let come = || come.lock().unwrap_or_else(PoisonError::into_inner);
    ground.wait(|| {
        let count = come().len();
        (count < events.len()).then(|| format!("{count} of {} events came", events.len()))
    })?;
    for (number, sent) in (0_u64..).zip(events) {
        let id = ground.id((9, number));
        let Some(got) = come().get(&id).cloned() else {
            return Err(super::ground::Failure::new(format!("no event came with the id {id} of {sent:?}")));
        };
        let [got] = &got[..] else {
            return Err(super::ground::Failure::new(format!("{id} came {} times", got.len())));
        };
        let kept = sent.metadata.iter().all(|entry| got.metadata.contains(entry));
        let alike = Whole { metadata: sent.metadata.clone(), ..got.clone() } == *sent;
        ensure!(kept && alike, "sent {sent:?}, got {got:?}");
    }
    let others = come().len() - events.len();
    ensure!(others == 0, "{others} events came that nobody published");
    Ok(())
}

fn events_arrive_whole(ground: &Ground<'_>) -> Outcome {
    let events = (0..100).map(|number| Whole {
        topic: ground.topic(format!("whole.{}", number % 7)),
        key: (number % 3 != 0).then(|| format!("key {}", number % 5)),
        ttl: (number % 4 == 0).then(|| Duration::from_secs(3600 + number)),
        metadata: (0..number % 4).map(|entry| (format!("name{entry}"), format!("value {number}"))).collect(),
        payload: (1, number),
    });
    compare(ground, &events.collect::<Vec<_>>())
}

/// A receipt says that an engine has the event, or what the subscriptions did with it.
fn receipts_say_who_took_it(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let topic = ground.topic("receipt");
    let recorded = client.record(&[&topic])?;
    let receipt = client.publish(ground, &topic, (1, 0))?;
    let name = client.engine()?.name;
    if ground.features.carried {
        let accepted = receipt.accepted();
        ensure!(accepted.is_some_and(|by| *by.engine == *name), "accepted by {accepted:?}, not by {name:?}");
        ensure!(receipt.matched() == 0, "a carried event has matched {} subscriptions", receipt.matched());
    } else {
        ensure!(receipt.accepted().is_none(), "accepted by {:?}", receipt.accepted());
        ensure!((receipt.matched(), receipt.queued()) == (1, 1), "{receipt:?}");
    }
    recorded.wait_for(ground, 1)
}

/// Typed, raw and any: each gets the event in its form, and what has another form is skipped.
fn each_subscription_gets_its_form(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (numbers, bytes) = (ground.topic("form.numbers"), ground.topic("form.bytes"));
    let all = ground.topic("form.*");
    let come: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |what: &'static str| {
        let come = Arc::clone(&come);
        move |text: String| come.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {text}"))
    };
    let noted = note("typed");
    let typed =
        waiting(there.bus.subscribe::<Item>(&*all)).handle(move |event| noted(event.1.to_string()))?;
    let noted = note("raw");
    let raw = waiting(there.bus.subscribe_raw(&*bytes))
        .handle(move |event: &Event<Raw>| noted(format!("{:?}", &***event)))?;
    let noted = note("any");
    let any =
        waiting(there.bus.subscribe_any(&*all)).handle(move |event| noted(event.topic().to_string()))?;
    here.publish(ground, &numbers, (1, 7))?;
    here.bus.publish_raw(&bytes, vec![0_u8, 255, 10])?;
    ground.wait(|| {
        let ledgers = [typed.stats(), raw.stats(), any.stats()];
        let seen = ledgers.map(|ledger| ledger.delivered + ledger.skipped.min(1));
        (seen != [2, 1, 2]).then(|| format!("typed, raw and any have seen {seen:?} of [2, 1, 2] events"))
    })?;
    let mut come = come.lock().unwrap_or_else(PoisonError::into_inner).clone();
    come.sort_unstable();
    let mut expected =
        [format!("any {bytes}"), format!("any {numbers}"), "raw [0, 255, 10]".into(), "typed 7".into()];
    expected.sort_unstable();
    ensure!(come == expected, "got {come:?}, not {expected:?}");
    let skipped = typed.stats().skipped;
    let right = skipped == 1 || skipped > 1 && ground.features.redelivers;
    ensure!(right, "bytes are no numbers, and were skipped {skipped} times");
    Ok(())
}

fn payloads_of_any_size_arrive(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let topic = ground.topic("size");
    let largest = ground.features.largest_payload;
    let patterned: Vec<u8> = (0..largest).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let raws = [Vec::new(), vec![0], patterned];
    // A text takes quotes, and what is around it.
    let texts =
        [String::new(), "\u{0}\"\\\u{7f}ü\u{1f68e}\n".to_owned(), "x".repeat(largest.saturating_sub(16))];
    let mut got = waiting(there.bus.subscribe_raw(&*ground.topic("size"))).receiver()?;
    for raw in &raws {
        here.bus.publish_raw(&topic, raw.clone())?;
        let event = got.recv_timeout(ground.features.deadline)?;
        ensure!(**event == **raw, "{} bytes came as {} others", raw.len(), event.len());
    }
    drop(got);
    let topic = ground.topic("text");
    let mut got = waiting(there.bus.subscribe::<String>(&*topic)).receiver()?;
    for text in &texts {
        here.bus.publish(&topic, text.clone())?;
        let event = got.recv_timeout(ground.features.deadline)?;
        ensure!(**event == *text, "a text of {} bytes came as {} others", text.len(), event.len());
    }
    Ok(())
}

fn names_and_keys_of_any_kind_arrive(ground: &Ground<'_>) -> Outcome {
    let prefix = ground.prefix();
    let deepest = std::iter::repeat_n("s", Topic::MAX_SEGMENTS - 1).collect::<Vec<_>>().join(".");
    let longest = "l".repeat(Topic::MAX_LEN - prefix.len() - 1);
    let topics = [
        "größe.мир.世界",
        "\u{1f68e}",
        "a-b_c",
        "A.a",
        "#",
        "a/b",
        "a>b",
        ">",
        "$SYS",
        "[a]?",
        "a,b",
        "%20",
        "a:b",
    ];
    let topics = topics.into_iter().chain([&*deepest, &*longest]);
    let keys = ["", " ", "*.>", "ключ", "a\tb\n", "\"\\", "\u{0}", "0123456789abcdef0123456789abcdef"];
    let keys = keys.into_iter().cycle();
    let values = ["", " ", "a=b; c", "ü\u{1f68e}", "\"\\\n"].into_iter().cycle();
    let events = topics.zip(keys).zip(values).zip(0_u64..).map(|(((topic, key), value), number)| Whole {
        topic: ground.topic(topic),
        key: Some(key.to_owned()),
        ttl: None,
        metadata: vec![("Name-With.marks_ü".to_owned(), value.to_owned()), ("b".to_owned(), "2".to_owned())],
        payload: (2, number),
    });
    compare(ground, &events.collect::<Vec<_>>())
}
