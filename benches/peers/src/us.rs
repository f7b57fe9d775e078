//! Our side: the bus as an application would use it, with nothing switched off.
//!
//! Beside the topic that is measured, every bus here has 999 others with a subscription each, so that the lookup
//! by name is a lookup.

use std::ops::Range;

use trolleybus::{DeliveryMode, Event, EventBus, Publisher, Receiver, Subscription};

use crate::drive::{self, Publish, Receive, TryReceive};
use crate::event::{CAPACITY, Payload, topic};
use crate::harness::Case;
use crate::probe::pin;
use crate::scenarios::Seen;
use crate::tally::Tally;

/// Topics of a bus, the measured one included.
const TOPICS: usize = 1000;

/// The measured topic's number.
const MEASURED: usize = 42;

/// Publishes by name.
#[derive(Clone)]
pub struct ByName {
    bus: EventBus,
    topic: String,
}

impl Publish for ByName {
    #[inline]
    fn publish(&mut self, i: u64) {
        self.bus.publish(&self.topic, Payload::new(i)).expect("the bus runs");
    }
}

/// Publishes through a handle, which has resolved the topic once.
#[derive(Clone)]
pub struct ByHandle {
    publisher: Publisher<Payload>,
    /// Keeps the bus open: it closes with its last handle, and a publisher is not one.
    _bus: EventBus,
}

impl Publish for ByHandle {
    #[inline]
    fn publish(&mut self, i: u64) {
        self.publisher.publish(Payload::new(i)).expect("the bus runs");
    }
}

/// Publishes through a handle, and what comes together together.
pub struct InBatches(ByHandle);

impl Publish for InBatches {
    fn publish(&mut self, i: u64) {
        self.0.publish(i);
    }

    fn publish_all(&mut self, numbers: Range<u64>) {
        self.0.publisher.publish_batch(numbers.map(Payload::new)).expect("the bus runs");
    }
}

/// A subscription that its own thread pulls from.
pub struct Queue(Receiver<Event<Payload>>);

impl Receive for Queue {
    #[inline]
    fn next(&mut self) {
        self.0.recv().expect("the bus runs").read();
    }
}

impl TryReceive for Queue {
    #[inline]
    fn try_next(&mut self) -> bool {
        self.0.try_recv().is_ok_and(|event| {
            event.read();
            true
        })
    }
}

fn read(event: &Event<Payload>) {
    event.read();
}

fn inline_at(bus: &EventBus, pattern: &str) -> Subscription {
    bus.subscribe::<Payload>(pattern).handle_inline(read).expect("the pattern is valid")
}

/// Gives a bus its other topics.
fn crowded(bus: EventBus) -> EventBus {
    for other in (0..TOPICS).filter(|&other| other != MEASURED) {
        inline_at(&bus, &topic(other)).detach();
    }
    bus
}

fn by_name(bus: &EventBus) -> ByName {
    ByName { bus: bus.clone(), topic: topic(MEASURED) }
}

fn by_handle(bus: &EventBus) -> ByHandle {
    let publisher = bus.publisher(topic(MEASURED)).expect("the topic is valid");
    ByHandle { publisher, _bus: bus.clone() }
}

/// A bus with workers of its own; pinned ones run on the second core.
fn with_workers(workers: usize, pinned: bool) -> EventBus {
    let builder = EventBus::builder().workers(workers);
    let builder = if pinned {
        builder.around_workers(|work| {
            pin(1);
            work();
        })
    } else {
        builder
    };
    crowded(builder.build().expect("the settings are right"))
}

