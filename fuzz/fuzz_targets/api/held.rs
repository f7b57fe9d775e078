//! Subscriptions as the input describes them: how they are made, what their handlers do, how they are held.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use trolleybus::{
    AnyEvent, Delivered, Event, EventBus, HandlerError, Receiver, Start, Subscribe, SubscribeError,
    Subscription, WeakEventBus,
};

use super::bus::mode;
use super::check::check;
use super::input::{Deed, Kind, Size, Spec};

/// How often handlers may still publish in this sequence.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Begins a sequence: its handlers may publish so often.
pub(crate) fn begin() {
    LEFT.store(200, Ordering::Relaxed);
}

/// How a subscription is held.
pub(crate) enum Held {
    Handle(Subscription),
    Any(Receiver<AnyEvent>),
    Number(Receiver<Event<u32>>),
}

impl Held {
    pub(crate) fn subscription(&self) -> &Subscription {
        match self {
            Self::Handle(handle) => handle,
            Self::Any(receiver) => receiver.subscription(),
            Self::Number(receiver) => receiver.subscription(),
        }
    }
}

/// Subscribes.
pub(crate) fn subscribe(bus: &EventBus, spec: &Spec) -> Result<Held, SubscribeError> {
    let weak = bus.downgrade();
    let all = || std::iter::once(&spec.pattern).chain(spec.more.iter().flatten());
    let patterns = || all().take(8).map(|text| text.0.as_str());
    if spec.any {
        finish(bus.subscribe_any_many(patterns()), spec, &weak, |event| event.topic().as_str(), Held::Any)
    } else {
        let builder = bus.subscribe_many::<u32, _>(patterns());
        finish(builder, spec, &weak, |event| event.topic().as_str(), Held::Number)
    }
}

/// Ends a builder of either kind.
fn finish<E: Delivered>(
    mut builder: Subscribe<E>,
    spec: &Spec,
    bus: &WeakEventBus,
    topic: fn(&E) -> &str,
    receiver: fn(Receiver<E>) -> Held,
) -> Result<Held, SubscribeError> {
    if let Some(Size(capacity)) = spec.capacity {
        // A large ring would be allocated in full by its first push.
        builder = builder.capacity(if capacity <= 1 << 24 { capacity.min(64) } else { capacity });
    }
    if let Some(chosen) = spec.mode {
        builder = builder.delivery(mode(chosen));
    }
    if let Some(Size(handlers)) = spec.concurrency {
        builder = builder.concurrency(handlers);
    }
    if let Some(admits) = spec.filter {
        builder = builder.filter(move |_| admits);
    }
    if let Some(Size(events)) = spec.take {
        builder = builder.take(events as u64);
    }
    if let Some(group) = spec.group {
        builder = builder.group(["g", "h", "g", "h", "g", "h", "g", ""][usize::from(group % 8)]);
    }
    if spec.start {
        builder = builder.from(Start::LastN(1)).from(Start::Now).name("once more");
    }
    let (deed, bus) = (spec.deed, bus.clone());
    assert!(!format!("{builder:?}").is_empty());
    match spec.kind {
        Kind::Inline => builder.handle_inline(move |event| act(deed, &bus, topic(event))).map(Held::Handle),
        Kind::Pooled => builder
            .handle_with(
                move |event, delivery| {
                    if delivery.is_cancelled() { Ok(()) } else { act(deed, &bus, topic(event)) }
                },
            )
            .map(Held::Handle),
        Kind::Async => builder
            .handle_async_with(move |event, delivery| {
                let bus = bus.clone();
                async move {
                    if matches!(deed, Deed::CancelledAsk) {
                        delivery.cancelled().await;
                    }
                    act(deed, &bus, topic(&event))
                }
            })
            .map(Held::Handle),
        Kind::Receiver => builder.receiver().map(receiver),
    }
}

/// What a handler does, whatever its kind.
fn act(deed: Deed, bus: &WeakEventBus, topic: &str) -> Result<(), HandlerError> {
    let Some(bus) = bus.upgrade() else { return Ok(()) };
    match deed {
        Deed::Nothing | Deed::CancelledAsk => {}
        Deed::Fail => return Err(HandlerError::new("as asked").permanent()),
        Deed::PublishAgain => {
            // Handlers that publish to one another have children, and those have children.
            let left = LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            match left {
                Ok(left) if left % 4 == 0 => {
                    let event = bus.event(topic, 1_u32).deadline(Duration::from_millis(1));
                    check(event.publish().ok().as_ref());
                }
                Ok(_) => check(bus.try_publish(topic, 1_u32).ok().as_ref()),
                Err(_) => {}
            }
        }
        Deed::Stats => assert!(bus.stats().subscriptions.len() < 1000),
        Deed::Shutdown => drop(bus.shutdown(Duration::ZERO)),
    }
    Ok(())
}
