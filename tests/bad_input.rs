//! Bad input gets a typed error at the call that brought it: never a panic, never a silent fallback, and
//! the payload comes back (M3, L6, Z1, Z3, X4).

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trolleybus::{
    BuildError, DeliveryMode, EventBus, HandlerError, Metadata, MetadataError, PatternError, PublishError,
    PublishRefusal, Raw, Receipt, RecvTimeoutError, Start, Subscribe, SubscribeError, TopicError,
    TryRecvError,
};

use support::watchdog;

/// Something in a payload that must never be printed.
const SECRET: &str = "canary-7f3a";

/// Names that are no topics, and why.
fn hostile_topics() -> Vec<(String, TopicError)> {
    let segments = vec!["s"; 33].join(".");
    vec![
        (String::new(), TopicError::Empty),
        (".".into(), TopicError::EmptySegment { position: 0 }),
        ("a..b".into(), TopicError::EmptySegment { position: 2 }),
        ("a.".into(), TopicError::EmptySegment { position: 2 }),
        ("a b".into(), TopicError::WhiteSpace { character: ' ', position: 1 }),
        ("a\r\nPUB x".into(), TopicError::Control { character: '\r', position: 1 }),
        ("a\0".into(), TopicError::Control { character: '\0', position: 1 }),
        ("a\u{2028}".into(), TopicError::Control { character: '\u{2028}', position: 1 }),
        ("\u{1b}[31m".into(), TopicError::Control { character: '\u{1b}', position: 0 }),
        ("a.*".into(), TopicError::Wildcard { character: '*', position: 2 }),
        ("+".into(), TopicError::Wildcard { character: '+', position: 0 }),
        ("x".repeat(257), TopicError::TooLong { len: 257, max: 256 }),
        (segments, TopicError::TooManySegments { position: 64, max: 32 }),
    ]
}

/// Polls a future that does not wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Every way to publish a text on a topic by its name.
fn every_face(bus: &EventBus, topic: &str) -> Vec<(&'static str, Result<Receipt, PublishError<String>>)> {
    let payload = || SECRET.to_owned();
    vec![
        ("publish", bus.publish(topic, payload())),
        ("try_publish", bus.try_publish(topic, payload())),
        ("publish_local", bus.publish_local(topic, payload())),
        ("publish_async", now(bus.publish_async(topic, payload()))),
        ("event", bus.event(topic, payload()).publish()),
        ("event local", bus.event(topic, payload()).publish_local()),
        ("event try", bus.event(topic, payload()).try_publish()),
        ("event async", now(bus.event(topic, payload()).publish_async())),
    ]
}

/// Checks that a refusal says why, gives the payload back, and prints neither the payload nor anything
/// that a terminal or a log would act on.
fn check_refusal<T: AsRef<[u8]>>(face: &str, error: PublishError<T>, refusal: &PublishRefusal) {
    assert_eq!(error.refusal(), refusal, "{face}");
    assert_eq!(error.is_shut_down(), *refusal == PublishRefusal::ShutDown);
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(char::is_control), "{face}: {text:?}");
    }
    assert_eq!(error.payload().as_ref(), SECRET.as_bytes());
    assert_eq!(error.into_payload().as_ref(), SECRET.as_bytes(), "{face}");
}

#[test]
fn m3_every_way_to_publish_refuses_hostile_topics_and_gives_the_payload_back() {
    let bus = EventBus::new();
    let mut all = bus.subscribe_any("**").receiver().expect("subscribe");
    for (topic, why) in hostile_topics() {
        for (face, result) in every_face(&bus, &topic) {
            check_refusal(face, result.expect_err(face), &PublishRefusal::InvalidTopic(why));
        }
        let raw = bus.publish_raw(&topic, SECRET).expect_err("raw");
        check_refusal("raw", raw, &PublishRefusal::InvalidTopic(why));
        assert_eq!(bus.publisher::<u32>(&topic).err(), Some(why));
        assert_eq!(bus.publisher_local::<u32>(&topic).err(), Some(why));
        assert_eq!(bus.subscriber_count(&topic), Err(why));
        assert_eq!(bus.explain(&topic).err(), Some(why));
    }
    assert_eq!(all.try_recv().err(), Some(TryRecvError::Empty));
}

