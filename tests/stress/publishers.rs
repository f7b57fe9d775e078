//! Publishers of every way, and the sum of their receipts.

use std::sync::Arc;

use trolleybus::{DropReason, EventBus, Publisher, Receipt};

use crate::random::Rng;
use crate::tracker::Field;

/// How a publisher publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Name,
    Handle,
    Batch,
    Async,
    Builder,
    Local,
    /// Never waits: full queues drop its events whatever their mode.
    Try,
    /// By handle, one of the other ways each time.
    Mixed,
}

impl Way {
    pub(crate) const ALL: [Self; 8] = [
        Self::Name,
        Self::Handle,
        Self::Batch,
        Self::Async,
        Self::Builder,
        Self::Local,
        Self::Try,
        Self::Mixed,
    ];
}

/// The sum of receipts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Receipts {
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) queued: u64,
    pub(crate) failed: u64,
    pub(crate) filtered: u64,
    pub(crate) skipped: u64,
    pub(crate) dropped: u64,
    /// By reason, in the order of `DropReason::ALL`.
    pub(crate) by_reason: [u64; DropReason::ALL.len()],
}

impl Receipts {
    fn count(&mut self, receipt: &Receipt) {
        self.matched += receipt.matched() as u64;
        self.delivered += receipt.delivered() as u64;
        self.queued += receipt.queued() as u64;
        self.failed += receipt.failed() as u64;
        self.filtered += receipt.filtered() as u64;
        self.skipped += receipt.skipped() as u64;
        self.dropped += receipt.dropped() as u64;
        if receipt.dropped() > 0 {
            for (sum, (_, number)) in self.by_reason.iter_mut().zip(receipt.dropped_by().iter()) {
                *sum += number;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.queued += other.queued;
        self.failed += other.failed;
        self.filtered += other.filtered;
        self.skipped += other.skipped;
        self.dropped += other.dropped;
        for (sum, number) in self.by_reason.iter_mut().zip(other.by_reason) {
            *sum += number;
        }
    }

    pub(crate) fn offered(&self) -> u64 {
        self.delivered + self.queued + self.dropped
    }

    pub(crate) fn by(&self, reason: DropReason) -> u64 {
        let at = DropReason::ALL.iter().position(|known| *known == reason).expect("a known reason");
        self.by_reason[at]
    }
}

/// Publishes all events of one publisher.
pub(crate) fn publish_all(bus: &EventBus, field: &Arc<Field>, me: usize, way: Way, mut rng: Rng) -> Receipts {
    let names: Vec<String> = (0..field.topics).map(Field::topic_name).collect();
    let handles: Vec<Publisher<_>> =
        names.iter().map(|name| bus.publisher(name).expect("a valid topic")).collect();
    let mut sum = Receipts::default();
    let mut sequence = 0;
    while sequence < field.each {
        let topic = field.topic_of(sequence);
        let (name, handle) = (names[topic].as_str(), &handles[topic]);
        let now = match way {
            // Not `Try`: it would lose what the check expects.
            Way::Mixed => rng.pick(&Way::ALL[..6]),
            one => one,
        };
        let payload = |sequence| field.payload(me, sequence);
        let receipt = match now {
            Way::Batch => {
                // Up to the next change of topic.
                let end = (sequence / 16 * 16 + 16).min(field.each);
                let receipt = handle.publish_batch((sequence..end).map(payload));
                sequence = end - 1;
                receipt
            }
            Way::Name => bus.publish(name, payload(sequence)),
            Way::Async if sequence.is_multiple_of(2) => {
                smol::block_on(handle.publish_async(payload(sequence)))
            }
            Way::Async => smol::block_on(bus.publish_async(name, payload(sequence))),
            Way::Builder => bus.event(name, payload(sequence)).key("k").meta("a", "b").publish(),
            Way::Local => bus.publish_local(name, payload(sequence)),
            Way::Try if sequence.is_multiple_of(2) => handle.try_publish(payload(sequence)),
            Way::Try => bus.try_publish(name, payload(sequence)),
            Way::Handle | Way::Mixed => handle.publish(payload(sequence)),
        };
        sum.count(&receipt.expect("the bus is open and the topic valid"));
        sequence += 1;
    }
    sum
}
