//! The exporter: a thread, and the handle that ends it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bell::Bell;
use super::builder::DatadogBuilder;
use super::error::DatadogError;
use super::round::Rounds;
use crate::bus::EventBus;
use crate::guard::guarded;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::Deadline;
use crate::sync::thread::{Builder, JoinHandle, current};

/// Sends the accounts of a bus to an agent, at an interval, from a thread of its own. See the [module](super).
///
/// Dropping it sends the last figures, and waits for that as [`stop`](Self::stop) does. It keeps no bus open: that ends with
/// its last handle, and the exporter goes on to send its last figures until it is stopped.
pub struct DatadogExporter {
    shared: Arc<Shared>,
    /// Taken by whoever ends it.
    thread: Option<JoinHandle<()>>,
}

/// What the thread and the handle share.
#[derive(Debug, Default)]
struct Shared {
    bell: Bell,
    /// Raised by the thread; read by anybody.
    rounds: AtomicU64,
    /// Likewise.
    lines: AtomicU64,
    /// Likewise.
    failed: AtomicU64,
}

/// What an exporter has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatadogStats {
    /// Rounds that are over.
    pub rounds: u64,
    /// Rounds in which a line could not be sent, and those after it were not tried.
    pub failed: u64,
    /// Lines that were sent.
    pub lines: u64,
}

impl DatadogExporter {
    /// Begins to make an exporter for a bus.
    pub fn builder(bus: &EventBus) -> DatadogBuilder {
        DatadogBuilder::new(bus)
    }

    pub(super) fn start(rounds: Rounds, interval: Duration) -> Result<Self, DatadogError> {
        let shared = Arc::new(Shared::default());
        let body = {
            let shared = Arc::clone(&shared);
            move || shared.work(rounds, interval)
        };
        let thread = Builder::new().name("trolleybus-datadog".to_owned()).spawn(body);
        Ok(Self { shared, thread: Some(thread.map_err(DatadogError::Thread)?) })
    }

    /// Tells what the exporter has done.
    #[must_use]
    pub fn stats(&self) -> DatadogStats {
        // Relaxed: statistics.
        DatadogStats {
            rounds: self.shared.rounds.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            lines: self.shared.lines.load(Ordering::Relaxed),
        }
    }

    /// Sends the figures once more, ends the thread, and tells what it has done.
    ///
    /// # Blocking
    ///
    /// Until the last round is over: some microseconds, and not much longer than a second with an agent that hangs.
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn stop(mut self) -> DatadogStats {
        self.finish();
        self.stats()
    }

    fn finish(&mut self) {
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A handler may own the exporter, and the exporter's reading may be the last to hold that handler.
            if thread.thread().id() != current().id() {
                // Its panics are caught where they can come from.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for DatadogExporter {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    /// The thread's whole life.
    fn work(&self, mut rounds: Rounds, interval: Duration) {
        loop {
            let ends = self.bell.wait(Deadline::after(interval));
            // What a reading drops last may be the application's.
            guarded(|| {
                let (lines, complete) = rounds.send();
                // Relaxed: statistics.
                self.lines.fetch_add(lines, Ordering::Relaxed);
                self.failed.fetch_add(u64::from(!complete), Ordering::Relaxed);
            });
            self.rounds.fetch_add(1, Ordering::Relaxed);
            if ends {
                // The bus may be dropped here for good, and what belongs to it is the application's as well.
                guarded(|| drop(rounds));
                return;
            }
        }
    }
}

// A panic of user code is caught before it reaches the exporter's state.
impl std::panic::UnwindSafe for DatadogExporter {}
impl std::panic::RefUnwindSafe for DatadogExporter {}

impl fmt::Debug for DatadogExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatadogExporter").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
