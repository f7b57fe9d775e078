//! eventador: a complete bus over one ring of boxed events; events are routed by their Rust type.
//!
//! Its default makes publishers wait for the slowest reader, but lets them overwrite the very event that this reader
//! comes to next; the reader then panics and the publisher waits for ever. So the ring is never filled here: the
//! publisher looks every few hundred events how far the slowest reader is.

use std::thread;

use eventador::{Eventador, Subscriber};

use crate::drive::{Publish, Receive};
use crate::event::{CAPACITY, Event, topic};
use crate::tally::Tally;

/// Events that are published between two looks at the readers.
const STEP: u64 = CAPACITY as u64 / 4;

/// Publishes; the bus copies the value into its ring, readers borrow it there.
pub struct Publisher {
    bus: Eventador,
    topic: String,
    published: u64,
    tally: Tally,
}

impl Publish for Publisher {
    #[inline]
    fn publish(&mut self, i: u64) {
        if self.published.is_multiple_of(STEP) {
            while self.published - self.tally.slowest() > CAPACITY as u64 / 2 {
                thread::yield_now();
            }
        }
        self.published += 1;
        self.bus.publish(Event::build(&self.topic, i));
    }
}

/// One subscriber: it can only wait.
pub struct Reader {
    subscriber: Subscriber<Event>,
    number: usize,
    tally: Tally,
}

impl Receive for Reader {
    #[inline]
    fn next(&mut self) {
        self.subscriber.recv().read();
        self.tally.handled(self.number);
    }
}

/// Opens the bus.
pub fn open(subscribers: usize) -> (Vec<Publisher>, Vec<Reader>) {
    let bus = Eventador::new(CAPACITY as u64).expect("a power of two");
    let tally = Tally::new(subscribers);
    let reader = |number| Reader { subscriber: bus.subscribe(), number, tally: tally.clone() };
    let readers = (0..subscribers).map(reader).collect();
    (vec![Publisher { bus, topic: topic(42), published: 0, tally }], readers)
}
