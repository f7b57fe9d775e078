//! The bounded queue of a subscription.
//!
//! This is the one module of the crate with `unsafe` in it, and it is here because of what it saves: see
//! [`README.md`](README.md) beside this file for the protocol, the argument for its soundness, the figures,
//! and how it is checked.
//!
//! | file | what it holds |
//! |---|---|
//! | `words.rs` | [`Gate`] and [`Taken`]: how many events went in and out, and the flags that decide about them |
//! | `ring.rs` | [`Ring`]: the places, and who may touch which of them |
//! | `place.rs` | one place: the `unsafe` |

#[cfg(all(test, loom))]
mod models;
mod place;
mod ring;
mod words;

pub(crate) use ring::{Popped, Refused, Ring, Shut};
pub(crate) use words::{Gate, GateView, Taken};
