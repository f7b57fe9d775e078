//! One ring for all subscribers: async-broadcast, bus, disruptor.

use std::sync::Arc;

use crate::drive::{Listen, Publish, Receive, TryReceive};
use crate::event::{CAPACITY, Event, topic};

/// Publishes into async-broadcast.
pub struct Async {
    sender: async_broadcast::Sender<Arc<Event>>,
    topic: String,
}

impl Publish for Async {
    #[inline]
    fn publish(&mut self, i: u64) {
        let event = Event::shared(&self.topic, i);
        match self.sender.try_broadcast(event) {
            Ok(_) => {}
            Err(async_broadcast::TrySendError::Full(event)) => {
                self.sender.broadcast_blocking(event).expect("a receiver lives");
            }
            Err(error) => panic!("a receiver lives: {error}"),
        }
    }
}

/// One async-broadcast subscriber.
pub struct AsyncReader(async_broadcast::Receiver<Arc<Event>>);

impl Receive for AsyncReader {
    #[inline]
    fn next(&mut self) {
        self.0.recv_blocking().expect("the sender lives").read();
    }
}

impl TryReceive for AsyncReader {
    #[inline]
    fn try_next(&mut self) -> bool {
        self.0.try_recv().is_ok_and(|event| {
            event.read();
            true
        })
    }
}

impl Listen for AsyncReader {
    #[inline]
    async fn next(&mut self) {
        self.0.recv_direct().await.expect("the sender lives").read();
    }
}

/// Opens async-broadcast; a full ring makes the publisher wait.
pub fn async_broadcast(publishers: usize, subscribers: usize) -> (Vec<Async>, Vec<AsyncReader>) {
    let (sender, first) = async_broadcast::broadcast(CAPACITY);
    let mut readers = vec![AsyncReader(first)];
    readers.extend((1..subscribers).map(|_| AsyncReader(sender.new_receiver())));
    let publishers = (0..publishers).map(|_| Async { sender: sender.clone(), topic: topic(42) }).collect();
    (publishers, readers)
}

/// Publishes into bus.
pub struct Single {
    bus: bus::Bus<Arc<Event>>,
    topic: String,
}

impl Publish for Single {
    #[inline]
    fn publish(&mut self, i: u64) {
        self.bus.broadcast(Event::shared(&self.topic, i));
    }
}

/// One subscriber of bus.
pub struct SingleReader(bus::BusReader<Arc<Event>>);

impl Receive for SingleReader {
    #[inline]
    fn next(&mut self) {
        self.0.recv().expect("the sender lives").read();
    }
}

impl TryReceive for SingleReader {
    #[inline]
    fn try_next(&mut self) -> bool {
        self.0.try_recv().is_ok_and(|event| {
            event.read();
            true
        })
    }
}

/// Opens bus; it knows one publisher only.
pub fn bus(subscribers: usize) -> (Single, Vec<SingleReader>) {
    let mut bus = bus::Bus::new(CAPACITY);
    let readers = (0..subscribers).map(|_| SingleReader(bus.add_rx())).collect();
    (Single { bus, topic: topic(42) }, readers)
}

type Slot = Option<Arc<Event>>;
type Poller = disruptor::EventPoller<Slot, disruptor::SingleProducerBarrier>;

/// Publishes into disruptor: puts a fresh event into the slot, which frees the one before.
pub struct Shared<P> {
    producer: P,
    topic: String,
}

impl<P: disruptor::Producer<Slot> + Send> Publish for Shared<P> {
    #[inline]
    fn publish(&mut self, i: u64) {
        let event = Event::shared(&self.topic, i);
        self.producer.publish(|slot| *slot = Some(event));
    }
}

/// One subscriber of disruptor: it polls, and yields when there is nothing.
pub struct SharedReader(Poller);

impl Receive for SharedReader {
    #[inline]
    fn next(&mut self) {
        while !self.try_next() {
            std::thread::yield_now();
        }
    }
}

impl TryReceive for SharedReader {
    #[inline]
    fn try_next(&mut self) -> bool {
        match self.0.take(1) {
            Ok(mut events) => (&mut events).fold(false, |_, event| {
                event.iter().for_each(|event| event.read());
                true
            }),
            Err(_) => false,
        }
    }
}

/// Opens disruptor for eight subscribers (each count is a type of its own there).
pub fn disruptor8() -> (impl Publish + 'static, Vec<SharedReader>) {
    let builder = disruptor::build_single_producer(CAPACITY, || None, disruptor::BusySpin);
    let (first, builder) = builder.new_event_poller();
    let (second, mut builder) = builder.new_event_poller();
    let mut readers = vec![SharedReader(first), SharedReader(second)];
    for _ in 2..8 {
        let (next, grown) = builder.new_event_poller();
        readers.push(SharedReader(next));
        builder = grown;
    }
    (Shared { producer: builder.build(), topic: topic(42) }, readers)
}
