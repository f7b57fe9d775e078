//! One round: a bus of a random shape, everything at once, and the account at the end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trolleybus::{DeliveryMode, DropReason, Dropped, EventBus, HandledDelivery, Ledger, Observer};

use crate::churn::{Churned, churn};
use crate::eventually::eventually;
use crate::publishers::{Receipts, Way, publish_all};
use crate::random::Rng;
use crate::sampler::Sampler;
use crate::subscriptions::{Elsewhere, Kind, Lasting, MODES, Plan};
use crate::support::{Guard, PATIENCE};
use crate::tracker::{Field, Wants};

/// How many subscriptions last for the whole round, those in the group not counted.
const LASTING: usize = 8;

/// What a round is.
#[derive(Debug)]
pub(crate) struct Shape {
    workers: usize,
    ways: Vec<Way>,
    topics: usize,
    churners: usize,
    rotate: bool,
    /// An observer hears of every handler's end; then some of them fail.
    watched: bool,
    plans: Vec<Plan>,
    /// Events of each publisher.
    each: usize,
}

impl Shape {
    /// The shape of a round. Kinds, modes and ways go round, so that some rounds in a row have them all;
    /// the rest is left to chance.
    pub(crate) fn new(round: usize, deliveries: u64, rng: &mut Rng) -> Self {
        let topics = 1 + rng.below(6);
        let watched = rng.one_in(2);
        // One round in four waits at every turn; in all of them it would be all that is tested.
        let capacities: &[usize] = if round % 4 == 1 { &[1, 2, 16] } else { &[64, 256, 1024] };
        let mut plans = Vec::new();
        for number in round * LASTING..(round + 1) * LASTING {
            plans.push(Plan {
                kind: Kind::ALL[number % Kind::ALL.len()],
                mode: MODES[(number / Kind::ALL.len() + number) % MODES.len()],
                capacity: rng.pick(capacities),
                wants: Wants::form(rng.below(12), topics, rng.pick(&[1, 1, 1, 3])),
                group: None,
                budget: None,
                fails: watched && rng.one_in(2),
            });
        }
        let mode = rng.pick(&MODES);
        for _ in 0..rng.below(4) {
            plans.push(Plan {
                kind: rng.pick(&Kind::ALL),
                mode,
                capacity: rng.pick(capacities),
                wants: Wants::form(0, topics, 1),
                group: Some("crew"),
                budget: None,
                fails: watched,
            });
        }
        let publishers = 1 + rng.below(4);
        let ways = (0..publishers).map(|number| Way::ALL[(round * 3 + number) % Way::ALL.len()]).collect();
        let mut shape = Self {
            workers: 1 + rng.below(3),
            ways,
            topics,
            churners: rng.pick(&[0, 1, 2, 3]),
            rotate: rng.one_in(3),
            watched,
            plans,
            each: 1,
        };
        let fan_out = shape.fan_out();
        // In hundredths, so that it stays a whole number.
        let events = deliveries * 100 / fan_out;
        shape.each = (usize::try_from(events).expect("a number of events") / publishers).max(64);
        shape
    }

    /// How many hundredths of a handler an event reaches, if the lossy ones get half.
    fn fan_out(&self) -> u64 {
        let share = |plan: &Plan| {
            let topics = plan.wants.topics.iter().filter(|wanted| **wanted).count();
            let lossy = if plan.is_lossless() { 100 } else { 50 };
            (topics * lossy / self.topics / plan.wants.each) as u64
        };
        let alone: u64 = self.plans.iter().filter(|plan| plan.group.is_none()).map(share).sum();
        let group = if self.plans.iter().any(|plan| plan.group.is_some()) { 100 } else { 0 };
        (alone + group).max(1)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, ways, topics, churners, rotate, watched, plans, each } = self;
        write!(f, "{} subscriptions, {workers} workers, {topics} topics, {churners} churners", plans.len())?;
        let (rotate, watched) =
            (if *rotate { ", rotating" } else { "" }, if *watched { ", watched" } else { "" });
        write!(f, "{rotate}{watched}, {each} events of each {ways:?}")
    }
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Handlers that ran.
    pub(crate) deliveries: u64,
    pub(crate) events: u64,
    pub(crate) offers: u64,
    pub(crate) dropped: Vec<(DropReason, u64)>,
    pub(crate) difference: u64,
    pub(crate) samples: u64,
    pub(crate) churned: u64,
    pub(crate) time: Duration,
}

impl Account {
    pub(crate) fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.offers += other.offers;
        self.difference += other.difference;
        self.samples += other.samples;
        self.churned += other.churned;
        self.time += other.time;
        self.dropped.resize(DropReason::ALL.len(), (DropReason::Full, 0));
        for (sum, one) in self.dropped.iter_mut().zip(&other.dropped) {
            *sum = (one.0, sum.1 + one.1);
        }
    }

    fn drops(&mut self, dropped: &Dropped) {
        self.dropped = dropped.iter().collect();
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.deliveries as f64 / self.time.as_secs_f64().max(1e-9) / 1e6;
        write!(
            f,
            "{} deliveries of {} events, {} offers, dropped",
            self.deliveries, self.events, self.offers
        )?;
        for (reason, number) in &self.dropped {
            write!(f, " {reason} {number}")?;
        }
        write!(
            f,
            ", ledger difference {}, {} churned, {} samples, {:.1} s, {rate:.2} M/s",
            self.difference,
            self.churned,
            self.samples,
            self.time.as_secs_f64(),
        )
    }
}

