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
    use allocation_counter::{AllocationInfo, measure};

    use super::{Harness, Table};
    use crate::drive::{Publish, TryReceive};
    use crate::event::CAPACITY;
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

    /// What the allocator holds for the blocks: each costs a head of eight bytes and is rounded to sixteen.
    fn held(info: &AllocationInfo) -> f64 {
        if info.count_current == 1 {
            return rounded(info.bytes_current) as f64;
        }
        // The sum does not say how each block was rounded; sixteen bytes each is the most it can be.
        (info.bytes_current + 16 * info.count_current) as f64
    }

    fn rounded(bytes: i64) -> i64 {
        ((bytes + 8 + 15) / 16 * 16).max(32)
    }

    struct Figures {
        idle: f64,
        one: f64,
        full: f64,
    }

    /// Opens `MANY` subscribers, then fills their queues.
    fn queues<P: Publish, R: TryReceive>(open: impl Fn(usize) -> (P, Vec<R>)) -> Figures {
        // What the first subscriber costs once is not part of the figure, nor what the thread keeps for itself.
        drop(open(1));
        let (mut few, mut more) = (None, None);
        let first = measure(|| few = Some(open(1)));
        let all = measure(|| more = Some(open(MANY + 1)));
        let (Some((mut lone, mut single)), Some((mut publisher, mut receivers))) = (few, more) else {
            unreachable!("both closures ran")
        };
        let idle = (held(&all) - held(&first)) / MANY as f64;
        let event = event_of(&mut lone, &mut single);
        let per = |info: &AllocationInfo, events: i64| {
            let rest = AllocationInfo {
                bytes_current: info.bytes_current - events * event.bytes_current,
                count_current: info.count_current - events * event.count_current,
                ..AllocationInfo::default()
            };
            held(&rest) / (MANY + 1) as f64
        };
        let one = measure(|| publisher.publish(0));
        let rest = measure(|| (1..CAPACITY).for_each(|i| publisher.publish(i as u64)));
        let (first_push, all_pushes) = (per(&one, 1), per(&rest, CAPACITY as i64 - 1));
        receivers.iter_mut().for_each(|receiver| while receiver.try_next() {});
        Figures { idle, one: idle + first_push, full: idle + first_push + all_pushes }
    }

    /// What a further subscriber takes that has nothing to drain; the second figure is its number of blocks.
    fn subscribed<T>(open: impl Fn(usize) -> T) -> (f64, f64) {
        drop(open(1));
        let (mut few, mut more) = (None, None);
        let first = measure(|| few = Some(open(1)));
        let all = measure(|| more = Some(open(MANY + 1)));
        let blocks = (all.count_current - first.count_current) as f64 / MANY as f64;
        ((held(&all) - held(&first)) / MANY as f64, blocks)
    }

    /// What one queued event takes where the queue exists already.
    fn event_of<P: Publish, R: TryReceive>(publisher: &mut P, receivers: &mut [R]) -> AllocationInfo {
        for i in 0..2 * CAPACITY as u64 {
            publisher.publish(i);
            receivers.iter_mut().for_each(|receiver| while receiver.try_next() {});
        }
        measure(|| publisher.publish(0))
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
        let (pooled, blocks) = subscribed(us::pooled);
        let remark = &format!("in {blocks:.1} blocks, 16 B added for each");
        table.absolute(&Absolute {
            must: true,
            remark,
            ..line("24", "idle handler", pooled, peer(crossbeam.idle), IDLE)
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
            ("25", "event", held(&ours), held(&theirs), " B", 128.0),
            ("25", "blocks of an event", ours.count_current as f64, theirs.count_current as f64, "", 1.0),
        ] {
            table.absolute(&Absolute {
                unit,
                ..line(number, ours_name, figure, ("Arc<Event>", peer_figure), limit)
            });
        }
    }
}
