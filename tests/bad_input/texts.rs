//! What errors read like, and what nothing may show.

use std::time::Duration;

use trolleybus::{
    EventBus, HandlerError, MetadataError, PatternError, PublishRefusal, Raw, RecvTimeoutError,
    SubscribeError, TopicError, TryRecvError,
};

use crate::faces::{SECRET, check_display, hostile_topics};

#[test]
fn errors_read_as_errors_do_and_lead_to_their_cause() {
    for (_, why) in hostile_topics() {
        check_display(&why);
        check_display(&PatternError::from(why));
        check_display(&PublishRefusal::InvalidTopic(why));
        check_display(&SubscribeError::InvalidPattern(why.into()));
    }
    let metadata = [
        MetadataError::EmptyName,
        MetadataError::NameTooLong { length: 300 },
        MetadataError::ControlInName { position: 1 },
        MetadataError::ValueTooLong { name: "n".into(), length: 9000 },
        MetadataError::TooManyEntries,
    ];
    for error in metadata {
        check_display(&error);
    }
    check_display(&PatternError::TooManyDeep { position: 1, max: 4 });
    check_display(&PatternError::Wildcard { character: '*', position: 1 });
    for error in [PublishRefusal::ShutDown, PublishRefusal::TooDeep { limit: 3 }] {
        check_display(&error);
    }
    let simple = [SubscribeError::NoPattern, SubscribeError::NoWorkers, SubscribeError::NoHistory];
    for error in simple {
        check_display(&error);
    }
    check_display(&SubscribeError::Threads(std::io::Error::other("no more")));
    check_display(&TryRecvError::Empty);
    check_display(&TryRecvError::Closed);
    check_display(&RecvTimeoutError::Timeout);
    check_display(&RecvTimeoutError::Closed);
    check_display(&trolleybus::RecvError);
    let error = EventBus::new().publish("a b", 1_u32).expect_err("white space");
    check_display(&error);
    let cause = std::error::Error::source(&error).expect("a cause");
    assert!(cause.downcast_ref::<TopicError>().is_some());
}

#[test]
fn x4_nothing_that_can_be_printed_shows_the_payload_the_key_or_the_metadata() {
    let bus = EventBus::new();
    let mut texts = Vec::new();
    let build = || bus.event("a", SECRET.to_owned()).key(SECRET).meta("name", SECRET);
    let _failing = bus
        .subscribe_any("a")
        .name("failing")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("as asked")))
        .expect("subscribe");
    let mut receiver = bus.subscribe::<String>("a").capacity(1).receiver().expect("subscribe");
    let mut any = bus.subscribe_any("a").receiver().expect("subscribe");
    let pending = bus.publish_async("a", SECRET.to_owned());
    texts.push(format!("{:?} {pending:?}", build()));
    drop(pending);
    let receipt = build().publish().expect("publish");
    texts.push(format!("{receipt:?}"));
    let error = build().publish().expect("publish").all_delivered().expect_err("one failed, one was full");
    texts.push(format!("{error:?} {error}"));
    let (event, erased) = (receiver.recv().expect("receive"), any.recv().expect("receive"));
    texts.push(format!("{event:?} {erased:?} {:?}", event.metadata()));
    texts.push(format!("{bus:?} {receiver:?} {any:?} {:?} {:?}", bus.downgrade(), receiver.subscription()));
    texts.push(format!("{:?} {:?}", bus.stats(), bus.explain("a").expect("a topic")));
    texts.push(format!("{:?}", bus.publisher::<String>("a").expect("a topic")));
    texts.push(format!("{:?}", Raw::from(SECRET)));
    texts.push(format!("{:?}", bus.subscribe_any("a").filter(|_| true)));
    texts.push(format!("{:?}", bus.shutdown(Duration::ZERO)));
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
}