/// S1: this many topics, each with so many inline handlers; publishes go round the topics.
pub fn inline(topics: usize, subscribers: usize) -> Vec<Case> {
    let bus = EventBus::new();
    let names: Vec<String> = (0..topics).map(topic).collect();
    for name in &names {
        for _ in 0..subscribers {
            inline_at(&bus, name).detach();
        }
    }
    let publisher = |name: &String| bus.publisher::<Payload>(name).expect("the topic is valid");
    let publishers: Vec<_> = names.iter().map(publisher).collect();
    let next = move |at: usize| if at + 1 == topics { 0 } else { at + 1 };
    let (mut name_at, mut handle_at) = (0, 0);
    let named = move |n: usize| {
        for i in 0..n {
            name_at = next(name_at);
            bus.publish(&names[name_at], Payload::new(i as u64)).expect("the bus runs");
        }
        n as u64
    };
    let handled = move |n: usize| {
        for i in 0..n {
            handle_at = next(handle_at);
            publishers[handle_at].publish(Payload::new(i as u64)).expect("the bus runs");
        }
        n as u64
    };
    vec![Case::cpu("by name", named), Case::cpu("by handle", handled)]
}

/// S1, bar 6: one and two publishers on one topic with one inline handler.
pub fn inline_threads() -> Vec<Case> {
    let bus = crowded(EventBus::new());
    inline_at(&bus, &topic(MEASURED)).detach();
    vec![
        drive::inline("one publisher", vec![by_name(&bus)]),
        drive::inline("two publishers", vec![by_name(&bus), by_name(&bus)]),
    ]
}

/// S1w: these prefixes as patterns, each with an inline handler; one known topic.
pub fn patterns(name: &str, prefixes: &[String]) -> Vec<Case> {
    let bus = EventBus::new();
    for prefix in prefixes {
        inline_at(&bus, &format!("{prefix}*")).detach();
    }
    vec![published(name, by_name(&bus), 1)]
}

/// Publishes on the calling thread; each publish counts as `operations`.
fn published(name: &str, mut publisher: impl Publish + 'static, operations: u64) -> Case {
    Case::cpu(name, move |n| {
        for i in 0..n {
            publisher.publish(i as u64);
        }
        n as u64 * operations
    })
}

fn queue(bus: &EventBus) -> Queue {
    let subscription =
        bus.subscribe::<Payload>(topic(MEASURED)).capacity(CAPACITY).delivery(DeliveryMode::Block);
    Queue(subscription.receiver().expect("the pattern is valid"))
}

fn receivers(bus: &EventBus, subscribers: usize) -> (ByName, Vec<Queue>) {
    (by_name(bus), (0..subscribers).map(|_| queue(bus)).collect())
}

/// S5: receivers, on a bus without other topics: these would weigh differently in each bus.
#[cfg(feature = "memory")]
pub fn lone_receivers(subscribers: usize) -> (ByName, Vec<Queue>) {
    receivers(&EventBus::new(), subscribers)
}

/// S2c: receivers, by name, by handle, and by handle in batches.
pub fn burst(subscribers: usize) -> Vec<Case> {
    let receivers = || receivers(&crowded(EventBus::new()), subscribers);
    let ((named, first), (other, second), (third, last)) = (receivers(), receivers(), receivers());
    vec![
        drive::burst("by name", (named, first)),
        drive::burst("by handle", (by_handle(&other.bus), second)),
        drive::burst("in batches", (InBatches(by_handle(&third.bus)), last)),
    ]
}

fn handlers(bus: &EventBus, subscribers: usize, tally: &Tally) -> Vec<Subscription> {
    let handler = |subscriber| {
        let tally = tally.clone();
        bus.subscribe::<Payload>(topic(MEASURED))
            .capacity(CAPACITY)
            .delivery(DeliveryMode::Block)
            .handle(move |event| {
                event.read();
                tally.handled(subscriber);
            })
            .expect("the pattern is valid")
    };
    (0..subscribers).map(handler).collect()
}

