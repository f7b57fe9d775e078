//! Other rules for a bus that runs.
//!
//! ```text
//! announce   who subscribes from here on joins by the old rules and by the new ones
//! join       who subscribes already joins the engines that the new rules add
//! replace    every topic is resolved anew before its next publish
//! ```
//!
//! So there is no moment in which an event goes by an engine that one of its subscriptions has not joined. No subscription
//! leaves an engine: what was published there before still arrives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::EventBus;
use super::engine_options::Routes;
use crate::dispatch::Slot;
use crate::engine::{EngineCall, Router, Transport};
use crate::error::{EngineFailure, RerouteError};
use crate::subscribe::{Hub, Start};
use crate::sync::clock::Deadline;
use crate::sync::park::{Timed, Wait, block_on};

/// Replaces the rules of a bus. See [`EventBus::replace_routes`].
///
/// # Errors
///
/// [`RerouteError`]; the old rules hold then.
///
/// # Cancel safety
///
/// Dropped before it is ready, the old rules hold. Subscriptions may have joined more engines than they need.
#[must_use = "await it, or call `wait()`: it drives the change"]
pub struct Rerouting {
    timed: Result<Timed<RerouteWait>, Option<RerouteError>>,
}

struct RerouteWait {
    hub: Arc<Hub>,
    /// `None` once it holds, or was given up.
    router: Option<Arc<Router>>,
    joining: Vec<(Arc<Slot>, Arc<Transport>, EngineCall<()>)>,
    joined: Vec<(Arc<Slot>, Arc<Transport>)>,
}

impl EventBus {
    /// Replaces the rules that say which engine carries a topic, while the bus runs.
    ///
    /// No event is lost by that, and none comes twice: each publish call goes by the old rules or by the new ones, and who
    /// subscribes hears of both. An event that is on its way when the rules change goes on by the engine that it was handed
    /// to. Subscriptions stay members of the engines that they no longer need, until they end.
    ///
    /// ```
    /// # use trolleybus::{EventBus, Routes};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = EventBus::builder().memory_engine("audit").route("audit", ["user.*"]).build()?;
    /// assert_eq!(bus.explain("user.created")?.engine, "audit");
    /// bus.replace_routes(Routes::new().route("audit", ["auth.*"])).wait()?;
    /// assert_eq!(bus.explain("user.created")?.engine, "memory");
    /// # Ok(()) }
    /// ```
    pub fn replace_routes(&self, routes: Routes) -> Rerouting {
        Rerouting { timed: begin(self.hub(), routes).map_err(Some) }
    }
}

fn begin(hub: &Arc<Hub>, routes: Routes) -> Result<Timed<RerouteWait>, RerouteError> {
    let Some(engines) = &hub.engines else {
        // There is one engine, and it gets everything.
        routes.arrange(&[super::engine_options::MEMORY])?;
        let wait =
            RerouteWait { hub: Arc::clone(hub), router: None, joining: Vec::new(), joined: Vec::new() };
        return Ok(Timed::new(wait, Arc::clone(&hub.timer)));
    };
    let names: Vec<&str> = engines.seats().iter().map(|seat| &*seat.name).collect();
    let router = Arc::new(routes.arrange(&names)?);
    if hub.is_closed() {
        return Err(RerouteError::ShutDown);
    }
    if !engines.announce(&router) {
        return Err(RerouteError::InProgress);
    }
    let mut joining = Vec::new();
    for slot in hub.roster.held() {
        if slot.stays_local() {
            continue;
        }
        for transport in engines.reach(&slot).transports {
            if slot.has_joined(transport.number) {
                continue;
            }
            if let Some(call) = transport.join(&slot, Start::Now) {
                joining.push((Arc::clone(&slot), Arc::clone(transport), call));
            }
        }
    }
    let wait = RerouteWait { hub: Arc::clone(hub), router: Some(router), joining, joined: Vec::new() };
    Ok(Timed::new(wait, Arc::clone(&hub.timer)))
}

impl Rerouting {
    /// Waits in this thread.
    ///
    /// # Errors
    ///
    /// As above.
    ///
    /// # Blocking
    ///
    /// Parks the thread until all subscriptions have joined the engines that the new rules add, at most for the
    /// [engines' timeout](crate::BusBuilder::engine_timeout).
    pub fn wait(self) -> Result<(), RerouteError> {
        match self.timed {
            Ok(timed) => block_on(&mut timed.into_wait()),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: Option<RerouteError>) -> RerouteError {
    match error {
        Some(error) => error,
        None => panic!("a change of rules was polled after it was done"),
    }
}

impl RerouteWait {
    /// The old rules hold on.
    fn give_up(&mut self) {
        if self.router.take().is_none() {
            return;
        }
        if let Some(engines) = &self.hub.engines {
            engines.withdraw();
        }
        let joining = self.joining.drain(..).map(|(slot, transport, _)| (slot, transport));
        for (slot, transport) in self.joined.drain(..).chain(joining) {
            slot.unjoin(transport.number);
            transport.leave(slot.id);
        }
    }
}

impl Wait for RerouteWait {
    type Output = Result<(), RerouteError>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut at = 0;
        while let Some((_, transport, call)) = self.joining.get_mut(at) {
            match call.poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(())) => {
                    let (slot, transport, _) = self.joining.swap_remove(at);
                    self.joined.push((slot, transport));
                }
                Poll::Ready(Err(error)) => {
                    let failure = EngineFailure { engine: transport.name.to_string(), error };
                    self.give_up();
                    return Poll::Ready(Err(RerouteError::Engine(failure)));
                }
            }
        }
        if !self.joining.is_empty() {
            return Poll::Pending;
        }
        if let (Some(router), Some(engines)) = (self.router.take(), &self.hub.engines) {
            engines.replace_rules(router);
            self.hub.tables.reroute();
        }
        Poll::Ready(Ok(()))
    }

    fn deadline(&self) -> Deadline {
        self.joining.iter().fold(Deadline::NEVER, |earliest, (_, _, call)| earliest.earlier(call.deadline()))
    }
}

impl Drop for RerouteWait {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Future for Rerouting {
    type Output = Result<(), RerouteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.timed {
            Ok(timed) => Pin::new(timed).poll(cx),
            Err(error) => Poll::Ready(Err(failed(error.take()))),
        }
    }
}

impl fmt::Debug for Rerouting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rerouting").finish_non_exhaustive()
    }
}
