//! Everything that a sequence of calls works on, and the calls.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use trolleybus::{EventBus, Publisher, Raw, SubscribeError};

use super::check::{accounted_for, check};
use super::held::{Held, subscribe};
use super::input::Op;
use super::publish::{poll_once, publish_built};

/// Everything that a sequence of calls works on.
pub(crate) struct World {
    buses: Vec<EventBus>,
    held: Vec<Held>,
    publishers: Vec<Publisher<u32>>,
}

impl World {
    /// A world with one bus.
    pub(crate) fn new(bus: EventBus) -> Self {
        Self { buses: vec![bus], held: Vec::new(), publishers: Vec::new() }
    }

    fn held(&mut self, which: u8) -> Option<&mut Held> {
        let len = self.held.len();
        (len > 0).then(|| &mut self.held[usize::from(which) % len])
    }

    /// Makes one call.
    pub(crate) fn step(&mut self, op: Op) {
        let bus = self.buses[0].clone();
        match op {
            Op::Subscribe(spec) => match subscribe(&bus, &spec) {
                Ok(Held::Handle(handle)) if spec.detach => drop(handle.detach()),
                Ok(held) => self.held.push(held),
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            // Without a deadline they could wait for a receiver for ever.
            Op::Publish { topic, number } => {
                let event = bus.event(topic.0, number).deadline(Duration::ZERO);
                match event.publish() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload(), number),
                }
            }
            Op::PublishText { topic, text } => {
                let event = bus.event(topic.0, text.clone()).deadline(Duration::ZERO);
                match event.publish() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload(), text),
                }
            }
            Op::PublishRaw { topic, len } => {
                let raw = Raw::from(vec![0; usize::from(len)]);
                match bus.event(topic.0, raw).deadline(Duration::ZERO).publish_local() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload().len(), usize::from(len)),
                }
            }
            Op::TryPublish { topic, number } => check(bus.try_publish(topic.0, number).ok().as_ref()),
            Op::PollOnce { topic, number } => poll_once(bus.publish_async(topic.0, number)),
            Op::Build(build) => publish_built(&bus, *build),
            Op::Publisher(topic) => {
                if let Ok(publisher) = bus.publisher(topic.0) {
                    self.publishers.push(publisher.clone());
                }
            }
            Op::ByHandle { which, events, attempt } => {
                let len = self.publishers.len();
                if len == 0 {
                    return;
                }
                let publisher = &self.publishers[usize::from(which) % len];
                for number in 0..u32::from(events % 8) {
                    if attempt {
                        check(publisher.try_publish(number).ok().as_ref());
                    } else {
                        poll_once(publisher.publish_async(number));
                    }
                }
            }
            Op::Expect { pattern, timeout } => {
                if let Ok(expect) = bus.expect::<u32>(pattern.0.as_str(), timeout.0) {
                    let _ = pin!(expect).poll(&mut Context::from_waker(Waker::noop()));
                }
            }
            Op::Receive { which, timeout } => match (self.held(which), timeout) {
                (Some(Held::Any(receiver)), Some(span)) => drop(receiver.recv_timeout(span.short())),
                (Some(Held::Any(receiver)), None) => drop(receiver.try_iter().count()),
                (Some(Held::Number(receiver)), Some(span)) => drop(receiver.recv_timeout(span.short())),
                (Some(Held::Number(receiver)), None) => drop(receiver.try_recv()),
                (Some(Held::Handle(_)) | None, _) => {}
            },
            Op::Pause(which) => self.held(which).map_or((), |held| held.subscription().pause()),
            Op::Resume(which) => self.held(which).map_or((), |held| held.subscription().resume()),
            Op::Cancel { which, wait } => {
                let Some(held) = self.held(which) else { return };
                if wait {
                    held.subscription().cancel_and_wait().wait();
                } else {
                    held.subscription().cancel();
                }
            }
            Op::Drain { which, grace, wait } => {
                let Some(held) = self.held(which) else { return };
                if wait {
                    let report = held.subscription().drain(grace.short()).wait();
                    assert!(!report.complete || report.discarded == 0);
                } else {
                    drop(held.subscription().drain(grace.0));
                }
            }
            Op::Drop(which) => {
                let len = self.held.len();
                if len > 0 {
                    drop(self.held.swap_remove(usize::from(which) % len));
                }
            }
            Op::Look(topic) => {
                let count = bus.subscriber_count(&topic.0);
                assert_eq!(bus.explain(&topic.0).is_ok(), count.is_ok());
                assert!(bus.topics().len() < 10_000 && !format!("{:?}", bus.stats()).is_empty());
                assert!(bus.stats().total.accounted() <= bus.stats().total.offered);
            }
            Op::Clone => self.buses.push(bus),
            Op::Downgrade => assert!(bus.downgrade().upgrade().is_some()),
            Op::Shutdown { timeout, discard, wait } => {
                let mut shutdown = bus.shutdown(if wait { timeout.short() } else { timeout.0 });
                if discard {
                    shutdown = shutdown.discarding();
                }
                if wait {
                    assert!(!format!("{:?}", shutdown.wait()).is_empty());
                }
            }
        }
    }

    /// Shuts everything down, and looks whether every event is accounted for.
    pub(crate) fn finish(mut self) {
        let bus = self.buses.swap_remove(0);
        drop(bus.shutdown(Duration::from_millis(1)).wait());
        self.held.clear();
        accounted_for(&bus);
        assert!(bus.publish("a", 1_u32).is_err_and(|error| error.is_shut_down()));
        for publisher in &self.publishers {
            assert!(publisher.publish(1).is_err_and(|error| error.is_shut_down()));
        }
        assert!(matches!(bus.subscribe::<u32>("a").receiver(), Err(SubscribeError::ShutDown)));
    }
}
