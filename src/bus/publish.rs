//! From a payload to the pass over the subscribers.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::carry::{self, Carrying, Detour};
use super::form::Form;
use super::manner::Manner;
use crate::dispatch::{self, Log, Nested, Patience, Receipt, SubscriberList, Waits};
use crate::error::{PublishError, PublishRefusal};
use crate::event::{DropReason, Event, Head, Raw, Tag};
use crate::guard::drop_guarded;
use crate::subscribe::{Hub, Realm};
use crate::sync::atomic::Ordering;
use crate::sync::clock::{self, Deadline, Stamp};
use crate::sync::coop;
use crate::sync::park::{Timed, block_on};
use crate::topic::{Topic, TopicError};

/// The first part of every publish by name: everything but waiting.
pub(super) fn run<T: Send + Sync + 'static>(
    realm: &Realm,
    name: &str,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    if let Err(refusal) = admit(&realm.hub, &payload) {
        return Err(refuse(realm, name, refusal, payload).into());
    }
    run_admitted(realm, name, payload, manner, patience)
}

/// The same of a publish that is admitted.
#[inline(always)]
pub(super) fn run_admitted<T: Send + Sync + 'static>(
    realm: &Realm,
    name: &str,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    let table = &realm.table;
    let hash = table.hash(name);
    let bucket = table.bucket(hash);
    match table.named(&bucket, hash, name) {
        Some(list) => pass(realm, list, payload, manner, patience),
        None => {
            drop(bucket);
            match table.resolve_unseen(name) {
                Ok(list) => pass(realm, &list, payload, manner, patience),
                Err(error) => Err(refuse(realm, name, error.into(), payload).into()),
            }
        }
    }
}

/// Refuses a publish, and tells who listens.
#[cold]
pub(super) fn refuse<T>(realm: &Realm, topic: &str, refusal: PublishRefusal, payload: T) -> PublishError<T> {
    realm.hub.hooks.publish_failed(realm.table.tenant(), topic, &refusal);
    PublishError::new(refusal, payload)
}

/// Judges a publish before anybody is offered the event.
#[inline]
pub(super) fn admit<T: 'static>(hub: &Hub, payload: &T) -> Result<(), PublishRefusal> {
    if hub.is_closed() {
        return Err(PublishRefusal::ShutDown);
    }
    // A comparison of constants unless `T` is `Raw`.
    if let Some(raw) = (payload as &dyn Any).downcast_ref::<Raw>() {
        let (size, limit) = (raw.len(), hub.options.max_raw);
        if size > limit {
            return Err(PublishRefusal::TooLarge { size, limit });
        }
    }
    Ok(())
}

/// Makes the event and takes it past the subscribers.
#[inline]
pub(super) fn pass<T: Send + Sync + 'static>(
    realm: &Realm,
    list: &SubscriberList,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    if list.is_empty() {
        if list.is_routed() {
            return elsewhere(realm, list, payload, manner, patience);
        }
        if manner.extras.is_none() {
            drop_guarded(payload);
            return Ok(Receipt::default());
        }
    }
    let tag = manner.form.kind.into();
    pass_as(realm, list, tag, payload, manner, patience)
}

/// By another engine than the bus's own memory engine, with somebody who hears of it, or for a tenant.
#[inline(never)]
fn elsewhere<T: Send + Sync + 'static>(
    realm: &Realm,
    list: &SubscriberList,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    let Some(detour) = list.plain_detour().filter(|detour| !detour.is_empty()) else {
        return by_the_way(realm, list, payload, manner, patience);
    };
    // Another memory engine, and no more.
    let engine = list.engine();
    let receipt = pass_as(realm, detour, Tag::new(manner.form.kind, engine), payload, manner, patience)?;
    realm.hub.hooks.passed_on(engine, &receipt);
    Ok(receipt)
}

