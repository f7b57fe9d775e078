//! Every way to publish and to subscribe, and what a refusal must be.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use trolleybus::{EventBus, PublishError, PublishRefusal, Receipt, Subscribe, SubscribeError, TopicError};

/// Something in a payload that must never be printed.
pub(crate) const SECRET: &str = "canary-7f3a";

/// Names that are no topics, and why.
pub(crate) fn hostile_topics() -> Vec<(String, TopicError)> {
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
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Every way to publish a text on a topic by its name.
pub(crate) fn every_face(
    bus: &EventBus,
    topic: &str,
) -> Vec<(&'static str, Result<Receipt, PublishError<String>>)> {
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
pub(crate) fn check_refusal<T: AsRef<[u8]>>(face: &str, error: PublishError<T>, refusal: &PublishRefusal) {
    assert_eq!(error.refusal(), refusal, "{face}");
    assert_eq!(error.is_shut_down(), *refusal == PublishRefusal::ShutDown);
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(char::is_control), "{face}: {text:?}");
    }
    assert_eq!(error.payload().as_ref(), SECRET.as_bytes());
    assert_eq!(error.into_payload().as_ref(), SECRET.as_bytes(), "{face}");
}

/// Ends a subscribe builder as each kind, and hands the errors to `check`.
pub(crate) fn refused(
    build: impl Fn() -> Subscribe<trolleybus::Event<u32>>,
    check: impl Fn(&SubscribeError) -> bool,
) {
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

/// An error's text: lower case at the start, no full stop, nothing that a terminal would act on.
#[track_caller]
pub(crate) fn check_display(error: &dyn std::error::Error) {
    let text = error.to_string();
    assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.'), "{text}");
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    assert!(!format!("{error:?}").is_empty());
}
