//! Metadata and raw payloads over their limits.

use trolleybus::{EventBus, Metadata, MetadataError, PublishRefusal, Raw, TryRecvError};

use crate::faces::{SECRET, check_refusal, now};
use crate::support::watchdog;

#[test]
fn refused_metadata_refuses_the_publish_and_names_the_first_reason() {
    let bus = EventBus::new();
    let mut all = bus.subscribe_any("**").receiver().expect("subscribe");
    let long = "n".repeat(Metadata::MAX_NAME_LEN + 1);
    let large = SECRET.repeat(Metadata::MAX_VALUE_LEN / SECRET.len() + 1);
    let table = [
        (("", "v"), MetadataError::EmptyName),
        ((long.as_str(), "v"), MetadataError::NameTooLong { length: long.len() }),
        (("a\nb", "v"), MetadataError::ControlInName { position: 1 }),
        (("n", large.as_str()), MetadataError::ValueTooLong { name: "n".into(), length: large.len() }),
    ];
    for ((name, value), why) in table {
        let event =
            || bus.event("a", SECRET.to_owned()).meta("fine", "v").meta(name, value).meta("", "second");
        let results = [
            ("publish", event().publish()),
            ("local", event().publish_local()),
            ("try", event().try_publish()),
            ("async", now(event().publish_async())),
        ];
        for (face, result) in results {
            check_refusal(face, result.expect_err(face), &PublishRefusal::InvalidMetadata(why.clone()));
        }
    }
    let mut event = bus.event("a", SECRET.to_owned());
    for number in 0..=Metadata::MAX_ENTRIES {
        event = event.meta(number.to_string(), "v");
    }
    let refusal = PublishRefusal::InvalidMetadata(MetadataError::TooManyEntries);
    check_refusal("entries", event.publish().expect_err("one too many"), &refusal);
    assert_eq!(all.try_recv().err(), Some(TryRecvError::Empty), "nobody was offered any of them");
}

#[test]
fn z3_a_raw_payload_over_the_limit_is_refused_without_a_copy() {
    let _watchdog = watchdog("z3_a_raw_payload_over_the_limit_is_refused_without_a_copy");
    const LIMIT: usize = 1000;
    let bus = EventBus::builder().max_raw_payload(LIMIT).build().expect("build");
    let mut all = bus.subscribe_raw("a").receiver().expect("subscribe");
    for size in [0, 1, LIMIT] {
        let bytes = vec![7; size];
        let address = bytes.as_ptr();
        assert_eq!(bus.publish_raw("a", bytes).expect("within the limit").queued(), 1);
        let event = all.recv().expect("receive");
        assert_eq!(event.len(), size);
        assert!(size == 0 || event.as_ptr() == address, "the very bytes that were published");
    }
    let publisher = bus.publisher_local::<Raw>("a").expect("a topic");
    let bytes = vec![7; LIMIT + 1];
    let address = bytes.as_ptr();
    let refusal = PublishRefusal::TooLarge { size: LIMIT + 1, limit: LIMIT };
    let error = bus.publish_raw("a", bytes).expect_err("over the limit");
    assert_eq!(error.refusal(), &refusal);
    let raw = error.into_payload();
    assert_eq!(raw.as_ptr(), address, "the very bytes come back");
    let results = [
        bus.event("a", raw.clone()).publish_local(),
        bus.publish_local("a", raw.clone()),
        publisher.publish(raw.clone()),
        publisher.try_publish(raw.clone()),
        now(publisher.publish_async(raw)),
    ];
    for result in results {
        assert_eq!(result.expect_err("over the limit").refusal(), &refusal);
    }
    assert_eq!(all.try_recv().err(), Some(TryRecvError::Empty));
    // A limit of nothing still takes nothing.
    let bus = EventBus::builder().max_raw_payload(0).build().expect("build");
    assert!(bus.publish_raw("a", Vec::new()).is_ok());
    assert!(bus.publish_raw("a", vec![1]).is_err());
}
