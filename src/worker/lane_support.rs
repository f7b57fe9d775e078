//! How models drive lanes by hand.

use std::sync::Arc;

use loom::thread::{JoinHandle, spawn, yield_now};

use super::lane::{Lane, Stopped};

/// Drives a lane as often as it was queued.
pub(crate) fn drive(lane: &Arc<Lane>) {
    while lane.is_queued() {
        if lane.drive(|| false) == Stopped::GivesWay {
            yield_now();
        }
    }
}

/// The same in a thread of its own.
pub(crate) fn driver(lane: &Arc<Lane>) -> JoinHandle<()> {
    let lane = Arc::clone(lane);
    spawn(move || drive(&lane))
}
