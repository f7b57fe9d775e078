//! The end of a bus.
//!
//! ```text
//! refuse       publishes and subscriptions fail
//! engines      stop fetching, and wait for what they have brought; all of them, at once
//! close        topics lead nowhere; publishers that wait for room are told
//! drain        what is queued is handled (or discarded, if that was asked for)
//! deadline     the rest is cancelled, and `Delivery::cancelled` trips
//! stop         workers and timer stop; what still runs is reported
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::start::poll_calls;
use crate::dispatch::{Quiet, Slot};
use crate::engine::{EngineCall, Transport};
use crate::error::EngineFailure;
use crate::event::{DropReason, SubscriptionId};
use crate::lifecycle::{LifecycleEvent, types};
use crate::pattern::TopicPattern;
use crate::subscribe::{Hub, Realm};
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};
use crate::trace::Tracing;
use crate::worker::Stop;

/// How long the end of the worker threads is waited for once they have been told to stop: idle ones
/// need microseconds.
const THREADS_END: Duration = Duration::from_millis(50);

/// What the handles of a bus share: when the last goes, the bus is closed.
pub(super) struct Handle {
    /// That of no tenant.
    realm: Arc<Realm>,
}

impl Handle {
    pub(super) fn new(realm: Arc<Realm>) -> Self {
        Self { realm }
    }

    pub(super) fn realm(&self) -> &Arc<Realm> {
        &self.realm
    }
}

impl Drop for Handle {
    /// A shutdown without patience: what is queued is discarded and counted, handlers that run end by
    /// themselves, and so do their threads.
    fn drop(&mut self) {
        let hub = &self.realm.hub;
        hub.close();
        for slot in hub.roster.held() {
            slot.cancel(DropReason::Shutdown);
        }
        if let Some(engines) = &hub.engines {
            engines.abandon(THREADS_END);
        }
        stop_threads(hub, Stop::Discard, Deadline::after(THREADS_END));
        tell_stopped(hub);
    }
}

/// Tells those who listen of the end, and waits a moment for them.
fn tell_stopped(hub: &Hub) {
    if let Some(feed) = &hub.hooks.feed {
        hub.hooks.tell(|hooks| LifecycleEvent::of_bus(types::BUS_STOPPED).with("engine", hooks.engine(0)));
        feed.close(Deadline::after(THREADS_END));
    }
}

/// Stops the workers and the timer. Returns how many worker threads still run.
fn stop_threads(hub: &Hub, how: Stop, deadline: Deadline) -> usize {
    let running = hub.take_pool().map_or(0, |pool| {
        pool.stop(how);
        pool.join(deadline)
    });
    // Nobody polls a pending handler any more.
    for slot in hub.roster.held() {
        slot.abandon();
    }
    hub.timer.stop_and_join();
    running
}

/// A subscription whose handlers still ran when the shutdown's time was over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unfinished {
    /// Which.
    pub subscription: SubscriptionId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its patterns.
    pub patterns: Vec<TopicPattern>,
    /// How many of its handlers ran.
    pub running: u64,
    /// How many events were queued, and dropped.
    pub discarded: u64,
}

/// How a shutdown ended.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Everything that was queued has been handled, and no handler runs.
    pub complete: bool,
    /// Events that were dropped because the bus was shut down, those of publishers that waited for
    /// room included. (One that has not yet woken up when the report is made counts its own a moment later.)
    pub discarded: u64,
    /// The subscriptions that did not come to their end in time.
    pub unfinished: Vec<Unfinished>,
    /// What the engines said that did not stop in order.
    pub engines: Vec<EngineFailure>,
    /// Worker threads, and threads of engines, that were still in a handler. They end when it does.
    pub threads_running: usize,
}

impl ShutdownReport {
    /// Tells people what was left.
    fn tell(&self, tracing: &Tracing) {
        for Unfinished { subscription, name, running, discarded, .. } in &self.unfinished {
            tracing.unfinished(*subscription, name.as_deref(), *running, *discarded);
        }
        for EngineFailure { engine, error } in &self.engines {
            tracing.not_stopped(engine, error);
        }
        tracing.shut_down(self.complete, self.discarded, self.threads_running);
    }
}

/// Shuts a bus down. See [`EventBus::shutdown`](crate::EventBus::shutdown).
///
/// # Cancel safety
///
/// The bus takes no events any more since the call. If this is dropped, what is queued is still
/// handled, and nothing cancels it when the time is over; another `shutdown` can.
#[must_use = "await it, or call `wait()`: it drives the shutdown"]
pub struct Shutdown {
    timed: Timed<Draining>,
}

struct Draining {
    hub: Arc<Hub>,
    /// The engines that are still stopping. Subscriptions are open as long as there are any.
    engines: Vec<(Arc<Transport>, EngineCall<()>)>,
    engine_failures: Vec<EngineFailure>,
    /// What is queued is not to be handled.
    discards: bool,
    /// The subscriptions, once they are closed.
    closed: Option<Subscriptions>,
    deadline: Deadline,
    discarded_before: u64,
}

/// The subscriptions of a bus that is being shut down.
struct Subscriptions {
    quiet: Vec<Quiet>,
    slots: Vec<Closed>,
}

/// A subscription that was closed.
struct Closed {
    slot: Arc<Slot>,
    /// How many of its handlers the shutdown was called in: those are not waited for.
    own: u64,
    /// How many accepted events no handler had got before.
    discarded: u64,
}

