//! Panics of the application's code stay where they are (P1 to P4).
//!
//! | file | what it holds |
//! |---|---|
//! | `panics/wanted.rs` | panics that are wanted, and what must work after them |
//! | `panics/handlers.rs` | handlers |
//! | `panics/payloads.rs` | payloads whose drop panics, wherever they end |
//! | `panics/callbacks.rs` | filters, completions, observers, errors, what a panic carries; nothing is poisoned |
//! | `panics/quarantine.rs` | so many in a row |

#[path = "panics/callbacks.rs"]
mod callbacks;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "panics/handlers.rs"]
mod handlers;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "panics/payloads.rs"]
mod payloads;
#[path = "panics/quarantine.rs"]
mod quarantine;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "panics/wanted.rs"]
mod wanted;
#[path = "support/yield_once.rs"]
mod yield_once;