/// The same with all that there may be to do by the way.
#[inline(never)]
fn by_the_way<T: Send + Sync + 'static>(
    realm: &Realm,
    list: &SubscriberList,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    let (engine, began, log) = (list.engine(), list.is_observed().then(clock::now), list.log());
    let mut manner = manner.by(realm.table.tenant(), list.ttl());
    let hooks = &realm.hub.hooks;
    let sending = hooks.tracing.publish(&list.topic, hooks.engine_name(engine), manner.extras.as_deref());
    let entered = sending.enter();
    let Some(list) = list.detour() else {
        sending.inject(&mut manner.extras);
        let detour = carry::begin(realm, list, payload, manner, patience, began);
        entered.leave();
        return Err(detour.sent_by(sending));
    };
    let receipt = if list.is_empty() && manner.extras.is_none() && log.is_none() {
        drop_guarded(payload);
        Receipt::default()
    } else {
        sending.inject(&mut manner.extras);
        let tag = sending.mark(Tag::new(manner.form.kind, engine));
        let passed = match log {
            None => pass_as(realm, list, tag, payload, manner, patience),
            Some(log) => keep_as(realm, (list, log), tag, payload, manner, patience),
        };
        match passed {
            Ok(receipt) => receipt,
            Err(detour) => {
                entered.leave();
                return Err(detour.sent_by(sending));
            }
        }
    };
    hooks.passed_on(engine, &receipt);
    if let Some(began) = began {
        let took = clock::now().saturating_duration_since(began);
        hooks.published(realm.table.tenant(), &list.topic, engine, took);
    }
    entered.leave();
    Ok(receipt.sent_by(sending))
}

/// Makes the event, with that tag, and takes it past the subscribers.
#[inline]
fn pass_as<T: Send + Sync + 'static>(
    realm: &Realm,
    list: &SubscriberList,
    tag: Tag,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    let extras = manner.extras;
    let hub = &*realm.hub;
    let nested = match nest(hub, list) {
        Ok(nested) => nested,
        Err(limit) => {
            let refusal = PublishRefusal::TooDeep { limit };
            return Err(refuse(realm, list.topic.as_str(), refusal, payload).into());
        }
    };
    let start = first(hub, list);
    let stamp = stamp(hub);
    // A string literal is published as the `String` that subscribers ask for. Decided when `T` is
    // known, so it costs other types nothing.
    Ok(match (&payload as &dyn Any).downcast_ref::<&'static str>() {
        Some(literal) => {
            let event = Event::build(list.topic.clone(), stamp, tag, extras, String::from(*literal));
            dispatch::pass(event, list, start, patience, nested.as_ref(), &hub.hooks)
        }
        None => {
            let event = Event::build(list.topic.clone(), stamp, tag, extras, payload);
            dispatch::pass(event, list, start, patience, nested.as_ref(), &hub.hooks)
        }
    })
}

/// The same of an event that is kept. Apart, since what a pass is inlined into once it is not inlined into twice.
#[inline(never)]
fn keep_as<T: Send + Sync + 'static>(
    realm: &Realm,
    (list, log): (&SubscriberList, &Arc<Log>),
    tag: Tag,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
) -> Result<Receipt, Detour<T>> {
    // Its number will be written there.
    let extras = Some(manner.extras.unwrap_or_default());
    let hub = &*realm.hub;
    let nested = match nest(hub, list) {
        Ok(nested) => nested,
        Err(limit) => {
            let refusal = PublishRefusal::TooDeep { limit };
            return Err(refuse(realm, list.topic.as_str(), refusal, payload).into());
        }
    };
    let start = first(hub, list);
    let head = Head::new(list.topic.clone(), stamp(hub), tag, extras);
    let event = match (&payload as &dyn Any).downcast_ref::<&'static str>() {
        Some(literal) => Event::allocate(head, String::from(*literal)).into_any(),
        None => Event::allocate(head, payload).into_any(),
    };
    Ok(dispatch::pass_kept(event, log, list, start, patience, nested.as_ref(), &hub.hooks))
}

/// Goes a level deeper, if inline handlers may run. Or says how deep one may go.
#[inline(always)]
fn nest(hub: &Hub, list: &SubscriberList) -> Result<Option<Nested>, usize> {
    if !list.may_run_inline() {
        return Ok(None);
    }
    let limit = hub.options.inline_depth;
    Nested::enter(limit).map(Some).ok_or(limit)
}

/// The number of the subscriber who goes first.
#[inline(always)]
fn first(hub: &Hub, list: &SubscriberList) -> usize {
    if hub.options.rotate && list.plain_len() > 0 {
        // Relaxed: turns need not be in step with anything.
        first_in_turn(hub.turn.fetch_add(1, Ordering::Relaxed), list.plain_len())
    } else {
        0
    }
}

