//! The bus itself, asked the same things as the model, with everything that it says compared.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde::Serialize;
use trolleybus::{
    DeliveryMode, EventBus, HandlerError, Observer, PublishError, PublishRefusal, Publisher, Raw, Receipt,
    Receiver, Subscribe, SubscribeError, Subscription, SubscriptionId, TryRecvError, WeakEventBus,
};

use super::compare::add;
use super::held::{Held, Look, Other, seen};
use super::model::Model;
use super::ops::{Extras, How, Kind, MAX_RAW, Mode, Op, PATTERNS, Spec, TOPICS, Want, What};
use super::records::{Book, CANCELLED, Paper, Patience, Payload, Received, Report, Seen};

/// Hears of failures, which would otherwise go to standard error.
struct Deaf;

impl Observer for Deaf {}

/// What a publish of any type came to; `None` if it was given up while it waited.
pub(crate) type Told = Option<Result<Receipt, PublishRefusal>>;

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
                if queued > 0 {
                    model.cancel(sub, CANCELLED);
                }
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

    fn subscribe(&mut self, spec: &Spec) {
        let Some(bus) = self.buses.first().cloned() else { return };
        let group = (!self.model.closed).then(|| spec.group.map(|group| self.model.group_name(group)));
        let patterns = spec.patterns.iter().map(|pattern| PATTERNS[*pattern]);
        let made = match (spec.want, patterns.len()) {
            (Want::Any, 1) => {
                self.make(bus.subscribe_any(PATTERNS[spec.patterns[0]]), spec, group, Held::Any)
            }
            (Want::Any, _) => self.make(bus.subscribe_any_many(patterns), spec, group, Held::Any),
            (Want::Number, 1) => {
                self.make(bus.subscribe::<u32>(PATTERNS[spec.patterns[0]]), spec, group, Held::Number)
            }
            (Want::Number, _) => self.make(bus.subscribe_many::<u32, _>(patterns), spec, group, Held::Number),
            (Want::Text, _) => self.make(bus.subscribe_many::<String, _>(patterns), spec, group, Held::Text),
        };
        let expected = self.model.subscribe(spec);
        match made {
            Ok(held) => {
                assert!(expected, "a closed bus took a subscription");
                let handle = held.subscription().expect("just made");
                assert_eq!(handle.name(), spec.named.then_some("named"));
                assert!(self.ids.last().is_none_or(|last| *last < handle.id()), "ids go up");
                self.ids.push(handle.id());
                self.held.push(held);
            }
            Err(error) => {
                assert!(!expected, "refused: {error}");
                assert!(matches!(error, SubscribeError::ShutDown), "{error:?}");
            }
        }
    }

    fn make<E: Look>(
        &self,
        builder: Subscribe<E>,
        spec: &Spec,
        group: Option<Option<String>>,
        receiver: impl FnOnce(Receiver<E>) -> Held,
    ) -> Result<Held, SubscribeError> {
        let mode = match spec.mode {
            Mode::Drop => DeliveryMode::Drop,
            Mode::DropOldest => DeliveryMode::DropOldest,
            Mode::Block => DeliveryMode::Block,
            Mode::Timeout => DeliveryMode::Timeout(Duration::ZERO),
            Mode::Patient => DeliveryMode::Timeout(Duration::MAX),
        };
        let mut builder = builder.capacity(spec.capacity).delivery(mode);
        if spec.even {
            builder = builder.filter(|event| event.seen().payload.is_even());
        }
        if let Some(events) = spec.take {
            builder = if events == 1 { builder.once() } else { builder.take(events) };
        }
        if spec.named {
            builder = builder.name("named");
        }
        if let Some(group) = group.flatten() {
            builder = builder.group(group);
        }
        match spec.kind {
            Kind::Receiver => builder.receiver().map(receiver),
            Kind::Inline { fails } => {
                let (log, number) = (Arc::clone(&self.log), self.held.len());
                let handle = builder.handle_inline(move |event| {
                    let seen = event.seen();
                    let failed = fails && seen.payload.fails();
                    log.lock().expect("lock").push((number, seen));
                    if failed { Err(HandlerError::new("a third event")) } else { Ok(()) }
                });
                handle.map(Held::Handle)
            }
        }
    }

    fn publish(&mut self, topic: usize, what: What, how: How, extras: Option<Extras>) {
        let name = Model::topic(topic);
        self.number += 1;
        let payload = Model::payload(what, self.number);
        let blocks = self.model.might_block(name);
        let by_handle = matches!(payload, Payload::Number(_) | Payload::Text(_));
        let mut how = match how {
            How::Plain if blocks => How::Deadline,
            How::Handle if !by_handle => How::Try,
            how => how,
        };
        // What has no event builder, or no such face of it.
        if matches!(what, What::Raw(_) | What::Other) && how != How::Deadline {
            how = if blocks { How::Deadline } else { How::Plain };
        }
        if self.buses.is_empty() && how != How::Handle {
            return;
        }
        let extras = match how {
            How::Deadline => Some(extras.unwrap_or(Extras { key: false, meta: false, completion: false })),
            How::Handle => None,
            _ => extras,
        };
        if how == How::Handle && self.publishers[topic].is_none() {
            let Some(bus) = self.buses.first() else { return };
            let numbers = bus.publisher::<u32>(name).expect("a topic");
            let texts = bus.publisher::<String>(name).expect("a topic");
            assert_eq!(numbers.topic().as_str(), name);
            self.publishers[topic] = Some((numbers, texts));
        }
        let patience = match how {
            How::Plain => Patience::Wait,
            How::Handle if !blocks => Patience::Wait,
            How::Try | How::Handle => Patience::Never,
            How::Deadline => Patience::Zero,
            How::PollOnce => Patience::Abandoned,
        };
        let with = |wanted: fn(&Extras) -> bool| extras.as_ref().is_some_and(wanted);
        let event = seen(
            name,
            payload.clone(),
            with(|extras| extras.key).then_some("key"),
            with(|extras| extras.meta).then_some("value"),
        );
        let before = self.model.total();
        let expected = self.model.publish(self.number, &event, with(|extras| extras.completion), patience);
        let told = match (what, payload) {
            (_, Payload::Number(number)) => self.tell(topic, number, how, blocks, extras, |pair| &pair.0),
            (What::Literal, _) if how == How::Plain && extras.is_none() => {
                Some(self.buses[0].publish(name, "literal").map_err(|error| {
                    assert_eq!(*error.payload(), "literal");
                    error.refusal().clone()
                }))
            }
            (_, Payload::Text(text)) => self.tell(topic, text, how, blocks, extras, |pair| &pair.1),
            (_, Payload::Raw(len)) => {
                let raw = Raw::from(vec![b'r'; len]);
                Some(match extras {
                    Some(extras) => refusal(self.build(name, raw, extras, how).publish_local()),
                    None => refusal(self.buses[0].publish_raw(name, raw)),
                })
            }
            (_, Payload::Other(number)) => Some(match extras {
                Some(extras) => refusal(self.build(name, Other(number), extras, how).publish()),
                None => refusal(self.buses[0].publish_local(name, Other(number))),
            }),
        };
        self.compare_told(told, expected, &before);
    }

    /// Publishes a number or a text, which have all the faces.
    fn tell<T: Serialize + Clone + PartialEq + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        topic: usize,
        payload: T,
        how: How,
        blocks: bool,
        extras: Option<Extras>,
        publisher: impl Fn(&(Publisher<u32>, Publisher<String>)) -> &dyn std::any::Any,
    ) -> Told {
        let name = Model::topic(topic);
        let given = payload.clone();
        let told = match (how, extras) {
            (How::Handle, _) => {
                let pair = self.publishers[topic].as_ref().expect("made before");
                let publisher = publisher(pair).downcast_ref::<Publisher<T>>().expect("of this type");
                if blocks { publisher.try_publish(payload) } else { publisher.publish(payload) }
            }
            (How::PollOnce, extras) => {
                let future = match extras {
                    Some(extras) => self.build(name, payload, extras, how).publish_async(),
                    None => self.buses[0].publish_async(name, payload),
                };
                match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(result) => result,
                    Poll::Pending => return None,
                }
            }
            (How::Plain, None) => self.buses[0].publish(name, payload),
            (How::Try, None) => self.buses[0].try_publish(name, payload),
            (How::Try, Some(extras)) => self.build(name, payload, extras, how).try_publish(),
            (How::Plain | How::Deadline, extras) => {
                self.build(name, payload, extras.expect("for the builder"), how).publish()
            }
        };
        Some(told.map_err(|error| {
            assert_eq!(*error.payload(), given, "the payload comes back");
            error.refusal().clone()
        }))
    }

    fn build<T: Send + Sync + 'static>(
        &self,
        name: &str,
        payload: T,
        extras: Extras,
        how: How,
    ) -> trolleybus::EventBuilder<T> {
        let mut event = self.buses[0].event(name, payload);
        if extras.key {
            event = event.key("key");
        }
        if extras.meta {
            event = event.meta("m", "first").meta("m", "value");
        }
        if extras.completion {
            let (outcomes, number) = (Arc::clone(&self.outcomes), self.number);
            event = event.on_complete(move |outcome| outcomes.lock().expect("lock").push((number, outcome)));
        }
        if how == How::Deadline { event.deadline(Duration::ZERO) } else { event }
    }

    fn batch(&mut self, topic: usize, events: u32) {
        let name = Model::topic(topic);
        let Some(bus) = self.buses.first() else { return };
        let publisher = bus.publisher::<u32>(name).expect("a topic");
        // What it would wait for can change with each event: then one event each.
        let queues = self.model.matching(name).into_iter().any(|sub| {
            let spec = &self.model.subs[sub].spec;
            spec.kind == Kind::Receiver && matches!(spec.mode, Mode::Block | Mode::Patient)
        });
        let batches = if queues { vec![1; events as usize] } else { vec![events] };
        for events in batches {
            let before = self.model.total();
            let might_block = self.model.might_block(name);
            let numbers: Vec<u32> = (1..=events).map(|n| self.number + n).collect();
            self.number += events;
            let mut expected = Ok((Paper::default(), true));
            for number in &numbers {
                let event = seen(name, Payload::Number(*number), None, None);
                let patience = if might_block { Patience::Never } else { Patience::Wait };
                match self.model.publish(*number, &event, false, patience) {
                    Ok((paper, _)) => add(&mut expected.as_mut().expect("none was refused").0, &paper),
                    Err(refused) => {
                        expected = Err(refused);
                        break;
                    }
                }
            }
            let told = if might_block {
                refusal(publisher.try_publish(numbers[0]))
            } else {
                refusal(publisher.publish_batch(numbers))
            };
            self.compare_told(Some(told), expected, &before);
        }
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

fn refusal<T>(result: Result<Receipt, PublishError<T>>) -> Result<Receipt, PublishRefusal> {
    result.map_err(|error| error.refusal().clone())
}
