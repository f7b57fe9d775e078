//! Bad input gets a typed error at the call that brought it: never a panic, never a silent fallback, and
//! the payload comes back (M3, L6, Z1, Z3, X4).
//!
//! | file | what it holds |
//! |---|---|
//! | `bad_input/faces.rs` | every way to publish and to subscribe, and what a refusal must be |
//! | `bad_input/names.rs` | topics and patterns that are none |
//! | `bad_input/options.rs` | options of buses and subscriptions out of their range |
//! | `bad_input/times.rs` | durations of nothing and of all time |
//! | `bad_input/payloads.rs` | metadata and raw payloads over their limits |
//! | `bad_input/ended.rs` | calls on a bus that was shut down or is gone |
//! | `bad_input/texts.rs` | what errors read like, and what nothing may show |

#[path = "bad_input/ended.rs"]
mod ended;
#[path = "bad_input/faces.rs"]
mod faces;
#[path = "bad_input/names.rs"]
mod names;
#[path = "bad_input/options.rs"]
mod options;
#[path = "bad_input/payloads.rs"]
mod payloads;
mod support;
#[path = "bad_input/texts.rs"]
mod texts;
#[path = "bad_input/times.rs"]
mod times;