/// The time of an event that is published now.
#[inline]
pub(super) fn stamp(hub: &Hub) -> Stamp {
    hub.options.time.stamp()
}

/// Who goes first in this turn: in as many turns as there are subscribers, each of them once.
///
/// All topics share the count of turns. Each such round begins with another subscriber, drawn by a hash, or
/// else topics that are published in a fixed cycle would find the same subscriber first each time.
fn first_in_turn(turn: u32, subscribers: usize) -> usize {
    let round = u64::from(turn) / subscribers as u64;
    // The middle of splitmix64.
    let mixed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let first = (u64::from(turn) + (mixed >> 32)) % subscribers as u64;
    usize::try_from(first).unwrap_or(0)
}

/// Publishes and waits in this thread.
pub(super) fn publish_now<T: Send + Sync + 'static>(
    realm: &Realm,
    name: &str,
    payload: T,
    form: &'static Form<T>,
) -> Result<Receipt, PublishError<T>> {
    publish(realm, name, payload, Manner::of(form), Patience::Wait, Deadline::NEVER)
}

/// Publishes and never waits.
pub(super) fn try_now<T: Send + Sync + 'static>(
    realm: &Realm,
    name: &str,
    payload: T,
    form: &'static Form<T>,
) -> Result<Receipt, PublishError<T>> {
    publish(realm, name, payload, Manner::of(form), Patience::Never, Deadline::NEVER)
}

/// Publishes, and waits in this thread as far as patience and deadline allow.
#[inline]
pub(super) fn publish<T: Send + Sync + 'static>(
    realm: &Realm,
    name: &str,
    payload: T,
    manner: Manner<T>,
    patience: Patience,
    deadline: Deadline,
) -> Result<Receipt, PublishError<T>> {
    match run(realm, name, payload, manner, patience) {
        Ok(receipt) if receipt.is_settled() => Ok(receipt),
        Ok(receipt) => Ok(wait(&realm.hub, receipt, deadline)),
        Err(detour) => detour.wait(deadline),
    }
}

/// Waits in this thread for the queues that were full.
#[cold]
pub(super) fn wait(hub: &Hub, receipt: Receipt, deadline: Deadline) -> Receipt {
    let mut waits = Waits::new(receipt, deadline);
    let Some(_blocked) = Blocked::enter(hub, &waits) else { return waits.give_up(DropReason::Deadlock) };
    waits.linger();
    block_on(&mut waits)
}

/// A worker that waits for a queue that only workers empty. When all would wait, none could empty it.
struct Blocked<'a>(Option<&'a Hub>);

impl<'a> Blocked<'a> {
    /// `None` if this worker is the last one that does not wait.
    fn enter(hub: &'a Hub, waits: &Waits) -> Option<Self> {
        let Some(pool) = hub.running_pool().filter(|pool| pool.is_worker_of_this()) else {
            return Some(Self(None));
        };
        if !waits.needs_workers() {
            return Some(Self(None));
        }
        // AcqRel: the workers that wait are counted in one order, so that exactly one is the last.
        let before = hub.blocked.fetch_add(1, Ordering::AcqRel);
        let guard = Self(Some(hub));
        (before + 1 < pool.threads()).then_some(guard)
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        if let Some(hub) = self.0 {
            hub.blocked.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Publishes an event when it is awaited. See [`EventBus::publish_async`](crate::EventBus::publish_async).
///
/// Now and then the first poll is pending although there is room, so that a task that publishes in a
/// loop lets the other tasks of its runtime run. Nobody has been offered the event then.
///
/// # Errors
///
/// [`PublishError`] with the payload: nobody was offered the event.
///
/// # Cancel safety
///
/// Nothing happens before the first poll. Dropped while it waits for room, the event stays with the
/// subscriptions that have taken it, and those that were full were never offered it.
#[must_use = "an event is published when this is awaited"]
pub struct Publish<T: 'static> {
    realm: Arc<Realm>,
    state: State<T>,
}

enum State<T: 'static> {
    /// The topic, or its name and what is wrong with it.
    Ready {
        topic: Result<Topic, (Box<str>, TopicError)>,
        payload: T,
        manner: Manner<T>,
        deadline: Deadline,
    },
    Refused(PublishError<T>),
    Waiting(Timed<Waits>),
    Carried(Timed<Carrying<T>>),
    Done,
}

impl<T: Send + Sync + 'static> Publish<T> {
    /// A payload without more.
    pub(super) fn of(realm: &Arc<Realm>, name: &str, payload: T, form: &'static Form<T>) -> Self {
        let manner = Manner::of(form);
        Self::new(Arc::clone(realm), name, payload, manner, Deadline::NEVER)
    }

