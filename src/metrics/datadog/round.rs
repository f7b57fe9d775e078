//! One round of an exporter: read the bus, send the lines.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{MetricBuilder, MetricError, StatsdClient};

use crate::bus::EngineStats;
use crate::event::DropReason;
use crate::metrics::reading::Shown;
use crate::subscribe::Hub;
use crate::sync::clock::Deadline;

/// The original's tag for all engines together.
const ALL: &str = "_all";

/// How long a round may take, whatever the socket does.
const LONGEST_ROUND: Duration = Duration::from_secs(1);

/// What is kept from one round to the next.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Held, so that what was counted until the end of the bus is in the last round. A bus ends with its last handle all
    /// the same.
    hub: Arc<Hub>,
    shown: Shown,
    client: StatsdClient,
    address: String,
    /// What has been sent as counts, for each engine in their order.
    sent: Vec<Counts>,
    /// The last round failed: nobody needs to hear of it again.
    is_out: bool,
}

/// Counts of an engine.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    delivered: u64,
    dropped: u64,
    failed: u64,
    by_reason: [u64; DropReason::ALL.len()],
}

impl Rounds {
    /// The rounds of a bus: what it has counted until now is in none of their counts.
    pub(super) fn new(hub: Arc<Hub>, client: StatsdClient, address: String) -> Self {
        let shown = Shown::default();
        let sent = shown.read(&hub).engines.iter().map(Counts::of).collect();
        Self { hub, shown, client, address, sent, is_out: false }
    }

    /// Sends everything. Returns how many lines were sent, and whether these were all.
    ///
    /// # Blocking
    ///
    /// At most for a second and the time that one line takes.
    pub(super) fn send(&mut self) -> (u64, bool) {
        let stats = self.shown.read(&self.hub);
        // An engine is never added, but an index is not to be trusted with it.
        self.sent.resize(stats.engines.len(), Counts::default());
        let mut lines = Lines { deadline: Deadline::after(LONGEST_ROUND), sent: 0 };
        let result = send(&self.client, &mut lines, &stats.engines, &mut self.sent);
        match &result {
            Err(error) if !self.is_out => {
                let Self { hub, address, .. } = self;
                hub.hooks.warn(|| format!("the exporter to \"{address}\" cannot send: {error}"));
            }
            _ => {}
        }
        self.is_out = result.is_err();
        (lines.sent, result.is_ok())
    }
}

/// Sends all lines, until one fails. What was sent as a count is noted at once.
fn send(
    client: &StatsdClient,
    lines: &mut Lines,
    engines: &[EngineStats],
    sent: &mut [Counts],
) -> Result<(), MetricError> {
    let mut all = (0, 0);
    for (engine, sent) in engines.iter().zip(sent) {
        let name = engine.name.as_str();
        all = (all.0 + engine.delivered, all.1 + engine.dropped);
        lines.gauge(client, "delivered_total", name, engine.delivered)?;
        lines.gauge(client, "dropped_total", name, engine.dropped)?;
        lines.gauge(client, "in_flight", name, engine.in_flight)?;
        lines.count(client, "delivered", name, engine.delivered, &mut sent.delivered)?;
        lines.count(client, "dropped", name, engine.dropped, &mut sent.dropped)?;
        lines.count(client, "failed", name, engine.failed, &mut sent.failed)?;
        for ((reason, count), sent) in engine.dropped_by.iter().zip(&mut sent.by_reason) {
            if count > *sent {
                let line = client.count_with_tags("dropped_by_reason", count - *sent);
                lines.send(line.with_tag("engine", name).with_tag("reason", reason.as_str()))?;
                *sent = count;
            }
        }
    }
    lines.gauge(client, "delivered_total", ALL, all.0)?;
    lines.gauge(client, "dropped_total", ALL, all.1)
}

impl Counts {
    fn of(engine: &EngineStats) -> Self {
        let by_reason = DropReason::ALL.map(|reason| engine.dropped_by.by(reason));
        Self { delivered: engine.delivered, dropped: engine.dropped, failed: engine.failed, by_reason }
    }
}

/// The lines of one round.
struct Lines {
    deadline: Deadline,
    sent: u64,
}

impl Lines {
    /// Sends a level.
    fn gauge(
        &mut self,
        client: &StatsdClient,
        name: &str,
        engine: &str,
        level: u64,
    ) -> Result<(), MetricError> {
        self.send(client.gauge_with_tags(name, level).with_tag("engine", engine))
    }

    /// Sends what a counter has gained, also if that is nothing: a series of zeros is no gap.
    fn count(
        &mut self,
        client: &StatsdClient,
        name: &str,
        engine: &str,
        now: u64,
        sent: &mut u64,
    ) -> Result<(), MetricError> {
        let gained = now.saturating_sub(*sent);
        self.send(client.count_with_tags(name, gained).with_tag("engine", engine))?;
        *sent = now;
        Ok(())
    }

    fn send<M>(&mut self, line: MetricBuilder<'_, '_, M>) -> Result<(), MetricError>
    where
        M: cadence::Metric + From<String>,
    {
        if self.deadline.has_passed() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the agent takes too little").into());
        }
        line.try_send()?;
        self.sent += 1;
        Ok(())
    }
}
