//! eventador: a complete bus over one ring of boxed events; events are routed by their Rust type.

use eventador::{Eventador, Subscriber};

use crate::drive::{Publish, Receive};
use crate::event::{CAPACITY, Event, topic};

/// Publishes; the bus copies the value into its ring, readers borrow it there.
pub struct Publisher {
    bus: Eventador,
    topic: String,
}

impl Publish for Publisher {
    #[inline]
    fn publish(&mut self, i: u64) {
        self.bus.publish(Event::build(&self.topic, i));
    }
}

/// One subscriber.
pub struct Reader(Subscriber<Event>);

impl Receive for Reader {
    fn try_next(&mut self) -> bool {
        unimplemented!("eventador can only wait")
    }

    #[inline]
    fn next(&mut self) {
        self.0.recv().read();
    }
}

/// Opens the bus; its default makes publishers wait for the slowest reader.
pub fn open(subscribers: usize) -> (Vec<Publisher>, Vec<Reader>) {
    let bus = Eventador::new(CAPACITY as u64).expect("a power of two");
    let readers = (0..subscribers).map(|_| Reader(bus.subscribe())).collect();
    (vec![Publisher { bus, topic: topic(42) }], readers)
}
