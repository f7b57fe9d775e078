//! What an engine brings, on its way past the subscriptions that it is for.
//!
//! An arrival is bytes. It is decoded once for each type that somebody asks for, and each subscription gets the form that
//! it wants; all forms have one head's contents, and one completion.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Patience;
use super::dead_letter::DeathCause;
use super::frames::{MAX_DEPTH, Nested, Stage};
use super::hooks::Hooks;
use super::list::{SubscriberList, Target};
use super::pass::Pass;
use super::passing::{Passing, Source};
use super::receipt::{Count, Receipt};
use super::slot::Slot;
use super::spec::{Decode, Group};
use crate::envelope::{DecodeError, Encoded, Envelope};
use crate::event::{Completion, Event, Extras, Head, PayloadKind, Settled, SubscriptionId, Tag};
use crate::sync::OnceLock;
use crate::sync::atomic::AtomicU64;
use crate::sync::clock::Stamp;
use crate::tenant::Tenant;
use crate::topic::Topic;

/// Whom an arrival is for, among the subscriptions that have joined its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All whose pattern matches the topic.
    ///
    /// Of a group, one member: that is for engines which [have no groups](crate::engine::Capabilities) of their own.
    Everyone,
    /// One subscription, that has no group.
    Subscription(SubscriptionId),
    /// One member of the group of that name.
    Group(Arc<str>),
}

/// An event that an engine has brought.
pub(crate) struct Arriving<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) scope: &'a Scope,
    /// The number of the engine.
    pub(crate) engine: u8,
    /// Has one open obligation, which ends with the pass.
    pub(crate) completion: Arc<Completion>,
}

/// Says whether an arrival is to go back to the broker: it is for a group, and who subscribes here are not members of it
/// any more. `None`: nobody subscribes to anything of the event's tenant.
///
/// Members elsewhere may get it, so that is not for nobody to handle and to be done with; unless it is of another tenant
/// than the group, and no member would get it either.
pub(crate) fn nobody_is_left(
    envelope: &Envelope,
    scope: &Scope,
    engine: u8,
    list: Option<&SubscriberList>,
) -> bool {
    let Scope::Group(name) = scope else { return false };
    if Group::tenant_in(name) != envelope.tenant().map(Tenant::as_str) {
        return false;
    }
    let members =
        list.into_iter().flat_map(SubscriberList::all_groups).filter(|group| group.shared_name() == &**name);
    !members.flat_map(Target::members).any(|slot| slot.has_joined(engine))
}

/// Takes an arrival past the subscriptions of its topic's list that it is for. The receipt also holds the queues
/// that are to be waited for. `None`: nobody subscribes to anything of the event's tenant. Inline handlers run here, at the first level of nesting.
pub(crate) fn arrive(arriving: &Arriving<'_>, list: Option<&SubscriberList>, hooks: &Hooks) -> Receipt {
    let completion = Arc::clone(&arriving.completion);
    let receipt = list.map(|list| walk_past(arriving, list, hooks.time.tick())).unwrap_or_default();
    hooks.passed_on(arriving.engine, &receipt);
    hooks.completed(completion.release());
    receipt
}

fn walk_past(arriving: &Arriving<'_>, list: &SubscriberList, now: u32) -> Receipt {
    let nested = list.all().any(|slot| slot.is_inline()).then(|| Nested::enter(MAX_DEPTH)).flatten();
    let mut walk = Walk {
        forms: Forms { arriving, topic: &list.topic, now, ttl: list.ttl(), made: SmallVec::new() },
        nested: nested.as_ref(),
        receipt: Receipt::default(),
    };
    let is_for = |slot: &Arc<Slot>| slot.has_joined(arriving.engine) && slot.spec.group.is_none();
    match arriving.scope {
        Scope::Everyone => {
            let slots = || list.plain().filter(|slot| is_for(slot));
            // As a pass does: queues, inline handlers, groups.
            slots().filter(|slot| !slot.is_inline()).for_each(|slot| walk.offer(slot));
            slots().filter(|slot| slot.is_inline()).for_each(|slot| walk.call(slot));
            list.all_groups().iter().for_each(|group| walk.offer_to_group(group));
        }
        Scope::Subscription(id) => {
            if let Some(slot) = list.plain().find(|slot| slot.id == *id && is_for(slot)) {
                if slot.is_inline() { walk.call(slot) } else { walk.offer(slot) }
            }
        }
        Scope::Group(name) => {
            if let Some(group) = list.all_groups().iter().find(|group| group.shared_name() == &**name) {
                walk.offer_to_group(group);
            }
        }
    }
    walk.receipt
}

/// An arrival on its way.
struct Walk<'a> {
    forms: Forms<'a>,
    nested: Option<&'a Nested>,
    receipt: Receipt,
}

