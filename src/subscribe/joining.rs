//! A subscription joins the engines whose topics its patterns reach.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::builder::Start;
use super::hub::Hub;
use crate::dispatch::Slot;
use crate::engine::{EngineCall, EngineError, EngineErrorKind, Transport};
use crate::error::SubscribeError;
use crate::sync::clock::Deadline;
use crate::sync::park::{Wait, block_on};

/// Says whether all engines that a subscription reaches can do what it asks for.
pub(super) fn check(hub: &Hub, slot: &Slot, start: Start) -> Result<(), SubscribeError> {
    let Some(engines) = &hub.engines else {
        return if start == Start::Now { Ok(()) } else { Err(SubscribeError::NoHistory) };
    };
    let reach = engines.reach(slot);
    if reach.memory && start != Start::Now {
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

/// Makes a subscription a member of all engines that it reaches, or of none; waits for their confirmation.
pub(super) fn join(hub: &Hub, slot: &Arc<Slot>, start: Start) -> Result<(), SubscribeError> {
    let Some(engines) = &hub.engines else { return Ok(()) };
    if slot.stays_local() {
        return Ok(());
    }
    let reach = engines.reach(slot);
    if reach.transports.is_empty() {
        return Ok(());
    }
    let call = |transport: &Arc<Transport>| Some((Arc::clone(transport), transport.join(slot, start)?));
    let calls: Vec<_> = reach.transports.into_iter().filter_map(call).collect();
    // Whatever has joined leaves again when the slot ends.
    block_on(&mut Joining { calls })
}

fn refused(transport: &Transport, error: EngineError) -> SubscribeError {
    SubscribeError::Engine { engine: transport.name.to_string(), error }
}

/// The joining of several engines at once.
struct Joining {
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
