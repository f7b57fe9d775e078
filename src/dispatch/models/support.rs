//! What the models are made of: small slots, consumers by hand, wakers that count.

use std::any::Any;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::dispatch::carriers::Carriage;
use crate::dispatch::chunks::Chunks;
use crate::dispatch::list::targets;
use crate::dispatch::passing::Passing;
use crate::dispatch::slot::{Consumer, Handle, InlineHandler, Sink, Slot, SlotParts};
use crate::dispatch::spec::{DeliveryMode, Spec, SubscriptionKind};
use crate::dispatch::{
    Attendance, Hooks, Inline, MAX_DEPTH, Nested, Next, Patience, Receipt, Roster, Stage, SubscriberList,
    TopicTable, pass,
};
use crate::error::HandlerError;
use crate::event::{AnyEvent, DropReason, Event, Extras, PayloadKind};
use crate::pattern::TopicPattern;
use crate::queue::{Refused, Ring};
use crate::sync::atomic::{FigureU32, Ordering};
use crate::sync::clock::Stamp;
use crate::sync::thread::yield_now;
use crate::topic::Topic;

/// The payload of most models: a number, and how often it was dropped.
pub(crate) struct Payload {
    pub(crate) number: u64,
    drops: Arc<FigureU32>,
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts something outside of the model: it adds no step and orders nothing.
#[derive(Clone, Default)]
pub(crate) struct Figure(pub(crate) Arc<FigureU32>);

impl Figure {
    pub(crate) fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it to zero and returns what it was.
    pub(crate) fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn payload(&self, number: u64) -> Payload {
        Payload { number, drops: Arc::clone(&self.0) }
    }
}

impl Wake for Figure {
    fn wake(self: Arc<Self>) {
        self.raise();
    }
}

/// A waker that counts its wake-ups.
pub(crate) fn waker() -> (Figure, Waker) {
    let woken = Figure::default();
    (woken.clone(), Waker::from(Arc::new(woken)))
}

/// A consumer that only remembers that it was woken; the models take by hand.
#[derive(Clone, Default)]
pub(crate) struct Bell(pub(crate) Figure);

impl Consumer for Bell {
    fn wake(&self) {
        self.0.raise();
    }

    fn closed(&self) {
        self.0.raise();
    }
}

/// Where the events of a slot go, and who takes them there.
pub(crate) type Ends = (Sink, Option<Box<dyn Consumer>>);

/// A queue and its consumer.
pub(crate) fn ends(capacity: usize, consumer: impl Consumer + 'static) -> Ends {
    (Sink::Queue(Arc::new(Ring::<AnyEvent>::new(capacity))), Some(Box::new(consumer)))
}

/// What becomes of a queue in a model, but for its consumer.
pub(crate) fn spec(patterns: &[&str], capacity: usize, mode: DeliveryMode) -> Spec {
    Spec {
        patterns: patterns.iter().map(|text| TopicPattern::new(text).expect("a pattern")).collect(),
        kind: SubscriptionKind::Pooled,
        mode,
        capacity,
        concurrency: 1,
        wants: None,
        filter: None,
        group: None,
        budget: u64::MAX,
        window: None,
        name: None,
        tenant: None,
        site: Location::caller(),
    }
}

/// Makes a slot that no table knows.
pub(crate) fn slot(spec: Spec, sink: impl FnOnce(&Weak<Slot>) -> Ends) -> Arc<Slot> {
    slot_in(&Weak::new(), &Arc::default(), spec, sink)
}

/// Makes a slot of a table and a roster.
pub(crate) fn slot_in(
    table: &Weak<TopicTable>,
    roster: &Arc<Roster>,
    spec: Spec,
    sink: impl FnOnce(&Weak<Slot>) -> Ends,
) -> Arc<Slot> {
    let hooks = Arc::new(Hooks::new(None, None, Box::default(), None));
    let parts = SlotParts { follower: None, hooks, roster: Arc::clone(roster), table: Weak::clone(table) };
    Slot::new(spec, parts, |weak, _| sink(weak))
}

/// Makes a slot of a bus with these hooks.
pub(crate) fn slot_with(hooks: Hooks, spec: Spec, sink: impl FnOnce(&Weak<Slot>) -> Ends) -> Arc<Slot> {
    let parts =
        SlotParts { follower: None, hooks: Arc::new(hooks), roster: Arc::default(), table: Weak::new() };
    Slot::new(spec, parts, |weak, _| sink(weak))
}

/// A slot with a queue, and its consumer's bell.
pub(crate) fn queue(capacity: usize, mode: DeliveryMode) -> (Arc<Slot>, Bell) {
    let bell = Bell::default();
    (slot(spec(&["t"], capacity, mode), |_| ends(capacity, bell.clone())), bell)
}

struct Calls<F>(F, Attendance);

impl<F: Fn() + Send + Sync> Handle<AnyEvent> for Calls<F> {
    fn handle(&self, _slot: &Arc<Slot>, _event: &AnyEvent) -> Result<(), HandlerError> {
        (self.0)();
        Ok(())
    }
}

impl<F: Fn() + Send + Sync + 'static> InlineHandler for Calls<F> {
    fn call<'a>(&self, event: &Passing<'_>, slot: &'a Arc<Slot>, stage: &mut Stage<'a>) -> Inline {
        stage.run(slot, event, || {
            (self.0)();
            Ok(())
        })
    }

    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync> {
        let handler: Arc<dyn Handle<AnyEvent>> = self;
        Box::new(handler)
    }

    fn attendance(&self) -> &Attendance {
        &self.1
    }
}

/// A slot with an inline handler.
pub(crate) fn inline(budget: u64, handler: impl Fn() + Send + Sync + 'static) -> Arc<Slot> {
    inline_in(&Arc::default(), budget, handler)
}

