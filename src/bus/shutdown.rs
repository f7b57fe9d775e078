//! The end of a bus.
//!
//! ```text
//! refuse       publishes and subscriptions fail; topics lead nowhere; publishers that wait for room are told
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

use crate::dispatch::{Quiet, Slot};
use crate::event::{DropReason, SubscriptionId};
use crate::pattern::TopicPattern;
use crate::subscribe::Hub;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};
use crate::worker::Stop;

/// How long the end of the worker threads is waited for once they have been told to stop: idle ones
/// need microseconds.
const THREADS_END: Duration = Duration::from_millis(50);

/// What the handles of a bus share: when the last goes, the bus is closed.
pub(super) struct Handle {
    hub: Arc<Hub>,
}

impl Handle {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl Drop for Handle {
    /// A shutdown without patience: what is queued is discarded and counted, handlers that run end by
    /// themselves, and so do their threads.
    fn drop(&mut self) {
        self.hub.close();
        for slot in self.hub.roster.held() {
            slot.cancel(DropReason::Shutdown);
        }
        stop_threads(&self.hub, Stop::Discard, Deadline::after(THREADS_END));
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
    /// Worker threads that were still in a handler. They end when it does.
    pub threads_running: usize,
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
    quiet: Vec<Quiet>,
    slots: Vec<Closed>,
    deadline: Deadline,
    discarded_before: u64,
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
        hub.close();
        let held = hub.roster.held();
        let discarded: Vec<_> = held.iter().map(|slot| slot.discarded()).collect();
        let discarded_before = hub.roster.ledger().dropped.shutdown;
        for slot in &held {
            slot.close(DropReason::Shutdown);
        }
        let quiet: Vec<_> = held.iter().map(|slot| Quiet::of(Arc::clone(slot))).collect();
        let slots = held.into_iter().zip(discarded).zip(&quiet);
        let slots =
            slots.map(|((slot, discarded), quiet)| Closed { slot, own: quiet.own(), discarded }).collect();
        let timer = Arc::clone(&hub.timer);
        let deadline = Deadline::after(timeout);
        let draining = Draining { hub, quiet, slots, deadline, discarded_before };
        Self { timed: Timed::new(draining, timer) }
    }

    /// Discards what is queued at once instead of letting it be handled; handlers that run are still
    /// waited for.
    pub fn discarding(mut self) -> Self {
        for Closed { slot, .. } in &self.timed.wait_mut().slots {
            slot.cancel(DropReason::Shutdown);
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

impl Draining {
    /// Cancels what is left and stops the threads.
    fn finish(&mut self) -> ShutdownReport {
        let mut unfinished = Vec::new();
        for Closed { slot, own, .. } in &self.slots {
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
        let complete = in_time && self.slots.iter().all(|closed| closed.slot.discarded() == closed.discarded);
        // After a complete drain what is still scheduled has nothing to do, and does it quickly.
        let how = if in_time { Stop::Drain } else { Stop::Discard };
        let threads_running = stop_threads(&self.hub, how, Deadline::after(THREADS_END));
        ShutdownReport {
            complete,
            discarded: self.hub.roster.ledger().dropped.shutdown - self.discarded_before,
            unfinished,
            threads_running,
        }
    }
}

impl Wait for Draining {
    type Output = ShutdownReport;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        self.quiet.retain_mut(|quiet| quiet.poll(cx).is_pending());
        if self.quiet.is_empty() || self.deadline.has_passed() {
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
        f.debug_struct("Draining").field("subscriptions", &self.quiet.len()).finish_non_exhaustive()
    }
}
