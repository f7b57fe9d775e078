//! The bus itself, asked the same things as the model, with everything that it says compared.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use trolleybus::{EventBus, Observer, Publisher, Subscription, SubscriptionId, TryRecvError, WeakEventBus};

use super::held::Held;
use super::model::Model;
use super::ops::{MAX_RAW, Op, TOPICS};
use super::records::{Book, CANCELLED, Received, Report, Seen};

/// Hears of failures, which would otherwise go to standard error.
struct Deaf;

impl Observer for Deaf {}

/// A bus beside its model.
pub(crate) struct System {
    pub(crate) model: Model,
    pub(crate) buses: Vec<EventBus>,
    weak: WeakEventBus,
    pub(crate) held: Vec<Held>,
    pub(crate) ids: Vec<SubscriptionId>,
    pub(crate) publishers: Vec<Option<(Publisher<u32>, Publisher<String>)>>,
    /// The number of the next event.
    pub(crate) number: u32,
    pub(crate) log: Arc<Mutex<Vec<(usize, Seen)>>>,
    pub(crate) outcomes: Arc<Mutex<Vec<(u32, trolleybus::Outcome)>>>,
    /// The receipts of all publishes together, and what they are silent about: who filtered and
    /// skipped an event in a group, and publishes that were given up.
    pub(crate) receipts: Book,
    /// Who was open and who was paused when topics and explanations were last compared.
    pub(crate) listed: Vec<(bool, bool)>,
    pub(crate) steps: usize,
}

impl System {
    pub(crate) fn new() -> Self {
        let bus = EventBus::builder()
            .workers(0)
            .max_raw_payload(MAX_RAW)
            .observer(Deaf)
            .build()
            .expect("options within their ranges");
        Self {
            model: Model::default(),
            weak: bus.downgrade(),
            buses: vec![bus],
            held: Vec::new(),
            ids: Vec::new(),
            publishers: TOPICS.iter().map(|_| None).collect(),
            number: 0,
            log: Arc::default(),
            outcomes: Arc::default(),
            receipts: Book::default(),
            listed: vec![(true, true)],
            steps: 0,
        }
    }

    /// Does one step on both sides and compares.
    pub(crate) fn step(&mut self, op: &Op) {
        match op {
            Op::Subscribe(spec) => self.subscribe(spec),
            Op::Publish { topic, what, how, extras } => self.publish(*topic, *what, *how, *extras),
            Op::Batch { topic, events } => self.batch(*topic, *events),
            Op::Receive(which) => self.receive(*which, 1),
            Op::ReceiveAll(which) => self.receive(*which, usize::MAX),
            Op::Pause(which) => self.on(*which, |model, sub, handle| {
                model.subs[sub].paused = true;
                handle.pause();
            }),
            Op::Resume(which) => self.on(*which, |model, sub, handle| {
                model.subs[sub].paused = false;
                handle.resume();
            }),
            Op::Cancel(which) => self.on(*which, |model, sub, handle| {
                let before = model.subs[sub].cancelled;
                model.cancel(sub, CANCELLED);
                let first = handle.cancel();
                assert!(before.is_none_or(|before| first != before), "cancel said {first}");
            }),
            Op::Drain(which) => self.on(*which, |model, sub, handle| {
                model.close(sub, CANCELLED);
                let queued = model.subs[sub].book().queued;
                model.cancel(sub, CANCELLED);
                let report = handle.drain(Duration::ZERO).wait();
                assert_eq!((report.complete, report.discarded, report.running), (queued == 0, queued, 0));
            }),
            Op::Close(which) => self.on(*which, |model, sub, handle| {
                model.close(sub, CANCELLED);
                drop(handle.drain(Duration::MAX));
            }),
            Op::Drop(which) => self.let_go(*which, false),
            Op::Detach(which) => self.let_go(*which, true),
            Op::DropPublisher(topic) => self.publishers[*topic] = None,
            Op::CloneBus => self.buses.extend(self.buses.first().cloned()),
            Op::DropBus => {
                if self.buses.pop().is_some() && self.buses.is_empty() {
                    self.model.shutdown(false);
                }
            }
            Op::Upgrade => {
                let bus = self.weak.upgrade();
                assert_eq!(bus.is_some(), !self.buses.is_empty(), "a bus lives as long as its handles");
            }
            Op::Shutdown => {
                let Some(bus) = self.buses.first() else { return };
                let expected = self.model.shutdown(false);
                let report = bus.shutdown(Duration::ZERO).wait();
                self.compare_reports(&report, &expected);
            }
            Op::ShutdownDiscarding => {
                let Some(bus) = self.buses.first() else { return };
                let expected = Report { unfinished: Vec::new(), ..self.model.shutdown(false) };
                let report = bus.shutdown(Duration::ZERO).discarding().wait();
                self.compare_reports(&report, &expected);
            }
            Op::ShutdownOpen => {
                let Some(bus) = self.buses.first() else { return };
                self.model.shutdown(true);
                drop(bus.shutdown(Duration::MAX));
            }
        }
        self.compare();
    }

    fn receive(&mut self, which: usize, most: usize) {
        let Some(sub) = self.pick(which, |held| held.len().is_some()) else { return };
        for _ in 0..most {
            let expected = self.model.receive(sub);
            let received = match self.held[sub].try_recv().expect("a receiver") {
                Ok(seen) => Received::Event(seen),
                Err(TryRecvError::Empty) => Received::Empty,
                Err(TryRecvError::Closed) => Received::Closed,
            };
            assert_eq!(received, expected, "received by {sub}");
            if !matches!(received, Received::Event(_)) {
                break;
            }
        }
    }

    fn on(&mut self, which: usize, act: impl FnOnce(&mut Model, usize, &Subscription)) {
        let Some(sub) = self.pick(which, |held| held.subscription().is_some()) else { return };
        act(&mut self.model, sub, self.held[sub].subscription().expect("picked"));
    }

    /// Drops or detaches a handle. A receiver can only be dropped.
    fn let_go(&mut self, which: usize, detach: bool) {
        let Some(sub) = self.pick(which, |held| held.subscription().is_some()) else { return };
        match std::mem::replace(&mut self.held[sub], Held::Gone) {
            Held::Handle(handle) if detach => assert_eq!(handle.detach(), self.ids[sub]),
            held => {
                self.model.cancel(sub, CANCELLED);
                drop(held);
            }
        }
    }

    fn pick(&self, which: usize, fits: impl Fn(&Held) -> bool) -> Option<usize> {
        let fitting: Vec<_> = (0..self.held.len()).filter(|sub| fits(&self.held[*sub])).collect();
        (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
    }

    /// The end: every handle goes, and everything must be accounted for.
    pub(crate) fn finish(mut self) {
        self.step(&Op::Shutdown);
        for sub in 0..self.held.len() {
            self.model.cancel(sub, CANCELLED);
        }
        self.held.clear();
        if let Some(bus) = self.buses.first() {
            self.compare_stats(bus);
            let total = bus.stats().total;
            assert!(total.is_balanced() && total.queued == 0 && total.running == 0, "{total:?}");
        }
    }
}
