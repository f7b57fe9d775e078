//! What subscriptions cannot handle, handed on.

#[path = "support/eventually.rs"]
mod eventually;
mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{
    BusBuilder, DeadLetter, DeadLetterStats, DeathCause, DeliveryMode, Event, EventBus, HandlerError,
    Observer, Outcome, Receiver, Subscription, TestClock, Topic,
};

use eventually::eventually;
use support::watchdog;

type Letters = Receiver<Event<DeadLetter>>;

fn bus() -> EventBus {
    EventBus::builder().dead_letters(["job.*"], "dead.job").build().expect("valid")
}

fn letters(bus: &EventBus) -> Letters {
    bus.subscribe_local::<DeadLetter>("dead.*").receiver().expect("subscribe")
}

fn next(letters: &mut Letters) -> Event<DeadLetter> {
    letters.recv_timeout(Duration::from_secs(20)).expect("a letter")
}

/// How many were sent, lost, and died themselves.
fn counts(bus: &EventBus) -> (u64, u64, u64) {
    let DeadLetterStats { sent, lost, died, .. } = bus.stats().dead_letters;
    (sent, lost, died)
}

/// A subscription to jobs that fails by the payload's sign, of each kind that can.
fn kinds(bus: &EventBus) -> [Subscription; 3] {
    fn judge(number: i64) -> Result<(), HandlerError> {
        match number {
            -1 => Err(HandlerError::new("minus one").permanent()),
            -2 => panic!("minus two"),
            _ => Ok(()),
        }
    }
    let jobs = |name| bus.subscribe::<i64>("job.*").name(name);
    [
        jobs("inline").handle_inline(|job| judge(**job)),
        jobs("sync").handle(|job| judge(**job)),
        jobs("async").handle_async(|job| async move { judge(*job) }),
    ]
    .map(|subscription| subscription.expect("subscribe"))
}

#[test]
fn each_subscription_that_fails_sends_a_letter_with_the_event_and_what_was_wrong() {
    let _watchdog = watchdog("letters of each kind");
    let bus = bus();
    let (mut dead, subscriptions) = (letters(&bus), kinds(&bus));
    for number in [1_i64, -1, -2] {
        let event = bus.event("job.a", number).key("k").meta("origin", "here");
        let _ = event.publish().expect("open");
    }
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let letter = next(&mut dead);
        let event = letter.event();
        let number = *event.payload::<i64>().expect("the payload itself");
        assert_eq!(
            (event.topic().as_str(), event.key(), event.meta("origin")),
            ("job.a", Some("k"), Some("here"))
        );
        assert_eq!(letter.topic().as_str(), "dead.job");
        assert_eq!(letter.attempts(), 1);
        assert!(letter.died() >= event.time());
        let name = letter.subscription_name().expect("all have one").to_owned();
        let by_id = subscriptions.iter().find(|it| it.id() == letter.subscription());
        assert_eq!(by_id.and_then(Subscription::name), Some(&*name));
        let DeathCause::Failed { error, panicked, permanent, .. } = letter.cause() else {
            panic!("{letter:?}")
        };
        let expected = if number == -1 {
            ("minus one", false, true)
        } else {
            ("the handler panicked: minus two", true, false)
        };
        assert_eq!((&**error, *panicked, *permanent), expected);
        assert!(seen.insert((name, number)));
    }
    assert_eq!(seen.len(), 6);
    eventually("all are counted", || counts(&bus) == (6, 0, 0));
    assert!(dead.try_recv().is_err());
    assert_eq!(bus.stats().total.failed, 6);
}

#[test]
fn who_waits_for_the_outcome_hears_of_the_letter_after_it_was_sent() {
    let bus = bus();
    let publish = |topic: &str| {
        let outcome = Arc::new(Mutex::new(None::<(Outcome, u64)>));
        let (theirs, weak) = (Arc::clone(&outcome), bus.downgrade());
        let event = bus.event(topic, 1_u8).on_complete(move |outcome| {
            let sent = weak.upgrade().expect("it lives").stats().dead_letters.sent;
            *theirs.lock().expect("no panic") = Some((outcome, sent));
        });
        event.publish().expect("open");
        let (outcome, sent) = outcome.lock().expect("no panic").take().expect("all ran inline");
        (outcome.failed.len(), outcome.dead_lettered.len(), outcome.is_ok(), outcome.is_kept(), sent)
    };
    let fails = || HandlerError::new("no");
    let _one = bus.subscribe::<u8>("*.one").handle_inline(move |_| Err::<(), _>(fails())).expect("subscribe");
    assert_eq!(publish("job.one"), (1, 0, false, false, 0), "nobody has it");
    let _dead = letters(&bus);
    assert_eq!(publish("job.one"), (1, 1, false, true, 1));
    assert_eq!(publish("other.one"), (1, 0, false, false, 1), "no rule is about it");
    assert_eq!(publish("job.two"), (0, 0, true, true, 1));
    assert_eq!(counts(&bus), (1, 1, 0));
}

