//! A publish to a topic that an engine carries.
//!
//! The event is encoded, and the engine takes it; who subscribes in this process hears of it when it arrives. That is the
//! longer way for every publish call, and stands apart from the one that goes straight to the subscriptions.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::manner::Manner;
use super::publish::{refuse, stamp};
use crate::dispatch::{Accepted, Hooks, Patience, Receipt, SubscriberList};
use crate::engine::{EngineCall, Envelope, Position, Transport};
use crate::error::{PublishError, PublishRefusal};
use crate::event::Extras;
use crate::subscribe::Realm;
use crate::sync::clock::{self, Deadline, Instant};
use crate::sync::park::{Wait, block_on};
use crate::tenant::Tenant;
use crate::topic::Topic;
use crate::trace::Sending;

/// Why a publish call did not end with a pass over the subscriptions.
pub(super) enum Detour<T> {
    /// It was refused.
    Refused(PublishError<T>),
    /// An engine carries the event.
    Carried(Box<Carrying<T>>),
}

impl<T> From<PublishError<T>> for Detour<T> {
    fn from(error: PublishError<T>) -> Self {
        Self::Refused(error)
    }
}

impl<T> Detour<T> {
    /// Hands over the span of the publish call.
    pub(super) fn sent_by(mut self, sending: Sending) -> Self {
        match &mut self {
            Self::Refused(error) => sending.refused(error),
            Self::Carried(carrying) => carrying.sending = sending,
        }
        self
    }

    /// Waits in this thread for the engine, at most until the deadline.
    #[cold]
    pub(super) fn wait(self, deadline: Deadline) -> Result<Receipt, PublishError<T>> {
        match self {
            Self::Refused(error) => Err(error),
            Self::Carried(mut carrying) => {
                carrying.end_by(deadline);
                block_on(&mut *carrying)
            }
        }
    }

    /// For a call that does not wait, and so was never handed to an engine.
    pub(super) fn refused(self) -> PublishError<T> {
        match self {
            Self::Refused(error) => error,
            Self::Carried(carrying) => carrying.give_up(),
        }
    }
}

/// Hands an event to the engine of its topic.
#[cold]
pub(super) fn begin<T: Send + Sync + 'static>(
    realm: &Realm,
    list: &SubscriberList,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
    began: Option<Instant>,
) -> Detour<T> {
    let Manner { form, extras } = manner;
    let hub = &realm.hub;
    let refuse = |refusal, payload| Detour::Refused(refuse(realm, list.topic.as_str(), refusal, payload));
    let Some(transport) = hub.engines.as_ref().and_then(|engines| engines.transport(list.engine())) else {
        // The list says that there is one.
        return refuse(PublishRefusal::ShutDown, payload);
    };
    let engine = || transport.name.to_string();
    let Some(encode) = form.encode else {
        return refuse(PublishRefusal::StaysLocal { engine: engine() }, payload);
    };
    if patience == Patience::Never {
        return refuse(PublishRefusal::WouldWait { engine: engine() }, payload);
    }
    if extras.as_ref().is_some_and(|extras| extras.completion.is_some()) {
        return refuse(PublishRefusal::NoCompletion { engine: engine() }, payload);
    }
    // A serialiser may be the application's, and panic.
    let encoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| encode(&payload)));
    let encoded = match encoded {
        Ok(Ok(encoded)) => encoded,
        Ok(Err(error)) => return refuse(PublishRefusal::Encode(error), payload),
        Err(panic) => {
            crate::guard::drop_panic(panic);
            return refuse(PublishRefusal::Encode(crate::envelope::EncodeError::Panicked), payload);
        }
    };
    let stamp = stamp(hub);
    let mut envelope = Envelope::new(list.topic.clone(), encoded).with_time(clock::wall_time(stamp.wall_ns));
    if let Some(extras) = extras {
        let Extras { id, tenant, key, metadata, ttl, .. } = *extras;
        envelope = envelope.with_metadata(metadata);
        if let Some(tenant) = tenant {
            envelope = envelope.with_tenant(tenant);
        }
        if let Some(id) = id.into_inner() {
            envelope = envelope.with_id(id);
        }
        if let Some(key) = key {
            envelope = envelope.with_key(key);
        }
        if let Some(ttl) = ttl {
            envelope = envelope.with_ttl(ttl);
        }
    }
    let call = transport.carry(envelope);
    let told = began.map(|began| Told {
        hooks: Arc::clone(&hub.hooks),
        tenant: realm.table.tenant().cloned(),
        topic: list.topic.clone(),
        began,
    });
    Detour::Carried(Box::new(Carrying {
        call,
        transport: Arc::clone(transport),
        payload: Some(payload),
        told,
        sending: Sending::default(),
    }))
}

/// An event on its way to an engine. The payload stays here, to be given back if the engine does not take it.
pub(super) struct Carrying<T> {
    call: EngineCall<Position>,
    transport: Arc<Transport>,
    payload: Option<T>,
    told: Option<Told>,
    /// The span of the publish call.
    sending: Sending,
}

/// Who hears of the end of a publish, and what of.
struct Told {
    hooks: Arc<Hooks>,
    tenant: Option<Tenant>,
    topic: Topic,
    began: Instant,
}

// The payload is moved out, never pinned.
impl<T> Unpin for Carrying<T> {}

impl<T> Carrying<T> {
    /// Sets the publish call's own deadline, beside the engine's.
    pub(super) fn end_by(&mut self, deadline: Deadline) {
        self.call.end_by(deadline);
    }

    fn give_up(mut self) -> PublishError<T> {
        let engine = self.transport.name.to_string();
        match self.payload.take() {
            Some(payload) => {
                let error = PublishError::new(PublishRefusal::WouldWait { engine }, payload);
                self.sending.refused(&error);
                error
            }
            None => unreachable!("it is taken out when the call ends"),
        }
    }
}

impl<T> Wait for Carrying<T> {
    type Output = Result<Receipt, PublishError<T>>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let entered = self.sending.enter();
        let Poll::Ready(result) = self.call.poll(cx) else { return Poll::Pending };
        let Some(payload) = self.payload.take() else { return Poll::Pending };
        if let Some(Told { hooks, tenant, topic, began }) = self.told.take() {
            match &result {
                Ok(_) => {
                    let took = clock::now().saturating_duration_since(began);
                    hooks.published(tenant.as_ref(), &topic, self.transport.number, took);
                }
                Err(error) => hooks.publish_failed(tenant.as_ref(), topic.as_str(), error),
            }
        }
        entered.leave();
        let sending = std::mem::take(&mut self.sending);
        Poll::Ready(match result {
            Ok(position) => {
                crate::guard::drop_guarded(payload);
                let accepted = Accepted { engine: Arc::clone(&self.transport.name), position };
                Ok(Receipt::accepted_by(accepted).sent_by(sending))
            }
            Err(error) => {
                let engine = self.transport.name.to_string();
                let error = PublishError::new(PublishRefusal::Engine { engine, error }, payload);
                sending.refused(&error);
                Err(error)
            }
        })
    }

    fn deadline(&self) -> Deadline {
        self.call.deadline()
    }
}

impl<T> fmt::Debug for Carrying<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrying").field("engine", &self.transport.name).finish_non_exhaustive()
    }
}
