//! A gate that holds handlers up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Holds threads up until it is opened; opens by itself when a test fails, so that threads can end.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    inside: AtomicUsize,
}

impl Gate {
    pub(crate) fn pass(&self) {
        self.inside.fetch_add(1, Ordering::AcqRel);
        let open = self.open.lock().expect("lock");
        drop(self.opened.wait_while(open, |open| !*open).expect("lock"));
    }

    pub(crate) fn open(&self) {
        *self.open.lock().expect("lock") = true;
        self.opened.notify_all();
    }

    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }
}

/// Opens a gate at the end of a test, whatever the end is.
pub(crate) struct Opens(Arc<Gate>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A closed gate, and what opens it at the end of the test.
pub(crate) fn gate() -> (Arc<Gate>, Opens) {
    let gate = Arc::<Gate>::default();
    (Arc::clone(&gate), Opens(gate))
}
