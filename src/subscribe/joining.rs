//! A subscription joins the engines whose topics its patterns reach.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::{Event as Listeners, EventListener};

use super::builder::Start;
use super::hub::Hub;
use crate::dispatch::Slot;
use crate::engine::{EngineCall, EngineError, EngineErrorKind, Transport};
use crate::error::{EngineFailure, SubscribeError};
use crate::event::DropReason;
use crate::sync::Mutex;
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};

/// Says whether all engines that a subscription reaches can do what it asks for.
pub(super) fn check(hub: &Hub, slot: &Slot, start: Start) -> Result<(), SubscribeError> {
    let Some(engines) = &hub.engines else {
        return if start == Start::Now || slot.follows { Ok(()) } else { Err(SubscribeError::NoHistory) };
    };
    let reach = engines.reach(slot);
    if reach.memory && start != Start::Now && !slot.follows {
        return Err(SubscribeError::NoHistory);
    }
    for transport in reach.transports {
        if !transport.capabilities().can_start_at(start) {
            let error = EngineError::new(
                EngineErrorKind::Unsupported,
                format!("a subscription cannot start at {start:?}"),
            );
            return Err(refused(transport, error));
        }
    }
    Ok(())
}

/// Begins to make a subscription a member of all engines that it reaches. Whatever has joined leaves again when it ends.
pub(super) fn begin(hub: &Hub, slot: &Arc<Slot>, start: Start) -> Joining {
    let mut calls = Vec::new();
    if let Some(engines) = &hub.engines
        && !slot.stays_local()
    {
        let call = |transport: &Arc<Transport>| Some((Arc::clone(transport), transport.join(slot, start)?));
        calls.extend(engines.reach(slot).transports.into_iter().filter_map(call));
    }
    Joining { calls }
}

/// Waits for the confirmation of all engines, or the first that refuses.
pub(super) fn wait(mut joining: Joining) -> Result<(), SubscribeError> {
    if joining.calls.is_empty() {
        return Ok(());
    }
    block_on(&mut joining)
}

fn refused(transport: &Transport, error: EngineError) -> SubscribeError {
    SubscribeError::Engine { engine: transport.name.to_string(), error }
}

/// Leaves the joining to the engines' threads. An engine that refuses ends the subscription.
pub(super) fn in_the_background(hub: &Hub, slot: &Arc<Slot>, joining: Joining) -> Arc<Progress> {
    let progress = Arc::new(Progress::new(joining.calls.len()));
    for (transport, call) in joining.calls {
        let engine = Arc::clone(&transport.name);
        let step = Step { progress: Arc::clone(&progress), engine: Arc::clone(&engine), ended: false };
        let (call, hooks) = (Timed::new(call, Arc::clone(&hub.timer)), Arc::clone(&hub.hooks));
        let slot = Arc::downgrade(slot);
        transport.errand(Box::pin(async move {
            let result = call.await;
            if let Err(error) = &result {
                hooks.warn(|| format!("engine \"{engine}\" did not let a subscription in: {error}"));
                if let Some(slot) = slot.upgrade() {
                    slot.cancel(DropReason::Cancelled);
                }
            }
            step.end(result);
        }));
    }
    progress
}

/// How far a subscription has come in joining its engines.
///
/// Who waits listens, looks, and waits then; who ends the last step, or fails in one, notifies after the change.
pub(crate) struct Progress {
    state: Mutex<State>,
    ended: Listeners,
}

struct State {
    left: usize,
    failed: Option<EngineFailure>,
}

impl Progress {
    pub(super) fn new(engines: usize) -> Self {
        Self { state: Mutex::new(State { left: engines, failed: None }), ended: Listeners::new() }
    }

    pub(super) fn end_step(&self, result: Result<(), EngineFailure>) {
        {
            let mut state = self.state.lock();
            state.left -= 1;
            if let Err(failure) = result {
                // The first one is told.
                state.failed.get_or_insert(failure);
            } else if state.left > 0 {
                return;
            }
        }
        self.ended.notify(usize::MAX);
    }

