//! What topics keep of their events, and subscriptions that replay it. See `README.md`.
//!
//! | file | idea |
//! |---|---|
//! | `keeper.rs` | all that a bus keeps: numbers, limits, which topic is the coldest |
//! | `logs.rs` | the logs of a table of topics, and who follows them |
//! | `log.rs`, `place.rs` | the events of one topic in their order; how far a follower has come there |
//! | `hand_over.rs` | a publish to a topic with a log |
//! | `follower.rs`, `gaps.rs` | a subscription that replays; what it has missed |
//! | `catch_up.rs` | how it reads, paced by its consumer |

mod catch_up;
mod follower;
mod gaps;
mod hand_over;
mod keeper;
mod log;
mod logs;
#[cfg(all(test, loom))]
mod models;
mod place;

pub(crate) use follower::Follower;
pub use gaps::Gap;
pub(super) use hand_over::keep;
pub use keeper::HistoryStats;
pub(crate) use keeper::Keeper;
pub(crate) use log::Log;
pub(crate) use logs::{Beginning, Logs};
pub(crate) use place::{Origin, StartError};
