//! trolleybus: an event bus.
#![forbid(unsafe_code)]
// Only `sync` names atomics, locks, threads and clocks; clippy.toml says what and why.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod sync;