#[test]
fn what_is_too_old_sends_a_letter_whoever_takes_it() {
    let clock = TestClock::new();
    let builder = EventBus::builder().clock(clock.clone()).ttl(Duration::from_millis(10));
    let bus =
        builder.dead_letters(["job.*"], "dead.job").ttl_of(["dead.*"], Duration::MAX).build().expect("valid");
    let (mut dead, mut jobs) = (letters(&bus), bus.subscribe_any("job.*").receiver().expect("subscribe"));
    bus.publish("job.a", 1_u8).expect("open");
    bus.publish("job.b", 2_u8).expect("open");
    clock.advance(Duration::from_millis(25));
    bus.event("job.c", 3_u8).publish().expect("open");
    assert_eq!(jobs.try_recv().expect("the third").topic().as_str(), "job.c");
    let _inline = bus.subscribe::<u8>("job.*").handle_inline(|_| ()).expect("subscribe");
    bus.event("job.d", 4_u8).ttl(Duration::ZERO).publish().expect("open");
    for (topic, age) in [("job.a", 25), ("job.b", 25), ("job.d", 0)] {
        let letter = next(&mut dead);
        assert_eq!(letter.event().topic().as_str(), topic);
        assert_eq!(*letter.cause(), DeathCause::Expired(Duration::from_millis(age)));
        assert_eq!(letter.attempts(), 0);
        assert_eq!(letter.cause().to_string(), format!("the event was {age} ms old"));
    }
    assert_eq!(counts(&bus), (3, 0, 0));
}

#[test]
fn a_letter_that_dies_is_counted_and_is_the_end_of_it() {
    let bus = EventBus::builder().dead_letters(["*"], "dead").build().expect("valid");
    let fails = || Err::<(), _>(HandlerError::new("no"));
    let _all = bus.subscribe_any("*").handle_inline(move |_| fails()).expect("subscribe");
    let receipt = bus.publish("job", 1_u8).expect("open");
    assert_eq!(receipt.delivered(), 1);
    // It was delivered to a handler: that one has it, and failed.
    assert_eq!(counts(&bus), (1, 0, 1));
    let topics = EventBus::builder().dead_letters(["job"], "dead").build().expect("valid");
    let _all = topics.subscribe_any("*").handle_inline(move |_| fails()).expect("subscribe");
    topics.publish("job", 1_u8).expect("open");
    topics.publish("dead", 1_u8).expect("open");
    assert_eq!(counts(&topics), (2, 0, 2), "what is published there by hand dies once, like any event");
}

#[test]
fn a_letter_that_nobody_takes_is_lost_and_observers_hear_of_it() {
    #[derive(Clone, Default)]
    struct Hears(Arc<Mutex<Vec<(String, String, bool)>>>);
    impl Observer for Hears {
        fn dead_letter(&self, letter: &DeadLetter, topic: &Topic, taken: bool) {
            let told = (letter.cause().to_string(), topic.to_string(), taken);
            self.0.lock().expect("no panic").push(told);
        }
    }
    let hears = Hears::default();
    let builder = EventBus::builder().observer(hears.clone()).dead_letters(["job"], "dead");
    let bus = builder.build().expect("valid");
    let _job = bus
        .subscribe::<u8>("job")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    bus.publish("job", 1_u8).expect("open");
    let _other = bus.subscribe::<u32>("dead").receiver().expect("subscribe");
    bus.publish("job", 2_u8).expect("open");
    let _dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    bus.publish("job", 3_u8).expect("open");
    assert_eq!(counts(&bus), (1, 2, 0));
    let told = std::mem::take(&mut *hears.0.lock().expect("no panic"));
    assert_eq!(
        told,
        [false, false, true].map(|taken| ("the handler failed: no".into(), "dead".into(), taken))
    );
}

#[test]
fn a_full_queue_of_letters_blocks_no_worker_whatever_its_mode() {
    let _watchdog = watchdog("a full queue of letters");
    let bus = EventBus::builder().workers(1).dead_letters(["job"], "dead").build().expect("valid");
    let dead = bus.subscribe_local::<DeadLetter>("dead").capacity(1).delivery(DeliveryMode::Block);
    let mut dead = dead.receiver().expect("subscribe");
    let jobs =
        bus.subscribe::<u32>("job").handle(|_| Err::<(), _>(HandlerError::new("no"))).expect("subscribe");
    for number in 0..10_u32 {
        bus.publish("job", number).expect("open");
    }
    eventually("all jobs failed", || jobs.stats().failed == 10);
    eventually("all letters are counted", || counts(&bus) == (1, 9, 0));
    assert_eq!(next(&mut dead).event().payload::<u32>(), Some(&0));
    assert_eq!(dead.subscription().stats().dropped.full, 9);
}