#[test]
fn m3_every_way_to_subscribe_refuses_hostile_patterns() {
    let bus = EventBus::new();
    let wildcards = [
        ("a*.b".to_owned(), PatternError::Wildcard { character: '*', position: 1 }),
        ("ab**".to_owned(), PatternError::Wildcard { character: '*', position: 2 }),
        ("a+".to_owned(), PatternError::Wildcard { character: '+', position: 1 }),
    ];
    let names = hostile_topics().into_iter().filter(|(_, why)| !matches!(why, TopicError::Wildcard { .. }));
    for (pattern, why) in names.map(|(name, why)| (name, PatternError::from(why))).chain(wildcards) {
        let pattern = pattern.as_str();
        let results = [
            bus.subscribe::<u32>(pattern).receiver().err(),
            bus.subscribe::<u32>(pattern).handle(|_| ()).err(),
            bus.subscribe::<u32>(pattern).handle_inline(|_| ()).err(),
            bus.subscribe::<u32>(pattern).handle_async(|_| async {}).err(),
            bus.subscribe_any(pattern).receiver().err(),
            bus.subscribe_raw(pattern).receiver().err(),
            bus.subscribe_local::<Waker>(pattern).receiver().err(),
            // All or none.
            bus.subscribe_many::<u32, _>(["fine", pattern]).receiver().err(),
            bus.subscribe_any_many(["fine", pattern]).handle(|_| ()).err(),
            bus.expect::<u32>(pattern, Duration::ZERO).err(),
        ];
        for (number, error) in results.into_iter().enumerate() {
            match error {
                Some(SubscribeError::InvalidPattern(error)) => assert_eq!(error, why),
                other => panic!("face {number}, {pattern:?}: {other:?}"),
            }
        }
    }
    let none: [&str; 0] = [];
    let error = bus.subscribe_many::<u32, _>(none).receiver().err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    let error = bus.subscribe_any_many(none).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    assert!(bus.topics().is_empty());
}

/// Ends a subscribe builder as each kind, and hands the errors to `check`.
fn refused(build: impl Fn() -> Subscribe<trolleybus::Event<u32>>, check: impl Fn(&SubscribeError) -> bool) {
    let results = [
        build().receiver().err(),
        build().handle(|_| ()).err(),
        build().handle_inline(|_| ()).err(),
        build().handle_async(|_| async {}).err(),
        build().handle_with(|_, _| ()).err(),
        build().handle_inline_with(|_, _| ()).err(),
        build().handle_async_with(|_, _| async {}).err(),
    ];
    for error in results {
        let error = error.expect("refused");
        assert!(check(&error), "{error:?}");
        check_display(&error);
    }
}

#[test]
fn z1_options_of_a_subscription_out_of_their_range_are_refused_by_every_kind() {
    let bus = EventBus::new();
    let new = || bus.subscribe::<u32>("a");
    refused(|| new().capacity(0), |error| matches!(error, SubscribeError::ZeroCapacity));
    for capacity in [(1 << 24) + 1, usize::MAX] {
        refused(
            || new().capacity(capacity),
            |error| matches!(error, SubscribeError::CapacityTooLarge { capacity: said, limit } if *said == capacity && *limit == 1 << 24),
        );
    }
    for handlers in [0, 1025, usize::MAX] {
        refused(
            || new().concurrency(handlers),
            |error| matches!(error, SubscribeError::InvalidConcurrency { concurrency, .. } if *concurrency == handlers),
        );
    }
    refused(|| new().take(0), |error| matches!(error, SubscribeError::TakesNothing));
    refused(|| new().group(""), |error| matches!(error, SubscribeError::EmptyGroupName));
    for start in [Start::Beginning, Start::LastN(0), Start::LastN(usize::MAX)] {
        refused(|| new().from(start), |error| matches!(error, SubscribeError::NoHistory));
    }
    assert!(bus.topics().is_empty() && bus.stats().subscriptions.is_empty(), "nothing was made");
    // The limits themselves are fine, and allocate nothing before the first event.
    let held = [
        new().capacity(1 << 24).receiver().expect("the largest capacity"),
        new().capacity(1).take(u64::MAX).group("g").from(Start::Now).receiver().expect("the smallest"),
    ];
    assert_eq!(bus.subscriber_count("a"), Ok(held.len()));
}

#[test]
fn z1_a_queue_of_one_event_holds_one_in_every_mode() {
    let bus = EventBus::new();
    let modes = [
        (DeliveryMode::Drop, 1),
        (DeliveryMode::DropOldest, 2),
        (DeliveryMode::Timeout(Duration::ZERO), 1),
        (DeliveryMode::Block, 1),
    ];
    for (mode, expected) in modes {
        let mut one = bus.subscribe::<u32>("n").capacity(1).delivery(mode).receiver().expect("subscribe");
        for number in 1..=2_u32 {
            bus.event("n", number).deadline(Duration::ZERO).publish().expect("publish");
        }
        assert_eq!(one.len(), 1, "{mode:?}");
        assert_eq!(one.try_recv().map(|number| *number), Ok(expected), "{mode:?}");
    }
}

