//! Reads the statistics all the while and judges what can be judged at any moment (C2).

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use trolleybus::{EventBus, Ledger};

/// No queue and no pool is as large; a difference that went below zero is.
const ABSURD: u64 = 1 << 32;

/// Counts that never go down.
fn counters(ledger: &Ledger) -> Vec<u64> {
    let Ledger { offered, delivered, failed, expired, duplicate, filtered, skipped, .. } = *ledger;
    let mut counters = vec![offered, delivered, failed, expired, duplicate, filtered, skipped];
    counters.extend(ledger.dropped.iter().map(|(_, number)| number));
    counters
}

/// Says what is wrong with a reading, given the counters of the one before.
fn judge(now: &Ledger, before: Option<&Vec<u64>>) -> Option<String> {
    let sinks = now.delivered + now.dropped.total() + now.expired + now.duplicate;
    if sinks > now.offered {
        return Some(format!("{sinks} events at their end, {} offered", now.offered));
    }
    if !now.is_balanced() {
        return Some(format!("offered {}, accounted {}", now.offered, now.accounted()));
    }
    if now.queued > ABSURD || now.running > ABSURD {
        return Some("queued or running went below zero".to_owned());
    }
    if now.failed > now.delivered {
        return Some("more failed than delivered".to_owned());
    }
    let fell = before?.iter().zip(counters(now)).find(|(before, now)| now < *before);
    fell.map(|(before, now)| format!("a counter went from {before} to {now}"))
}

/// A thread that samples until it is stopped.
pub(crate) struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Sampler {
    pub(crate) fn start(bus: &EventBus) -> Self {
        let (stop, stopped) = mpsc::channel();
        let bus = bus.downgrade();
        let thread = std::thread::spawn(move || {
            let mut total = None;
            let mut known = HashMap::new();
            let mut samples = 0;
            // Not without a break: the threads that do something need the processor.
            while stopped.recv_timeout(Duration::from_micros(300)) == Err(RecvTimeoutError::Timeout) {
                let Some(bus) = bus.upgrade() else { break };
                let stats = bus.stats();
                if let Some(wrong) = judge(&stats.total, total.as_ref()) {
                    return Err(format!("the bus: {wrong}: {:?}", stats.total));
                }
                total = Some(counters(&stats.total));
                for one in &stats.subscriptions {
                    if let Some(wrong) = judge(&one.ledger, known.get(&one.id)) {
                        return Err(format!("{wrong}: {one:?}"));
                    }
                    known.insert(one.id, counters(&one.ledger));
                }
                samples += 1;
            }
            Ok(samples)
        });
        Self { stop, thread }
    }

    /// Ends the sampling: how many samples there were, or what was wrong.
    pub(crate) fn stop(self) -> Result<u64, String> {
        // It may have ended with an error already.
        let _ = self.stop.send(());
        self.thread.join().expect("the sampler does not panic")
    }
}
