//! S2p: queued fan-out between two cores, publisher and consumer pinned apart; and S2a, complete buses as people
//! find them, on threads that nobody pins.

use crate::drive::{threads, two_cores};
use crate::event::CAPACITY;
use crate::harness::{Case, Group, Harness};
use crate::peers::channels::{self, one};
use crate::peers::{eventador, qubit, rings, tokio_channels};
use crate::table::{Bar, Table};
use crate::us;

fn pinned(subscribers: usize) -> Vec<Case> {
    let mut cases = us::two_cores(subscribers);
    cases.extend([
        two_cores("crossbeam-channel", one(channels::crossbeam(1, subscribers))),
        two_cores("tokio mpsc", one(tokio_channels::mpsc(1, subscribers))),
        two_cores("tokio broadcast", one(tokio_channels::broadcast(1, subscribers))),
        two_cores("async-broadcast", one(rings::async_broadcast(1, subscribers))),
        two_cores("flume", one(channels::flume(1, subscribers))),
        two_cores("kanal", one(channels::kanal(1, subscribers))),
        two_cores("bus", rings::bus(subscribers)),
    ]);
    if subscribers == 8 {
        cases.push(two_cores("disruptor", rings::disruptor8()));
    }
    cases
}

fn complete_buses(subscribers: usize) -> Vec<Case> {
    let mut cases = us::pool("pool of two", 2, 1, subscribers);
    cases.extend([
        // qubit stalls for whole milliseconds now and then, and eventador should come to wait for its readers.
        qubit::threads(subscribers).at_least(4 * CAPACITY),
        threads("eventador", eventador::open(subscribers)).at_least(8 * CAPACITY),
        threads("crossbeam-channel", channels::crossbeam(1, subscribers)),
    ]);
    cases
}

/// S2p.1, S2p.8, S2a.1, S2a.8.
pub fn run(harness: &Harness, table: &mut Table) {
    if harness.wants("S2p.1", &["12"]) {
        let bars = [
            Bar::faster("12", "pool of one", "crossbeam-channel", 1.4).stretch(2.4),
            Bar::faster("12", "pool of one", "tokio mpsc", 2.0).stretch(3.5),
            Bar::faster("12", "pool of one", "tokio broadcast", 2.0),
        ];
        table.group(&harness.run(Group { name: "S2p.1", two_core: true, cases: pinned(1) }), &bars);
    }
    if harness.wants("S2p.8", &["13", "14"]) {
        let bars = [
            Bar::faster("13", "pool of one", "crossbeam-channel", 2.2).stretch(2.8),
            Bar::faster("13", "pool of one", "tokio mpsc", 2.6),
            Bar::faster("13", "pool of one", "async-broadcast", 1.4),
            Bar::faster("13", "pool of one", "tokio broadcast", 0.85).stretch(1.3),
            Bar::faster("14", "pool of one", "disruptor", 0.45).stretch(0.8),
        ];
        table.group(&harness.run(Group { name: "S2p.8", two_core: true, cases: pinned(8) }), &bars);
    }
    if harness.wants("S2a.1", &["29"]) {
        let bars = [
            Bar::faster("29", "pool of two", "qubit-event-bus", 50.0),
            Bar::faster("29", "pool of two", "eventador", 15.0),
        ];
        table.group(&harness.run(Group { name: "S2a.1", two_core: true, cases: complete_buses(1) }), &bars);
    }
    if harness.wants("S2a.8", &["29"]) {
        let bars = [
            Bar::faster("29", "pool of two", "qubit-event-bus", 500.0),
            Bar::faster("29", "pool of two", "eventador", 200.0),
        ];
        table.group(&harness.run(Group { name: "S2a.8", two_core: true, cases: complete_buses(8) }), &bars);
    }
}
