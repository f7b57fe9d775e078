//! tokio's mpsc (one queue per subscriber) and broadcast (one ring for all).
//!
//! broadcast overwrites what a slow receiver has not read. To deliver without loss its publishers look at how
//! full the ring is before every few hundred events and wait while it is half full.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

use crate::drive::{Listen, Publish, Receive, TryReceive};
use crate::event::{CAPACITY, Event, topic};

/// Publishes into one mpsc per subscriber.
pub struct Senders {
    senders: Vec<mpsc::Sender<Arc<Event>>>,
    topic: String,
}

impl Publish for Senders {
    #[inline]
    fn publish(&mut self, i: u64) {
        let event = Event::shared(&self.topic, i);
        let Some((last, others)) = self.senders.split_last() else { return };
        for sender in others {
            send(sender, Arc::clone(&event));
        }
        send(last, event);
    }
}

/// Tries first: `blocking_send` enters a runtime context for every event.
#[inline]
fn send(sender: &mpsc::Sender<Arc<Event>>, event: Arc<Event>) {
    match sender.try_send(event) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(event)) => {
            sender.blocking_send(event).expect("the receiver lives");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => panic!("the receiver lives"),
    }
}

/// One mpsc subscriber.
pub struct Queue(mpsc::Receiver<Arc<Event>>);

impl Receive for Queue {
    #[inline]
    fn next(&mut self) {
        self.0.blocking_recv().expect("the sender lives").read();
    }
}

impl TryReceive for Queue {
    #[inline]
    fn try_next(&mut self) -> bool {
        self.0.try_recv().is_ok_and(|event| {
            event.read();
            true
        })
    }
}

impl Listen for Queue {
    #[inline]
    async fn next(&mut self) {
        self.0.recv().await.expect("the sender lives").read();
    }
}

/// Opens one mpsc per subscriber.
pub fn mpsc(publishers: usize, subscribers: usize) -> (Vec<Senders>, Vec<Queue>) {
    let (senders, queues): (Vec<_>, Vec<_>) =
        (0..subscribers).map(|_| mpsc::channel(CAPACITY)).map(|(s, r)| (s, Queue(r))).unzip();
    let publishers =
        (0..publishers).map(|_| Senders { senders: senders.clone(), topic: topic(42) }).collect();
    (publishers, queues)
}

/// Publishes into a broadcast ring.
pub struct Ring {
    sender: broadcast::Sender<Arc<Event>>,
    topic: String,
    /// Events that surely fit.
    budget: usize,
    /// Events that fit for this publisher when the ring is half full.
    share: usize,
}

impl Publish for Ring {
    #[inline]
    fn publish(&mut self, i: u64) {
        if self.budget == 0 {
            while self.sender.len() > CAPACITY / 2 {
                std::thread::yield_now();
            }
            self.budget = self.share;
        }
        self.budget -= 1;
        self.sender.send(Event::shared(&self.topic, i)).expect("a receiver lives");
    }
}

/// One broadcast subscriber.
pub struct Reader(broadcast::Receiver<Arc<Event>>);

impl Receive for Reader {
    #[inline]
    fn next(&mut self) {
        self.0.blocking_recv().expect("broadcast lost no event").read();
    }
}

impl TryReceive for Reader {
    #[inline]
    fn try_next(&mut self) -> bool {
        match self.0.try_recv() {
            Ok(event) => {
                event.read();
                true
            }
            Err(broadcast::error::TryRecvError::Empty) => false,
            Err(error) => panic!("broadcast lost events: {error}"),
        }
    }
}

impl Listen for Reader {
    #[inline]
    async fn next(&mut self) {
        self.0.recv().await.expect("broadcast lost no event").read();
    }
}

/// Opens one broadcast ring.
pub fn broadcast(publishers: usize, subscribers: usize) -> (Vec<Ring>, Vec<Reader>) {
    let (sender, first) = broadcast::channel(CAPACITY);
    let mut readers = vec![Reader(first)];
    readers.extend((1..subscribers).map(|_| Reader(sender.subscribe())));
    let ring =
        || Ring { sender: sender.clone(), topic: topic(42), budget: 0, share: CAPACITY / 2 / publishers };
    ((0..publishers).map(|_| ring()).collect(), readers)
}
