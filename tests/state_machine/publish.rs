//! Events of every type, published on the bus in every way, and in the model.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use serde::Serialize;
use trolleybus::{PublishError, PublishRefusal, Publisher, Raw, Receipt};

use super::held::{Other, seen};
use super::model::Model;
use super::ops::{Extras, How, Kind, Mode, What};
use super::records::{Paper, Patience, Payload};
use super::system::System;

/// What a publish of any type came to; `None` if it was given up while it waited.
pub(crate) type Told = Option<Result<Receipt, PublishRefusal>>;

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl System {
    pub(crate) fn publish(&mut self, topic: usize, what: What, how: How, extras: Option<Extras>) {
        let name = Model::topic(topic);
        self.number += 1;
        let payload = Model::payload(what, self.number);
        let blocks = self.model.might_block(name);
        let by_handle = matches!(payload, Payload::Number(_) | Payload::Text(_));
        let mut how = match how {
            How::Plain if blocks => How::Deadline,
            How::Handle if !by_handle => How::Try,
            how => how,
        };
        // What has no event builder, or no such face of it.
        if matches!(what, What::Raw(_) | What::Other) && how != How::Deadline {
            how = if blocks { How::Deadline } else { How::Plain };
        }
        if self.buses.is_empty() && how != How::Handle {
            return;
        }
        let extras = match how {
            How::Deadline => Some(extras.unwrap_or(Extras { key: false, meta: false, completion: false })),
            How::Handle => None,
            _ => extras,
        };
        if how == How::Handle && self.publishers[topic].is_none() {
            let Some(bus) = self.buses.first() else { return };
            let numbers = bus.publisher::<u32>(name).expect("a topic");
            let texts = bus.publisher::<String>(name).expect("a topic");
            assert_eq!(numbers.topic().as_str(), name);
            self.publishers[topic] = Some((numbers, texts));
        }
        let patience = match how {
            How::Plain => Patience::Wait,
            How::Handle if !blocks => Patience::Wait,
            How::Try | How::Handle => Patience::Never,
            How::Deadline => Patience::Zero,
            How::PollOnce => Patience::Abandoned,
        };
        let with = |wanted: fn(&Extras) -> bool| extras.as_ref().is_some_and(wanted);
        let event = seen(
            name,
            payload.clone(),
            with(|extras| extras.key).then_some("key"),
            with(|extras| extras.meta).then_some("value"),
        );
        let before = self.model.total();
        let expected = self.model.publish(self.number, &event, with(|extras| extras.completion), patience);
        let told = match (what, payload) {
            (_, Payload::Number(number)) => self.tell(topic, number, how, blocks, extras, |pair| &pair.0),
            (What::Literal, _) if how == How::Plain && extras.is_none() => {
                Some(self.buses[0].publish(name, "literal").map_err(|error| {
                    assert_eq!(*error.payload(), "literal");
                    error.refusal().clone()
                }))
            }
            (_, Payload::Text(text)) => self.tell(topic, text, how, blocks, extras, |pair| &pair.1),
            (_, Payload::Raw(len)) => {
                let raw = Raw::from(vec![b'r'; len]);
                Some(match extras {
                    Some(extras) => refusal(self.build(name, raw, extras, how).publish_local()),
                    None => refusal(self.buses[0].publish_raw(name, raw)),
                })
            }
            (_, Payload::Other(number)) => Some(match extras {
                Some(extras) => refusal(self.build(name, Other(number), extras, how).publish()),
                None => refusal(self.buses[0].publish_local(name, Other(number))),
            }),
        };
        self.compare_told(told, expected, &before);
    }

    /// Publishes a number or a text, which have all the faces.
    fn tell<T: Serialize + Clone + PartialEq + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        topic: usize,
        payload: T,
        how: How,
        blocks: bool,
        extras: Option<Extras>,
        publisher: impl Fn(&(Publisher<u32>, Publisher<String>)) -> &dyn std::any::Any,
    ) -> Told {
        let name = Model::topic(topic);
        let given = payload.clone();
        let told = match (how, extras) {
            (How::Handle, _) => {
                let pair = self.publishers[topic].as_ref().expect("made before");
                let publisher = publisher(pair).downcast_ref::<Publisher<T>>().expect("of this type");
                if blocks { publisher.try_publish(payload) } else { publisher.publish(payload) }
            }
            (How::PollOnce, extras) => {
                let future = match extras {
                    Some(extras) => self.build(name, payload, extras, how).publish_async(),
                    None => self.buses[0].publish_async(name, payload),
                };
                let woken = Arc::new(Woken::default());
                let (waker, mut future) = (Waker::from(Arc::clone(&woken)), pin!(future));
                loop {
                    match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        Poll::Ready(result) => break result,
                        // It only gave way, as it does now and then.
                        Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
                        Poll::Pending => return None,
                    }
                }
            }
            (How::Plain, None) => self.buses[0].publish(name, payload),
            (How::Try, None) => self.buses[0].try_publish(name, payload),
            (How::Try, Some(extras)) => self.build(name, payload, extras, how).try_publish(),
            (How::Plain | How::Deadline, extras) => {
                self.build(name, payload, extras.expect("for the builder"), how).publish()
            }
        };
        Some(told.map_err(|error| {
            assert_eq!(*error.payload(), given, "the payload comes back");
            error.refusal().clone()
        }))
    }

    fn build<T: Send + Sync + 'static>(
        &self,
        name: &str,
        payload: T,
        extras: Extras,
        how: How,
    ) -> trolleybus::EventBuilder<T> {
        let mut event = self.buses[0].event(name, payload);
        if extras.key {
            event = event.key("key");
        }
        if extras.meta {
            event = event.meta("m", "first").meta("m", "value");
        }
        if extras.completion {
            let (outcomes, number) = (Arc::clone(&self.outcomes), self.number);
            event = event.on_complete(move |outcome| outcomes.lock().expect("lock").push((number, outcome)));
        }
        if how == How::Deadline { event.deadline(Duration::ZERO) } else { event }
    }

    pub(crate) fn batch(&mut self, topic: usize, events: u32) {
        let name = Model::topic(topic);
        let Some(bus) = self.buses.first() else { return };
        let publisher = bus.publisher::<u32>(name).expect("a topic");
        // What it would wait for can change with each event: then one event each.
        let queues = self.model.matching(name).into_iter().any(|sub| {
            let spec = &self.model.subs[sub].spec;
            spec.kind == Kind::Receiver && matches!(spec.mode, Mode::Block | Mode::Patient)
        });
        let batches = if queues { vec![1; events as usize] } else { vec![events] };
        for events in batches {
            let before = self.model.total();
            let might_block = self.model.might_block(name);
            let numbers: Vec<u32> = (1..=events).map(|n| self.number + n).collect();
            self.number += events;
            let mut expected = Ok((Paper::default(), true));
            for number in &numbers {
                let event = seen(name, Payload::Number(*number), None, None);
                let patience = if might_block { Patience::Never } else { Patience::Wait };
                match self.model.publish(*number, &event, false, patience) {
                    Ok((paper, _)) => expected.as_mut().expect("none was refused").0.add(&paper),
                    Err(refused) => {
                        expected = Err(refused);
                        break;
                    }
                }
            }
            let told = if might_block {
                refusal(publisher.try_publish(numbers[0]))
            } else {
                refusal(publisher.publish_batch(numbers))
            };
            self.compare_told(Some(told), expected, &before);
        }
    }
}

fn refusal<T>(result: Result<Receipt, PublishError<T>>) -> Result<Receipt, PublishRefusal> {
    result.map_err(|error| error.refusal().clone())
}
