//! Events of engines that nobody can handle: who has their dead letter, and what the engine is told.

use std::time::Duration;

use trolleybus::engine::{Encoded, Envelope, Scope};
use trolleybus::{DeadLetter, DeathCause, EventBus, HandlerError, Topic};

use crate::faulty_engine::{Remote, block_on};
use crate::support::watchdog;

fn envelope(topic: &str, payload: &str) -> Envelope {
    Envelope::new(Topic::new(topic).expect("a topic"), Encoded::json(&payload).expect("text")).with_key("k")
}

#[test]
fn what_is_dead_lettered_may_be_acknowledged_and_what_nobody_has_may_not() {
    let _watchdog = watchdog("dead letters of engines");
    let remote = Remote::default();
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["job.*"]);
    let bus = builder.dead_letters(["job.a"], "dead").start().wait().expect("it starts");
    let mut dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    let numbers = bus.subscribe::<u32>("job.*").name("numbers").handle_inline(|_| ()).expect("subscribe");
    let texts = bus.subscribe::<String>("job.*").handle(|_| Err::<(), _>(HandlerError::new("no")));
    let texts = texts.expect("subscribe");
    let outcome = |topic| {
        let handover = remote.arrive(envelope(topic, "seven"), Scope::Everyone);
        block_on(handover).expect("offered")
    };
    let kept = outcome("job.a");
    assert_eq!((kept.failed.len(), kept.dead_lettered.len(), kept.is_kept()), (2, 2, true));
    let lost = outcome("job.b");
    assert_eq!((lost.failed.len(), lost.dead_lettered.len(), lost.is_kept()), (2, 0, false));
    let mut by = [dead.try_recv().expect("one"), dead.try_recv().expect("the other")];
    by.sort_by_key(|letter| letter.subscription());
    assert!(dead.try_recv().is_err());
    assert_eq!([by[0].subscription(), by[1].subscription()], [numbers.id(), texts.id()]);
    assert!(matches!(by[0].cause(), DeathCause::Undecodable(_)), "{:?}", by[0].cause());
    assert_eq!(by[0].attempts(), 0);
    let bytes = by[0].event().payload::<Encoded>().expect("as it came");
    assert_eq!(bytes.decode::<String>(8).expect("that is what it is"), "seven");
    assert_eq!(by[1].event().payload::<String>().map(String::as_str), Some("seven"));
    let passed_by = bus.redrive(&by[0]).expect("its subscription is there");
    assert_eq!((passed_by.skipped(), by[0].was_redriven()), (1, false), "it is still no number");
    numbers.cancel();
    let (told, tells) = std::sync::mpsc::channel();
    let better = bus.subscribe::<String>("job.*").name("numbers").handle_inline(move |job| {
        told.send((job.id(), job.key().map(String::from), job.to_string())).expect("the test listens");
    });
    let _better = better.expect("subscribe");
    assert_eq!(bus.redrive(&by[0]).expect("there is another of its name").delivered(), 1);
    let event = by[0].event();
    assert_eq!(tells.try_recv(), Ok((event.id(), Some("k".into()), "seven".into())));
    for letter in by {
        assert_eq!((letter.event().topic().as_str(), letter.event().key()), ("job.a", Some("k")));
    }
}

#[test]
fn a_dead_letter_topic_that_an_engine_carries_loses_letters_and_counts_them() {
    let _watchdog = watchdog("letters for an engine");
    let remote = Remote::default();
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["dead"]);
    let bus = builder.dead_letters(["job"], "dead").start().wait().expect("it starts");
    let _job = bus.subscribe::<u8>("job").handle_inline(|_| Err::<(), _>(HandlerError::new("no")));
    bus.publish("job", 1_u8).expect("open");
    let letters = bus.stats().dead_letters;
    assert_eq!((letters.sent, letters.lost), (0, 1));
    assert!(remote.published().is_empty());
    assert!(bus.shutdown(Duration::from_secs(20)).wait().complete);
}
