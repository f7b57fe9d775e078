//! What is kept of the events of a topic, and by which rules. Who reads it is `../dispatch/history`.
//!
//! | file | idea |
//! |---|---|
//! | `retention.rs` | [`Retention`]: by count, bytes and age; the rules of a bus and its limits |
//! | `store.rs` | [`HistoryStore`](store::HistoryStore): where the events of one topic are kept; in memory |
//! | `shelf.rs` | a store with its rule: append, and trim |

mod retention;
mod shelf;
mod store;

pub use retention::Retention;
pub(crate) use retention::{Limits, Rules};
pub(crate) use shelf::Shelf;
pub(crate) use store::{Kept, MemoryStore};
