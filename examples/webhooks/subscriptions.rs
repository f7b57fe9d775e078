//! Who works on the deliveries, and how: one subscription of every kind and delivery mode.

use std::collections::HashMap;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, HandlerError, Ledger, Subscription};

use crate::delivery::Delivery;

/// How often the slow subscription hashes a payload.
const ROUNDS: u64 = 4;

/// From this size on, in bytes, a payload counts as large.
const LARGE: usize = 8 * 1024;

/// All subscriptions, and the thread that pulls the archive's receiver.
pub(crate) struct Subscriptions {
    handlers: Vec<Subscription>,
    archive: JoinHandle<Finding>,
}

/// What a subscription came to.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) kind: &'static str,
    pub(crate) ledger: Ledger,
}

impl Finding {
    fn of(subscription: &Subscription) -> Self {
        let patterns: Vec<_> = subscription.patterns().iter().map(ToString::to_string).collect();
        Self {
            name: subscription.name().unwrap_or_default().to_owned(),
            pattern: patterns.join(", "),
            kind: subscription.kind().as_str(),
            ledger: subscription.stats(),
        }
    }
}

/// What the handlers keep.
#[derive(Debug, Default)]
struct Store {
    bytes: AtomicU64,
    hash: AtomicU64,
    by_repository: Mutex<HashMap<String, u64>>,
    newest_titles: Mutex<HashMap<String, String>>,
    busiest: Mutex<HashMap<String, u64>>,
}

impl Store {
    /// Counts a delivery of a repository. A database client would await its answer here; this one lets
    /// others run in between.
    async fn append(&self, delivery: &Delivery) {
        let repository = delivery.repository.as_deref().unwrap_or("(none)");
        if bump(&self.by_repository, repository).is_multiple_of(16) {
            yield_once().await;
        }
    }

    fn mix(&self, hash: u64) {
        // Relaxed: a sum, read by nobody before the end.
        self.hash.fetch_add(hash, Ordering::Relaxed);
    }
}

/// Counts in a map; a key is copied only when it is new.
fn bump(counts: &Mutex<HashMap<String, u64>>, key: &str) -> u64 {
    let mut counts = counts.lock().expect("no handler panics");
    match counts.get_mut(key) {
        Some(count) => {
            *count += 1;
            *count
        }
        None => {
            counts.insert(key.to_owned(), 1);
            1
        }
    }
}

impl Subscriptions {
    /// Makes all subscriptions.
    pub(crate) fn new(bus: &EventBus) -> Result<Self, Box<dyn Error>> {
        let store = Arc::new(Store::default());
        let mut handlers = Vec::new();

        // Inline: in the publisher's thread, so that nothing passes it by. It has to be quick.
        let audit = Arc::clone(&store);
        handlers.push(bus.subscribe_any("github.**").name("audit").handle_inline(move |event| {
            let size = event.payload::<Delivery>().map_or(0, |delivery| delivery.size);
            // Relaxed: a sum, read by nobody before the end.
            audit.bytes.fetch_add(size as u64, Ordering::Relaxed);
        })?);

        // Inline too, and only once: it is cancelled by its first event.
        let first = Arc::clone(&store);
        handlers.push(bus.subscribe::<Delivery>("github.**").name("first").once().handle_inline(
            move |delivery| {
                bump(&first.busiest, &delivery.event);
            },
        )?);

        // Async with `Block`: every delivery must be stored, so the publishers wait for it.
        let storage = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.**")
                .name("store")
                .capacity(1024)
                .delivery(DeliveryMode::Block)
                .handle_async(move |delivery| {
                    let store = Arc::clone(&storage);
                    async move { store.append(&delivery).await }
                })?,
        );