    fn look(&self) -> Poll<Result<(), EngineFailure>> {
        let state = self.state.lock();
        match &state.failed {
            Some(failure) => Poll::Ready(Err(failure.clone())),
            None if state.left == 0 => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

/// One engine's part. Its thread may end before the engine has answered.
struct Step {
    progress: Arc<Progress>,
    engine: Arc<str>,
    ended: bool,
}

impl Step {
    fn end(mut self, result: Result<(), EngineError>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), EngineError>) {
        if !std::mem::replace(&mut self.ended, true) {
            let failure = |error| EngineFailure { engine: self.engine.to_string(), error };
            self.progress.end_step(result.map_err(failure));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.settle(Err(EngineError::new(EngineErrorKind::Stopped, "the bus has ended")));
    }
}

/// Waits until all engines have confirmed a subscription. See [`Subscription::joined`](super::Subscription::joined).
///
/// # Errors
///
/// [`EngineFailure`]: an engine did not let the subscription in, or was not reached in time, and the subscription has ended.
///
/// # Cancel safety
///
/// Dropping this only ends the waiting.
#[must_use = "await it, or call `wait()`"]
pub struct Joined {
    /// `None`: nothing had to be waited for.
    progress: Option<Arc<Progress>>,
    listener: Option<EventListener>,
}

impl Joined {
    pub(super) fn new(progress: Option<Arc<Progress>>) -> Self {
        Self { progress, listener: None }
    }

    /// Waits in this thread.
    ///
    /// # Errors
    ///
    /// As above.
    ///
    /// # Blocking
    ///
    /// Parks the thread, at most for the [engines' timeout](crate::BusBuilder::engine_timeout).
    pub fn wait(mut self) -> Result<(), EngineFailure> {
        block_on(&mut self)
    }
}

impl Wait for Joined {
    type Output = Result<(), EngineFailure>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(progress) = &self.progress else { return Poll::Ready(Ok(())) };
        loop {
            if let Poll::Ready(result) = progress.look() {
                return Poll::Ready(result);
            }
            match &mut self.listener {
                // Look, listen, look again, wait.
                None => self.listener = Some(progress.ended.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn deadline(&self) -> Deadline {
        // Each engine's call has one.
        Deadline::NEVER
    }
}

impl Future for Joined {
    type Output = Result<(), EngineFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Wait::poll(&mut *self, cx)
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}

/// The joining of several engines at once.
pub(super) struct Joining {
    calls: Vec<(Arc<Transport>, EngineCall<()>)>,
}

impl Wait for Joining {
    type Output = Result<(), SubscribeError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut at = 0;
        while let Some((transport, call)) = self.calls.get_mut(at) {
            match call.poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(())) => drop(self.calls.swap_remove(at)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(refused(transport, error))),
            }
        }
        if self.calls.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn deadline(&self) -> Deadline {
        self.calls.iter().fold(Deadline::NEVER, |earliest, (_, call)| earliest.earlier(call.deadline()))
    }
}

#[cfg(all(test, loom))]
mod models {
    use loom::thread::spawn;

    use super::*;

    /// Somebody waits while two engines answer, one of which refuses: he hears of that, and does not wait for ever.
    ///
    /// Broken by an `end_step` that notifies before the change, by one that does not notify of a failure, and by a wait
    /// that does not look again after it has begun to listen.
    #[test]
    fn l1_a_wait_against_the_answers_of_two_engines() {
        for refuses in [true, false] {
            loom::model(move || {
                let progress = Arc::new(Progress::new(2));
                let engines = [refuses, false].map(|refuses| {
                    let progress = Arc::clone(&progress);
                    spawn(move || {
                        let error = EngineError::new(EngineErrorKind::Rejected, "no");
                        let failure = EngineFailure { engine: "e".to_owned(), error };
                        progress.end_step(if refuses { Err(failure) } else { Ok(()) });
                    })
                });
                let result = Joined::new(Some(Arc::clone(&progress))).wait();
                engines.into_iter().for_each(|engine| engine.join().expect("an engine"));
                assert_eq!(result.is_err(), refuses);
            });
        }
    }
}
