//! Subscriptions of every kind, made on the bus and in the model.

use std::sync::Arc;
use std::time::Duration;

use trolleybus::{DeliveryMode, HandlerError, Receiver, Subscribe, SubscribeError};

use super::held::{Held, Look};
use super::ops::{Kind, Mode, PATTERNS, Spec, Want};
use super::system::System;

impl System {
    pub(crate) fn subscribe(&mut self, spec: &Spec) {
        let Some(bus) = self.buses.first().cloned() else { return };
        let group = (!self.model.closed).then(|| spec.group.map(|group| self.model.group_name(group)));
        let patterns = spec.patterns.iter().map(|pattern| PATTERNS[*pattern]);
        let made = match (spec.want, patterns.len()) {
            (Want::Any, 1) => {
                self.make(bus.subscribe_any(PATTERNS[spec.patterns[0]]), spec, group, Held::Any)
            }
            (Want::Any, _) => self.make(bus.subscribe_any_many(patterns), spec, group, Held::Any),
            (Want::Number, 1) => {
                self.make(bus.subscribe::<u32>(PATTERNS[spec.patterns[0]]), spec, group, Held::Number)
            }
            (Want::Number, _) => self.make(bus.subscribe_many::<u32, _>(patterns), spec, group, Held::Number),
            (Want::Text, _) => self.make(bus.subscribe_many::<String, _>(patterns), spec, group, Held::Text),
        };
        let expected = self.model.subscribe(spec);
        match made {
            Ok(held) => {
                assert!(expected, "a closed bus took a subscription");
                let handle = held.subscription().expect("just made");
                assert_eq!(handle.name(), spec.named.then_some("named"));
                assert!(self.ids.last().is_none_or(|last| *last < handle.id()), "ids go up");
                self.ids.push(handle.id());
                self.held.push(held);
            }
            Err(error) => {
                assert!(!expected, "refused: {error}");
                assert!(matches!(error, SubscribeError::ShutDown), "{error:?}");
            }
        }
    }

    fn make<E: Look>(
        &self,
        builder: Subscribe<E>,
        spec: &Spec,
        group: Option<Option<String>>,
        receiver: impl FnOnce(Receiver<E>) -> Held,
    ) -> Result<Held, SubscribeError> {
        let mode = match spec.mode {
            Mode::Drop => DeliveryMode::Drop,
            Mode::DropOldest => DeliveryMode::DropOldest,
            Mode::Block => DeliveryMode::Block,
            Mode::Timeout => DeliveryMode::Timeout(Duration::ZERO),
            Mode::Patient => DeliveryMode::Timeout(Duration::MAX),
        };
        let mut builder = builder.capacity(spec.capacity).delivery(mode);
        if spec.even {
            builder = builder.filter(|event| event.seen().payload.is_even());
        }
        if let Some(events) = spec.take {
            builder = if events == 1 { builder.once() } else { builder.take(events) };
        }
        if spec.named {
            builder = builder.name("named");
        }
        if let Some(group) = group.flatten() {
            builder = builder.group(group);
        }
        match spec.kind {
            Kind::Receiver => builder.receiver().map(receiver),
            Kind::Inline { fails } => {
                let (log, number) = (Arc::clone(&self.log), self.held.len());
                let handle = builder.handle_inline(move |event| {
                    let seen = event.seen();
                    let failed = fails && seen.payload.fails();
                    log.lock().expect("lock").push((number, seen));
                    if failed { Err(HandlerError::new("a third event")) } else { Ok(()) }
                });
                handle.map(Held::Handle)
            }
        }
    }
}
