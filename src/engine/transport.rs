//! An engine on its bus: its name and number, guarded calls of it, who has joined it, and its thread.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use event_listener::Event as Listeners;

use super::delivery::{Delivery, Errands, Ground};
use super::ingress::{Ingress, Intake, Watch};
use super::stopping::Stopping;
use super::{
    BoxFuture, Capabilities, Engine, EngineCall, EngineError, EngineErrorKind, EngineState, Envelope,
};
use super::{Groups, Position, SubscriptionSpec};
use crate::dispatch::Slot;
use crate::event::SubscriptionId;
use crate::subscribe::Start;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::Deadline;
use crate::sync::latch::Latch;
use crate::sync::park::{Wait, block_on};
use crate::sync::{Mutex, hash_keys, thread};

/// An engine that is not the bus itself.
pub(crate) struct Transport {
    pub(crate) name: Arc<str>,
    /// Its number on its bus.
    pub(crate) number: u8,
    engine: Arc<dyn Engine>,
    intake: Arc<Intake>,
    errands: Arc<Errands>,
    /// How long a call may take.
    timeout: Duration,
    joined: Mutex<HashMap<SubscriptionId, Membership, ahash::RandomState>>,
    /// Who waits for somebody else's joining.
    joining: Listeners,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// The delivery thread has ended.
    ended: Arc<Latch>,
    stopping: Stopping,
    published: Published,
}

/// How far a subscription has come in joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Joining,
    Joined,
}

/// What became of publish calls.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

/// A publish that is under way, and where it counts when it is dropped.
struct CountedAtTheEnd<'a>(&'a AtomicU64);