impl Walk<'_> {
    /// Does something with the event in the form that a subscription wants.
    fn with_form(&mut self, slot: &Arc<Slot>, run: impl FnOnce(&mut Pass<'_>)) {
        let Forms { arriving, topic, .. } = self.forms;
        match self.forms.of(slot) {
            Ok(form) => {
                let receipt = std::mem::take(&mut self.receipt);
                let mut pass = Pass::of(Passing::of(form), Patience::Wait, self.nested, receipt);
                run(&mut pass);
                self.receipt = pass.into_receipt();
            }
            Err(error) => {
                let error = error.clone();
                slot.skip_undecodable(topic, &error);
                self.receipt.count(Count::Skipped);
                // Whoever waits for the outcome hears that not all went well.
                let completion = &arriving.completion;
                completion.open();
                slot.hooks.bury(slot, &self.forms.encoded(), 0, || DeathCause::Undecodable(error));
                slot.hooks.completed(completion.settle(Settled::Failed(slot.id)));
            }
        }
    }

    fn offer(&mut self, slot: &Arc<Slot>) {
        self.with_form(slot, |pass| pass.offer_judged(slot));
    }

    fn call(&mut self, slot: &Arc<Slot>) {
        let Some(nested) = self.nested else { return };
        let mut stage = Stage::new(nested);
        self.with_form(slot, |pass| pass.call_judged(slot, &mut stage));
    }

    /// Offers the event to one member of a group. Mostly all of them want one form; if not, one form is tried after
    /// the other.
    fn offer_to_group(&mut self, group: &Target) {
        let engine = self.forms.arriving.engine;
        let mut left: Vec<_> =
            group.members().iter().filter(|slot| slot.has_joined(engine)).cloned().collect();
        while let Some(first) = left.first().cloned() {
            let wanted = wanted_type(&first);
            let (alike, others) = left.into_iter().partition(|slot| wanted_type(slot) == wanted);
            left = others;
            let before = self.receipt.offered();
            let alike = group.of_members(alike);
            self.with_form(&first, |pass| pass.offer_to_group(&alike));
            if self.receipt.offered() > before || !self.receipt.is_settled() {
                return;
            }
        }
    }
}

/// The type of payload that a subscription asks for.
fn wanted_type(slot: &Slot) -> Option<TypeId> {
    slot.spec.wants.map(super::spec::Wanted::id)
}

/// A form of the event, or why there is none.
pub(super) type Form = Result<Box<dyn Source>, DecodeError>;

/// The form that somebody asks for whose type is decoded so.
pub(super) fn decoded(decode: Decode, payload: &Encoded, head: Head) -> Form {
    // A deserialiser may be the application's, and panic.
    let decoded = || decode(payload, head);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decoded)).unwrap_or_else(|panic| {
        crate::guard::drop_panic(panic);
        Err(DecodeError::Panicked)
    })
}

/// The forms of an arrival that somebody has asked for.
struct Forms<'a> {
    arriving: &'a Arriving<'a>,
    topic: &'a Topic,
    /// The tick of the arrival.
    now: u32,
    /// How long the topic's events are worth delivering if they do not say.
    ttl: Option<Duration>,
    made: SmallVec<[(Option<TypeId>, Form); 2]>,
}

impl Forms<'_> {
    /// The event in the form that a subscription wants.
    fn of(&mut self, slot: &Slot) -> Result<&dyn Source, &DecodeError> {
        let wanted = wanted_type(slot);
        let at = match self.made.iter().position(|(made, _)| *made == wanted) {
            Some(at) => at,
            None => {
                let form = self.make(slot);
                self.made.push((wanted, form));
                self.made.len() - 1
            }
        };
        self.made[at].1.as_deref()
    }

    fn make(&self, slot: &Slot) -> Form {
        let payload = self.arriving.envelope.payload();
        match slot.spec.wants {
            None => Ok(Box::new(self.encoded())),
            Some(wanted) => match wanted.decode {
                Some(decode) => decoded(decode, payload, self.head(PayloadKind::Serde)),
                None => Err(DecodeError::StaysLocal),
            },
        }
    }

    /// The event as it came, not decoded.
    fn encoded(&self) -> Event<Encoded> {
        Event::allocate(self.head(PayloadKind::Encoded), self.arriving.envelope.payload().clone())
    }

    fn head(&self, kind: PayloadKind) -> Head {
        let Arriving { envelope, engine, completion, .. } = self.arriving;
        let id = OnceLock::new();
        let _ = id.set(envelope.id());
        let extras = Extras {
            id,
            sequence: AtomicU64::new(0),
            anew: AtomicU64::new(0),
            tenant: envelope.tenant().cloned(),
            key: envelope.key().map(Into::into),
            metadata: envelope.metadata().clone(),
            ttl: envelope.ttl().or(self.ttl),
            completion: Some(Arc::clone(completion)),
        };
        let stamp = Stamp::arrived(envelope.time(), self.now);
        Head::new(self.topic.clone(), stamp, Tag::new(kind, *engine), Some(Box::new(extras)))
    }
}
