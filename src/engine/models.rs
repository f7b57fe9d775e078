//! loom models of the engines. Each says which change breaks it, and was seen to fail with that change.
//!
//! | file | what is modelled |
//! |---|---|
//! | `ingress.rs` | hand-overs, their bound and their outcomes; the delivery thread |
//! | `members.rs` | who joins and leaves an engine, and rules that come |
//! | `rules.rs` | rules that are replaced while a topic is published to |
//! | `arrivals.rs` | an arrival on its way past the subscriptions while the bus is shut down |

mod arrivals;
mod ingress;
mod members;
mod rules;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::ingress::{Arrival, Deliver, Ingress, Intake, Watch};
use super::{Encoded, EngineState, Envelope, Scope};
use crate::dispatch::Hooks;
use crate::sync::park::{Wait, block_on};
use crate::topic::Topic;

struct Silent;

impl Watch for Silent {
    fn state(&self, _: EngineState) {}
    fn rejected(&self, _: &dyn std::fmt::Display) {}
    fn report(&self, _: &str) {}
}

fn intake(limit: usize) -> Arc<Intake> {
    Arc::new(Intake::new("e".into(), limit, Box::new(Silent)))
}

fn arrival() -> Arrival {
    let topic = Topic::new("t").expect("a topic");
    Arrival::new(Envelope::new(topic, Encoded::raw(&b""[..])), Scope::Everyone)
}

/// A future of an engine's thread, which waits as threads do.
struct Waiting<F>(F);

impl<F: Future + Unpin> Wait for Waiting<F> {
    type Output = F::Output;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }

    fn deadline(&self) -> crate::sync::clock::Deadline {
        crate::sync::clock::Deadline::NEVER
    }
}

fn deliver(intake: &Arc<Intake>) -> Deliver {
    Ingress::new(Arc::clone(intake)).deliver(arrival())
}

fn wait<F: Future + Unpin>(future: F) -> F::Output {
    block_on(&mut Waiting(future))
}

/// The hooks of a bus with a memory engine and another one.
fn hooks() -> Arc<Hooks> {
    Arc::new(Hooks::new(None, None, ["memory".into(), "e".into()].into(), None))
}
