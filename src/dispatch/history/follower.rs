//! A subscription that replays: which logs it still has to read, and what it has missed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use event_listener::Event as Listeners;

use super::gaps::{Gap, Gaps};
use super::log::Log;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::topic::Topic;

/// What a slot has beside its queue if it replays.
#[derive(Debug)]
pub(crate) struct Follower {
    pending: Mutex<Pending>,
    /// How many logs it has to read. Written under the lock.
    count: AtomicUsize,
    /// One of its lanes reads: the others need not.
    reading: AtomicBool,
    gaps: Gaps,
    /// Somebody wants to know of gaps.
    tells: bool,
    /// Publishers that wait until it has read on.
    read: Listeners,
}

/// The logs in which publishers do not reach it.
#[derive(Debug, Default)]
struct Pending {
    /// By the number of the next event there: so several topics are read in the order of publication.
    logs: BinaryHeap<Reverse<Next>>,
    /// One is being read.
    in_hand: bool,
    ended: bool,
}

/// A log to read, and the number of the next event there; `u64::MAX` if it has come to the end.
#[derive(Debug)]
struct Next {
    number: u64,
    log: Arc<Log>,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

impl Follower {
    pub(crate) fn new(capacity: usize, tells: bool) -> Self {
        Self {
            pending: Mutex::new(Pending::default()),
            count: AtomicUsize::new(0),
            reading: AtomicBool::new(false),
            gaps: Gaps::new(capacity),
            tells,
            read: Listeners::new(),
        }
    }

    /// Changes what is to be read. What goes is handed out, for it may be the last reference to a log.
    fn change<R>(&self, change: impl FnOnce(&mut Pending) -> R) -> R {
        let mut pending = self.pending.lock();
        let result = change(&mut pending);
        let count = pending.logs.len() + usize::from(pending.in_hand);
        // Release: who sees that there is something to read finds it.
        self.count.store(count, Ordering::Release);
        result
    }

    /// Notes what is to be read at first.
    pub(super) fn begin(&self, logs: Vec<(u64, Arc<Log>)>) {
        self.change(|pending| {
            pending.logs.extend(logs.into_iter().map(|(number, log)| Reverse(Next { number, log })));
        });
    }

    /// Publishers do not reach it any more in this log, whose next event has that number.
    pub(super) fn fall_back(&self, log: &Arc<Log>, number: u64) {
        self.change(|pending| {
            if !pending.ended {
                pending.logs.push(Reverse(Next { number, log: Arc::clone(log) }));
            }
        });
    }

    /// There is nothing to read any more: it has ended.
    pub(super) fn end(&self) {
        let logs = self.change(|pending| {
            pending.ended = true;
            std::mem::take(&mut pending.logs)
        });
        drop(logs);
        self.read.notify(usize::MAX);
    }

    /// Hears of it when it has read on.
    pub(in crate::dispatch) fn listen(&self) -> event_listener::EventListener {
        self.read.listen()
    }

    /// Says whether there is something to read that nobody reads at this moment.
    pub(in crate::dispatch) fn is_to_read(&self) -> bool {
        // Acquire: see `README.md`, "Rest".
        self.count.load(Ordering::Acquire) > 0 && !self.reading.load(Ordering::Acquire)
    }

    /// Says whether there is something to read.
    pub(in crate::dispatch) fn is_behind(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Begins to read, if nobody else does.
    pub(super) fn begin_reading(&self) -> Option<Reading<'_>> {
        // AcqRel: what the last reader did comes before what this one does.
        self.reading
            .compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Reading(self))
    }

    /// Notes events of a topic that it does not get, after the last that came into its queue.
    pub(super) fn lose(&self, topic: &Topic, first: u64, last: u64, pushed: u64) {
        if self.tells {
            self.gaps.behind(topic, first, last, pushed);
        }
    }

    /// Notes that the oldest event in its queue was displaced.
    pub(in crate::dispatch) fn displaced(&self, topic: &Topic, sequence: u64) {
        if self.tells {
            self.gaps.displaced(topic, sequence);
        }
    }

    /// Takes out what is missing directly before an event.
    pub(crate) fn gap_before(&self, topic: &Topic, sequence: u64) -> Option<Gap> {
        self.gaps.before(topic, sequence)
    }

    /// Takes out the oldest gap.
    pub(crate) fn next_gap(&self) -> Option<Gap> {
        self.gaps.next()
    }
}

/// The right to read. Whoever drops it lets others.
pub(super) struct Reading<'a>(&'a Follower);

impl Reading<'_> {
    /// The log whose next event was published first; up to which number it may be read before another has its turn.
    pub(super) fn take(&self) -> Option<(Arc<Log>, u64)> {
        self.0.change(|pending| {
            let Reverse(Next { log, .. }) = pending.logs.pop()?;
            pending.in_hand = true;
            let bound = pending.logs.peek().map_or(u64::MAX, |Reverse(next)| next.number);
            Some((log, bound))
        })
    }

    /// Puts the log back that was taken, with the number of its next event; or not, if there is nothing to read there any
    /// more.
    pub(super) fn put_back(&self, log: Arc<Log>, number: Option<u64>) {
        let spare = self.0.change(|pending| {
            pending.in_hand = false;
            match number {
                Some(number) if !pending.ended => {
                    pending.logs.push(Reverse(Next { number, log }));
                    None
                }
                _ => Some(log),
            }
        });
        drop(spare);
        self.0.read.notify(usize::MAX);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reading.store(false, Ordering::Release);
    }
}
