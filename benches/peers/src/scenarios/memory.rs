//! S5: what a subscription and an event take. Only in a build that counts allocations.

use crate::harness::Harness;
use crate::table::Table;

/// Bars 24 and 25.
#[cfg(not(feature = "memory"))]
pub fn run(harness: &Harness, table: &mut Table) {
    if harness.wants("S5", &["24", "25"]) {
        table.note("24, 25 S5: not in this build; run with --features memory");
    }
}

#[cfg(feature = "memory")]
pub use counted::run;

#[cfg(feature = "memory")]
mod counted {
    use super::{Harness, Table};
    use crate::drive::{Publish, TryReceive};
    use crate::event::CAPACITY;
    use crate::malloc::tally;
    use crate::peers::channels::{self, one};
    use crate::peers::{rings, tokio_channels};
    use crate::table::Absolute;
    use crate::us;

    /// Subscribers that are opened at once; the figures are per subscriber.
    const MANY: usize = 64;
    /// Bytes of a subscription with capacity 1024 that never queued an event.
    const IDLE: f64 = 1024.0;
    /// Bytes of one that has queued 1024 events, without the events.
    const FULL: f64 = 9.5 * 1024.0;

    /// What this thread holds more than before. Bytes are what glibc's malloc takes: for a request of n bytes
    /// `max(32, (n + 8 + 15) & !15)`, its head included.
    struct Held {
        bytes: f64,
        blocks: f64,
    }

    /// Calls `make` and weighs what is left of that, its result included.
    fn weigh<T>(make: impl FnOnce() -> T) -> (T, Held) {
        let before = tally();
        let made = make();
        let after = tally();
        let held =
            Held { bytes: (after.held - before.held) as f64, blocks: (after.blocks - before.blocks) as f64 };
        (made, held)
    }

    struct Figures {
        idle: f64,
        one: f64,
        full: f64,
    }

    /// Opens `MANY` subscribers, then fills their queues.
    fn queues<P: Publish, R: TryReceive>(open: impl Fn(usize) -> (P, Vec<R>)) -> Figures {
        let ((mut publisher, mut receivers), subscriber) = further(&open);
        let (mut lone, mut single) = open(1);
        let event = event_of(&mut lone, &mut single).bytes;
        let mut publish = |events: std::ops::Range<usize>| {
            let count = events.len() as f64;
            let ((), held) = weigh(|| events.for_each(|i| publisher.publish(i as u64)));
            (held.bytes - count * event) / (MANY + 1) as f64
        };
        let one = subscriber.bytes + publish(0..1);
        let full = one + publish(1..CAPACITY);
        receivers.iter_mut().for_each(|receiver| while receiver.try_next() {});
        Figures { idle: subscriber.bytes, one, full }
    }

    /// Opens `MANY` subscribers and one, and says what each of the many takes, without its handle: that lies where the
    /// application keeps it.
    fn further<P, H>(open: impl Fn(usize) -> (P, Vec<H>)) -> ((P, Vec<H>), Held) {
        // What the first subscriber costs once is not part of the figure, nor what the thread keeps for itself.
        drop(open(1));
        let (lone, first) = weigh(|| open(1));
        let (opened, all) = weigh(|| open(MANY + 1));
        drop(lone);
        let each = |all: f64, first: f64| (all - first) / MANY as f64;
        let bytes = each(all.bytes, first.bytes) - size_of::<H>() as f64;
        (opened, Held { bytes, blocks: each(all.blocks, first.blocks) })
    }

    /// What one queued event takes where the queue exists already.
    fn event_of<P: Publish, R: TryReceive>(publisher: &mut P, receivers: &mut [R]) -> Held {
        for i in 0..2 * CAPACITY as u64 {
            publisher.publish(i);
            receivers.iter_mut().for_each(|receiver| while receiver.try_next() {});
        }
        weigh(|| publisher.publish(0)).1
    }

    fn line<'a>(
        number: &'a str,
        ours: &'a str,
        figure: f64,
        peer: (&'a str, f64),
        limit: f64,
    ) -> Absolute<'a> {
        Absolute {
            number,
            scenario: "S5",
            ours,
            figure: Some(figure),
            peer: peer.0,
            peer_figure: Some(peer.1),
            unit: " B",
            limit: Some(limit),
            must: false,
            remark: "",
        }
    }

    /// Bars 24 and 25, and the floor for an idle subscription.
    pub fn run(harness: &Harness, table: &mut Table) {
        if !harness.wants("S5", &["24", "25"]) {
            return;
        }
        let crossbeam = queues(|n| one(channels::crossbeam(1, n)));
        let ours = queues(us::lone_receivers);
        let peer = |figure| ("crossbeam-channel", figure);
        table.absolute(&Absolute {
            must: true,
            ..line("24", "idle receiver", ours.idle, peer(crossbeam.idle), IDLE)
        });
        let pooled = further(us::pooled).1;
        let remark = &format!("in {:.1} blocks", pooled.blocks);
        table.absolute(&Absolute {
            must: true,
            remark,
            ..line("24", "idle handler", pooled.bytes, peer(crossbeam.idle), IDLE)
        });
        table.absolute(&Absolute {
            limit: None,
            ..line("-", "after one event", ours.one, peer(crossbeam.one), IDLE)
        });
        table.absolute(&line("24", "full, 1024 events", ours.full, peer(crossbeam.full), FULL));
        for (peer, all) in [
            ("tokio mpsc", queues(|n| one(tokio_channels::mpsc(1, n)))),
            ("kanal", queues(|n| one(channels::kanal(1, n)))),
            ("flume", queues(|n| one(channels::flume(1, n)))),
            ("tokio broadcast", queues(|n| one(tokio_channels::broadcast(1, n)))),
            ("async-broadcast", queues(|n| one(rings::async_broadcast(1, n)))),
            ("bus", queues(rings::bus)),
        ] {
            let Figures { idle, one, full } = all;
            table.note(&format!(
                "S5 {peer}: per subscriber {idle:.0} B idle, {one:.0} B after one event, {full:.0} B full"
            ));
        }
        let (mut publisher, mut receivers) = one(channels::crossbeam(1, 1));
        let theirs = event_of(&mut publisher, &mut receivers);
        let (mut publisher, mut receivers) = us::lone_receivers(1);
        let ours = event_of(&mut publisher, &mut receivers);
        for (number, ours_name, figure, peer_figure, unit, limit) in [
            ("25", "event", ours.bytes, theirs.bytes, " B", 128.0),
            ("25", "blocks of an event", ours.blocks, theirs.blocks, "", 1.0),
        ] {
            table.absolute(&Absolute {
                unit,
                ..line(number, ours_name, figure, ("Arc<Event>", peer_figure), limit)
            });
        }
    }
}