    pub(super) fn new(
        realm: Arc<Realm>,
        name: &str,
        payload: T,
        manner: Manner<T>,
        deadline: Deadline,
    ) -> Self {
        let topic = match realm.table.known_topic(name) {
            Some(topic) => Ok(topic),
            None => Topic::new(name).map_err(|error| (name.into(), error)),
        };
        Self { realm, state: State::Ready { topic, payload, manner, deadline } }
    }

    pub(super) fn refused(realm: Arc<Realm>, error: PublishError<T>) -> Self {
        Self { realm, state: State::Refused(error) }
    }
}

// The payload is moved out, never pinned.
impl<T: 'static> Unpin for Publish<T> {}

impl<T: Send + Sync + 'static> Future for Publish<T> {
    type Output = Result<Receipt, PublishError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.state, State::Ready { .. }) {
            // A task that publishes in a loop must not starve the others of its runtime.
            ready!(coop::poll_proceed(cx));
        }
        let timer = || Arc::clone(&this.realm.hub.timer);
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::Ready { topic: Err((name, error)), payload, .. } => {
                    let refused = refuse(&this.realm, &name, error.into(), payload);
                    return Poll::Ready(Err(refused));
                }
                State::Ready { topic: Ok(topic), payload, manner, deadline } => {
                    this.state = match run(&this.realm, topic.as_str(), payload, manner, Patience::Wait) {
                        Ok(receipt) if receipt.is_settled() => return Poll::Ready(Ok(receipt)),
                        Ok(receipt) => State::Waiting(Timed::new(Waits::new(receipt, deadline), timer())),
                        Err(Detour::Refused(error)) => return Poll::Ready(Err(error)),
                        Err(Detour::Carried(mut carrying)) => {
                            carrying.end_by(deadline);
                            State::Carried(Timed::new(*carrying, timer()))
                        }
                    };
                }
                State::Waiting(mut timed) => match Pin::new(&mut timed).poll(cx) {
                    Poll::Ready(receipt) => return Poll::Ready(Ok(receipt)),
                    Poll::Pending => {
                        this.state = State::Waiting(timed);
                        return Poll::Pending;
                    }
                },
                State::Carried(mut timed) => match Pin::new(&mut timed).poll(cx) {
                    Poll::Ready(result) => return Poll::Ready(result),
                    Poll::Pending => {
                        this.state = State::Carried(timed);
                        return Poll::Pending;
                    }
                },
                State::Refused(error) => return Poll::Ready(Err(error)),
                State::Done => panic!("a publish was polled after it was done"),
            }
        }
    }
}

impl<T: 'static> fmt::Debug for Publish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::first_in_turn;

    #[test]
    fn o4_rotation_is_even_for_one_topic_and_starves_nobody_in_a_cycle_of_topics() {
        for subscribers in 1..=12_usize {
            let count = |stride: u32, offset: u32, turns: usize| {
                let mut firsts = vec![0_usize; subscribers];
                for turn in (offset..).step_by(stride as usize).take(turns) {
                    firsts[first_in_turn(turn, subscribers)] += 1;
                }
                firsts
            };
            assert!(count(1, 0, 50 * subscribers).iter().all(|firsts| *firsts == 50));
            for stride in 2..=64 {
                for offset in [0, 1, stride / 2] {
                    // A third of an equal share at the least, of 200 each.
                    let firsts = count(stride, offset, 200 * subscribers);
                    assert!(firsts.iter().all(|firsts| *firsts > 66), "{subscribers}, {stride}: {firsts:?}");
                }
            }
        }
    }
}
