//! S1: one publisher, handlers that run in its thread.

use crate::harness::{Group, Harness};
use crate::peers::{agent, maps, pubsub};
use crate::table::{Bar, Table};
use crate::us;

/// S1.1.8, S1.1000.1, and two publishers on one topic.
pub fn run(harness: &Harness, table: &mut Table) {
    let bars = [
        Bar::faster("3", "by name", "agent-event-bus", 6.0).must(),
        Bar::faster("4", "by name", "pubsub-bus", 2.5),
    ];
    if harness.wants("S1.1.8", &["3", "4"]) {
        let mut cases = us::inline(1, 8);
        cases.extend([agent::inline(1, 8), pubsub::inline(1, 8), maps::rwlock(1, 8, true)]);
        table.group(&harness.run(Group { name: "S1.1.8", two_core: false, cases }), &bars);
    }

    // The goal compares with the bare lookup and call; the floor lets the peer build its event as we do.
    let bars = [
        Bar::faster("1", "by name", "RwLock<HashMap>", 1.0).stretch(1.4),
        Bar::faster("1", "by name", "RwLock<HashMap> + event", 1.0).floor(1.0).floor_only(),
        Bar::faster("2", "by handle", "by name", 1.7).stretch(2.2).floor(1.25),
        Bar::faster("3", "by name", "agent-event-bus", 100.0).must(),
        Bar::faster("4", "by name", "pubsub-bus", 200.0),
    ];
    if harness.wants("S1.1000.1", &["1", "2", "3", "4"]) {
        let mut cases = us::inline(1000, 1);
        cases.extend([
            maps::rwlock(1000, 1, false),
            maps::rwlock(1000, 1, true),
            agent::inline(1000, 1),
            pubsub::inline(1000, 1),
        ]);
        table.group(&harness.run(Group { name: "S1.1000.1", two_core: false, cases }), &bars);
    }

    if harness.wants("S1.threads", &["6"]) {
        let cases = us::inline_threads();
        let bars = [Bar::faster("6", "two publishers", "one publisher", 1.8)];
        table.group(&harness.run(Group { name: "S1.threads", two_core: true, cases }), &bars);
    }
}
