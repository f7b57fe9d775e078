//! The scenarios of the performance document, each with its bars.

use crate::harness::Harness;
use crate::table::Table;

pub use latency::Seen;

mod churn;
mod fanout;
mod latency;
mod memory;
mod pool;
mod sync;
mod two_cores;
mod wildcard;

/// Runs every scenario that was asked for.
pub fn run(harness: &Harness, table: &mut Table) {
    if cfg!(feature = "memory") {
        memory::run(harness, table);
        return;
    }
    sync::run(harness, table);
    wildcard::run(harness, table);
    fanout::run(harness, table);
    two_cores::run(harness, table);
    pool::run(harness, table);
    latency::run(harness, table);
    memory::run(harness, table);
    churn::run(harness, table);
}