impl Shutdown {
    pub(super) fn new(hub: Arc<Hub>, timeout: Duration) -> Self {
        hub.refuse();
        let deadline = Deadline::after(timeout);
        let engines = hub.engines.iter().flat_map(|engines| engines.transports());
        let engines: Vec<_> =
            engines.map(|transport| (Arc::clone(transport), transport.shutdown(deadline))).collect();
        let discarded_before = hub.roster.ledger().dropped.shutdown;
        // Without engines nothing has to be waited for before.
        let closed = engines.is_empty().then(|| Subscriptions::close(&hub));
        let timer = Arc::clone(&hub.timer);
        let (engine_failures, discards) = (Vec::new(), false);
        let draining =
            Draining { hub, engines, engine_failures, discards, closed, deadline, discarded_before };
        Self { timed: Timed::new(draining, timer) }
    }

    /// Discards what is queued at once instead of letting it be handled; handlers that run are still
    /// waited for.
    pub fn discarding(mut self) -> Self {
        let draining = self.timed.wait_mut();
        draining.discards = true;
        match &draining.closed {
            Some(closed) => closed.cancel(),
            None => {
                for slot in draining.hub.roster.held() {
                    slot.cancel(DropReason::Shutdown);
                }
            }
        }
        self
    }

    /// Waits in this thread.
    ///
    /// # Blocking
    ///
    /// Parks the thread until everything has been handled, at most for the timeout and a little more
    /// for the threads to end. In a handler of this bus, that handler is not waited for.
    #[must_use = "the report says whether everything was handled"]
    pub fn wait(self) -> ShutdownReport {
        block_on(&mut self.timed.into_wait())
    }
}

impl Subscriptions {
    /// Closes the table and all subscriptions of a bus.
    fn close(hub: &Hub) -> Self {
        hub.close();
        let held = hub.roster.held();
        let discarded: Vec<_> = held.iter().map(|slot| slot.discarded()).collect();
        for slot in &held {
            slot.close(DropReason::Shutdown);
        }
        let quiet: Vec<_> = held.iter().map(|slot| Quiet::of(Arc::clone(slot))).collect();
        let slots = held.into_iter().zip(discarded).zip(&quiet);
        let slots =
            slots.map(|((slot, discarded), quiet)| Closed { slot, own: quiet.own(), discarded }).collect();
        Self { quiet, slots }
    }

    fn cancel(&self) {
        for Closed { slot, .. } in &self.slots {
            slot.cancel(DropReason::Shutdown);
        }
    }
}

impl Draining {
    /// Waits for the engines, and then closes the subscriptions.
    fn poll_engines(&mut self, cx: &mut Context<'_>) -> Poll<&mut Subscriptions> {
        if self.closed.is_none() {
            poll_calls(&mut self.engines, &mut self.engine_failures, cx);
            if !self.engines.is_empty() && !self.deadline.has_passed() {
                return Poll::Pending;
            }
        }
        let (hub, discards) = (&self.hub, self.discards);
        Poll::Ready(self.closed.get_or_insert_with(|| {
            let closed = Subscriptions::close(hub);
            if discards {
                closed.cancel();
            }
            closed
        }))
    }

    /// Cancels what is left and stops the threads.
    fn finish(&mut self) -> ShutdownReport {
        let mut unfinished = Vec::new();
        let closed = self.closed.get_or_insert_with(|| Subscriptions::close(&self.hub));
        for Closed { slot, own, .. } in &closed.slots {
            let queued = slot.ledger().queued;
            slot.cancel(DropReason::Shutdown);
            let running = slot.ledger().running.saturating_sub(*own);
            if queued + running > 0 {
                unfinished.push(Unfinished {
                    subscription: slot.id,
                    name: slot.spec.name.as_deref().map(str::to_owned),
                    patterns: slot.spec.patterns.to_vec(),
                    running,
                    discarded: queued,
                });
            }
        }
        let in_time = unfinished.is_empty();
        // Thrown away at once because that was asked for, or by somebody else meanwhile: another shutdown, or who
        // cancelled a subscription.
        let complete =
            in_time && closed.slots.iter().all(|closed| closed.slot.discarded() == closed.discarded);
        // After a complete drain what is still scheduled has nothing to do, and does it quickly.
        let how = if in_time { Stop::Drain } else { Stop::Discard };
        let engines_running = self.hub.engines.as_ref().map_or(0, |engines| engines.close(THREADS_END));
        let workers_running = stop_threads(&self.hub, how, Deadline::after(THREADS_END));
        tell_stopped(&self.hub);
        let report = ShutdownReport {
            complete,
            discarded: self.hub.roster.ledger().dropped.shutdown - self.discarded_before,
            unfinished,
            engines: std::mem::take(&mut self.engine_failures),
            threads_running: workers_running + engines_running,
        };
        report.tell(&self.hub.hooks.tracing);
        report
    }
}

impl Wait for Draining {
    type Output = ShutdownReport;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        let Poll::Ready(closed) = self.poll_engines(cx) else { return Poll::Pending };
        closed.quiet.retain_mut(|quiet| quiet.poll(cx).is_pending());
        if closed.quiet.is_empty() || self.deadline.has_passed() {
            return Poll::Ready(self.finish());
        }
        Poll::Pending
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl Future for Shutdown {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        Pin::new(&mut self.timed).poll(cx)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").field("engines", &self.engines.len()).finish_non_exhaustive()
    }
}
