//! S6: one subscription more and one less, among many topics and among many subscriptions of one topic.

use crate::harness::{Group, Harness};
use crate::peers::maps;
use crate::table::{Bar, Table};
use crate::us;

/// S6 wide and deep.
pub fn run(harness: &Harness, table: &mut Table) {
    let many = harness.size(100_000);
    if harness.wants("S6.wide", &["26"]) {
        let mut cases = us::subscribe_wide("10 topics", 10);
        cases.extend(us::subscribe_wide("100k topics", many));
        cases.push(maps::whole_map_copy(many));
        let bars = [
            Bar::faster("26", "100k topics", "whole-map copy", 1500.0).must(),
            Bar::cheaper("26", "100k topics", "10 topics", 10.0).must(),
        ];
        table.group(&harness.run(Group { name: "S6.wide", two_core: false, cases }), &bars);
    }
    for (name, size, times, stretch) in
        [("S6.deep.1k", 1000, 8.0, None), ("S6.deep.100k", many, 60.0, Some(1000.0))]
    {
        if !harness.wants(name, &["27"]) {
            continue;
        }
        let mut cases = us::subscribe_deep("subscribe + cancel", size);
        cases.push(maps::list_copy(size));
        let mut bar = Bar::faster("27", "subscribe + cancel", "Vec<Arc> copy", times).must();
        bar.stretch = stretch;
        table.group(&harness.run(Group { name, two_core: false, cases }), &[bar]);
        let mut cases = us::inline_deep("publish, each", size);
        cases.push(maps::list_call(size));
        let bars = [Bar::cheaper("27", "publish, each", "plain list", 2.5).must()];
        table.group(&harness.run(Group { name, two_core: false, cases }), &bars);
    }
}
