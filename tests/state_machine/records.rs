//! The words in which the model and the bus are compared.

use super::ops::Want;

/// Reasons of drops, as places in an array, in the order of `DropReason::ALL`.
pub(crate) const FULL: usize = 0;
pub(crate) const OLDEST: usize = 1;
pub(crate) const TIMEOUT: usize = 2;
pub(crate) const CANCELLED: usize = 3;
pub(crate) const SHUTDOWN: usize = 4;

/// Drops by reason.
pub(crate) type Drops = [u64; 6];

/// An event as a handler sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) topic: String,
    pub(crate) payload: Payload,
    pub(crate) key: Option<String>,
    pub(crate) meta: Option<String>,
}

/// What was in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Payload {
    Number(u32),
    Text(String),
    Raw(usize),
    Other(u64),
}

impl Payload {
    /// What the filters of the test ask.
    pub(crate) fn is_even(&self) -> bool {
        match self {
            Self::Number(number) => number % 2 == 0,
            Self::Text(text) => text.len() % 2 == 0,
            Self::Raw(len) => len % 2 == 0,
            Self::Other(number) => number % 2 == 0,
        }
    }

    /// When the failing handlers fail.
    pub(crate) fn fails(&self) -> bool {
        match self {
            Self::Number(number) => number % 3 == 0,
            Self::Text(text) => text.len() % 3 == 0,
            Self::Raw(len) => len % 3 == 0,
            Self::Other(number) => number % 3 == 0,
        }
    }

    pub(crate) fn is(&self, want: Want) -> bool {
        match want {
            Want::Any => true,
            Want::Number => matches!(self, Self::Number(_)),
            Want::Text => matches!(self, Self::Text(_)),
        }
    }
}

/// The account of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) offered: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: Drops,
    pub(crate) queued: u64,
    pub(crate) filtered: u64,
    pub(crate) skipped: u64,
}

impl Book {
    pub(crate) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.queued += other.queued;
        self.filtered += other.filtered;
        self.skipped += other.skipped;
        for (sum, part) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += part;
        }
    }
}

/// What a publish says about itself. A problem names the subscription, and the reason of a drop; a
/// failure has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paper {
    pub(crate) matched: usize,
    pub(crate) delivered: usize,
    pub(crate) queued: usize,
    pub(crate) failed: usize,
    pub(crate) filtered: usize,
    pub(crate) skipped: usize,
    pub(crate) dropped: Drops,
    pub(crate) problems: Vec<(usize, Option<usize>)>,
}

impl Paper {
    /// Adds the receipt of one more event of a batch.
    pub(crate) fn add(&mut self, one: &Self) {
        self.matched += one.matched;
        self.delivered += one.delivered;
        self.queued += one.queued;
        self.failed += one.failed;
        self.filtered += one.filtered;
        self.skipped += one.skipped;
        for (sum, part) in self.dropped.iter_mut().zip(one.dropped) {
            *sum += part;
        }
        self.problems.extend(one.problems.iter().copied());
    }
}

/// What a completion says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) done: usize,
    pub(crate) failed: Vec<usize>,
    pub(crate) dropped: Vec<(usize, usize)>,
}

/// How a publish deals with full queues that would make it wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Only where nothing would have to be waited for for ever.
    Wait,
    Never,
    /// A deadline of zero.
    Zero,
    /// Waits as a future that is dropped at once.
    Abandoned,
}

/// Why a publish was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    ShutDown,
    TooLarge,
}

/// What `try_recv` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Event(Seen),
    Empty,
    Closed,
}

/// What a shutdown without patience reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) complete: bool,
    pub(crate) discarded: u64,
    pub(crate) unfinished: Vec<(usize, u64)>,
}