#[test]
fn options_of_a_bus_out_of_their_range_are_refused() {
    let builder = EventBus::builder;
    for workers in [1025, usize::MAX] {
        let error = builder().workers(workers).build().expect_err("too many workers");
        assert!(
            matches!(error, BuildError::TooManyWorkers { workers: said, limit: 1024 } if said == workers)
        );
        check_display(&error);
    }
    for capacity in [0, (1 << 24) + 1, usize::MAX] {
        let error = builder().capacity(capacity).build().expect_err("a capacity out of range");
        assert!(matches!(error, BuildError::InvalidCapacity { capacity: said, .. } if said == capacity));
        check_display(&error);
    }
    for depth in [0, 129, usize::MAX] {
        let error = builder().inline_depth(depth).build().expect_err("a depth out of range");
        assert!(matches!(error, BuildError::InvalidDepth { depth: said, limit: 128 } if said == depth));
        check_display(&error);
    }
    // What has no bad value: a cache without room, no limit of raw payloads.
    let bus = builder().workers(1024).capacity(1 << 24).inline_depth(128).topic_cache(0).build();
    let bus = bus.expect("the limits are fine");
    for _ in 0..3 {
        assert_eq!(bus.publish("a", 1_u32).expect("publish").matched(), 0);
    }
    builder().topic_cache(usize::MAX).max_raw_payload(usize::MAX).build().expect("the largest are fine");
}

#[test]
fn a_bus_without_workers_refuses_pooled_handlers_and_nothing_else() {
    let bus = EventBus::builder().workers(0).build().expect("build");
    let errors = [
        bus.subscribe::<u32>("a").handle(|_| ()).err(),
        bus.subscribe::<u32>("a").handle_with(|_, _| ()).err(),
        bus.subscribe::<u32>("a").handle_async(|_| async {}).err(),
        bus.subscribe::<u32>("a").handle_async_with(|_, _| async {}).err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(SubscribeError::NoWorkers)), "{error:?}");
    }
    // What is wrong with the rest is said first: it would be wrong with workers, too.
    let error = bus.subscribe::<u32>("a b").handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::InvalidPattern(_))), "{error:?}");
    let none: [&str; 0] = [];
    let error = bus.subscribe_many::<u32, _>(none).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    let error = bus.subscribe::<u32>("a").capacity(0).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::ZeroCapacity)), "{error:?}");
    let _inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("inline");
    let _receiver = bus.subscribe::<u32>("a").receiver().expect("a receiver");
}

#[test]
fn l6_durations_of_zero_and_of_all_time_are_taken_everywhere() {
    let _watchdog = watchdog("l6_durations_of_zero_and_of_all_time_are_taken_everywhere");
    for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let bus =
            EventBus::builder().workers(1).spin(duration.min(Duration::from_secs(1))).build().expect("build");
        let mode = DeliveryMode::Timeout(duration);
        let mut numbers = bus.subscribe::<u32>("n").capacity(1).delivery(mode).receiver().expect("subscribe");
        let receipt =
            bus.event("n", 1_u32).ttl(duration).deadline(duration).publish().expect("there is room");
        assert_eq!(receipt.queued(), 1);
        assert_eq!(numbers.recv_timeout(duration).map(|event| event.ttl()), Ok(Some(duration)));
        if duration < Duration::from_secs(1) {
            assert_eq!(numbers.recv_timeout(duration).err(), Some(RecvTimeoutError::Timeout));
            bus.publish("n", 2_u32).expect("publish");
            assert_eq!(bus.publish("n", 3_u32).expect("publish").dropped_by().timeout, 1);
            let late = bus.expect::<u32>("other", duration).expect("subscribe");
            assert_eq!(late.wait().err(), Some(RecvTimeoutError::Timeout));
        }
        let expected = bus.expect::<u32>("n", duration).expect("subscribe");
        bus.try_publish("n", 4_u32).expect("publish");
        assert_eq!(*expected.wait().expect("it came before"), 4);
        while numbers.try_recv().is_ok() {}
        assert!(numbers.subscription().drain(duration).wait().complete);
        assert!(bus.shutdown(duration).wait().complete);
    }
}

#[test]
fn l6_a_worker_that_spins_for_ever_still_stops() {
    let _watchdog = watchdog("l6_a_worker_that_spins_for_ever_still_stops");
    let bus = EventBus::builder().workers(1).spin(Duration::MAX).build().expect("build");
    let handled = bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let report = bus.shutdown(Duration::from_secs(20)).wait();
    assert!(report.complete, "{report:?}");
    assert_eq!((handled.stats().delivered, report.threads_running), (1, 0));
}

