//! A broker in this process, to which several engines connect: a log that is kept, groups that clients share,
//! redelivery of what was not handled, and connections that can be cut. It can be told to do one thing wrong.
//!
//! | file | what it holds |
//! |---|---|
//! | `broker.rs` | [`FakeBroker`]: the log, cursors, who is connected |
//! | `engine.rs` | [`FakeEngine`]: a client of it, with a thread |

mod broker;
mod engine;

pub(crate) use broker::{FakeBroker, Flaw};
pub(crate) use engine::FakeEngine;
