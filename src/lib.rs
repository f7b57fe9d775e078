//! trolleybus: an event bus.
#![forbid(unsafe_code)]

mod sync;
mod worker;
