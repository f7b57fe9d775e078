//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use super::support::PATIENCE;

/// Waits until something holds; fails when it does not within [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = 0_u32;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        // A pause between two looks: others need the processor more than this one needs to know.
        looks += 1;
        if looks < 100 {
            thread::yield_now();
        } else {
            thread::park_timeout(Duration::from_micros(200));
        }
    }
}