impl Drop for CountedAtTheEnd<'_> {
    fn drop(&mut self) {
        // Relaxed: a statistic.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Transport {
    pub(super) fn new(
        name: Arc<str>,
        number: u8,
        engine: Arc<dyn Engine>,
        limits: Limits,
        watch: Box<dyn Watch>,
    ) -> Self {
        Self {
            intake: Arc::new(Intake::new(Arc::clone(&name), limits.in_flight, watch)),
            name,
            number,
            engine,
            errands: Arc::default(),
            timeout: limits.timeout,
            joined: Mutex::new(HashMap::with_hasher(hash_keys())),
            joining: Listeners::new(),
            thread: Mutex::new(None),
            ended: Arc::default(),
            stopping: Stopping::default(),
            published: Published::default(),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        guard_value(|| self.engine.kind()).unwrap_or("unknown")
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        guard_value(|| self.engine.capabilities()).unwrap_or_default()
    }

    /// How many events have not arrived yet, if the engine knows.
    pub(crate) fn lag(&self) -> Option<u64> {
        guard_value(|| self.engine.lag()).flatten()
    }

    pub(crate) fn state(&self) -> EngineState {
        self.intake.state()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.intake.in_flight()
    }

    /// How much arrived that was no event.
    pub(crate) fn rejected(&self) -> u64 {
        self.intake.rejected()
    }

    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// How many subscriptions have joined.
    pub(crate) fn members(&self) -> usize {
        self.joined.lock().len()
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    /// A call of the engine, which ends in time and whose panics are caught.
    fn call<T: 'static>(
        self: &Arc<Self>,
        what: &'static str,
        deadline: Deadline,
        call: impl FnOnce(Arc<Self>) -> BoxFuture<'static, Result<T, EngineError>>,
    ) -> EngineCall<T> {
        EngineCall::new(what, call(Arc::clone(self)), deadline)
    }

    /// Starts the engine, and the thread that takes its arrivals past the subscriptions.
    pub(super) fn start(self: &Arc<Self>, ground: Ground) -> Result<EngineCall<()>, EngineError> {
        let (intake, errands) = (Arc::clone(&self.intake), Arc::clone(&self.errands));
        let (number, ended) = (self.number, Arc::clone(&self.ended));
        let run = move || {
            struct Mark(Arc<Latch>);
            impl Drop for Mark {
                fn drop(&mut self) {
                    self.0.set();
                }
            }
            let _mark = Mark(ended);
            block_on(&mut Delivery::new(intake, errands, ground, number));
        };
        let thread =
            thread::Builder::new().name(format!("engine {}", self.name)).spawn(run).map_err(|error| {
                EngineError::new(EngineErrorKind::Other, "its thread could not be started").because(error)
            })?;
        *self.thread.lock() = Some(thread);
        Ok(self.call("its start", self.deadline(), |this| {
            Box::pin(async move {
                this.engine.start(Ingress::new(Arc::clone(&this.intake))).await?;
                // Engines that never lose anything need not say so.
                if this.intake.state() == EngineState::Connecting {
                    this.intake.set_state(EngineState::Connected);
                }
                Ok(())
            })
        }))
    }

    /// Hands an event to the engine.
    pub(crate) fn carry(self: &Arc<Self>, envelope: Envelope) -> EngineCall<Position> {
        self.call("the publish", self.deadline(), |this| {
            Box::pin(async move {
                // A panic, the deadline, or a caller that has lost interest ends it here: then nobody knows.
                let mut end = CountedAtTheEnd(&this.published.unknown);
                let result = this.engine.publish(&envelope).await;
                match &result {
                    Ok(_) => end.0 = &this.published.accepted,
                    Err(error) if error.is_unknown() => {}
                    Err(_) => end.0 = &this.published.refused,
                }
                result
            })
        })
    }

    /// Makes a subscription a member; ready when the engine says so. `None` if the subscription has ended. Two that join
    /// the same one at a time join once; one that ends meanwhile leaves again.
    pub(crate) fn join(self: &Arc<Self>, slot: &Arc<Slot>, start: Start) -> Option<EngineCall<()>> {
        if !slot.join(self.number) {
            return None;
        }
        let (spec, slot) = (self.spec_for(slot, start), Arc::clone(slot));
        Some(self.call("the subscription", self.deadline(), |this| {
            Box::pin(async move {
                let result = this.join_as(&spec).await;
                if result.is_err() {
                    slot.unjoin(this.number);
                } else if slot.ended_meanwhile() {
                    // Who ended it may have told the engine too early.
                    this.leave(spec.id);
                }
                result
            })
        }))
    }

    /// What a subscription tells the engine.
    fn spec_for(&self, slot: &Slot, start: Start) -> SubscriptionSpec {
        let shared = self.capabilities().group_kind() == Groups::Shared;
        SubscriptionSpec {
            id: slot.id,
            patterns: slot.spec.patterns.clone(),
            group: slot.spec.group.as_ref().filter(|_| shared).map(|group| Arc::clone(&group.shared)),
            tenant: slot.spec.tenant.clone(),
            start,
        }
    }

    async fn join_as(self: &Arc<Self>, spec: &SubscriptionSpec) -> Result<(), EngineError> {
        loop {
            // Listen, look, wait.
            let listener = self.joining.listen();
            let found = {
                let mut joined = self.joined.lock();
                let found = joined.get(&spec.id).copied();
                if found.is_none() {
                    joined.insert(spec.id, Membership::Joining);
                }
                found
            };
            match found {
                Some(Membership::Joined) => return Ok(()),
                Some(Membership::Joining) => listener.await,
                None => break,
            }
        }
        let mut joining = Joining { transport: self, id: spec.id, joined: false };
        self.engine.subscribe(spec).await?;
        joining.joined = true;
        Ok(())
    }

    /// Ends a membership, without waiting for the engine.
    pub(crate) fn leave(self: &Arc<Self>, id: SubscriptionId) {
        self.joined.lock().remove(&id);
        let mut call = self.call("the unsubscription", self.deadline(), |this| {
            Box::pin(async move { this.engine.unsubscribe(id).await })
        });
        let this = Arc::clone(self);
        self.errand(Box::pin(async move {
            if let Err(error) = std::future::poll_fn(|cx| Wait::poll(&mut call, cx)).await {
                this.intake.report(&format!("could not end {id}: {error}"));
            }
        }));
    }

    /// Runs what waits for the thread, for models that have none.
    #[cfg(all(test, loom))]
    pub(super) fn run_errands(&self) {
        let mut errands = self.errands.take();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        errands.retain_mut(|errand| errand.as_mut().poll(&mut cx).is_pending());
        assert!(errands.is_empty(), "the models' engine ends at once");
    }

    /// Has the thread poll a future that nobody waits for here.
    pub(crate) fn errand(&self, errand: BoxFuture<'static, ()>) {
        self.errands.add(errand);
        self.intake.work.notify(usize::MAX);
    }

    /// Ends the engine in order. It is told so once: who comes later waits for the same end, and hears the same of it.
    pub(crate) fn shutdown(self: &Arc<Self>, deadline: Deadline) -> EngineCall<()> {
        self.call("its shutdown", deadline, move |this| {
            Box::pin(async move {
                let attempt = match this.stopping.begin(deadline).await {
                    Ok(attempt) => attempt,
                    Err(end) => return end,
                };
                let result = this.engine.shutdown(deadline.instant_or_far()).await;
                this.intake.set_state(EngineState::Stopped);
                attempt.end(result)
            })
        })
    }

    /// Takes no arrivals any more, and lets the thread end when it has nothing to do.
    pub(crate) fn close(&self) {
        self.intake.close();
    }

    /// Says that it has come to its end on this bus, whether it stopped in order or not.
    pub(super) fn stopped(&self) {
        self.intake.set_state(EngineState::Stopped);
    }

    /// Ends the engine without waiting: for a bus that is dropped.
    pub(crate) fn abandon(self: &Arc<Self>) {
        // A zero deadline would end it before its first step: the thread gives it a moment.
        let mut call = self.shutdown(Deadline::after(Duration::ZERO)).never_ends();
        self.errand(Box::pin(async move {
            let _ = std::future::poll_fn(|cx| Wait::poll(&mut call, cx)).await;
        }));
        self.close();
    }

    /// Waits for the thread to end, unless that is the caller's. False if it still runs.
    pub(crate) fn join_thread(&self, deadline: Deadline) -> bool {
        let Some(thread) = self.thread.lock().take() else { return true };
        if thread.thread().id() == thread::current().id() {
            return true;
        }
        let ended = self.ended.wait(deadline);
        if ended {
            // What panicked there was caught where foreign code is called.
            let _ = thread.join();
        } else {
            *self.thread.lock() = Some(thread);
        }
        ended
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// What bounds an engine's calls and arrivals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) in_flight: usize,
    pub(crate) timeout: Duration,
}

/// A joining that is under way.
struct Joining<'a> {
    transport: &'a Arc<Transport>,
    id: SubscriptionId,
    joined: bool,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if self.joined {
            if let Some(membership) = self.transport.joined.lock().get_mut(&self.id) {
                *membership = Membership::Joined;
            }
        } else {
            // It failed, or nobody waits any more: nobody knows how far it came.
            self.transport.leave(self.id);
        }
        self.transport.joining.notify(usize::MAX);
    }
}

/// What an engine says of itself; nothing if it panics.
fn guard_value<T>(value: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(value)) {
        Ok(value) => Some(value),
        Err(panic) => {
            crate::guard::drop_panic(panic);
            None
        }
    }
}
