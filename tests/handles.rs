//! What the handles of subscriptions promise: what is seen from when on, and what not any more (V1 to
//! V6, O3); drain, `take`, `expect`.
//!
//! | file | what it holds |
//! |---|---|
//! | `handles/begin.rs` | from when on a subscription gets events |
//! | `handles/cancel.rs` | from when on it gets none |
//! | `handles/patterns.rs` | several patterns are one subscription |
//! | `handles/pauses.rs` | pauses keep the order |
//! | `handles/ends.rs` | ends of its own: drain, `take`, `expect`, the end of a receiver |

#[path = "handles/begin.rs"]
mod begin;
#[path = "handles/cancel.rs"]
mod cancel;
#[path = "handles/ends.rs"]
mod ends;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "handles/patterns.rs"]
mod patterns;
#[path = "handles/pauses.rs"]
mod pauses;
mod support;
#[path = "support/yield_once.rs"]
mod yield_once;

use trolleybus::EventBus;

fn bus(workers: usize) -> EventBus {
    EventBus::builder().workers(workers).build().expect("build")
}
