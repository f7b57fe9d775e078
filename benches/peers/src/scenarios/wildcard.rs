//! S1w: a publish on a known topic that two prefix patterns match, among 10 and among 100,000 patterns.

use crate::harness::{Group, Harness};
use crate::peers::maps;
use crate::table::{Bar, Table};
use crate::us;

/// Prefixes of which two match the topic that is published.
fn prefixes(count: usize) -> Vec<String> {
    let other = |i| format!("p{i:06}.");
    ["user.", "user.created."].map(str::to_owned).into_iter().chain((2..count).map(other)).collect()
}

/// S1w.
pub fn run(harness: &Harness, table: &mut Table) {
    if !harness.wants("S1w", &["7"]) {
        return;
    }
    let many = harness.size(100_000);
    let mut cases = us::patterns("10 patterns", &prefixes(10));
    cases.extend(us::patterns("100k patterns", &prefixes(many)));
    cases.push(maps::linear_scan(prefixes(many)));
    let bars = [
        Bar::cheaper("7", "100k patterns", "10 patterns", 1.3),
        Bar::faster("7", "100k patterns", "linear scan", 5000.0),
    ];
    table.group(&harness.run(Group { name: "S1w", two_core: false, cases }), &bars);
}
