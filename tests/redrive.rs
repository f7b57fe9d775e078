//! Dead letters whose events are sent once more, to who could not handle them.

#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/poll_once.rs"]
mod poll_once;
mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{
    DeadLetter, DeathCause, DeliveryMode, Event, EventBus, HandlerError, History, IdempotencyWindow,
    RecvError, RedriveError, Redriven, Retention, Retry, Start, Subscription, TestClock,
};

use eventually::eventually;
use gate::gate;
use poll_once::poll_once;
use support::watchdog;

const MS: Duration = Duration::from_millis(1);

/// What handlers are to fail for, and what they have been called with.
#[derive(Clone, Default)]
struct Desk {
    bad: Arc<Mutex<BTreeSet<u32>>>,
    seen: Arc<Mutex<Vec<(&'static str, u32)>>>,
}

impl Desk {
    fn failing(bad: impl IntoIterator<Item = u32>) -> Self {
        let desk = Self::default();
        desk.bad.lock().expect("lock").extend(bad);
        desk
    }

    fn repair(&self) {
        self.bad.lock().expect("lock").clear();
    }

    /// A handler of that name.
    fn handler(&self, name: &'static str) -> impl Fn(&Event<u32>) -> Result<(), HandlerError> + use<> {
        let Self { bad, seen } = self.clone();
        move |event| {
            seen.lock().expect("lock").push((name, **event));
            if bad.lock().expect("lock").contains(event) { Err(HandlerError::new("bad")) } else { Ok(()) }
        }
    }

