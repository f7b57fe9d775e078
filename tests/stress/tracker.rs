//! What a subscription's handlers write down, and what is wrong as soon as it happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use trolleybus::HandlerError;

/// A set of numbers, marked by many threads.
#[derive(Debug)]
pub(crate) struct Bitmap(Box<[AtomicU64]>);

impl Bitmap {
    pub(crate) fn new(bits: usize) -> Self {
        Self((0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Marks a number; false if it was marked before.
    pub(crate) fn mark(&self, bit: usize) -> bool {
        let mask = 1 << (bit % 64);
        // Relaxed: each bit is judged by the one step that sets it; the whole is read after a join.
        self.0[bit / 64].fetch_or(mask, Ordering::Relaxed) & mask == 0
    }

    pub(crate) fn has(&self, bit: usize) -> bool {
        self.0[bit / 64].load(Ordering::Relaxed) & (1 << (bit % 64)) != 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }
}

/// What the events of a round share: how many there are of each publisher, and who is gone.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) publishers: usize,
    pub(crate) each: usize,
    pub(crate) topics: usize,
    /// The payloads that were dropped.
    dropped: Bitmap,
    dropped_twice: AtomicU64,
}

impl Field {
    pub(crate) fn new(publishers: usize, each: usize, topics: usize) -> Arc<Self> {
        let dropped = Bitmap::new(publishers * each);
        Arc::new(Self { publishers, each, topics, dropped, dropped_twice: AtomicU64::new(0) })
    }

    pub(crate) fn events(&self) -> usize {
        self.publishers * self.each
    }

    /// On which topic a publisher's event goes.
    pub(crate) fn topic_of(&self, sequence: usize) -> usize {
        // Several in a row, so that batches are possible.
        sequence / 16 % self.topics
    }

    pub(crate) fn topic_name(topic: usize) -> String {
        format!("stress.{}.t{topic}", if topic.is_multiple_of(2) { "even" } else { "odd" })
    }

    pub(crate) fn payload(self: &Arc<Self>, publisher: usize, sequence: usize) -> Stamped {
        Stamped { publisher, sequence, field: Some(Arc::clone(self)) }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.count()
    }

    pub(crate) fn dropped_twice(&self) -> u64 {
        self.dropped_twice.load(Ordering::Relaxed)
    }
}

/// The payload: who published it, the how-manieth of that publisher it is, and a mark when it goes (C4).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stamped {
    pub(crate) publisher: usize,
    pub(crate) sequence: usize,
    #[serde(skip)]
    field: Option<Arc<Field>>,
}

impl Drop for Stamped {
    fn drop(&mut self) {
        if let Some(field) = &self.field
            && !field.dropped.mark(self.publisher * field.each + self.sequence)
        {
            field.dropped_twice.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Which events a subscription wants.
#[derive(Clone, Debug)]
pub(crate) struct Wants {
    pub(crate) patterns: Vec<String>,
    /// By number of the topic: does one of the patterns match it? From the grammar's definition, not from the crate.
    pub(crate) topics: Box<[bool]>,
    /// Only each n-th event of a publisher passes the filter.
    pub(crate) each: usize,
}

impl Wants {
    /// One of the forms of patterns.
    pub(crate) fn form(form: usize, topics: usize, each: usize) -> Self {
        let one = form % topics;
        let matching = |matches: &dyn Fn(usize) -> bool| (0..topics).map(matches).collect();
        let all = "stress.*".to_owned();
        let (patterns, topics) = match form % 6 {
            0 => (vec!["**".to_owned()], matching(&|_| true)),
            1 => (vec![all], matching(&|_| true)),
            2 => (vec![Field::topic_name(one)], matching(&|topic| topic == one)),
            3 => (vec!["stress.even.+".to_owned()], matching(&|topic| topic % 2 == 0)),
            4 => (vec!["stress.+.t*".to_owned()], matching(&|_| true)),
            // Matched twice, to come once.
            _ => (vec![Field::topic_name(one), "other".to_owned(), all], matching(&|_| true)),
        };
        Self { patterns, topics, each }
    }

    pub(crate) fn wants(&self, field: &Field, sequence: usize) -> bool {
        self.matches(field, sequence) && sequence.is_multiple_of(self.each)
    }

    pub(crate) fn matches(&self, field: &Field, sequence: usize) -> bool {
        self.topics[field.topic_of(sequence)]
    }
}

/// What the handlers of one subscription saw.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) label: String,
    field: Arc<Field>,
    pub(crate) wants: Wants,
    /// Which events came. A short-lived subscription that is in order needs none: rising is unique.
    pub(crate) seen: Option<Bitmap>,
    /// For each publisher the sequence that may come next at the earliest; empty if handlers overlap.
    next: Box<[AtomicU64]>,
    handled: AtomicU64,
    /// Set when no handler may run any more.
    over: AtomicBool,
    wrong: AtomicU64,
    /// Some of the handlers fail.
    fails: bool,
    failed: AtomicU64,
}

impl Tracker {
    pub(crate) fn new(
        label: String,
        field: &Arc<Field>,
        wants: Wants,
        in_order: bool,
        lasting: bool,
        fails: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            label,
            wants,
            seen: (lasting || !in_order).then(|| Bitmap::new(field.events())),
            next: (0..if in_order { field.publishers } else { 0 }).map(|_| AtomicU64::new(0)).collect(),
            field: Arc::clone(field),
            handled: AtomicU64::new(0),
            over: AtomicBool::new(false),
            wrong: AtomicU64::new(0),
            fails,
            failed: AtomicU64::new(0),
        })
    }

