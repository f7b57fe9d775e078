//! S2b: one publisher, handlers on two workers. S3: four publishers, eight subscribers.

use crate::drive::{rt2, scan2, threads};
use crate::harness::{Case, Group, Harness};
use crate::peers::{channels, rings, tokio_channels, tokio_events};
use crate::table::{Bar, Table};
use crate::us;

fn one_publisher(subscribers: usize) -> Vec<Case> {
    let mut cases = us::pool("pool of two", 2, 1, subscribers);
    cases.extend([
        rt2("tokio mpsc @rt2", tokio_channels::mpsc(1, subscribers)),
        rt2("tokio broadcast @rt2", tokio_channels::broadcast(1, subscribers)),
        rt2("async-broadcast @rt2", rings::async_broadcast(1, subscribers)),
        tokio_events::pool(subscribers),
        scan2("crossbeam @scan2", channels::crossbeam(1, subscribers)),
    ]);
    cases
}

/// S2b.1, S2b.8, S3.4.8.
pub fn run(harness: &Harness, table: &mut Table) {
    if harness.wants("S2b.8", &["15"]) {
        let bars = [
            Bar::faster("15", "pool of two", "tokio mpsc @rt2", 1.5).stretch(2.3).floor(1.1),
            Bar::faster("15", "pool of two", "tokio broadcast @rt2", 1.15),
            Bar::faster("15", "pool of two", "async-broadcast @rt2", 1.7),
            Bar::faster("15", "pool of two", "tokio-events @rt2", 12.0),
        ];
        table.group(&harness.run(Group { name: "S2b.8", two_core: true, cases: one_publisher(8) }), &bars);
    }
    if harness.wants("S2b.1", &["17"]) {
        let bars = [
            Bar::faster("17", "pool of two", "tokio mpsc @rt2", 1.0).stretch(1.4),
            Bar::faster("17", "pool of two", "crossbeam @scan2", 0.75),
        ];
        table.group(&harness.run(Group { name: "S2b.1", two_core: true, cases: one_publisher(1) }), &bars);
    }
    if harness.wants("S3.4.8", &["18"]) {
        let mut cases = us::pool("pool of two", 2, 4, 8);
        cases.extend([
            rt2("tokio mpsc @rt2", tokio_channels::mpsc(4, 8)),
            rt2("tokio broadcast @rt2", tokio_channels::broadcast(4, 8)),
            threads("crossbeam threads", channels::crossbeam(4, 8)),
            threads("kanal threads", channels::kanal(4, 8)),
        ]);
        let bars = [
            Bar::faster("18", "pool of two", "tokio mpsc @rt2", 3.0).floor(1.6),
            Bar::faster("18", "pool of two", "crossbeam threads", 1.5),
            Bar::faster("18", "pool of two", "tokio broadcast @rt2", 1.4),
        ];
        table.group(&harness.run(Group { name: "S3.4.8", two_core: true, cases }), &bars);
    }
}
