//! From the options of a subscription to the subscription.

use std::future::Future;
use std::sync::Arc;

use super::attempt_limit::AttemptLimit;
use super::builder::{Start, Subscribe};
use super::context::Delivery;
use super::delivered::Delivered;
use super::handler::{AsyncBody, Feed, HandlerResult, InlineBody, Predicate, SyncBody};
use super::hub::{MAX_CONCURRENCY, Realm};
use super::joining;
use super::receiver::{Doorbell, Receiver};
use super::replaying;
use super::subscription::Subscription;
use crate::dispatch::{
    Aside, Consumer, DeliveryMode, Filter, Group, IdempotencyWindow, Sink, Slot, Spec, SubscriptionKind,
    Window,
};
use crate::engine::QueueTerms;
use crate::error::{HandlerError, SubscribeError};
use crate::event::DropReason;
use crate::queue::Ring;
use crate::worker::{Body, Lane, LaneTask, Lanes, Place, Pool, Spawn, Spawned};

/// Where the patterns reach an engine, each of these waits until it has confirmed the subscription, unless that is to
/// [join later](Self::join_later).
impl<E: Delivered> Subscribe<E> {
    /// Runs the handler in the publisher's thread: it has returned when `publish` returns.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if the pattern or an option is invalid, or the bus is shut down. No
    /// subscription is made then.
    pub fn handle_inline<F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&E) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.inline(move |_, event| handler(event).into_result())
    }

    /// Like [`handle_inline`](Self::handle_inline), and tells the handler of its delivery.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_inline_with<F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&E, &Delivery) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.inline(move |slot, event| handler(event, &Delivery::new(slot, event.parts().0, 1)).into_result())
    }

    fn inline<F>(self, call: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&Arc<Slot>, &E) -> Result<(), HandlerError> + Send + Sync + 'static,
    {
        self.finish(
            SubscriptionKind::Inline,
            |_, _, _| (Sink::Inline(Arc::new(InlineBody::new(call))), None),
            None,
        )
    }

    /// Runs the handler on the bus's worker pool, which is started if this is the first that needs it.
    ///
    /// # Errors
    ///
    /// As [`handle_inline`](Self::handle_inline); and [`SubscribeError::NoWorkers`] if the bus was built
    /// with none.
    pub fn handle<F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&E) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.pooled(move |_, event, _| handler(event).into_result())
    }

    /// Like [`handle`](Self::handle), and tells the handler of its delivery.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_with<F, R>(mut self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&E, &Delivery) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.tells_gaps = true;
        self.pooled(move |slot, event, attempt| {
            handler(event, &Delivery::new(slot, event.parts().0, attempt)).into_result()
        })
    }

    fn pooled<F>(mut self, call: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&Arc<Slot>, &E, u32) -> Result<(), HandlerError> + Send + Sync + 'static,
    {
        let call = Arc::new(call);
        let pool = self.workers(SubscriptionKind::Pooled)?;
        self.lanes(SubscriptionKind::Pooled, &Runner::Pool(pool), move |feed| {
            Box::new(SyncBody::new(Arc::clone(&call), feed))
        })
    }

    /// Runs an async handler: polled by the bus's worker pool, or by the application's runtime if the
    /// bus was built [`with one`](crate::BusBuilder::spawn_with).
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn handle_async<F, Fut>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: HandlerResult,
    {
        self.pooled_async(move |_, event, _| handler(event))
    }

    /// Like [`handle_async`](Self::handle_async), and tells the handler of its delivery.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_async_with<F, Fut>(mut self, handler: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(E, Delivery) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: HandlerResult,
    {
        self.tells_gaps = true;
        self.pooled_async(move |slot, event, attempt| {
            let delivery = Delivery::new(slot, event.parts().0, attempt);
            handler(event, delivery)
        })
    }

    fn pooled_async<F, Fut>(mut self, call: F) -> Result<Subscription, SubscribeError>
    where
        F: Fn(&Arc<Slot>, E, u32) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: HandlerResult,
    {
        let call = Arc::new(call);
        let runner = match &self.realm.hub.options.spawn {
            Some(spawn) => Runner::Spawn(Arc::clone(spawn)),
            None => Runner::Pool(self.workers(SubscriptionKind::Async)?),
        };
        let (timeout, hub) = (self.policy.attempt_timeout, Arc::clone(&self.realm.hub));
        self.lanes(SubscriptionKind::Async, &runner, move |feed| {
            let limit = timeout.map(|timeout| AttemptLimit::new(timeout, hub.alarm()));
            Box::new(AsyncBody::new(Arc::clone(&call), feed, limit))
        })
    }

    /// Hands out a receiver to pull the events from.
    ///
    /// # Errors
    ///
    /// As [`handle_inline`](Self::handle_inline).
    pub fn receiver(mut self) -> Result<Receiver<E>, SubscribeError> {
        self.tells_gaps = true;
        let (doorbell, queue) = (Doorbell::default(), self.queue());
        let (bell, inlet) = (doorbell.clone(), Arc::clone(&queue));
        let sink = |_: &_, _: &_, _| (Sink::Queue(inlet), Some(Box::new(bell) as Box<dyn Consumer>));
        let subscription = self.finish(SubscriptionKind::Receiver, sink, None)?;
        Ok(Receiver::new(subscription, queue, doorbell))
    }

    /// The worker pool; but what is wrong with the rest is said first, and starts no thread.
    fn workers(&mut self, kind: SubscriptionKind) -> Result<Arc<Pool>, SubscribeError> {
        self.check(kind)?;
        self.realm.hub.pool()
    }

    /// Checks the patterns and the options. An error is given out once.
    fn check(&mut self, kind: SubscriptionKind) -> Result<(), SubscribeError> {
        match &mut self.patterns {
            Ok(patterns) if patterns.is_empty() => return Err(SubscribeError::NoPattern),
            Ok(_) => {}
            invalid => return std::mem::replace(invalid, Ok(Box::default())).map(drop),
        }
        let (concurrency, (capacity, limit)) = (self.concurrency, self.sizes());
        if capacity == 0 {
            return Err(SubscribeError::ZeroCapacity);
        }
        if capacity > limit {
            return Err(SubscribeError::CapacityTooLarge { capacity, limit });
        }
        if concurrency == 0 || concurrency > MAX_CONCURRENCY {
            return Err(SubscribeError::InvalidConcurrency { concurrency, limit: MAX_CONCURRENCY });
        }
        if self.budget == 0 {
            return Err(SubscribeError::TakesNothing);
        }
        self.policy.check(kind)?;
        if let Some(window) = &self.window {
            check_window(window)?;
        }
        if self.group.as_ref().is_some_and(String::is_empty) {
            return Err(SubscribeError::EmptyGroupName);
        }
        if let Ok(patterns) = &self.patterns
            && self.start != Start::Now
        {
            replaying::check(self.start, patterns, self.realm.hub.hooks.time.wall())?;
        }
        if self.realm.hub.is_closed() {
            return Err(SubscribeError::ShutDown);
        }
        Ok(())
    }

    fn lanes(
        mut self,
        kind: SubscriptionKind,
        runner: &Runner,
        body: impl Fn(Feed<E>) -> Box<dyn Body>,
    ) -> Result<Subscription, SubscribeError> {
        self.check(kind)?;
        let mut tasks = Vec::new();
        let (queue, policy) = (self.queue(), std::mem::take(&mut self.policy));
        let hub = Arc::clone(&self.realm.hub);
        let subscription = self.finish(
            kind,
            |weak, spec, number| {
                let agenda = policy.agenda(&hub, weak, spec.concurrency, spec.capacity);
                let feed = Feed { queue: Arc::clone(&queue), agenda };
                let lane = |index| {
                    let home = number.wrapping_add(index);
                    Lane::new(weak.clone(), body(feed.clone()), runner.place(), home)
                };
                let lanes: Box<[_]> = (0..spec.concurrency).map(lane).collect();
                tasks.extend(lanes.iter().cloned());
                let lanes = Lanes::new(lanes, feed.agenda.map(|agenda| agenda as Arc<dyn Aside>));
                (Sink::Queue(queue), Some(Box::new(lanes) as Box<dyn Consumer>))
            },
            Some(()),
        )?;
        if let Runner::Spawn(spawn) = runner {
            for lane in tasks {
                spawn.spawn(Box::pin(LaneTask::new(lane)));
            }
        }
        Ok(subscription)
    }

    /// What the engines say that it reaches.
    fn terms(&self) -> QueueTerms {
        let Realm { hub, table } = &*self.realm;
        match (&hub.engines, &self.patterns) {
            (Some(engines), Ok(patterns)) => engines.queue_terms(table.tenant(), patterns),
            _ => QueueTerms::default(),
        }
    }

    /// What happens when the queue is full.
    fn mode(&self, kind: SubscriptionKind) -> Result<DeliveryMode, SubscribeError> {
        if !self.terms().lossless {
            return Ok(self.mode.unwrap_or(self.realm.hub.options.mode));
        }
        match self.mode {
            None | Some(DeliveryMode::Block) => Ok(DeliveryMode::Block),
            // It has no queue.
            Some(mode) if kind == SubscriptionKind::Inline => Ok(mode),
            Some(mode) => Err(SubscribeError::NeverDrops { mode }),
        }
    }

    /// How many events the queue holds, and how many it may hold at the most.
    fn sizes(&self) -> (usize, usize) {
        let (hub, of_engines) = (&self.realm.hub, self.terms());
        let limit =
            of_engines.most.map_or(hub.options.max_capacity, |most| most.min(hub.options.max_capacity));
        let default = of_engines.default.unwrap_or(hub.options.capacity).min(limit);
        (self.capacity.unwrap_or(default), limit)
    }

    /// The queue of the subscription, which costs a few words until it is used.
    fn queue(&self) -> Arc<Ring<E>> {
        Arc::new(Ring::new(self.sizes().0))
    }

    /// Checks everything, makes the slot and enters it in the table.
    fn finish(
        mut self,
        kind: SubscriptionKind,
        sink: impl FnOnce(&std::sync::Weak<Slot>, &Spec, usize) -> (Sink, Option<Box<dyn Consumer>>),
        lanes: Option<()>,
    ) -> Result<Subscription, SubscribeError> {
        self.check(kind)?;
        let ((capacity, _), mode) = (self.sizes(), self.mode(kind)?);
        let Self {
            realm,
            patterns,
            wants,
            capacity: _,
            mode: _,
            concurrency,
            filter,
            group,
            start,
            joins_later,
            tells_gaps,
            budget,
            policy: _,
            window,
            name,
            site,
        } = self;
        let (hub, table) = (&realm.hub, &realm.table);
        let patterns = patterns?;
        let group = group.map(|name| table.group(&name));
        let window = window.map(|window| make_window(window, group.as_deref())).transpose()?;
        let filter = filter.map(|admits| Box::new(Predicate::<E, _>::new(admits)) as Box<dyn Filter>);
        let of_kind = (kind, group.is_some());
        let follower = replaying::follower(&realm, (start, &patterns), of_kind, (capacity, tells_gaps))?;
        let spec = Spec {
            patterns,
            kind,
            mode,
            capacity,
            concurrency: if lanes.is_some() { concurrency } else { 1 },
            wants,
            filter,
            group,
            budget,
            window,
            name,
            tenant: table.tenant().cloned(),
            site,
        };
        let number = hub.next_home();
        let slot = Slot::new(spec, realm.slot_parts(follower), |weak, spec| sink(weak, spec, number));
        let refuse = |slot: &Slot, error| {
            slot.cancel(DropReason::Shutdown);
            Err(error)
        };
        // Nothing may reach it that is not wanted: what the engines cannot do is said first.
        if let Err(error) = joining::check(hub, &slot, start) {
            return refuse(&slot, error);
        }
        slot.tell_created();
        if let Err(error) = replaying::begin(&realm, &slot, start) {
            return refuse(&slot, error);
        }
        table.insert(&slot);
        slot.rouse_reader();
        if hub.is_closed() {
            // The bus was closed meanwhile, and its shutdown may have missed this slot.
            return refuse(&slot, SubscribeError::ShutDown);
        }
        let joining = joining::begin(hub, &slot, start);
        let joined = if joins_later {
            Some(joining::in_the_background(hub, &slot, joining))
        } else {
            if let Err(error) = joining::wait(joining) {
                return refuse(&slot, error);
            }
            None
        };
        Ok(Subscription::new(Arc::clone(hub), slot, joined))
    }
}

