//! The bus that is shown: three engines, subscriptions of each kind, and what goes well and wrong on them.

use std::error::Error;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trolleybus::engine::EngineState;
use trolleybus::engine::custom::{CustomEngine, CustomSettings};
use trolleybus::{BusStats, DeliveryMode, EventBus, HandlerError, Observer, ShutdownReport, Subscription};

use super::model::Sample;
use super::publishers::{self, Counts, Publishers, Stream};
use super::unsteady::{Health, Unsteady};

/// How long queues may take to empty in the end.
const GRACE: Duration = Duration::from_secs(30);

/// How long the slow handler takes.
const SLOW: Duration = Duration::from_millis(2);

/// So many events wait for it.
pub(crate) const SLOW_CAPACITY: usize = 64;

/// The number of every so manieth payment that fails.
const FAILING: u64 = 97;

/// The streams, each on an engine of its own but the last, which nobody subscribes to.
pub(crate) const STREAMS: [Stream; 4] = [
    Stream { topics: &["order.placed", "order.paid", "order.sent"], rate: 3000.0, period: 17.0, raw: false },
    Stream { topics: &["auth.login", "auth.failed"], rate: 400.0, period: 11.0, raw: false },
    Stream { topics: &["metric.cpu", "metric.disk"], rate: 900.0, period: 23.0, raw: true },
    Stream { topics: &["draft.saved"], rate: 12.0, period: 7.0, raw: false },
];

/// The bus with all that happens on it.
pub(crate) struct Load {
    bus: EventBus,
    counts: Arc<Counts>,
    health: Health,
    handlers: Vec<Subscription>,
    /// Paused now and then.
    scan: Subscription,
    nightly: Subscription,
    archive: JoinHandle<()>,
    publishers: Option<Publishers>,
}

/// What the load came to.
pub(crate) struct Ended {
    pub(crate) report: ShutdownReport,
    pub(crate) stats: BusStats,
}

/// Failures are on the screen; on standard error they would be in its way.
struct Quiet;

impl Observer for Quiet {}

impl Load {
    /// Makes the bus and its subscriptions. Nothing is published yet.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let settings = CustomSettings::default().max_event_queue_size(4096).log(|_| ());
        let (engine, health) = Unsteady::new(CustomEngine::new(settings)?);
        let bus = EventBus::builder()
            .workers(4)
            .observer(Quiet)
            .memory_engine("audit")
            .engine("sensors", engine)
            .route("audit", ["auth.*"])
            .route("sensors", ["metric.*"])
            .start()
            .wait()?;

        let mut handlers = vec![
            // Joins all engines, and runs in the thread that publishes or brings the event.
            bus.subscribe_any_many(["order.*", "auth.*", "metric.*"]).name("meter").handle_inline(|_| ())?,
            // Must not lose any: publishers wait for it.
            bus.subscribe::<u64>("order.paid")
                .name("billing")
                .capacity(256)
                .concurrency(2)
                .delivery(DeliveryMode::Block)
                .handle(|number| match **number % FAILING {
                    0 => Err(HandlerError::new("the card was declined")),
                    _ => Ok(()),
                })?,
            // Wants the newest.
            bus.subscribe::<u64>("order.**")
                .name("search")
                .capacity(128)
                .delivery(DeliveryMode::DropOldest)
                .handle_async(|_| async {})?,
            bus.subscribe_any("metric.+").name("alerts").capacity(2048).handle_async(|_| async {})?,
        ];
        handlers.push(
            bus.subscribe::<u64>("order.*")
                .name("odd")
                .filter(|number| **number % 2 == 1)
                .handle_inline(|_| ())?,
        );
        // Too slow for what it asked for: most of it is dropped.
        let scan = bus
            .subscribe::<u64>("order.*")
            .name("scan")
            .capacity(SLOW_CAPACITY)
            .handle(|_| thread::sleep(SLOW))?;
        // Its hours are over now and then, and events wait for it.
        let nightly = bus.subscribe::<u64>("auth.*").name("nightly").capacity(8192).handle(|_| ())?;
        // A thread of the application pulls.
        let mut receiver = bus
            .subscribe::<u64>("auth.**")
            .name("archive")
            .capacity(512)
            .delivery(DeliveryMode::Timeout(Duration::from_millis(50)))
            .receiver()?;
        let archive = thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || (&mut receiver).into_iter().for_each(drop))?;
        Ok(Self { bus, counts: Arc::default(), health, handlers, scan, nightly, archive, publishers: None })
    }

    /// Starts publishers whose rates change, until the end.
    pub(crate) fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.publishers = Some(Publishers::start(&STREAMS, &self.bus, &self.counts)?);
        Ok(())
    }

    /// Publishes so many events of each stream.
    pub(crate) fn publish(&self, events: u64) {
        publishers::publish(&STREAMS, events, &self.bus, &self.counts);
    }

    /// Does what is due so long after the start: who is paused, and how the engine is.
    pub(crate) fn turn(&self, since: Duration) {
        let seconds = since.as_secs();
        set_paused(&self.nightly, seconds % 20 >= 10);
        self.health.set(match seconds % 30 {
            21..25 => EngineState::Degraded,
            25..27 => EngineState::Connecting,
            _ => EngineState::Connected,
        });
    }

    /// Holds the slow one up altogether, or lets it go on.
    pub(crate) fn hold(&self, held: bool) {
        set_paused(&self.scan, held);
    }

    /// Reads what there is to show.
    pub(crate) fn sample(&self) -> Sample {
        // The receipts first: what they say was published shows in the account, too.
        let published = Some(self.counts.read());
        Sample { at: Instant::now(), stats: self.bus.stats(), published }
    }

    /// Ends it in order: nothing is published any more, and what is queued is handled.
    pub(crate) fn finish(mut self) -> Result<Ended, Box<dyn Error>> {
        self.publishers = None;
        set_paused(&self.scan, false);
        set_paused(&self.nightly, false);
        let report = self.bus.shutdown(GRACE).wait();
        self.archive.join().map_err(|_| "the archive's thread panicked")?;
        let stats = self.bus.stats();
        drop(self.handlers);
        Ok(Ended { report, stats })
    }
}

fn set_paused(subscription: &Subscription, paused: bool) {
    if paused { subscription.pause() } else { subscription.resume() }
}
