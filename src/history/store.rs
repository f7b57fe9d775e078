//! Where the events of one topic are kept.

use std::collections::VecDeque;
use std::fmt;

use crate::envelope::Encoded;
use crate::event::{AnyEvent, Raw};

/// What an event counts for beside its payload, in bytes: the event, its rare parts and its place here.
pub(crate) const OVERHEAD: u64 = 256;

/// An event that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) event: AnyEvent,
    /// The number of its publication on the whole bus: what merges topics.
    pub(crate) number: u64,
    /// When it was kept, in milliseconds of the bus's clock.
    pub(crate) at: u64,
}

impl Kept {
    /// What it counts for.
    pub(crate) fn bytes(&self) -> u64 {
        let payload = match (self.event.payload::<Raw>(), self.event.payload::<Encoded>()) {
            (Some(raw), _) => raw.len(),
            (_, Some(encoded)) => encoded.bytes().len(),
            _ => 0,
        };
        OVERHEAD + payload as u64
    }
}

/// The events of one topic under their sequence numbers: 1, 2, 3, and so on, in the order of publication.
///
/// # Contract
///
/// One caller at a time. The events that are kept are a run: from [`first`](Self::first) up to and not including
/// [`next`](Self::next); when none is kept the two are the same. `next` never goes back. Nothing here runs code of the
/// application: an event that goes is handed out, to be dropped where that may happen.
pub(crate) trait HistoryStore: fmt::Debug + Send {
    /// Keeps an event under the [next](Self::next) number.
    fn append(&mut self, kept: Kept);

    /// The number of the oldest event that is kept.
    fn first(&self) -> u64;

    /// The number that the next event will have.
    fn next(&self) -> u64;

    /// What the events count for, together.
    fn bytes(&self) -> u64;

    /// Hands out all events before this number, the oldest first.
    fn trim(&mut self, first: u64, gone: &mut Vec<Kept>);

    /// Visits the events from this number on, or from the first that is kept, until the visitor has enough.
    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &Kept) -> bool);
}

/// In memory.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    events: VecDeque<Kept>,
    first: u64,
    bytes: u64,
}

impl MemoryStore {
    /// Of a topic whose last event had that number: 0 if there was none.
    pub(crate) fn after(last: u64) -> Self {
        Self { events: VecDeque::new(), first: last + 1, bytes: 0 }
    }
}

impl HistoryStore for MemoryStore {
    fn append(&mut self, kept: Kept) {
        self.bytes += kept.bytes();
        self.events.push_back(kept);
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn trim(&mut self, first: u64, gone: &mut Vec<Kept>) {
        while self.first < first
            && let Some(kept) = self.events.pop_front()
        {
            self.first += 1;
            self.bytes -= kept.bytes();
            gone.push(kept);
        }
        if self.events.is_empty() {
            // A topic that had many events once need not keep their room.
            self.events = VecDeque::new();
        }
    }

    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &Kept) -> bool) {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let from = from.max(self.first);
        for (sequence, kept) in (from..).zip(self.events.iter().skip(skipped)) {
            if !visit(sequence, kept) {
                return;
            }
        }
    }
}