    fn seen(&self) -> Vec<(&'static str, u32)> {
        std::mem::take(&mut self.seen.lock().expect("lock"))
    }
}

/// A bus whose dead letters of jobs are kept.
fn bus() -> (EventBus, TestClock) {
    let clock = TestClock::new();
    let builder = EventBus::builder().workers(1).clock(clock.clone()).dead_letters(["job.*"], "dead.job");
    (builder.retain(["dead.*"], Retention::new().count(1000)).build().expect("valid"), clock)
}

fn publish(bus: &EventBus, jobs: impl IntoIterator<Item = u32>) {
    for job in jobs {
        bus.publish("job.new", job).expect("open");
    }
}

fn dead(bus: &EventBus) -> History {
    bus.history("dead.job").expect("it is kept")
}

fn kept(bus: &EventBus) -> Vec<Event<DeadLetter>> {
    dead(bus).iter().map(|event| event.downcast().expect("a letter")).collect()
}

/// How many were sent, refused, and are orphaned.
fn redrive(bus: &EventBus, wanted: impl FnMut(&DeadLetter) -> bool) -> (u64, u64, u64) {
    let Redriven { sent, refused, orphaned, .. } = dead(bus).redrive(wanted);
    (sent, refused, orphaned)
}

fn at_rest(subscription: &Subscription) {
    eventually("it has come to rest", || {
        let ledger = subscription.stats();
        ledger.queued + ledger.running == 0
    });
}

#[test]
fn only_the_subscription_that_failed_gets_the_event_and_it_is_the_same_event() {
    let _watchdog = watchdog("the one that failed");
    let ((bus, _), desk, well) = (bus(), Desk::failing([2]), Desk::default());
    let all = [
        bus.subscribe::<u32>("job.*").handle_inline(desk.handler("inline")),
        bus.subscribe::<u32>("job.*").handle(desk.handler("pooled")),
        bus.subscribe::<u32>("job.*").handle_async({
            let handler = desk.handler("async");
            move |event| std::future::ready(handler(&event))
        }),
    ]
    .map(|subscription| subscription.expect("subscribe"));
    let _other = bus.subscribe::<u32>("job.*").handle_inline(well.handler("other")).expect("subscribe");
    publish(&bus, [1, 2, 3]);
    all.iter().for_each(at_rest);
    assert_eq!((desk.seen().len(), well.seen().len()), (9, 3));
    let letters = kept(&bus);
    assert_eq!(letters.len(), 3);
    assert_eq!(bus.stats().dead_letters.sent, 3, "that they are kept is enough");
    let ids: BTreeSet<_> = letters.iter().map(|letter| letter.event().id()).collect();
    assert_eq!(ids.len(), 1, "all of one event");

    desk.repair();
    for letter in &letters {
        assert!(!letter.was_redriven());
        let receipt = bus.redrive(letter).expect("its subscription is there");
        receipt.all_delivered().expect("it is taken");
        assert!(letter.was_redriven());
    }
    all.iter().for_each(at_rest);
    let seen: BTreeSet<_> = desk.seen().into_iter().collect();
    assert_eq!(seen, BTreeSet::from([("async", 2), ("inline", 2), ("pooled", 2)]));
    assert!(well.seen().is_empty(), "who has handled it does not get it again");
    for subscription in &all {
        let stats = subscription.stats();
        assert_eq!((stats.offered, stats.delivered, stats.failed), (4, 4, 1));
        assert!(stats.is_balanced());
    }
}

#[test]
fn letters_are_sent_together_once_each_by_what_is_asked_of_them() {
    let _watchdog = watchdog("history and redrive");
    let ((bus, clock), desk) = (bus(), Desk::failing(1..=6));
    let jobs =
        bus.subscribe::<u32>("job.*").name("jobs").handle_inline(desk.handler("jobs")).expect("subscribe");
    publish(&bus, 1..=3);
    clock.advance(MS);
    publish(&bus, 4..=6);
    desk.seen();
    // What fails again has a new letter, which is none of this round.
    assert_eq!(redrive(&bus, |letter| letter.event().payload() == Some(&2_u32)), (1, 0, 0));
    assert_eq!((desk.seen(), kept(&bus).len()), (vec![("jobs", 2)], 7));
    desk.repair();
    assert_eq!(redrive(&bus, |letter| letter.attempts() > 1), (0, 0, 0));
    let limited = dead(&bus).limit(3).redrive(|_| true);
    assert_eq!((limited.sent, desk.seen()), (2, vec![("jobs", 1), ("jobs", 3)]), "2 was sent");
    assert_eq!(redrive(&bus, |letter| letter.subscription_name() == Some("jobs")), (4, 0, 0));
    assert_eq!(desk.seen(), [4, 5, 6, 2].map(|job| ("jobs", job)));
    assert_eq!(redrive(&bus, |_| true), (0, 0, 0));
    assert!(kept(&bus).iter().all(|letter| letter.was_redriven()));
    // By name, it can be sent as often as one wants.
    bus.redrive(&kept(&bus)[0]).expect("sent");
    assert_eq!(desk.seen(), [("jobs", 1)]);
    assert!(jobs.stats().is_balanced());
    // Not letters: there is nothing to send.
    assert!(matches!(bus.history("job.*"), Err(trolleybus::HistoryError::NotKept)));
}

#[test]
fn who_has_ended_is_followed_by_the_youngest_of_its_name_and_tenant() {
    let _watchdog = watchdog("heirs");
    let ((bus, _), desk) = (bus(), Desk::failing([1, 2]));
    let acme = bus.tenant("acme").expect("a tenant");
    let subscribe = |bus: &EventBus, name: &str, pattern: &str, handler: &'static str| {
        bus.subscribe::<u32>(pattern).name(name).handle_inline(desk.handler(handler)).expect("subscribe")
    };
    let ours = subscribe(&bus, "jobs", "job.*", "first");
    let nameless = bus.subscribe::<u32>("job.*").handle_inline(desk.handler("nameless")).expect("subscribe");
    publish(&bus, [1]);
    ours.cancel();
    nameless.cancel();
    let _theirs = subscribe(&acme, "jobs", "job.*", "of a tenant");
    let _elsewhere = subscribe(&bus, "jobs", "job.old", "elsewhere");
    desk.seen();
    desk.repair();
    assert_eq!(redrive(&bus, |_| true), (0, 0, 2));
    assert_eq!(bus.redrive(&kept(&bus)[0]).map(drop), Err(RedriveError::NoSubscription));
    let _second = subscribe(&bus, "jobs", "job.*", "second");
    let third = subscribe(&bus, "jobs", "job.*", "third");
    assert_eq!(redrive(&bus, |_| true), (1, 0, 1));
    assert_eq!(desk.seen(), [("third", 1)]);
    third.cancel();
    bus.redrive(&kept(&bus)[0]).expect("the second is there");
    assert_eq!(desk.seen(), [("second", 1)]);
    // A letter of another bus does not go to whoever has the same number here.
    let (elsewhere, _) = self::bus();
    let _stranger = subscribe(&elsewhere, "stranger", "job.*", "stranger");
    assert_eq!(elsewhere.redrive(&kept(&bus)[0]).map(drop), Err(RedriveError::NoSubscription));
}

