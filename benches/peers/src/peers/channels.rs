//! Channels with one queue per subscriber: crossbeam-channel, flume, kanal. A publish clones an `Arc` for each.

use std::sync::Arc;

use crate::drive::{Publish, Receive, TryReceive};
use crate::event::{CAPACITY, Event, topic};

/// The publishing side: one sender per subscriber.
pub struct Senders<S> {
    senders: Vec<S>,
    topic: String,
}

/// The receiving side of one subscriber.
pub struct Queue<R>(R);

/// What a bounded channel has to offer to take part.
macro_rules! channel {
    ($open:ident, $sender:ty, $receiver:ty, $bounded:path, $try_recv:expr) => {
        impl Publish for Senders<$sender> {
            #[inline]
            fn publish(&mut self, i: u64) {
                let event = Event::shared(&self.topic, i);
                let Some((last, others)) = self.senders.split_last() else { return };
                for sender in others {
                    sender.send(Arc::clone(&event)).expect("the receiver lives");
                }
                last.send(event).expect("the receiver lives");
            }
        }

        impl Receive for Queue<$receiver> {
            #[inline]
            fn next(&mut self) {
                self.0.recv().expect("the sender lives").read();
            }
        }

        impl TryReceive for Queue<$receiver> {
            #[inline]
            fn try_next(&mut self) -> bool {
                let event: Option<Arc<Event>> = $try_recv(&self.0);
                event.is_some_and(|event| {
                    event.read();
                    true
                })
            }
        }

        /// Opens queues for `subscribers`, with senders for `publishers`.
        pub fn $open(
            publishers: usize,
            subscribers: usize,
        ) -> (Vec<Senders<$sender>>, Vec<Queue<$receiver>>) {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..subscribers).map(|_| $bounded(CAPACITY)).map(|(s, r)| (s, Queue(r))).unzip();
            let publishers =
                (0..publishers).map(|_| Senders { senders: senders.clone(), topic: topic(42) }).collect();
            (publishers, receivers)
        }
    };
}

channel!(
    crossbeam,
    crossbeam_channel::Sender<Arc<Event>>,
    crossbeam_channel::Receiver<Arc<Event>>,
    crossbeam_channel::bounded,
    |receiver: &crossbeam_channel::Receiver<_>| receiver.try_recv().ok()
);
channel!(
    flume,
    flume::Sender<Arc<Event>>,
    flume::Receiver<Arc<Event>>,
    flume::bounded,
    |receiver: &flume::Receiver<_>| receiver.try_recv().ok()
);
channel!(
    kanal,
    kanal::Sender<Arc<Event>>,
    kanal::Receiver<Arc<Event>>,
    kanal::bounded,
    |receiver: &kanal::Receiver<_>| receiver.try_recv().ok().flatten()
);

/// Takes the only publisher of a contestant.
pub fn one<P, R>((mut publishers, receivers): (Vec<P>, Vec<R>)) -> (P, Vec<R>) {
    (publishers.pop().expect("one publisher was asked for"), receivers)
}
