//! The queue of the engine, and the thread that empties it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{EngineMetrics, MetricsHandle};
use crate::engine::{Arrival, Deliver, EngineError, EngineErrorKind, Envelope, Handover, Ingress, Scope};

/// Events between publish calls and the driver.
pub(super) struct Lane {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Envelope>,
    /// How many were ever queued.
    count: u64,
    closed: bool,
    /// The driver has nothing left to do.
    drained: bool,
    driver: Option<Waker>,
    waiting: Vec<Waker>,
}

impl Lane {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::new(State::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event, and returns its number.
    pub(super) fn push(&self, envelope: Envelope) -> Result<u64, EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::new(EngineErrorKind::Stopped, "the engine is stopped"));
        }
        if state.queue.len() >= self.limit {
            let message = format!("{} events are queued, the limit", self.limit);
            return Err(EngineError::new(EngineErrorKind::Rejected, message));
        }
        state.queue.push_back(envelope);
        state.count += 1;
        let (number, driver) = (state.count, state.driver.take());
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(number)
    }

    /// How many events are queued.
    pub(super) fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    /// Takes no more events.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // An engine that was never started has no driver.
        state.drained |= state.queue.is_empty() && state.driver.is_none() && state.count == 0;
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Waits until the driver has nothing left to do.
    pub(super) async fn drained(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.drained {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.drained = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Hands events over, one after the other, and hears of their outcomes.
pub(super) struct Driver {
    lane: Arc<Lane>,
    ingress: Ingress,
    metrics: Option<MetricsHandle>,
    /// How many events may be handed over and not done with.
    buffer: usize,
    /// The event that is being handed over, if there is room for it.
    delivering: Option<(String, Deliver)>,
    /// Those that were, and when.
    handed_over: Vec<(Instant, Handover)>,
}

impl Driver {
    pub(super) fn new(
        lane: Arc<Lane>,
        ingress: Ingress,
        metrics: Option<MetricsHandle>,
        buffer: usize,
    ) -> Self {
        Self { lane, ingress, metrics, buffer, delivering: None, handed_over: Vec::new() }
    }

    /// The life of the thread.
    pub(super) fn run(mut self, interval: Duration, log: &(dyn Fn(&EngineMetrics) + Send + Sync)) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut due = Instant::now().checked_add(interval);
        while self.step(&mut cx).is_pending() {
            let Some((at, metrics)) = due.zip(self.metrics.as_ref()) else {
                thread::park();
                continue;
            };
            match at.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::park_timeout(left),
                _ => {
                    log(&metrics.read());
                    due = Instant::now().checked_add(interval);
                }
            }
        }
        if let Some(metrics) = &self.metrics {
            log(&metrics.read());
        }
        self.lane.end();
    }

    /// Does what can be done now. Ready when nothing is left, and nothing will come.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let metrics = &self.metrics;
        self.handed_over.retain_mut(|(since, handover)| {
            let done = Pin::new(handover).poll(cx).is_ready();
            if done && let Some(metrics) = metrics {
                metrics.processed(since.elapsed());
            }
            !done
        });
        loop {
            let Some((topic, deliver)) = &mut self.delivering else {
                if self.handed_over.len() >= self.buffer {
                    // Each of them wakes this thread when it is done with.
                    return Poll::Pending;
                }
                let mut state = self.lane.lock();
                match state.queue.pop_front() {
                    Some(envelope) => {
                        let topic = envelope.topic().to_string();
                        let deliver = self.ingress.deliver(Arrival::new(envelope, Scope::Everyone));
                        self.delivering = Some((topic, deliver));
                        continue;
                    }
                    None if state.closed && self.handed_over.is_empty() => return Poll::Ready(()),
                    None => {
                        state.driver = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            };
            match Pin::new(deliver).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(mut handover)) => {
                    if let Some(metrics) = metrics {
                        metrics.carried(topic);
                    }
                    self.delivering = None;
                    let since = Instant::now();
                    // The first poll tells the hand-over whom to wake.
                    if Pin::new(&mut handover).poll(cx).is_pending() {
                        self.handed_over.push((since, handover));
                    } else if let Some(metrics) = metrics {
                        metrics.processed(since.elapsed());
                    }
                }
                // The bus is gone.
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
