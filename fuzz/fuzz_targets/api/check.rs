//! What must hold whatever was called.

use std::time::{Duration, Instant};

use trolleybus::{EventBus, Receipt};

/// Looks whether the numbers of a receipt fit together.
pub(crate) fn check(receipt: Option<&Receipt>) {
    let Some(receipt) = receipt else { return };
    assert_eq!(receipt.matched(), receipt.offered() + receipt.filtered() + receipt.skipped(), "{receipt:?}");
    assert_eq!(receipt.problems().len(), receipt.dropped() + receipt.failed(), "{receipt:?}");
    assert_eq!(receipt.dropped_by().total(), receipt.dropped() as u64);
    assert!(!format!("{receipt:?}").is_empty());
}

/// Looks whether every event of a bus that was shut down is accounted for.
pub(crate) fn accounted_for(bus: &EventBus) {
    // A handler that had started may still be at its end.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let total = bus.stats().total;
        if total.is_balanced() && total.queued == 0 && total.running == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "not accounted for: {total:?}");
        std::thread::yield_now();
    }
}