        // Slow with `Drop`: a scan that takes as many as it can, and never holds anybody up.
        let scan = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.**")
                .name("scan")
                .capacity(128)
                .delivery(DeliveryMode::Drop)
                .handle(move |delivery| scan.mix(fingerprint(delivery, ROUNDS)))?,
        );

        // `DropOldest`: a dashboard wants the newest; what is old when its turn comes may go.
        let dashboard = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.*")
                .name("dashboard")
                .capacity(64)
                .delivery(DeliveryMode::DropOldest)
                .filter(|delivery| delivery.repository.is_some())
                .handle(move |delivery| {
                    if let (Some(repository), Some(title)) = (&delivery.repository, &delivery.title) {
                        let mut titles = dashboard.newest_titles.lock().expect("no handler panics");
                        titles.insert(repository.clone(), title.clone());
                    }
                })?,
        );

        // `Timeout`: worth a short wait. It fails for an issue without a title: failures are counted,
        // and the bus writes some to standard error as long as nobody else listens.
        let notify = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.issues.*")
                .name("notify")
                .capacity(32)
                .delivery(DeliveryMode::Timeout(Duration::from_millis(2)))
                .handle(move |delivery| {
                    let title = delivery.title.as_deref().ok_or_else(|| {
                        HandlerError::new(format!("issue {:?} has no title", delivery.number)).permanent()
                    })?;
                    notify.mix(hash_of(title));
                    Ok::<(), HandlerError>(())
                })?,
        );

        // Filtered: what the filter turns away takes no room in the queue.
        let large = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.**")
                .name("large")
                .filter(|delivery| delivery.size >= LARGE)
                .handle(move |delivery| large.mix(fingerprint(delivery, 1)))?,
        );

        // A wildcard in the middle: whatever was opened.
        let opened = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.+.opened")
                .name("opened")
                .delivery(DeliveryMode::Block)
                .handle(move |delivery| opened.mix(hash_of(&delivery.number)))?,
        );

        // A prefix of a segment, and four handlers at a time: check_run and check_suite.
        let checks = Arc::clone(&store);
        handlers.push(
            bus.subscribe::<Delivery>("github.check*")
                .name("checks")
                .concurrency(4)
                .delivery(DeliveryMode::Block)
                .handle(move |delivery| checks.mix(fingerprint(delivery, 1)))?,
        );

        // A group of two, each with two patterns: every review goes to one of them.
        for reviewer in ["reviewer-1", "reviewer-2"] {
            let reviews = Arc::clone(&store);
            handlers.push(
                bus.subscribe_many::<Delivery, _>([
                    "github.pull_request.**",
                    "github.pull_request_review.**",
                ])
                .name(reviewer)
                .group("reviewers")
                .delivery(DeliveryMode::Block)
                .handle_async(move |delivery| {
                    let store = Arc::clone(&reviews);
                    async move {
                        bump(&store.busiest, delivery.sender.as_deref().unwrap_or("(nobody)"));
                    }
                })?,
            );
        }

        // A receiver: a thread of the application pulls, at its own pace.
        let mut receiver = bus
            .subscribe::<Delivery>("github.**")
            .name("archive")
            .capacity(4096)
            .delivery(DeliveryMode::Block)
            .receiver()?;
        let archive = thread::Builder::new().name("archive".to_owned()).spawn(move || {
            for delivery in &mut receiver {
                // The archive would write it out; the id is made here, because somebody asks for it.
                store.mix(hash_of(&delivery.id().to_string()));
            }
            // The bus was shut down and the queue is empty.
            Finding::of(receiver.subscription())
        })?;

        Ok(Self { handlers, archive })
    }

    /// Reads what all subscriptions came to. Call it when the bus has been shut down: it waits for the
    /// archive's thread, which ends then.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let mut findings: Vec<_> = self.handlers.iter().map(Finding::of).collect();
        findings.push(self.archive.join().expect("the archive's thread does not panic"));
        findings
    }
}

/// Some real work: hashes the payload so many times over.
fn fingerprint(delivery: &Delivery, rounds: u64) -> u64 {
    (0..rounds).fold(0, |hash, _| {
        let mut hasher = DefaultHasher::new();
        hash.hash(&mut hasher);
        delivery.body.as_bytes().hash(&mut hasher);
        hasher.finish()
    })
}

fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Lets other tasks run once.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
