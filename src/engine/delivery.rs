//! The thread of an engine: takes arrivals past the subscriptions that they are for, in their order, and runs the
//! engine's errands in between.
//!
//! It is to its engine what a publishing thread is to the memory engine: inline handlers run here, and here full queues of
//! mode `Block` and `Timeout` are waited for, so that the engine's own threads never wait for a subscription.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use event_listener::EventListener;

use super::BoxFuture;
use super::ingress::{Accepted, Arrival, Intake, Next};
use crate::dispatch::{Arriving, Hooks, SubscriberList, Tables, Waits, arrive, nobody_is_left};
use crate::event::Completion;
use crate::guard::guarded;
use crate::sync::Mutex;
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};

/// Where arrivals go.
#[derive(Clone)]
pub(crate) struct Ground {
    /// Weak: the bus ends when its last handle goes, not when its engines do.
    pub(crate) tables: Weak<Tables>,
    pub(crate) hooks: Arc<Hooks>,
}

/// Futures that nobody waits for: unsubscriptions, and the last shutdown.
#[derive(Default)]
pub(super) struct Errands {
    new: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Errands {
    pub(super) fn add(&self, errand: BoxFuture<'static, ()>) {
        self.new.lock().push(errand);
    }

    /// Those that are new.
    pub(super) fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.new.lock())
    }

    fn is_empty(&self) -> bool {
        self.new.lock().is_empty()
    }
}

/// The work of the thread.
pub(super) struct Delivery {
    pub(super) intake: Arc<Intake>,
    pub(super) errands: Arc<Errands>,
    pub(super) ground: Ground,
    /// The engine's number on its bus.
    pub(super) engine: u8,
    running: Vec<BoxFuture<'static, ()>>,
    listener: Option<EventListener>,
    /// How long errands may take once the ingress is closed.
    patience: Option<Deadline>,
}

/// How long errands may take once the ingress is closed.
const LAST_ERRANDS: std::time::Duration = std::time::Duration::from_millis(50);

impl Delivery {
    pub(super) fn new(intake: Arc<Intake>, errands: Arc<Errands>, ground: Ground, engine: u8) -> Self {
        Self { intake, errands, ground, engine, running: Vec::new(), listener: None, patience: None }
    }

    /// Takes an arrival past the subscriptions, and waits for those whose queue is full.
    pub(super) fn take_past(&self, accepted: Box<Accepted>) {
        let Accepted { arrival: Arrival { envelope, scope }, share } = *accepted;
        let Some(tables) = self.ground.tables.upgrade() else { return };
        let take = |list: Option<&SubscriberList>| {
            if nobody_is_left(&envelope, &scope, self.engine, list) {
                // Back to the broker: the share goes without an outcome.
                return None;
            }
            let completion = Arc::new(Completion::new(Box::new(move |outcome| share.end(outcome))));
            let arriving = Arriving { envelope: &envelope, scope: &scope, engine: self.engine, completion };
            Some(arrive(&arriving, list, &self.ground.hooks))
        };
        let name = envelope.topic().as_str();
        let receipt = match tables.of(envelope.tenant()) {
            // Nobody subscribes to anything of that tenant.
            None => take(None),
            Some(table) => {
                let hash = table.hash(name);
                let bucket = table.bucket(hash);
                match table.named(&bucket, hash, name) {
                    Some(list) => take(Some(list)),
                    None => {
                        drop(bucket);
                        // A topic is a topic.
                        let Ok(list) = table.resolve_unseen(name) else { return };
                        take(Some(&list))
                    }
                }
            }
        };
        let Some(receipt) = receipt else { return };
        if !receipt.is_settled() {
            let mut waits = Waits::new(receipt, Deadline::NEVER);
            waits.linger();
            block_on(&mut waits);
        }
    }

    fn run_errands(&mut self, cx: &mut Context<'_>) {
        self.running.append(&mut self.errands.take());
        self.running.retain_mut(|errand| {
            let mut pending = false;
            guarded(|| pending = errand.as_mut().poll(cx).is_pending());
            pending
        });
    }
}

impl Wait for Delivery {
    type Output = ();

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.run_errands(cx);
            match self.intake.next() {
                Next::Arrival(accepted) => {
                    self.take_past(accepted);
                    continue;
                }
                // One that was added before the close, and after the look for it: the last shutdown, perhaps.
                Next::Closed if !self.errands.is_empty() => continue,
                Next::Closed => {
                    let patience = *self.patience.get_or_insert_with(|| Deadline::after(LAST_ERRANDS));
                    if self.running.is_empty() || patience.has_passed() {
                        return Poll::Ready(());
                    }
                }
                Next::Nothing => {}
            }
            match &mut self.listener {
                // Look, listen, look again, wait.
                None => self.listener = Some(self.intake.work.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn deadline(&self) -> Deadline {
        self.patience.unwrap_or(Deadline::NEVER)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        for errand in self.running.drain(..) {
            // The engine's code.
            guarded(|| drop(errand));
        }
    }
}
