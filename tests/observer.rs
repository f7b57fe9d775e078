//! What observers hear, and what people see when nobody observes.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use eventually::eventually;
use kinds::KINDS;
use support::watchdog;
use trolleybus::{EventBus, HandledDelivery, HandlerError, Observer, SubscriptionId};

#[derive(Debug)]
struct Heard {
    subscription: SubscriptionId,
    name: Option<String>,
    topic: String,
    published: SystemTime,
    duration: Duration,
    error: Option<String>,
}

#[derive(Clone, Default)]
struct Log {
    handled: Arc<Mutex<Vec<Heard>>>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Observer for Log {
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        self.handled.lock().expect("lock").push(Heard {
            subscription: delivery.subscription,
            name: delivery.subscription_name.map(str::to_owned),
            topic: delivery.topic.as_str().to_owned(),
            published: delivery.published,
            duration: delivery.duration,
            error: delivery.error.map(ToString::to_string),
        });
    }

    fn warning(&self, message: &str) {
        self.warnings.lock().expect("lock").push(message.to_owned());
    }
}

#[test]
fn d_all_8_an_observer_hears_of_every_handlers_end_with_its_times() {
    let _watchdog = watchdog("observer");
    let log = Log::default();
    let bus = EventBus::builder().workers(1).observer(log.clone()).precise_time().build().expect("build");
    let took = Duration::from_millis(3);
    for kind in KINDS {
        let before = SystemTime::now();
        let builder = bus.subscribe::<u32>("n.*").name("watched");
        let subscription = kind.try_handle(builder, move |number, delivery| {
            assert!(delivery.started() >= delivery.published());
            assert_eq!((delivery.attempt(), delivery.subscription_name()), (1, Some("watched")));
            // Not a wait: the time that a handler takes is what the observer is to hear of.
            std::thread::sleep(took);
            if number == 0 { Ok(()) } else { Err(HandlerError::new("on purpose")) }
        });
        bus.publish("n.a", 0_u32).expect("publish");
        bus.publish("n.b", 1_u32).expect("publish");
        eventually("both are heard of", || log.handled.lock().expect("lock").len() == 2);
        let heard = std::mem::take(&mut *log.handled.lock().expect("lock"));
        let topics: Vec<_> = heard.iter().map(|one| (one.topic.as_str(), one.error.as_deref())).collect();
        assert_eq!(topics, [("n.a", None), ("n.b", Some("on purpose"))], "{kind:?}");
        for one in &heard {
            assert_eq!((one.subscription, one.name.as_deref()), (subscription.id(), Some("watched")));
            assert!(one.duration >= took, "{kind:?} {one:?}");
            assert!(one.published >= before && one.published <= SystemTime::now());
        }
    }
}

#[test]
fn another_type_is_skipped_counted_and_warned_about_once() {
    let log = Log::default();
    let bus = EventBus::builder().observer(log.clone()).build().expect("build");
    let numbers = bus.subscribe::<u32>("n").name("numbers").receiver().expect("subscribe");
    let mut words = bus.subscribe::<String>("n").receiver().expect("subscribe");
    for _ in 0..3 {
        let receipt = bus.publish("n", "a literal").expect("publish");
        assert_eq!((receipt.matched(), receipt.skipped(), receipt.queued()), (2, 1, 1));
    }
    assert_eq!(**words.try_recv().expect("a literal reaches subscribers of String"), *"a literal");
    assert_eq!((numbers.subscription().stats().skipped, numbers.len()), (3, 0));
    let warnings = log.warnings.lock().expect("lock");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    for part in ["u32", "alloc::string::String", "\"n\"", "numbers", "observer.rs"] {
        assert!(warning.contains(part), "{part} in {warning}");
    }
}

#[test]
fn failures_are_visible_on_standard_error_without_an_observer() {
    const CHILD: &str = "TROLLEYBUS_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let bus = EventBus::builder().workers(1).build().expect("build");
        let failing = KINDS.map(|kind| {
            let name = format!("{kind:?}");
            let text = format!("visible {name}");
            kind.try_handle(bus.subscribe::<u32>("n").name(name), move |_, _| {
                Err(HandlerError::new(text.clone()))
            })
        });
        let _fine = KINDS.map(|kind| kind.handle(bus.subscribe::<u32>("n").name("fine"), |_| ()));
        for number in 0..20_u32 {
            bus.publish("n", number).expect("publish");
            eventually("all failed", || {
                failing.iter().all(|one| one.stats().failed == u64::from(number) + 1)
            });
        }
        return;
    }
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "failures_are_visible_on_standard_error_without_an_observer", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("a child process");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    for kind in KINDS {
        assert!(
            text.contains(&format!("({kind:?})")) && text.contains(&format!("visible {kind:?}")),
            "{text}"
        );
    }
    assert!(!text.contains("fine"), "nothing is said of handlers that end well: {text}");
    // 60 failures: eight in full, and a word about the rest.
    assert_eq!(text.matches("visible").count(), 8, "{text}");
    assert!(text.contains("one message in 1,000"), "{text}");
}
