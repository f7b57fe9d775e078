//! Engines: what carries events from publishers to subscriptions when that is not this process alone.
//!
//! Topics are carried by engines, chosen by the [rules](crate::BusBuilder::route) of the bus. The memory engine is the bus
//! itself: a publish goes straight to the subscriptions. Every other one is an [`Engine`], which takes an [`Envelope`] out
//! of the publish call, and brings what arrives to an [`Ingress`]: queues, delivery modes, handlers, and accounts are the
//! same for all.
//!
//! ```text
//! publish -> route -> Envelope -> Engine::publish -> (a broker, a socket, ...) -> Ingress::deliver
//!                                                                                     |  bounded
//!   outcome -> Handover <- last subscription is done <- queues, handlers <- the engine's delivery thread
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `contract.rs`, `error.rs` | [`Engine`], what it promises and what it is told; how it fails |
//! | `ingress.rs`, `handover.rs` | [`Ingress`]: arrivals and the bound on those in flight; [`Handover`]: their outcome |
//! | `delivery.rs` | the thread of an engine: takes arrivals past subscriptions, and runs its errands |
//! | `transport.rs`, `call.rs`, `stopping.rs` | an engine on its bus: its calls, its state, who has joined; its one end |
//! | `router.rs` | rules, and which engines a pattern reaches |
//! | `engines.rs` | all engines of a bus |
//! | [`custom`] | an engine of one's own, to copy |

mod call;
mod contract;
pub mod custom;
mod delivery;
mod engines;
mod error;
mod handover;
mod ingress;
#[cfg(all(test, loom))]
mod models;
mod router;
mod stopping;
mod transport;

pub use contract::{BoxFuture, Capabilities, Engine, Groups, StartKinds, SubscriptionSpec};
pub use error::{EngineError, EngineErrorKind};
pub use handover::{Abandoned, Handover};
pub use ingress::{Arrival, Deliver, Ingress, IngressClosed};

pub use crate::dispatch::{EngineState, Position, Scope};
pub use crate::envelope::{ContentType, DecodeError, EncodeError, Encoded, Envelope};

pub(crate) use call::EngineCall;
pub(crate) use engines::{EngineSeat, Engines, QueueTerms, Seated, Seating};
pub(crate) use router::{Router, Rule};
pub(crate) use transport::{Limits, Transport};