/// Checks what a subscription is to remember.
fn check_window(window: &IdempotencyWindow) -> Result<(), SubscribeError> {
    let (events, limit) = (window.events(), IdempotencyWindow::MAX_EVENTS);
    if events == 0 || events > limit {
        return Err(SubscribeError::InvalidWindowSize { events, limit });
    }
    let limit = IdempotencyWindow::MAX_AGE;
    match window.age() {
        Some(age) if age.is_zero() || age > limit => Err(SubscribeError::InvalidWindowAge { age, limit }),
        _ => Ok(()),
    }
}

/// The window of a subscription: its own, or that of its group.
fn make_window(window: IdempotencyWindow, group: Option<&Group>) -> Result<Arc<Window>, SubscribeError> {
    let Some(group) = group else { return Ok(Arc::new(Window::new(window))) };
    group
        .window(window)
        .map_err(|shared| SubscribeError::WindowDiffers { group: group.name.to_string(), shared })
}

/// Who runs the lanes.
enum Runner {
    Pool(Arc<Pool>),
    Spawn(Arc<dyn Spawn>),
}

impl Runner {
    fn place(&self) -> Place {
        match self {
            Self::Pool(pool) => Place::Pool(Arc::clone(pool)),
            Self::Spawn(_) => Place::Spawned(Spawned::default()),
        }
    }
}
