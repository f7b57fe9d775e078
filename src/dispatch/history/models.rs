//! The hand-over from what is kept to what is published.

use std::sync::{Arc, Weak};

use loom::thread::spawn;

use super::{Beginning, Follower, Keeper, Log, Logs, Origin, keep};
use crate::clock::TimeSource;
use crate::dispatch::models::support::{Bell, ends, serve, serve_woken, spec};
use crate::dispatch::pass::Patience;
use crate::dispatch::receipt::Receipt;
use crate::dispatch::slot::{Slot, SlotParts};
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Hooks, Waits};
use crate::event::{DropReason, Event, Extras, PayloadKind};
use crate::history::{Limits, Retention, Rules};
use crate::pattern::TopicPattern;
use crate::sync::clock::{Deadline, Stamp};
use crate::topic::Topic;

/// A topic that is kept, and a follower that has not begun.
struct Model {
    logs: Arc<Logs>,
    log: Arc<Log>,
    slot: Arc<Slot>,
    bell: Bell,
}

impl Model {
    fn new(capacity: usize, mode: DeliveryMode) -> Self {
        let all = TopicPattern::new("*").expect("a pattern");
        let rules = Rules(vec![(all, Retention::new())]);
        let keeper = Keeper::new(rules, Limits::default(), TimeSource::default()).expect("it keeps");
        let logs = Arc::new(Logs::new(keeper));
        let log = logs.of("t", &mut Vec::new()).expect("kept");
        let bell = Bell::default();
        let parts = SlotParts {
            follower: Some(Box::new(Follower::new(capacity, false))),
            hooks: Arc::new(Hooks::new(None, None, Box::default(), None)),
            roster: Arc::default(),
            table: Weak::new(),
        };
        let consumer = bell.clone();
        let slot = Slot::new(spec(&["t"], capacity, mode), parts, |_, _| ends(capacity, consumer));
        Self { logs, log, slot, bell }
    }

    fn begin(&self) {
        self.logs.follow(&self.slot, Beginning::Each(Origin::Beginning)).expect("it can begin there");
        self.slot.rouse_reader();
    }

    /// What was handled in the end: all events, once and in order.
    fn check(self, mut handled: Vec<u64>, expected: &[u64]) {
        handled.extend(serve_woken(&self.slot, &self.bell));
        assert_eq!(handled, expected);
        self.end(expected.len() as u64);
    }

    fn end(self, delivered: u64) {
        let ledger = self.slot.ledger();
        assert!(ledger.is_balanced() && ledger.delivered == delivered, "{ledger:?}");
        self.slot.cancel(DropReason::Cancelled);
        self.logs.leave(&self.slot);
        assert_eq!(Arc::strong_count(&self.slot), 1, "somebody keeps the slot");
    }
}

fn publish(log: &Arc<Log>, number: u64, patience: Patience) -> Receipt {
    let (topic, extras) = (Topic::new("t").expect("a topic"), Box::<Extras>::default());
    let event = Event::build(topic, Stamp::coarse(), PayloadKind::Local, Some(extras), number);
    keep(log, &event.into_any(), patience)
}

/// An event is published while a follower begins and reads: it gets all, once, and in order.
///
/// Broken by an `advance` that makes a place live without a look at the end of the log.
#[test]
fn t5_a_follower_begins_and_reads_against_a_publisher() {
    loom::model(|| {
        let model = Model::new(4, DeliveryMode::Drop);
        publish(&model.log, 1, Patience::Never);
        let publisher = {
            let log = Arc::clone(&model.log);
            spawn(move || {
                publish(&log, 2, Patience::Never);
                publish(&log, 3, Patience::Never);
            })
        };
        model.begin();
        model.bell.0.take();
        let handled = serve(&model.slot);
        publisher.join().expect("publisher");
        model.check(handled, &[1, 2, 3]);
    });
}

/// Two publish to a live follower: its queue has the order of the log.
///
/// Broken by a push after the unlock.
#[test]
fn t5_two_publishers_and_a_live_follower() {
    loom::model(|| {
        let model = Model::new(4, DeliveryMode::Drop);
        model.begin();
        let publisher = {
            let log = Arc::clone(&model.log);
            spawn(move || drop(publish(&log, 10, Patience::Never)))
        };
        publish(&model.log, 20, Patience::Never);
        publisher.join().expect("publisher");
        let (kept, _) = model.log.read(1, u64::MAX, 8);
        let expected: Vec<u64> =
            kept.iter().map(|(_, kept)| *kept.event.payload::<u64>().expect("a number")).collect();
        assert_eq!(expected.len(), 2);
        model.check(Vec::new(), &expected);
    });
}

/// The queue of a follower that never drops is full: it is sent back, and reads on itself, also if it was about to rest.
///
/// Broken by a `rest` that does not look at what is to be read, and by a publisher that does not wake it after it was sent back.
#[test]
fn l1_a_follower_is_sent_back_while_its_consumer_goes_to_rest() {
    loom::model(|| {
        let model = Model::new(1, DeliveryMode::Block);
        model.begin();
        publish(&model.log, 1, Patience::Never);
        model.bell.0.take();
        let publisher = {
            let log = Arc::clone(&model.log);
            spawn(move || drop(publish(&log, 2, Patience::Never)))
        };
        let handled = serve(&model.slot);
        publisher.join().expect("publisher");
        model.check(handled, &[1, 2]);
    });
}

/// A publisher waits until a follower has read on: its wait ends.
///
/// Broken by a `put_back` that does not notify, and by a wait that does not look again after it has begun to listen.
#[test]
fn l2_a_publisher_waits_for_a_follower_that_reads_on() {
    loom::model(|| {
        let model = Model::new(1, DeliveryMode::Block);
        model.begin();
        publish(&model.log, 1, Patience::Never);
        let publisher = {
            let log = Arc::clone(&model.log);
            spawn(move || {
                let receipt = publish(&log, 2, Patience::Wait);
                if !receipt.is_settled() {
                    let mut waits = Waits::new(receipt, Deadline::NEVER);
                    crate::sync::park::block_on(&mut waits);
                }
            })
        };
        let mut handled = serve_woken(&model.slot, &model.bell);
        // It waits for nobody else.
        while handled.len() < 2 {
            handled.extend(serve(&model.slot));
            loom::thread::yield_now();
        }
        publisher.join().expect("publisher");
        model.check(handled, &[1, 2]);
    });
}

/// A follower is cancelled while somebody publishes and it reads: nothing is handled afterwards, and nothing is left.
///
/// Broken by a `leave` that leaves the place in the log.
#[test]
fn v3_a_follower_is_cancelled_against_a_publisher() {
    loom::model(|| {
        let model = Model::new(2, DeliveryMode::Drop);
        publish(&model.log, 1, Patience::Never);
        model.begin();
        let publisher = {
            let log = Arc::clone(&model.log);
            spawn(move || drop(publish(&log, 2, Patience::Never)))
        };
        let first = serve(&model.slot);
        model.slot.cancel(DropReason::Cancelled);
        model.logs.leave(&model.slot);
        publisher.join().expect("publisher");
        assert_eq!(serve(&model.slot), [0_u64; 0]);
        assert!(first.starts_with(&[1]) && first.len() <= 2);
        model.end(first.len() as u64);
    });
}
