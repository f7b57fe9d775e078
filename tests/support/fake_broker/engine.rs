//! An engine that is a client of the broker.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use trolleybus::engine::{
    Arrival, BoxFuture, Capabilities, Deliver, Engine, EngineError, EngineErrorKind, EngineState, Envelope,
    Groups, Handover, Ingress, Position, StartKinds, SubscriptionSpec,
};
use trolleybus::{Outcome, SubscriptionId};

use super::broker::{FakeBroker, Fetched, Flaw, Ticket};

/// A client of the broker.
pub(crate) struct FakeEngine {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    broker: FakeBroker,
    /// Its number at the broker; 0 before the start.
    client: AtomicU64,
    stops: AtomicBool,
    /// Nothing of it runs any more.
    ended: AtomicBool,
    /// Who waits for that.
    waiting: Mutex<Vec<Waker>>,
}

impl FakeEngine {
    pub(crate) fn new(broker: &FakeBroker) -> Self {
        let shared = Shared {
            broker: broker.clone(),
            client: AtomicU64::new(0),
            stops: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            waiting: Mutex::default(),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    pub(crate) fn capabilities() -> Capabilities {
        Capabilities::new().groups(Groups::Shared).starts(StartKinds::Any).persistent().ordered()
    }
}

impl Shared {
    fn client(&self) -> u64 {
        self.client.load(Ordering::Acquire)
    }
}

impl Engine for FakeEngine {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        Self::capabilities()
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            let (client, session) = self.shared.broker.connect(None);
            self.shared.client.store(client, Ordering::Release);
            let fetcher = Fetcher {
                shared: Arc::clone(&self.shared),
                ingress,
                session,
                delivering: None,
                handed_over: Vec::new(),
            };
            let thread = std::thread::spawn(move || fetcher.run());
            *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
            Ok(())
        })
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        Box::pin(async move {
            let number = self.shared.broker.publish(self.shared.client(), envelope)?;
            if self.shared.broker.flaw == Flaw::WaitsForHandlers {
                poll_fn(|cx| match self.shared.broker.is_handled(number, cx.waker()) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
                .await;
            }
            Ok(Position::new(number.to_string()))
        })
    }

    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            self.shared.broker.subscribe(self.shared.client(), spec);
            Ok(())
        })
    }

    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            self.shared.broker.unsubscribe(self.shared.client(), id);
            Ok(())
        })
    }

    fn lag(&self) -> Option<u64> {
        Some(self.shared.broker.lag(self.shared.client()))
    }

    fn shutdown(&self, _: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            self.shared.stops.store(true, Ordering::Release);
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(thread) = thread else { return Ok(()) };
            // Dropped before it is done, it lets the thread end by itself.
            let _leaving = Leaving(&self.shared);
            thread.thread().unpark();
            Ended(&self.shared).await;
            thread.join().map_err(|_| EngineError::new(EngineErrorKind::Panicked, "the fetcher panicked"))
        })
    }
}

/// Makes the broker forget a client.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.broker.leave(self.0.client());
    }
}

/// Ready when the thread has ended.
struct Ended<'a>(&'a Shared);

impl Future for Ended<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.ended.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// Brings events from the broker, and tells it of their outcomes.
struct Fetcher {
    shared: Arc<Shared>,
    ingress: Ingress,
    session: u64,
    delivering: Option<(Ticket, Deliver)>,
    handed_over: Vec<(Ticket, Handover)>,
}

impl Fetcher {
    fn run(mut self) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        while self.step(&mut cx).is_pending() {
            // The bound is for a cut that comes while nobody waits for anything.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.ended.store(true, Ordering::Release);
        waiting.drain(..).for_each(Waker::wake);
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, ingress, .. } = self;
        let (broker, client) = (shared.broker.clone(), shared.client());
        if !broker.is_connected(client, self.session) && !shared.stops.load(Ordering::Acquire) {
            if broker.flaw != Flaw::HidesItsState {
                ingress.set_state(EngineState::Connecting);
            }
            // What is on its way belongs to the old session.
            self.delivering = None;
            self.handed_over.clear();
            self.session = broker.connect(Some(client)).1;
            ingress.set_state(EngineState::Connected);
        }
        loop {
            // In each round, or events would be handled and not acknowledged while others are handed over.
            self.handed_over.retain_mut(|(ticket, handover)| match Pin::new(handover).poll(cx) {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    let handled = result.as_ref().is_ok_and(Outcome::is_ok);
                    broker.settle(ticket, handled, result.is_ok());
                    false
                }
            });
            if let Some((_, deliver)) = &mut self.delivering {
                match Pin::new(deliver).poll(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(handover)) => {
                        let Some((ticket, _)) = self.delivering.take() else { continue };
                        if broker.flaw == Flaw::AcknowledgesEarly {
                            broker.settle(&ticket, true, true);
                        } else {
                            self.handed_over.push((ticket, handover));
                            // Polled in the next step, so that somebody is woken.
                            cx.waker().wake_by_ref();
                        }
                        continue;
                    }
                }
            }
            if self.shared.stops.load(Ordering::Acquire) {
                // What has not been handed over stays at the broker.
                self.delivering = None;
                let done = self.handed_over.is_empty() || broker.flaw == Flaw::LeavesInAHurry;
                return if done { Poll::Ready(()) } else { Poll::Pending };
            }
            if self.delivering.is_some() {
                return Poll::Pending;
            }
            let Some(Fetched { envelope, scope, ticket }) = broker.fetch(client, self.session, cx.waker())
            else {
                return Poll::Pending;
            };
            self.delivering = Some((ticket, self.ingress.deliver(Arrival::new(envelope, scope))));
        }
    }
}

impl fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeEngine").finish_non_exhaustive()
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