#[test]
fn a_bus_that_was_shut_down_gives_every_payload_back_and_makes_no_subscription() {
    let _watchdog = watchdog("a_bus_that_was_shut_down_gives_every_payload_back_and_makes_no_subscription");
    let bus = EventBus::new();
    let publisher = bus.publisher::<String>("a").expect("a topic");
    let kept = bus.subscribe_any("a").handle(|_| ()).expect("subscribe");
    let before = bus.event("a", SECRET.to_owned());
    assert!(bus.shutdown(Duration::from_secs(20)).wait().complete);
    assert!(bus.is_closed() && kept.is_closed());
    let mut results = every_face(&bus, "a");
    results.push(("begun before", before.publish()));
    results.push(("by handle", publisher.publish(SECRET.to_owned())));
    results.push(("try by handle", publisher.try_publish(SECRET.to_owned())));
    results.push(("async by handle", now(publisher.publish_async(SECRET.to_owned()))));
    results.push(("batch", publisher.publish_batch([SECRET.to_owned(), SECRET.to_owned()])));
    for (face, result) in results {
        check_refusal(face, result.expect_err(face), &PublishRefusal::ShutDown);
    }
    check_refusal("raw", bus.publish_raw("a", SECRET).expect_err("raw"), &PublishRefusal::ShutDown);
    refused(|| bus.subscribe::<u32>("a"), |error| matches!(error, SubscribeError::ShutDown));
    let error = bus.expect::<u32>("a", Duration::MAX).err();
    assert!(matches!(error, Some(SubscribeError::ShutDown)), "{error:?}");
    // Again, and again.
    assert!(bus.shutdown(Duration::ZERO).wait().complete);
    assert!(bus.shutdown(Duration::MAX).discarding().wait().complete);
    assert!(bus.topics().is_empty());
}

#[test]
fn a_shutdown_inside_a_handler_and_inside_a_shutdown_ends() {
    let _watchdog = watchdog("a_shutdown_inside_a_handler_and_inside_a_shutdown_ends");
    let bus = EventBus::new();
    let weak = bus.downgrade();
    let handle = bus
        .subscribe::<u32>("a")
        .handle_inline(move |_| {
            let Some(bus) = weak.upgrade() else { return };
            let outer = bus.shutdown(Duration::MAX);
            // Its own handler is not waited for.
            let inner = bus.shutdown(Duration::from_secs(20)).wait();
            assert!(bus.publish("a", 1_u32).is_err());
            drop((outer.wait(), inner));
        })
        .expect("subscribe");
    assert_eq!(bus.publish("a", 1_u32).expect("publish").failed(), 0);
    assert!(bus.is_closed() && handle.stats().is_balanced());
    assert_eq!(handle.stats().delivered, 1);
}

#[test]
fn what_is_left_of_a_bus_that_is_gone_says_so() {
    let _watchdog = watchdog("what_is_left_of_a_bus_that_is_gone_says_so");
    let bus = EventBus::new();
    let weak = bus.downgrade();
    let publisher = bus.publisher::<String>("a").expect("a topic");
    let pooled = bus.subscribe_any("**").handle(|_| ()).expect("subscribe");
    let mut receiver = bus.subscribe::<String>("a").receiver().expect("subscribe");
    let expected = bus.expect::<String>("b", Duration::MAX).expect("subscribe");
    let builder = bus.subscribe::<u32>("a");
    let event = bus.event("a", SECRET.to_owned());
    let publish = bus.publish_async("a", SECRET.to_owned());
    publisher.publish("queued".to_owned()).expect("publish");
    drop(bus);
    assert!(weak.upgrade().is_none());
    let results = [
        ("publisher", publisher.publish(SECRET.to_owned())),
        ("event", event.publish()),
        ("future", now(publish)),
    ];
    for (face, result) in results {
        check_refusal(face, result.expect_err(face), &PublishRefusal::ShutDown);
    }
    assert!(!publisher.has_subscribers());
    assert!(matches!(builder.receiver(), Err(SubscribeError::ShutDown)));
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
    assert!(receiver.recv().is_err() && receiver.iter().next().is_none());
    assert_eq!(receiver.recv_timeout(Duration::MAX).err(), Some(RecvTimeoutError::Closed));
    assert_eq!(receiver.subscription().stats().dropped.shutdown, 1);
    assert_eq!(expected.wait().err(), Some(RecvTimeoutError::Closed));
    pooled.pause();
    pooled.resume();
    pooled.cancel();
    pooled.cancel_and_wait().wait();
    assert!(pooled.drain(Duration::MAX).wait().complete);
    assert!(pooled.is_closed() && pooled.stats().is_balanced());
}

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

/// An error's text: lower case at the start, no full stop, nothing that a terminal would act on.
#[track_caller]
fn check_display(error: &dyn std::error::Error) {
    let text = error.to_string();
    assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.'), "{text}");
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    assert!(!format!("{error:?}").is_empty());
}

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