/// S2p: a worker on the second core; beside it the same with a thread that pulls.
pub fn two_cores(subscribers: usize) -> Vec<Case> {
    let pool = |name: &str, handle: bool| {
        let bus = with_workers(1, true);
        let tally = Tally::new(subscribers);
        let kept = handlers(&bus, subscribers, &tally);
        if handle {
            drive::driven(name, vec![by_handle(&bus)], tally, true, kept)
        } else {
            drive::driven(name, vec![by_name(&bus)], tally, true, kept)
        }
    };
    vec![
        pool("pool of one", false),
        pool("pool, by handle", true),
        drive::two_cores("receivers", receivers(&crowded(EventBus::new()), subscribers)),
        {
            let (publisher, queues) = receivers(&crowded(EventBus::new()), subscribers);
            drive::two_cores("receivers, in batches", (InBatches(by_handle(&publisher.bus)), queues))
        },
    ]
}

/// S2a, S2b, S3: publishers by name, handlers on workers.
pub fn pool(name: &str, workers: usize, publishers: usize, subscribers: usize) -> Vec<Case> {
    let bus = with_workers(workers, false);
    let tally = Tally::new(subscribers);
    let kept = handlers(&bus, subscribers, &tally);
    let publishers = (0..publishers).map(|_| by_name(&bus)).collect();
    vec![drive::driven(name, publishers, tally, false, kept)]
}

/// S4: one handler on a worker of the second core. Returns what publishes an event with a given first word.
pub fn latency(seen: &Seen) -> impl FnMut(u64) + Send + 'static {
    let bus = with_workers(1, true);
    let seen = seen.clone();
    let kept = bus
        .subscribe::<Payload>(topic(MEASURED))
        .capacity(CAPACITY)
        .delivery(DeliveryMode::Block)
        .handle(move |event| seen.arrive(event.words[0]))
        .expect("the pattern is valid");
    let mut publisher = by_name(&bus);
    move |stamp| {
        let _kept = &kept;
        publisher.publish(stamp);
    }
}

/// S5: subscriptions with a handler on a worker, all on one topic. What a handler captures is the application's: this
/// one captures nothing.
#[cfg(feature = "memory")]
pub fn pooled(subscribers: usize) -> (EventBus, Vec<Subscription>) {
    let bus = EventBus::builder().workers(1).build().expect("the settings are right");
    let subscription = |_| {
        let subscription = bus.subscribe::<Payload>(topic(MEASURED)).capacity(CAPACITY);
        subscription.delivery(DeliveryMode::Block).handle(read).expect("the pattern is valid")
    };
    let kept = (0..subscribers).map(subscription).collect();
    (bus, kept)
}

/// S6 wide: a bus with this many topics; subscribes to one of them and cancels.
pub fn subscribe_wide(name: &str, topics: usize) -> Vec<Case> {
    let bus = EventBus::new();
    let names: Vec<String> = (0..topics).map(topic).collect();
    for name in &names {
        inline_at(&bus, name).detach();
    }
    let mut at = 0;
    vec![Case::cpu(name, move |n| {
        for _ in 0..n {
            at = (at + 7) % names.len();
            drop(inline_at(&bus, &names[at]));
        }
        n as u64
    })]
}

/// A bus whose measured topic has this many inline subscriptions.
fn deep(subscriptions: usize) -> EventBus {
    let bus = EventBus::new();
    for _ in 0..subscriptions {
        inline_at(&bus, &topic(MEASURED)).detach();
    }
    bus
}

/// S6 deep: one more subscription of a topic that has this many.
pub fn subscribe_deep(name: &str, subscriptions: usize) -> Vec<Case> {
    let bus = deep(subscriptions);
    let topic = topic(MEASURED);
    vec![Case::cpu(name, move |n| {
        (0..n).for_each(|_| drop(inline_at(&bus, &topic)));
        n as u64
    })]
}

/// S6 deep: publishes to this many inline handlers; the figure is per handler.
pub fn inline_deep(name: &str, subscriptions: usize) -> Vec<Case> {
    vec![published(name, by_name(&deep(subscriptions)), subscriptions as u64)]
}