/// A slot with an inline handler, one of several of a list.
pub(crate) fn inline_in(
    roster: &Arc<Roster>,
    budget: u64,
    handler: impl Fn() + Send + Sync + 'static,
) -> Arc<Slot> {
    inline_of(roster, Spec { budget, ..spec(&["t"], 1, DeliveryMode::Drop) }, handler)
}

/// A slot with an inline handler that is as the rest of the spec says.
pub(crate) fn inline_of(
    roster: &Arc<Roster>,
    spec: Spec,
    handler: impl Fn() + Send + Sync + 'static,
) -> Arc<Slot> {
    let spec = Spec { kind: SubscriptionKind::Inline, ..spec };
    slot_in(&Weak::new(), roster, spec, |_| {
        (Sink::Inline(Arc::new(Calls(handler, Attendance::default()))), None)
    })
}

/// Publishes a payload to one slot, as far as that needs no waiting.
pub(crate) fn publish<T: Send + Sync + 'static>(slot: &Arc<Slot>, payload: T) -> Receipt {
    publish_with(slot, payload, None)
}

/// Publishes a payload with extras to one slot.
pub(crate) fn publish_with<T: Send + Sync + 'static>(
    slot: &Arc<Slot>,
    payload: T,
    extras: Option<Box<Extras>>,
) -> Receipt {
    publish_to(std::slice::from_ref(slot), payload, extras)
}

/// Publishes a payload with extras to several slots, in a list of their own.
pub(crate) fn publish_to<T: Send + Sync + 'static>(
    slots: &[Arc<Slot>],
    payload: T,
    extras: Option<Box<Extras>>,
) -> Receipt {
    publish_on(&list_of(slots), payload, extras)
}

/// Publishes a payload with extras to those of a list.
pub(crate) fn publish_on<T: Send + Sync + 'static>(
    list: &SubscriberList,
    payload: T,
    extras: Option<Box<Extras>>,
) -> Receipt {
    let topic = Topic::new("t").expect("a topic");
    let event = Event::build(topic, Stamp::coarse(), PayloadKind::Local, extras, payload);
    let nested = list.may_run_inline().then(|| Nested::enter(MAX_DEPTH).expect("not so deep"));
    let hooks = list.all().next().map(|slot| &slot.hooks).expect("not empty");
    pass(event, list, 0, Patience::Wait, nested.as_ref(), hooks)
}

/// A list of several slots, in the order of their ids.
pub(crate) fn list_of(slots: &[Arc<Slot>]) -> SubscriberList {
    let (grouped, plain): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| slot.spec.group.is_some());
    let topic = Topic::new("t").expect("a topic");
    SubscriberList::of(0, topic, (Carriage::default(), None), Chunks::from_sorted(&plain), targets(grouped))
}

/// The number of a payload.
pub(crate) fn number(event: &AnyEvent) -> u64 {
    event.payload::<Payload>().map_or_else(|| *event.payload::<u64>().expect("a number"), |it| it.number)
}

/// Takes one event, if there is one, and handles it.
pub(crate) fn take_one(slot: &Arc<Slot>) -> Option<u64> {
    let Next::Event(event) = slot.take_any() else { return None };
    slot.run(&event, || Ok(()));
    Some(number(&event))
}

/// Pushes an event without a look at who wants it: fewer steps, for models of three threads. False if
/// the gate was closed.
pub(crate) fn push<T: Send + Sync + 'static>(slot: &Arc<Slot>, payload: T) -> bool {
    let topic = Topic::new("t").expect("a topic");
    let event = Event::build(topic, Stamp::coarse(), PayloadKind::Local, None, payload);
    match slot.offer_kept(event.into_any()) {
        Ok(()) => true,
        Err(Refused::Closed(_)) => false,
        Err(Refused::Full(_)) => panic!("the models leave room"),
    }
}

/// What a consumer does when it is woken: takes until there is nothing, and rests. Returns what it
/// handled.
pub(crate) fn serve(slot: &Arc<Slot>) -> Vec<u64> {
    let mut handled = Vec::new();
    loop {
        match slot.take_any() {
            Next::Event(event) => {
                slot.run(&event, || Ok(()));
                handled.push(number(&event));
            }
            Next::Empty | Next::Cancelled if slot.rest() => return handled,
            Next::Paused if slot.park() => return handled,
            Next::Empty | Next::Cancelled => yield_now(),
            Next::Paused => {}
        }
    }
}

/// When all threads are done: serves as often as the consumer was woken, and no more.
pub(crate) fn serve_woken(slot: &Arc<Slot>, bell: &Bell) -> Vec<u64> {
    let mut handled = Vec::new();
    while bell.0.take() > 0 {
        handled.extend(serve(slot));
    }
    handled
}

/// Polls a wait once.
pub(crate) fn poll<W: crate::sync::park::Wait>(wait: &mut W, waker: &Waker) -> Poll<W::Output> {
    wait.poll(&mut Context::from_waker(waker))
}

/// The end of every model: the account balances with nothing queued or running, and nothing keeps a
/// cancelled slot.
pub(crate) fn close_account(slot: Arc<Slot>, offered: u64, delivered: u64) {
    let ledger = slot.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!((ledger.queued, ledger.running), (0, 0), "{ledger:?}");
    assert_eq!((ledger.offered, ledger.delivered), (offered, delivered), "{ledger:?}");
    if let Some(inlet) = slot.inlet() {
        assert_eq!(inlet.taken().view().waiters(), 0, "a publisher is still announced");
    }
    slot.cancel(DropReason::Cancelled);
    assert_eq!(Arc::strong_count(&slot), 1, "somebody keeps the slot");
}
