//! What became of events between those who published them and those who handled them; after the checkers of Jepsen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How a publish ended, as its caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It was taken.
    Ok,
    /// It was certainly not taken.
    Err,
    /// Nobody knows.
    Unknown,
}

/// An event: its id, and what its order is about (publisher and key), with its number there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sent {
    pub(crate) id: u64,
    pub(crate) line: String,
    pub(crate) number: u64,
}

/// What was published, and how that ended, and what was handled, in the order of handling.
#[derive(Debug, Default)]
pub(crate) struct Record {
    published: Vec<(Sent, Published)>,
    handled: Vec<u64>,
}

/// What is wrong, and what is merely to be counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Taken, and never handled.
    pub(crate) lost: BTreeSet<u64>,
    /// Handled, and never published.
    pub(crate) phantom: BTreeSet<u64>,
    /// Handled, although the publisher was told that it was not taken.
    pub(crate) risen: BTreeSet<u64>,
    /// Handled, where the publisher knew nothing: fine.
    pub(crate) recovered: BTreeSet<u64>,
    /// How often more than once each was handled.
    pub(crate) duplicates: BTreeMap<u64, u64>,
    /// First handled before an earlier one of its line.
    pub(crate) disordered: BTreeSet<u64>,
}

impl Record {
    pub(crate) fn publish(&mut self, sent: Sent, how: Published) {
        self.published.push((sent, how));
    }

    pub(crate) fn handle(&mut self, id: u64) {
        self.handled.push(id);
    }

    /// Says what came of it all. Duplicates are judged in their order by the first time that they were handled.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let published: HashMap<u64, &(Sent, Published)> =
            self.published.iter().map(|one| (one.0.id, one)).collect();
        let mut times = HashMap::<u64, u64>::new();
        let mut furthest = HashMap::<&str, u64>::new();
        for id in &self.handled {
            let seen = times.entry(*id).or_default();
            *seen += 1;
            let Some((sent, how)) = published.get(id) else {
                verdict.phantom.insert(*id);
                continue;
            };
            if *seen > 1 {
                *verdict.duplicates.entry(*id).or_default() += 1;
                continue;
            }
            match how {
                Published::Ok => {}
                Published::Err => _ = verdict.risen.insert(*id),
                Published::Unknown => _ = verdict.recovered.insert(*id),
            }
            let last = furthest.entry(&sent.line).or_default();
            if sent.number < *last {
                verdict.disordered.insert(*id);
            }
            *last = sent.number.max(*last);
        }
        let is_lost =
            |(sent, how): &&(Sent, Published)| *how == Published::Ok && !times.contains_key(&sent.id);
        verdict.lost = self.published.iter().filter(is_lost).map(|(sent, _)| sent.id).collect();
        verdict
    }
}

impl Verdict {
    /// Says whether nothing is wrong but what may be with an engine that delivers at least once.
    pub(crate) fn is_at_least_once(&self) -> bool {
        self.lost.is_empty() && self.phantom.is_empty() && self.risen.is_empty()
    }
}