#[test]
fn the_first_rule_decides_and_letters_stay_within_their_tenant() {
    let builder =
        EventBus::builder().dead_letters(["job.a", "x"], "dead.a").dead_letters(["job.*"], "dead.rest");
    let bus = builder.build().expect("valid");
    let (acme, globex) = (bus.tenant("acme").expect("a name"), bus.tenant("globex").expect("a name"));
    let (mut mine, mut others, mut nobodys) = (letters(&acme), letters(&globex), letters(&bus));
    let fails = || Err::<(), _>(HandlerError::new("no"));
    let _job =
        acme.subscribe::<u8>("*").handle_inline(move |letter| if **letter > 0 { fails() } else { Ok(()) });
    for topic in ["job.a", "job.b", "other"] {
        acme.publish(topic, 1_u8).expect("open");
    }
    let letter = next(&mut mine);
    assert_eq!(
        (letter.topic().as_str(), letter.tenant().map(trolleybus::Tenant::as_str)),
        ("dead.a", Some("acme"))
    );
    assert_eq!(letter.event().tenant(), letter.tenant());
    assert_eq!(next(&mut mine).topic().as_str(), "dead.rest");
    for letters in [&mut mine, &mut others, &mut nobodys] {
        assert!(letters.try_recv().is_err());
    }
    assert_eq!(counts(&bus), (2, 0, 0));
}

#[test]
fn malformed_rules_are_refused_by_the_builder() {
    let said = |builder: BusBuilder| builder.build().expect_err("malformed").to_string();
    let pattern = said(EventBus::builder().dead_letters(["a..b"], "dead"));
    assert!(pattern.starts_with("invalid pattern in a rule: "), "{pattern}");
    let topic = said(EventBus::builder().dead_letters(["a"], "dead.*"));
    assert!(topic.starts_with("invalid topic for dead letters: "), "{topic}");
    let none = EventBus::builder().dead_letters([] as [&str; 0], "dead").build().expect("no rule");
    assert_eq!(counts(&none), (0, 0, 0));
}

#[test]
fn a_letter_shows_no_payload_and_no_secret() {
    let bus = bus();
    let mut dead = letters(&bus);
    let _job = bus
        .subscribe::<String>("job.*")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    let event = bus.event("job.a", String::from("canary")).key("canary").meta("token", "canary");
    event.publish().expect("open");
    let letter = next(&mut dead);
    let shown = format!("{:?} {:?} {}", letter, letter.payload(), letter.cause());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn under_load_there_is_one_letter_for_each_event_that_failed_and_no_other() {
    let _watchdog = watchdog("letters under load");
    const EVENTS: u64 = 20_000;
    let bus = EventBus::builder().workers(2).dead_letters(["job"], "dead").build().expect("valid");
    let jobs = bus.subscribe::<u64>("job").capacity(64).concurrency(3).delivery(DeliveryMode::Block);
    let jobs = jobs
        .handle(|job| if **job % 7 == 0 { Err(HandlerError::new("seven")) } else { Ok(()) })
        .expect("subscribe");
    let capacity = usize::try_from(EVENTS).expect("small");
    let dead = bus.subscribe_local::<DeadLetter>("dead").capacity(capacity).receiver().expect("subscribe");
    std::thread::scope(|scope| {
        for publisher in 0..2 {
            let bus = &bus;
            scope.spawn(move || {
                for number in (publisher..EVENTS).step_by(2) {
                    bus.publish("job", number).expect("open");
                }
            });
        }
    });
    eventually("all are handled", || jobs.stats().delivered == EVENTS);
    let mut dead = dead;
    let expected: BTreeSet<u64> = (0..EVENTS).step_by(7).collect();
    let mut got = BTreeSet::new();
    for _ in 0..expected.len() {
        let letter = next(&mut dead);
        assert!(got.insert(*letter.event().payload::<u64>().expect("a number")), "twice");
    }
    assert_eq!(got, expected);
    assert!(dead.try_recv().is_err());
    eventually("all are counted", || counts(&bus) == (expected.len() as u64, 0, 0));
}

#[test]
fn once_the_bus_is_shut_down_letters_are_lost_and_counted() {
    let _watchdog = watchdog("letters of a shutdown");
    let bus = EventBus::builder().workers(1).dead_letters(["job"], "dead").build().expect("valid");
    let dead = bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe");
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let job = bus.subscribe::<u8>("job").handle(move |_| {
        let _ = gate.lock().expect("no panic").recv();
        Err::<(), _>(HandlerError::new("no"))
    });
    let job = job.expect("subscribe");
    bus.publish("job", 1_u8).expect("open");
    eventually("the handler runs", || job.stats().running == 1);
    let shutdown = bus.shutdown(Duration::from_secs(20));
    drop(open);
    assert!(shutdown.wait().complete);
    assert_eq!((counts(&bus), dead.subscription().stats().offered), ((0, 1, 0), 0));
}