    /// To be called by a handler, once for each event; the result is the handler's.
    pub(crate) fn handle(&self, event: &Stamped) -> Result<(), HandlerError> {
        self.note(event);
        if !self.fails || !event.sequence.is_multiple_of(61) {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        Err(HandlerError::new("on purpose"))
    }

    /// To be called for each event that was received.
    pub(crate) fn note(&self, event: &Stamped) {
        // Acquire: `over` is set after the wait for the last handler.
        if self.over.load(Ordering::Acquire) {
            self.complain("V3: a handler ran after cancel_and_wait", event);
        }
        if !self.wants.wants(&self.field, event.sequence) {
            self.complain("C5: not wanted", event);
        }
        if self
            .seen
            .as_ref()
            .is_some_and(|seen| !seen.mark(event.publisher * self.field.each + event.sequence))
        {
            self.complain("C5: twice", event);
        }
        if let Some(next) = self.next.get(event.publisher) {
            // Relaxed would do for one handler at a time; AcqRel would hide nothing here either.
            let expected = next.swap(event.sequence as u64 + 1, Ordering::Relaxed);
            if expected > event.sequence as u64 {
                self.complain("O1: out of order", event);
            }
        }
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn complain(&self, what: &str, event: &Stamped) {
        // The handler's panic would be caught: written down here, asserted at the end of the round.
        if self.wrong.fetch_add(1, Ordering::Relaxed) < 10 {
            eprintln!("{}: {what}: event {} of publisher {}", self.label, event.sequence, event.publisher);
        }
    }

    /// From here on no handler may run.
    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// How often the handler was called.
    pub(crate) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// How many handlers returned an error.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    /// How many events of the whole round are wanted.
    pub(crate) fn wanted(&self) -> u64 {
        let of_one = (0..self.field.each).filter(|sequence| self.wants.wants(&self.field, *sequence)).count();
        (of_one * self.field.publishers) as u64
    }

    /// How many events of the whole round match the pattern and not the filter.
    pub(crate) fn filtered(&self) -> u64 {
        let of_one =
            (0..self.field.each).filter(|sequence| self.wants.matches(&self.field, *sequence)).count();
        (of_one * self.field.publishers) as u64 - self.wanted()
    }
}
