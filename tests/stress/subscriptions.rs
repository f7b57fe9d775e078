//! Subscriptions of every kind and mode, whose handlers write into a [`Tracker`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use trolleybus::{
    DeliveryMode, Event, EventBus, Receiver, RecvTimeoutError, Subscribe, Subscription, SubscriptionId,
};

use crate::tracker::{Field, Stamped, Tracker, Wants};
use crate::yield_once::YieldOnce;

/// The kinds of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Inline,
    Pooled,
    PooledMany,
    Async,
    AsyncMany,
    Receiver,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Inline, Self::Pooled, Self::PooledMany, Self::Async, Self::AsyncMany, Self::Receiver];

    fn concurrency(self) -> usize {
        if matches!(self, Self::PooledMany | Self::AsyncMany) { 3 } else { 1 }
    }

    /// Says whether handlers end in the order of the queue. Inline ones run in several publishers' threads,
    /// and each of those is in order.
    pub(crate) fn in_order(self) -> bool {
        self.concurrency() == 1
    }
}

/// What a full queue does.
pub(crate) const MODES: [DeliveryMode; 5] = [
    DeliveryMode::Block,
    DeliveryMode::Drop,
    DeliveryMode::DropOldest,
    DeliveryMode::Timeout(Duration::from_millis(1)),
    DeliveryMode::Timeout(Duration::ZERO),
];

/// What a subscription shall be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) mode: DeliveryMode,
    pub(crate) capacity: usize,
    pub(crate) wants: Wants,
    pub(crate) group: Option<&'static str>,
    /// Ends by itself after so many events.
    pub(crate) budget: Option<u64>,
    /// Some of its handlers return an error.
    pub(crate) fails: bool,
}

impl Plan {
    /// Gets everything that it wants from a publisher that waits.
    pub(crate) fn is_lossless(&self) -> bool {
        self.kind == Kind::Inline || self.mode == DeliveryMode::Block
    }

    pub(crate) fn tracker(&self, field: &Arc<Field>, lasting: bool) -> Arc<Tracker> {
        let Self { kind, mode, capacity, wants, group, budget, fails } = self;
        let label = format!(
            "{kind:?} {mode:?} capacity {capacity} on {}{}{}{}",
            wants.patterns.join(", "),
            if wants.each > 1 { " filtered" } else { "" },
            group.map(|name| format!(" in {name}")).unwrap_or_default(),
            budget.map(|events| format!(" takes {events}")).unwrap_or_default(),
        );
        Tracker::new(label, field, wants.clone(), kind.in_order(), lasting, *fails && *kind != Kind::Receiver)
    }

    fn begin(&self, bus: &EventBus) -> Subscribe<Event<Stamped>> {
        let mut begun = bus
            .subscribe_many::<Stamped, _>(self.wants.patterns.iter().map(String::as_str))
            .capacity(self.capacity)
            .delivery(self.mode)
            .concurrency(self.kind.concurrency());
        if self.wants.each > 1 {
            let each = self.wants.each;
            begun = begun.filter(move |event| event.sequence.is_multiple_of(each));
        }
        if let Some(events) = self.budget {
            begun = begun.take(events);
        }
        match self.group {
            Some(name) => begun.group(name),
            None => begun,
        }
    }

    /// Subscribes with a handler, or hands out the receiver.
    pub(crate) fn subscribe(&self, bus: &EventBus, tracker: &Arc<Tracker>, elsewhere: &Elsewhere) -> Made {
        let (begun, tracker) = (self.begin(bus), Arc::clone(tracker));
        let made = match self.kind {
            Kind::Inline => begun.handle_inline(move |event| tracker.handle(event)),
            Kind::Pooled | Kind::PooledMany => begun.handle(move |event| tracker.handle(event)),
            Kind::Async | Kind::AsyncMany => {
                let elsewhere = elsewhere.clone();
                begun.handle_async(move |event| {
                    let (tracker, elsewhere) = (Arc::clone(&tracker), elsewhere.clone());
                    async move {
                        match event.sequence % 16 {
                            3 => Woken(Some(elsewhere)).await,
                            7 => YieldOnce::default().await,
                            _ => {}
                        }
                        tracker.handle(&event)
                    }
                })
            }
            Kind::Receiver => return Made::Receiver(begun.receiver().expect("a receiver")),
        };
        Made::Handler(made.expect("a subscription"))
    }
}

/// A subscription that was made.
pub(crate) enum Made {
    Handler(Subscription),
    Receiver(Receiver<Event<Stamped>>),
}

impl Made {
    pub(crate) fn subscription(&self) -> &Subscription {
        match self {
            Self::Handler(subscription) => subscription,
            Self::Receiver(receiver) => receiver.subscription(),
        }
    }
}

/// A subscription that lasts for the round.
pub(crate) struct Lasting {
    pub(crate) plan: Plan,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) id: SubscriptionId,
    /// Dropping it would cancel it.
    pub(crate) handle: Option<Subscription>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Lasting {
    pub(crate) fn start(
        plan: Plan,
        number: usize,
        bus: &EventBus,
        field: &Arc<Field>,
        to: &Elsewhere,
    ) -> Self {
        let tracker = plan.tracker(field, true);
        let made = plan.subscribe(bus, &tracker, to);
        let id = made.subscription().id();
        let (handle, thread) = match made {
            Made::Handler(subscription) => (Some(subscription), None),
            Made::Receiver(receiver) => {
                let tracker = Arc::clone(&tracker);
                (None, Some(std::thread::spawn(move || pull(receiver, number, &tracker))))
            }
        };
        Self { plan, tracker, id, handle, thread }
    }
}

/// Pulls until the subscription is closed, in one of the ways to pull.
fn pull(mut receiver: Receiver<Event<Stamped>>, way: usize, tracker: &Tracker) {
    match way % 4 {
        0 => receiver.iter().for_each(|event| tracker.note(&event)),
        1 => {
            while let Ok(event) = smol::block_on(receiver.recv_async()) {
                tracker.note(&event);
            }
        }
        2 => loop {
            match receiver.recv_timeout(Duration::from_millis(1)) {
                Ok(event) => tracker.note(&event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(_) => return,
            }
        },
        _ => {
            while let Ok(event) = receiver.recv() {
                tracker.note(&event);
                receiver.try_iter().take(100).for_each(|event| tracker.note(&event));
            }
        }
    }
}

/// A thread that calls wakers, so that pending handlers go on because of another thread.
#[derive(Clone)]
pub(crate) struct Elsewhere(Sender<Waker>);

impl Elsewhere {
    /// The thread ends with the last clone.
    pub(crate) fn start() -> (Self, JoinHandle<()>) {
        let (send, wakers) = mpsc::channel::<Waker>();
        (Self(send), std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake)))
    }
}

/// Pending until the other thread has called the waker.
struct Woken(Option<Elsewhere>);

impl Future for Woken {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(elsewhere) = self.0.take() else { return Poll::Ready(()) };
        elsewhere.0.send(cx.waker().clone()).expect("the thread runs as long as there is a sender");
        Poll::Pending
    }
}