/// Counts what an observer hears.
#[derive(Clone, Default)]
struct Watcher(Arc<[AtomicU64; 2]>);

impl Watcher {
    /// Handlers, and those that failed.
    fn heard(&self) -> (u64, u64) {
        (self.0[0].load(Ordering::Acquire), self.0[1].load(Ordering::Acquire))
    }
}

impl Observer for Watcher {
    fn handled(&self, delivery: &HandledDelivery<'_>) {
        self.0[0].fetch_add(1, Ordering::AcqRel);
        if delivery.error.is_some() {
            self.0[1].fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Runs a round and judges it.
pub(crate) fn run(shape: &Shape, rng: &mut Rng, guard: &Guard) -> Account {
    let began = Instant::now();
    let mut builder = EventBus::builder().workers(shape.workers);
    if shape.rotate {
        builder = builder.rotate_order();
    }
    let watcher = Watcher::default();
    if shape.watched {
        builder = builder.observer(watcher.clone());
    }
    let bus = builder.build().expect("valid options");
    let weak = bus.downgrade();
    guard.report("bus", move || format!("{:#?}", weak.upgrade().map(|bus| bus.stats())));

    let field = Field::new(shape.ways.len(), shape.each, shape.topics);
    let (elsewhere, waker_thread) = Elsewhere::start();
    let start =
        |(number, plan): (usize, &Plan)| Lasting::start(plan.clone(), number, &bus, &field, &elsewhere);
    let mut lasting: Vec<Lasting> = shape.plans.iter().enumerate().map(start).collect();
    let sampler = Sampler::start(&bus);

    let stop = AtomicBool::new(false);
    let (receipts, churned) = std::thread::scope(|scope| {
        let churners: Vec<_> = (0..shape.churners)
            .map(|_| {
                let rng = Rng::new(rng.next());
                scope.spawn(|| churn(&bus, &field, &elsewhere, &stop, shape.watched, rng))
            })
            .collect();
        let publishers: Vec<_> = shape
            .ways
            .iter()
            .enumerate()
            .map(|(me, way)| {
                let rng = Rng::new(rng.next());
                let (bus, field) = (&bus, &field);
                scope.spawn(move || publish_all(bus, field, me, *way, rng))
            })
            .collect();
        let mut sum = Receipts::default();
        for publisher in publishers {
            sum.add(&publisher.join().expect("a publisher does not panic"));
            guard.alive();
        }
        stop.store(true, Ordering::Release);
        let churned: Vec<Churned> =
            churners.into_iter().map(|thread| thread.join().expect("no panic while churning")).collect();
        (sum, churned)
    });
    guard.alive();

    // At rest: everything that was accepted has come to its end.
    eventually("the bus comes to rest", || {
        let total = bus.stats().total;
        total.queued == 0 && total.running == 0
    });
    let samples = sampler.stop().unwrap_or_else(|wrong| panic!("C2: {wrong}"));
    let at_rest = bus.stats();
    for one in &lasting {
        let stats = at_rest.subscriptions.iter().find(|stats| stats.id == one.id).expect("it lives");
        judge_lasting(one, &stats.ledger, &field, &shape.ways);
    }
    judge_group(&lasting, &field, &shape.ways);

    // Half of the rounds leave the subscriptions to the shutdown.
    if rng.one_in(2) {
        lasting.iter_mut().for_each(|one| drop(one.handle.take()));
    }
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete && report.discarded == 0, "{report:?}");
    for one in &mut lasting {
        if let Some(thread) = one.thread.take() {
            thread.join().expect("a receiver's thread does not panic");
        }
        drop(one.handle.take());
    }
    for topic in 0..shape.topics {
        let left = bus.subscriber_count(Field::topic_name(topic)).expect("a valid topic");
        assert_eq!(left, 0, "V4: ended subscriptions are still in the table");
    }
    let total = bus.stats().total;
    drop(bus);
    drop(elsewhere);

    let mut account = judge(&total, &receipts, &lasting, &churned);
    if shape.watched {
        assert_eq!(watcher.heard(), (total.delivered, total.failed), "what the observer heard");
    }
    drop((lasting, churned));
    waker_thread.join().expect("it only calls wakers");
    eventually("every payload is dropped", || field.dropped() == field.events() as u64);
    assert_eq!(field.dropped_twice(), 0, "C4: payloads that were dropped twice");
    account.events = field.events() as u64;
    account.samples = samples;
    account.time = began.elapsed();
    account
}

/// One subscription at rest: C1, C5, L4.
fn judge_lasting(one: &Lasting, ledger: &Ledger, field: &Field, ways: &[Way]) {
    let (label, tracker) = (&one.tracker.label, &one.tracker);
    let wrong = |what: &str| panic!("{label}: {what}: {} handled, {ledger:?}", tracker.handled());
    if ledger.offered.abs_diff(ledger.delivered + ledger.dropped.total()) != 0 || !ledger.is_balanced() {
        wrong("C1: the ledger does not balance");
    }
    if ledger.delivered != tracker.handled() {
        wrong("C1: what was counted is not what was handled");
    }
    let seen = tracker.seen.as_ref().expect("a lasting subscription has a bitmap");
    if seen.count() != tracker.handled() {
        wrong("C5: an event was handled twice");
    }
    if one.plan.group.is_none() {
        if ledger.offered != tracker.wanted() {
            wrong(&format!("V1: {} events were to be offered", tracker.wanted()));
        }
        if ledger.filtered != tracker.filtered() {
            wrong(&format!("{} events were to be filtered", tracker.filtered()));
        }
        if one.plan.is_lossless() {
            each_patient_event(field, ways, |number, sequence| {
                if tracker.wants.wants(field, sequence) && !seen.has(number) {
                    wrong(&format!("C5: event {sequence} is lost (number {number})"));
                }
            });
        }
    }
    if one.plan.mode == DeliveryMode::Block && !ways.contains(&Way::Try) && ledger.dropped.total() > 0 {
        wrong("L4: mode Block dropped");
    }
}

/// The group as a whole: each event went to one member.
fn judge_group(lasting: &[Lasting], field: &Field, ways: &[Way]) {
    let members: Vec<&Lasting> = lasting.iter().filter(|one| one.plan.group.is_some()).collect();
    if members.is_empty() {
        return;
    }
    let lossless = members.iter().all(|one| one.plan.is_lossless());
    each_patient_event(field, ways, |number, sequence| {
        let has = |one: &&Lasting| one.tracker.seen.as_ref().is_some_and(|seen| seen.has(number));
        let times = members.iter().filter(|one| has(one)).count();
        assert!(times <= 1, "the group got event {sequence} {times} times");
        assert!(times == 1 || !lossless, "C5: event {sequence} is lost in the group");
    });
}

/// All events of publishers that wait, by number and by sequence.
fn each_patient_event(field: &Field, ways: &[Way], mut visit: impl FnMut(usize, usize)) {
    for (publisher, _) in ways.iter().enumerate().filter(|(_, way)| **way != Way::Try) {
        for sequence in 0..field.each {
            visit(publisher * field.each + sequence, sequence);
        }
    }
}

/// The bus at its end: C1, C3, C5.
fn judge(total: &Ledger, receipts: &Receipts, lasting: &[Lasting], churned: &[Churned]) -> Account {
    let wrong: Vec<_> = churned.iter().flat_map(|one| &one.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let trackers =
        || lasting.iter().map(|one| &one.tracker).chain(churned.iter().flat_map(|one| &one.trackers));
    let wrong: u64 = trackers().map(|tracker| tracker.wrong()).sum();
    assert_eq!(wrong, 0, "handlers saw what they must not see, printed above");
    let handled: u64 = trackers().map(|tracker| tracker.handled()).sum();

    let difference = total.offered.abs_diff(total.delivered + total.dropped.total());
    assert_eq!((difference, total.queued, total.running), (0, 0, 0), "C1: {total:?}");
    assert_eq!(total.delivered, handled, "C1: counted and handled differ: {total:?}");
    let (dropped, given) = (&total.dropped, receipts);
    assert_eq!(total.offered, given.offered(), "C3: {total:?}, {given:?}");
    assert_eq!(total.filtered, given.filtered, "C3: {total:?}, {given:?}");
    assert_eq!(total.skipped, given.skipped, "C3: {total:?}, {given:?}");
    let failed: u64 = trackers().map(|tracker| tracker.failed()).sum();
    assert_eq!(total.failed, failed, "C1: counted and returned errors differ: {total:?}");
    assert!(given.failed <= total.failed, "C3: {total:?}, {given:?}");
    assert_eq!(given.matched, given.offered() + given.filtered + given.skipped, "C3: {given:?}");
    for reason in [DropReason::Full, DropReason::Timeout, DropReason::Deadlock] {
        assert_eq!(dropped.by(reason), given.by(reason), "C3: {reason}: {total:?}, {given:?}");
    }
    // What was queued has been handled, displaced by a newer event, or discarded with its queue.
    let discarded = dropped.cancelled + dropped.shutdown
        - given.by(DropReason::Cancelled)
        - given.by(DropReason::Shutdown);
    let queued = total.delivered - given.delivered + dropped.oldest + discarded;
    assert_eq!(queued, given.queued, "C3: {total:?}, {given:?}");

    let mut account =
        Account { deliveries: handled, offers: total.offered, difference, ..Account::default() };
    account.churned = churned.iter().map(|one| one.trackers.len() as u64).sum();
    account.drops(&total.dropped);
    account
}
