//! The start of a bus that has engines: all of them, or none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{EventBus, letters};
use crate::engine::{EngineCall, EngineError, Transport};
use crate::error::{BuildError, EngineFailure, StartError};
use crate::subscribe::Hub;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};

/// How long the engines have to stop again after one could not start.
const ROLL_BACK: Duration = Duration::from_secs(5);

/// How long the end of their threads is waited for then.
const THREADS_END: Duration = Duration::from_millis(50);

/// Starts a bus. See [`BusBuilder::start`](crate::BusBuilder::start).
///
/// # Errors
///
/// [`StartError`] if an option is wrong, or an engine did not start: the others have been stopped again then.
///
/// # Cancel safety
///
/// If this is dropped, the engines are stopped without waiting for them.
#[must_use = "await it, or call `wait()`: it drives the start"]
pub struct Starting {
    timed: Result<Timed<StartWait>, Option<BuildError>>,
}

struct StartWait {
    /// `None` once it was handed out.
    hub: Option<Arc<Hub>>,
    step: Step,
}

enum Step {
    Starting(Vec<(Arc<Transport>, EngineCall<()>)>, Vec<EngineFailure>),
    Stopping(Vec<(Arc<Transport>, EngineCall<()>)>, Vec<EngineFailure>),
}

impl Starting {
    pub(super) fn new(hub: Result<Hub, BuildError>) -> Self {
        Self {
            timed: hub.map_err(Some).map(|hub| {
                let hub = letters::with_mail(hub);
                let timer = Arc::clone(&hub.timer);
                let (mut calls, mut failed) = (Vec::new(), Vec::new());
                if let Some(engines) = &hub.engines {
                    for (transport, call) in engines.start(&hub.tables, &hub.hooks) {
                        match call {
                            Ok(call) => calls.push((transport, call)),
                            Err(error) => failed.push(failure(&transport, error)),
                        }
                    }
                }
                Timed::new(StartWait { hub: Some(hub), step: Step::Starting(calls, failed) }, timer)
            }),
        }
    }

    /// Waits in this thread.
    ///
    /// # Errors
    ///
    /// As above.
    ///
    /// # Blocking
    ///
    /// Parks the thread until all engines have started, at most for the
    /// [engines' timeout](crate::BusBuilder::engine_timeout), and five seconds more if one fails.
    pub fn wait(self) -> Result<EventBus, StartError> {
        match self.timed {
            Ok(timed) => block_on(&mut timed.into_wait()),
            Err(error) => Err(build_failed(error)),
        }
    }
}

fn build_failed(error: Option<BuildError>) -> StartError {
    match error {
        Some(error) => StartError::Build(error),
        None => panic!("a start was polled after it was done"),
    }
}

fn failure(transport: &Transport, error: EngineError) -> EngineFailure {
    EngineFailure { engine: transport.name.to_string(), error }
}

/// Polls the calls that are still on their way, and collects what failed.
pub(super) fn poll_calls(
    calls: &mut Vec<(Arc<Transport>, EngineCall<()>)>,
    failed: &mut Vec<EngineFailure>,
    cx: &mut Context<'_>,
) {
    calls.retain_mut(|(transport, call)| match call.poll(cx) {
        Poll::Pending => true,
        Poll::Ready(result) => {
            failed.extend(result.err().map(|error| failure(transport, error)));
            false
        }
    });
}

impl Wait for StartWait {
    type Output = Result<EventBus, StartError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let Some(hub) = &self.hub else { panic!("a start was polled after it was done") };
            match &mut self.step {
                Step::Starting(calls, failed) => {
                    poll_calls(calls, failed, cx);
                    if failed.is_empty() {
                        if !calls.is_empty() {
                            return Poll::Pending;
                        }
                        let hub = Arc::clone(hub);
                        self.hub = None;
                        return Poll::Ready(Ok(EventBus::from_hub(hub)));
                    }
                    // All or none. Who is still on the way is stopped like who has arrived.
                    let deadline = Deadline::after(ROLL_BACK);
                    let engines = hub.engines.iter().flat_map(|engines| engines.transports());
                    let stopping =
                        engines.map(|transport| (Arc::clone(transport), transport.shutdown(deadline)));
                    self.step = Step::Stopping(stopping.collect(), std::mem::take(failed));
                }
                Step::Stopping(calls, failed) => {
                    poll_calls(calls, failed, cx);
                    if !calls.is_empty() {
                        return Poll::Pending;
                    }
                    let failed = std::mem::take(failed);
                    self.give_up();
                    return Poll::Ready(Err(StartError::Engines(failed)));
                }
            }
        }
    }

    fn deadline(&self) -> Deadline {
        let (Step::Starting(calls, _) | Step::Stopping(calls, _)) = &self.step;
        calls.iter().fold(Deadline::NEVER, |earliest, (_, call)| earliest.earlier(call.deadline()))
    }
}

impl StartWait {
    /// Ends what is left of a bus that did not start.
    fn give_up(&mut self) {
        let Some(hub) = self.hub.take() else { return };
        hub.close();
        if let Some(engines) = &hub.engines {
            engines.close(THREADS_END);
        }
        hub.timer.stop_and_join();
        if let Some(feed) = &hub.hooks.feed {
            feed.close(Deadline::after(THREADS_END));
        }
    }
}

impl Drop for StartWait {
    fn drop(&mut self) {
        if let Some(hub) = &self.hub
            && let Some(engines) = &hub.engines
        {
            engines.transports().for_each(Transport::abandon);
        }
        self.give_up();
    }
}

impl Future for Starting {
    type Output = Result<EventBus, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.timed {
            Ok(timed) => Pin::new(timed).poll(cx),
            Err(error) => Poll::Ready(Err(build_failed(error.take()))),
        }
    }
}

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}
