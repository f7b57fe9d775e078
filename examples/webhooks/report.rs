//! What is shown in the end: a table for people, one line of JSON for programs, and whether everything
//! is accounted for.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use trolleybus::{BusStats, ShutdownReport};

use crate::publish::Published;
use crate::subscriptions::Finding;

/// The line of `--json`.
#[derive(Debug, Serialize)]
struct Line {
    published: u64,
    seconds: f64,
    subscriptions: Vec<Row>,
}

/// The ledger of a subscription.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(skip)]
    name: String,
    pattern: String,
    kind: &'static str,
    offered: u64,
    delivered: u64,
    failed: u64,
    dropped: BTreeMap<String, u64>,
    expired: u64,
    duplicate: u64,
    queued: u64,
    running: u64,
    filtered: u64,
    skipped: u64,
}

impl Row {
    fn of(finding: &Finding) -> Self {
        let ledger = &finding.ledger;
        Self {
            name: finding.name.clone(),
            pattern: finding.pattern.clone(),
            kind: finding.kind,
            offered: ledger.offered,
            delivered: ledger.delivered,
            failed: ledger.failed,
            dropped: ledger.dropped.iter().map(|(reason, count)| (reason.to_string(), count)).collect(),
            expired: ledger.expired,
            duplicate: ledger.duplicate,
            queued: ledger.queued,
            running: ledger.running,
            filtered: ledger.filtered,
            skipped: ledger.skipped,
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// The drops in words: `12 full, 3 timeout`.
    fn reasons(&self) -> String {
        let reasons = self.dropped.iter().filter(|(_, count)| **count > 0);
        reasons.map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
    }
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Report {
    line: Line,
    rejected: u64,
    refusals: Vec<String>,
    problems: Vec<String>,
}

impl Report {
    /// Puts the report together and checks it: once from the ledgers, and once from what the publishers
    /// were told, which the ledgers must agree with.
    pub(crate) fn new(
        stats: &BusStats,
        findings: &[Finding],
        published: &Published,
        shutdown: &ShutdownReport,
        elapsed: Duration,
    ) -> Self {
        let mut problems = Vec::new();
        for Finding { name, ledger, .. } in findings {
            if !ledger.is_balanced() {
                problems.push(format!("the ledger of {name} does not balance: {ledger:?}"));
            }
            if ledger.queued + ledger.running > 0 {
                problems.push(format!(
                    "{name} is not done: {} queued, {} running",
                    ledger.queued, ledger.running
                ));
            }
        }
        let mut expect = |what: &str, one: u64, other: u64| {
            if one != other {
                problems.push(format!("{what}: {one} and {other} differ"));
            }
        };
        let sum = |field: fn(&Finding) -> u64| findings.iter().map(field).sum::<u64>();
        let offered = sum(|finding| finding.ledger.offered);
        expect("events offered, by the receipts and by the ledgers", published.offered, offered);
        expect("events offered, by the ledgers and by the bus", offered, stats.total.offered);
        let delivered = sum(|finding| finding.ledger.delivered);
        expect("events delivered, by the ledgers and by the bus", delivered, stats.total.delivered);
        let filtered = sum(|finding| finding.ledger.filtered);
        expect("events filtered, by the receipts and by the ledgers", published.filtered, filtered);
        if !shutdown.complete {
            problems.push(format!("the queues were not empty in time: {:?}", shutdown.unfinished));
        }
        if published.events == 0 {
            problems.push("no event was published".to_owned());
        }
        let subscriptions = findings.iter().map(Row::of).collect();
        Self {
            line: Line { published: published.events, seconds: elapsed.as_secs_f64(), subscriptions },
            rejected: published.rejected,
            refusals: published.refusals.clone(),
            problems,
        }
    }

    /// Says whether everything is accounted for.
    pub(crate) fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    /// Prints the table for people.
    pub(crate) fn print_table(&self) {
        let Line { published, seconds, subscriptions } = &self.line;
        let mut text = format!(
            "{:<10} {:<8} {:<32} {:>10} {:>10} {:>7} {:>9} {:>9}  {}\n",
            "name", "kind", "pattern", "offered", "delivered", "failed", "dropped", "filtered", "dropped for"
        );
        for row in subscriptions {
            text += format!(
                "{:<10} {:<8} {:<32} {:>10} {:>10} {:>7} {:>9} {:>9}  {}",
                row.name,
                row.kind,
                shorten(&row.pattern, 32),
                row.offered,
                row.delivered,
                row.failed,
                row.dropped(),
                row.filtered,
                row.reasons(),
            )
            .trim_end();
            text.push('\n');
        }
        let deliveries: u64 = subscriptions.iter().map(|row| row.delivered).sum();
        let rate = |count: u64| count as f64 / seconds.max(f64::MIN_POSITIVE);
        text += &format!(
            "\n{published} events in {seconds:.3} s: {:.0} events and {:.0} deliveries a second\n",
            rate(*published),
            rate(deliveries),
        );
        if self.rejected > 0 {
            text += &format!("{} rejected, because their name makes no topic:\n", self.rejected);
            for refusal in &self.refusals {
                text += &format!("  {refusal}\n");
            }
        }
        if self.holds() {
            text += "every ledger balances, nothing is queued or running\n";
        }
        // A reader that has gone away (`| head`) is no failure of ours.
        let _ = io::stdout().write_all(text.as_bytes());
    }

    /// Prints the line for programs.
    pub(crate) fn print_json(&self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        serde_json::to_writer(&mut stdout, &self.line)?;
        writeln!(stdout)
    }

    /// Says on standard error what does not add up.
    pub(crate) fn print_problems(&self) {
        for problem in &self.problems {
            eprintln!("error: {problem}");
        }
    }
}

/// The start of a text that is too long for its column.
fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 3).chain("...".chars()).collect()
}