#[test]
fn a_tenants_letters_are_his_and_so_are_their_subscriptions() {
    let ((bus, _), desk) = (bus(), Desk::failing([1]));
    let acme = bus.tenant("acme").expect("a tenant");
    let _jobs = acme.subscribe::<u32>("job.*").handle_inline(desk.handler("acme")).expect("subscribe");
    let _common = bus.subscribe::<u32>("job.*").handle_inline(desk.handler("common")).expect("subscribe");
    publish(&acme, [1]);
    assert_eq!((kept(&bus).len(), kept(&acme).len()), (0, 1));
    desk.repair();
    desk.seen();
    assert_eq!(redrive(&acme, |_| true), (1, 0, 0));
    assert_eq!(desk.seen(), [("acme", 1)]);
}

#[test]
fn t1_the_age_of_what_was_too_old_counts_anew() {
    let _watchdog = watchdog("expired and sent again");
    let ((bus, clock), desk) = (bus(), Desk::default());
    let jobs = bus.subscribe::<u32>("job.*").handle(desk.handler("jobs")).expect("subscribe");
    jobs.pause();
    bus.event("job.new", 1_u32).ttl(10 * MS).publish().expect("open");
    clock.advance(10 * MS);
    jobs.resume();
    eventually("it is too old", || kept(&bus).len() == 1);
    let expired = |letter: &DeadLetter| matches!(letter.cause(), DeathCause::Expired(_));
    jobs.pause();
    assert_eq!(redrive(&bus, expired), (1, 0, 0));
    clock.advance(9 * MS);
    jobs.resume();
    eventually("it is handled", || jobs.stats().delivered == 1);
    // And it may get too old once more.
    jobs.pause();
    bus.redrive(&kept(&bus)[0]).expect("sent");
    clock.advance(10 * MS);
    jobs.resume();
    eventually("it is too old again", || kept(&bus).len() == 2);
    assert_eq!(jobs.stats().expired, 2);
    assert_eq!(desk.seen(), [("jobs", 1)]);
}

#[test]
fn it_is_tried_as_often_as_a_new_one_and_its_outcome_is_not_told_again() {
    let _watchdog = watchdog("retries and completion");
    let ((bus, clock), desk) = (bus(), Desk::failing([1]));
    let retry = Retry::new(3).backoff(MS).jitter(0.0);
    let jobs = bus.subscribe::<u32>("job.*").retry(retry).handle(desk.handler("jobs")).expect("subscribe");
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&outcomes);
    bus.event("job.new", 1_u32)
        .on_complete(move |outcome| told.lock().expect("lock").push(outcome.is_kept()))
        .publish()
        .expect("open");
    let settle = |failed| {
        eventually("it has failed", || {
            if let Some(next) = clock.next_alarm() {
                clock.advance(next);
            }
            kept(&bus).len() == failed
        });
    };
    settle(1);
    eventually("it is told", || *outcomes.lock().expect("lock") == [true]);
    assert_eq!(redrive(&bus, |letter| letter.attempts() == 3), (1, 0, 0));
    settle(2);
    assert_eq!((desk.seen().len(), jobs.stats().retried), (6, 4));
    desk.repair();
    assert_eq!(redrive(&bus, |letter| letter.attempts() == 3), (1, 0, 0));
    eventually("it is handled", || jobs.stats().delivered == 3);
    at_rest(&jobs);
    assert_eq!(*outcomes.lock().expect("lock"), [true]);
}

