//! S2c: queued fan-out on one thread: publish a burst that fits, drain every subscriber, again.

use crate::drive::burst;
use crate::harness::{Case, Group, Harness};
use crate::peers::channels::{self, one};
use crate::peers::{rings, tokio_channels};
use crate::table::{Bar, Table};
use crate::us;

fn cases(subscribers: usize) -> Vec<Case> {
    let mut cases = us::burst(subscribers);
    cases.extend([
        burst("crossbeam-channel", one(channels::crossbeam(1, subscribers))),
        burst("tokio mpsc", one(tokio_channels::mpsc(1, subscribers))),
        burst("tokio broadcast", one(tokio_channels::broadcast(1, subscribers))),
        burst("async-broadcast", one(rings::async_broadcast(1, subscribers))),
        burst("flume", one(channels::flume(1, subscribers))),
        burst("kanal", one(channels::kanal(1, subscribers))),
        burst("bus", rings::bus(subscribers)),
    ]);
    cases
}

/// S2c.1, S2c.8, S2c.64.
pub fn run(harness: &Harness, table: &mut Table) {
    if harness.wants("S2c.1", &["9"]) {
        let bars = [
            Bar::faster("9", "by name", "crossbeam-channel", 1.1).stretch(1.6),
            Bar::faster("9", "by handle", "crossbeam-channel", 1.5).stretch(2.2),
        ];
        table.group(&harness.run(Group { name: "S2c.1", two_core: false, cases: cases(1) }), &bars);
    }
    if harness.wants("S2c.8", &["10"]) {
        let bars = [
            Bar::faster("10", "by name", "crossbeam-channel", 1.8).stretch(2.3).floor(0.9),
            Bar::faster("10", "by name", "tokio mpsc", 2.6).floor(1.5),
            Bar::faster("10", "by name", "tokio broadcast", 1.4),
            Bar::faster("10", "by name", "bus", 1.2),
        ];
        table.group(&harness.run(Group { name: "S2c.8", two_core: false, cases: cases(8) }), &bars);
    }
    if harness.wants("S2c.64", &["11"]) {
        let bars = [
            Bar::faster("11", "by name", "crossbeam-channel", 1.7),
            Bar::faster("11", "by name", "tokio mpsc", 2.8),
            Bar::faster("11", "by name", "tokio broadcast", 1.2),
            Bar::faster("11", "by name", "bus", 1.0),
        ];
        table.group(&harness.run(Group { name: "S2c.64", two_core: false, cases: cases(64) }), &bars);
    }
}
