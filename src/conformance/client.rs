//! A client of the broker: a bus, what it says of itself, and subscriptions that remember what they get.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ground::{Failure, Ground, Item, Outcome};
use super::history::{Fate, History};
use crate::engine::EngineState;
use crate::{
    BusBuilder, Delivered, DeliveryMode, EngineStats, Event, EventBus, EventId, HandlerError, Observer,
    PublishError, PublishRefusal, Receipt, Subscribe, SubscribeError, Subscription,
};

/// How long a client that is dropped may take to leave in order.
const LEAVING: Duration = Duration::from_secs(10);

/// A client of the broker. Dropped, it leaves in order.
pub(super) struct Client {
    pub(super) bus: EventBus,
    pub(super) said: Said,
    /// It is a second name of another one.
    shared: bool,
}

/// What a bus has told its observer.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Arc<Mutex<Words>>);

#[derive(Debug, Default)]
struct Words {
    states: Vec<EngineState>,
    warnings: Vec<String>,
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Words> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The states of the engine, in order.
    pub(super) fn states(&self) -> Vec<EngineState> {
        self.lock().states.clone()
    }

    /// What was warned of.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.lock().warnings.clone()
    }
}

impl Observer for Said {
    fn engine_state(&self, _: &str, state: EngineState) {
        self.lock().states.push(state);
    }

    fn warning(&self, message: &str) {
        self.lock().warnings.push(message.to_owned());
    }
}

impl Client {
    pub(super) fn connect(
        ground: &Ground<'_>,
        options: impl FnOnce(BusBuilder) -> BusBuilder,
    ) -> Outcome<Self> {
        let said = Said::default();
        let builder =
            EventBus::builder().workers(2).engine_timeout(ground.features.deadline).observer(said.clone());
        let bus = ground.subject.connect(options(builder))?;
        Ok(Self { bus, said, shared: false })
    }

    /// The same client once more.
    pub(super) fn share(&self) -> Self {
        Self { bus: self.bus.clone(), said: self.said.clone(), shared: true }
    }

    /// Leaves without a word, as the last handle of a bus does that is dropped.
    pub(super) fn abandon(mut self) {
        self.shared = true;
    }

    /// What is counted for the tested engine.
    pub(super) fn engine(&self) -> Outcome<EngineStats> {
        let first = self.bus.stats().engines.into_iter().next();
        first.ok_or_else(|| Failure::new("the bus has no engine"))
    }

    /// Begins a subscription as most tests want it: it waits for room.
    pub(super) fn listen(&self, patterns: &[&str]) -> Subscribe<Event<Item>> {
        self.bus.subscribe_many::<Item, _>(patterns.iter().copied()).delivery(DeliveryMode::Block)
    }

    /// Subscribes, and remembers what comes.
    pub(super) fn record(&self, patterns: &[&str]) -> Outcome<Recorded> {
        Ok(Recorded::of(self.listen(patterns))?)
    }

    /// Publishes an event; again, if it was surely not stored, until the deadline.
    pub(super) fn publish(&self, ground: &Ground<'_>, topic: &str, item: Item) -> Outcome<Receipt> {
        self.send(ground, item, topic, None)?.map_err(Into::into)
    }

    /// Publishes an event, and notes what became of it.
    pub(super) fn publish_noted(
        &self,
        ground: &Ground<'_>,
        topic: &str,
        item: Item,
        key: Option<u64>,
        history: &History,
    ) -> Outcome {
        history.begun(item, key);
        let fate = match self.send(ground, item, topic, key)? {
            Ok(_) => Fate::Stored,
            Err(_) => Fate::Unknown,
        };
        history.ended(item, fate);
        Ok(())
    }

    /// A receipt, or an error after which nobody knows; all others are failures, or tried again.
    fn send(
        &self,
        ground: &Ground<'_>,
        item: Item,
        topic: &str,
        key: Option<u64>,
    ) -> Outcome<Result<Receipt, PublishError<Item>>> {
        let deadline = ground.deadline();
        loop {
            let mut event = self.bus.event(topic, item).id(ground.id(item));
            if let Some(key) = key {
                event = event.key(key_text(key));
            }
            match event.publish() {
                Ok(receipt) => return Ok(Ok(receipt)),
                Err(error) if error.is_unknown() => return Ok(Err(error)),
                // It is full, or its broker is away: for a while.
                Err(error) if matches!(error.refusal(), PublishRefusal::Engine { .. }) => {
                    if Instant::now() >= deadline {
                        return Err(Failure::new(format!("refused until the deadline: {error}")));
                    }
                    std::thread::park_timeout(Duration::from_micros(500));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.shared {
            let _ = self.bus.shutdown(LEAVING).wait();
        }
    }
}

/// The key of that number.
pub(super) fn key_text(key: u64) -> String {
    format!("key {key}")
}

/// An event that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) item: Item,
    pub(super) id: EventId,
    pub(super) topic: String,
    pub(super) key: Option<String>,
}

/// What came, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Read>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event, and returns how many have come.
    pub(super) fn note(&self, event: &Event<Item>) -> usize {
        let read = Read {
            item: **event,
            id: event.id(),
            topic: event.topic().to_string(),
            key: event.key().map(str::to_owned),
        };
        let mut reads = self.lock();
        reads.push(read);
        reads.len()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn reads(&self) -> Vec<Read> {
        self.lock().clone()
    }

    pub(super) fn items(&self) -> Vec<Item> {
        self.lock().iter().map(|read| read.item).collect()
    }

    /// How often an item has come.
    pub(super) fn count(&self, item: Item) -> usize {
        self.lock().iter().filter(|read| read.item == item).count()
    }
}

/// A subscription that remembers what came.
pub(super) struct Recorded {
    pub(super) subscription: Subscription,
    pub(super) log: Log,
}

impl Recorded {
    /// Subscribes with a handler in the pool.
    pub(super) fn of(subscribe: Subscribe<Event<Item>>) -> Result<Self, SubscribeError> {
        Self::with(subscribe, |_, _| Ok(()))
    }

    /// Subscribes with a handler in the pool that does more: it is told how many have come.
    pub(super) fn with(
        subscribe: Subscribe<Event<Item>>,
        more: impl Fn(&Event<Item>, usize) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Result<Self, SubscribeError> {
        let log = Log::default();
        let noted = log.clone();
        let subscription = subscribe.handle(move |event| more(event, noted.note(event)))?;
        Ok(Self { subscription, log })
    }

    /// Waits until so many have come.
    pub(super) fn wait_for(&self, ground: &Ground<'_>, count: usize) -> Outcome {
        ground.wait(|| {
            let come = self.log.len();
            (come < count).then(|| {
                let patterns: Vec<_> =
                    self.subscription.patterns().iter().map(crate::TopicPattern::as_str).collect();
                format!("{come} of {count} events came to {patterns:?}: {}", ledger(&self.subscription))
            })
        })
    }
}

/// The account of a subscription, in a line.
pub(super) fn ledger(subscription: &Subscription) -> String {
    let ledger = subscription.stats();
    format!(
        "{} offered, {} delivered ({} failed), {} dropped, {} queued, {} running, {} filtered, {} skipped",
        ledger.offered,
        ledger.delivered,
        ledger.failed,
        ledger.dropped.total(),
        ledger.queued,
        ledger.running,
        ledger.filtered,
        ledger.skipped
    )
}

/// Something that subscribes: for tests that need the builder to be of any kind.
pub(super) fn waiting<E: Delivered>(subscribe: Subscribe<E>) -> Subscribe<E> {
    subscribe.delivery(DeliveryMode::Block)
}