#[test]
fn a_queue_without_room_refuses_it_or_is_waited_for_as_its_mode_says() {
    let _watchdog = watchdog("full queues");
    for mode in [DeliveryMode::Drop, DeliveryMode::Block] {
        let ((bus, _), (gate, _opens)) = (bus(), gate());
        let held = Arc::clone(&gate);
        let jobs = bus
            .subscribe::<u32>("job.*")
            .capacity(2)
            .delivery(mode)
            .handle(move |job| {
                if **job == 0 {
                    return Err(HandlerError::new("bad"));
                }
                held.pass();
                Ok(())
            })
            .expect("subscribe");
        publish(&bus, [0]);
        eventually("the letter is kept", || kept(&bus).len() == 1);
        publish(&bus, [1]);
        eventually("the handler is held up", || gate.inside() == 1);
        publish(&bus, [2, 3]);
        let letter = kept(&bus).remove(0);
        match mode {
            DeliveryMode::Drop => {
                assert_eq!(redrive(&bus, |_| true), (0, 1, 0));
                assert!(!letter.was_redriven());
                gate.open();
                at_rest(&jobs);
                assert_eq!(redrive(&bus, |_| true), (1, 0, 0));
            }
            _ => {
                drop(bus.redrive_async(&letter));
                let mut forgotten = bus.redrive_async(&letter);
                assert!(poll_once(&mut forgotten).is_pending());
                drop(forgotten);
                let mut sent = bus.redrive_async(&letter);
                assert!(poll_once(&mut sent).is_pending());
                assert!(!letter.was_redriven());
                let there = bus.clone();
                let (blocks, same) = (letter.clone(), letter.clone());
                let blocked = std::thread::spawn(move || there.redrive(&blocks).expect("sent").queued());
                gate.open();
                eventually("there is room", || poll_once(&mut sent).is_ready());
                assert_eq!(blocked.join().expect("no panic"), 1);
                assert!(same.was_redriven());
            }
        }
        at_rest(&jobs);
        let stats = jobs.stats();
        let again = if mode == DeliveryMode::Drop { 1 } else { 2 };
        assert_eq!((stats.delivered, stats.failed), (4 + again, 1 + again), "{mode:?}");
        assert!(stats.is_balanced());
    }
}

#[test]
fn who_replays_and_who_remembers_ids_gets_it_too() {
    let _watchdog = watchdog("followers and windows");
    let builder = EventBus::builder().workers(1).dead_letters(["job.*"], "dead.job");
    let bus = builder.retain(["*"], Retention::new().count(10)).build().expect("valid");
    let desk = Desk::failing([1]);
    publish(&bus, [1, 2]);
    let jobs = bus
        .subscribe::<u32>("job.*")
        .from(Start::Beginning)
        .idempotent(IdempotencyWindow::new(10))
        .handle(desk.handler("jobs"))
        .expect("subscribe");
    eventually("both are handled", || jobs.stats().delivered == 2);
    desk.repair();
    assert_eq!(redrive(&bus, |_| true), (1, 0, 0));
    eventually("once more", || jobs.stats().delivered == 3);
    // The window knows it now.
    bus.redrive(&kept(&bus)[0]).expect("sent");
    eventually("it is a duplicate", || jobs.stats().duplicate == 1);
    assert_eq!(desk.seen(), [1, 2, 1].map(|job| ("jobs", job)));
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_reason() {
    let _watchdog = watchdog("refusals");
    let deep = EventBus::builder().inline_depth(1).dead_letters(["job.*"], "dead.job");
    let bus = deep.build().expect("valid");
    let mut letters = bus.subscribe_local::<DeadLetter>("dead.*").receiver().expect("subscribe");
    let _jobs = bus.subscribe::<u32>("job.*").handle_inline(|_| Err::<(), _>(HandlerError::new("no")));
    publish(&bus, [1]);
    let letter = letters.try_recv().expect("a letter");
    let results = Arc::new(Mutex::new(Vec::new()));
    let (told, weak, again) = (Arc::clone(&results), bus.downgrade(), letter.clone());
    let _nested = bus
        .subscribe::<u32>("other")
        .handle_inline(move |_| {
            let result = weak.upgrade().expect("it lives").redrive(&again).map(drop);
            told.lock().expect("lock").push(result);
        })
        .expect("subscribe");
    bus.publish("other", 1_u32).expect("open");
    assert_eq!(*results.lock().expect("lock"), [Err(RedriveError::TooDeep { limit: 1 })]);
    assert!(!letter.was_redriven());
    assert!(bus.shutdown(20_000 * MS).wait().complete);
    assert_eq!(bus.redrive(&letter).map(drop), Err(RedriveError::ShutDown));
    assert!(matches!(letters.recv(), Err(RecvError)));
    for error in [RedriveError::NoSubscription, RedriveError::ShutDown, RedriveError::TooDeep { limit: 1 }] {
        assert!(!error.to_string().is_empty());
    }
}
