//! What people must know is told as events, and not on standard error.

use std::num::NonZeroU32;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tracing::Level;
use trolleybus::{EventBus, HandlerError, Observer, SubscriptionId};

use crate::support::{PATIENCE, watchdog};
use crate::{Collector, eventually, only, told, traced};

#[test]
fn failures_are_told_in_the_span_of_the_handler() {
    let _watchdog = watchdog("failures");
    let (bus, collector) = traced(1);
    let fails =
        |n: &u32| if *n == 0 { panic!("as told") } else { Err::<(), _>(HandlerError::new("no luck")) };
    let inline =
        bus.subscribe::<u32>("fails.a").name("inline").handle_inline(move |n| fails(n)).expect("subscribe");
    let _pooled =
        bus.subscribe::<u32>("fails.b").name("pooled").handle(move |n| fails(n)).expect("subscribe");
    let _task = bus
        .subscribe::<u32>("fails.c")
        .name("task")
        .handle_async(move |n| async move { fails(&n) })
        .expect("subscribe");
    for (topic, name) in [("fails.a", "inline"), ("fails.b", "pooled"), ("fails.c", "task")] {
        for (number, outcome, level) in [(1_u32, "error", Level::WARN), (0, "panic", Level::ERROR)] {
            bus.publish(topic, number).expect("published");
            let mut span = None;
            eventually("it is told", || {
                let mut spans = collector.spans();
                spans.retain(|span| {
                    span.field("topic") == topic && span.field("outcome") == outcome && span.closed
                });
                span = spans.pop();
                span.is_some()
            });
            let span = span.expect("it was found");
            assert_eq!((span.field("otel.status_code"), span.field("error.type")), ("ERROR", outcome));
            let events = told(collector, "subscription.name", name);
            let event =
                events.iter().find(|event| event.parent == Some(span.number)).expect("within the span");
            assert_eq!((event.level, event.fields["message"].as_str()), (level, "handler failed"));
            assert!(event.fields["error"].contains(if number == 0 { "as told" } else { "no luck" }));
            assert_eq!((&*event.fields["topic"], span.field("error")), (topic, &*event.fields["error"]));
        }
    }
    assert_eq!(
        told(collector, "subscription.name", "inline")[0].fields["subscription"],
        inline.id().to_string()
    );
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Observer for Heard {
    fn quarantined(&self, _: SubscriptionId, panics: u32) {
        self.0.lock().expect("lock").push(format!("quarantine after {panics}"));
    }

    fn warning(&self, message: &str) {
        self.0.lock().expect("lock").push(message.to_owned());
    }
}

#[test]
fn observers_hear_it_as_well() {
    let _watchdog = watchdog("observers");
    let (collector, heard) = (Collector::default().install(), Heard::default());
    let limit = NonZeroU32::MIN;
    let bus =
        EventBus::builder().traced().observer(heard.clone()).quarantine_after(limit).build().expect("built");
    let _panics = bus
        .subscribe::<u32>("heard")
        .name("heard panics")
        .handle_inline(|n| assert_eq!(**n, 1, "as told"))
        .expect("subscribe");
    let _other =
        bus.subscribe::<String>("heard").name("heard other").handle_inline(|_| ()).expect("subscribe");
    bus.publish("heard", 0_u32).expect("published");
    let heard = heard.0.lock().expect("lock").clone();
    assert_eq!(heard.len(), 2, "{heard:?}");
    for words in &heard {
        let events = match words.starts_with("quarantine") {
            true => told(collector, "panics", "1"),
            false => told(collector, "message", words),
        };
        let level = if words.starts_with("quarantine") { Level::ERROR } else { Level::WARN };
        assert_eq!(events[0].level, level, "{words}");
    }
}

#[test]
fn a_shutdown_tells_what_it_left() {
    let _watchdog = watchdog("leftovers");
    let (bus, collector) = traced(1);
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let stuck = bus
        .subscribe::<u32>("left")
        .name("left behind")
        .handle(move |_| {
            let _ = held.lock().expect("lock").recv();
        })
        .expect("subscribe");
    bus.publish("left", 1_u32).expect("published");
    bus.publish("left", 2_u32).expect("published");
    eventually("it runs", || stuck.stats().running == 1);
    let report = bus.shutdown(Duration::ZERO).wait();
    drop(release);
    assert_eq!(report.unfinished.len(), 1);
    let event = &told(collector, "subscription.name", "left behind")[0];
    assert_eq!(
        (event.level, &*event.fields["running"], &*event.fields["discarded"]),
        (Level::WARN, "1", "1")
    );
    let whole = told(collector, "message", "bus is shut down, and not everything was handled");
    assert!(whole.iter().any(|event| event.level == Level::WARN && event.fields["complete"] == "false"));
    assert_eq!(only(collector, "handle", "left").field("outcome"), "ok");
}

#[test]
fn refused_publishes_are_told() {
    let _watchdog = watchdog("refused");
    let (bus, collector) = traced(1);
    bus.publish("no topic\n", 1_u32).expect_err("no topic");
    let event = &told(collector, "topic", "no topic\n")[0];
    assert_eq!((event.level, event.fields["message"].as_str()), (Level::DEBUG, "publish was refused"));
    assert!(bus.shutdown(PATIENCE).wait().complete);
}

#[test]
fn nothing_goes_to_standard_error() {
    const CHILD: &str = "TROLLEYBUS_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let (bus, collector) = traced(1);
        let _fails =
            bus.subscribe::<u32>("quiet").handle_inline(|_| Err::<(), _>(HandlerError::new("visible")));
        let _fails = bus.subscribe::<u32>("quiet").handle(|_| Err::<(), _>(HandlerError::new("visible")));
        let fails =
            bus.subscribe::<u32>("quiet").handle_inline(|_| Err::<(), _>(HandlerError::new("visible")));
        let _other = bus.subscribe::<String>("quiet").handle_inline(|_| ()).expect("subscribe");
        bus.publish("quiet", 1_u32).expect("published");
        assert!(fails.is_ok() && !told(collector, "topic", "quiet").is_empty());
        return;
    }
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "telling::nothing_goes_to_standard_error", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("visible") && !text.contains("skips"), "{text}");
}
