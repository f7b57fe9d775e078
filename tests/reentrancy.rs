//! Handlers may do with the bus whatever they like (R1 to R5): no lock is held while they run, and a wait
//! for oneself is refused instead of waited for.
//!
//! | file | what it holds |
//! |---|---|
//! | `reentrancy/anything.rs` | everything that a handler may do, dropping the last handle included |
//! | `reentrancy/waits.rs` | waits and recursion that would have no end |
//! | `reentrancy/locks.rs` | no lock is held while user code runs |

#[path = "reentrancy/anything.rs"]
mod anything;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "reentrancy/locks.rs"]
mod locks;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "reentrancy/waits.rs"]
mod waits;
#[path = "support/yield_once.rs"]
mod yield_once;

use trolleybus::EventBus;

fn named(workers: usize, name: &str) -> EventBus {
    EventBus::builder().workers(workers).thread_name(name).build().expect("build")
}

fn bus(workers: usize) -> EventBus {
    named(workers, "reentry")
}
