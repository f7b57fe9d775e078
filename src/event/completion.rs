//! Tells the publisher, once, when the last subscription is done with an event.
//!
//! # Protocol
//!
//! Every subscription that gets the event is an open obligation, and so is the publisher while it
//! still offers the event around. [`Completion::open`] comes before the event becomes visible to a
//! subscription, [`Completion::settle`] after the subscription is done with it, and
//! [`Completion::release`] when the publisher has offered it to the last one. Whoever closes the last
//! obligation runs the callback, in its own thread and with no lock held (invariant R5).
//!
//! An event that is given back to its publisher, since nobody was offered it, is never released: its
//! callback is dropped unused.
//!
//! # Orderings
//!
//! Both counts live in one word, `counts`. A settling thread records a failure first, then subtracts
//! (`AcqRel`): the release hands its record to the last one, the acquire of the last one takes all of
//! them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};

use super::{DropReason, Outcome, Settled, SubscriptionId};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What is called at the end.
pub(crate) type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// The open obligations of one event, and what to do when there are none left.
pub(crate) struct Completion {
    /// Bits 0 to 31: open obligations, the publisher's included. Bits 32 to 63: how many
    /// subscriptions got the event. Written by the publisher and by every settling thread.
    counts: AtomicU64,
    /// Written by those that failed or missed the event, read by the last one.
    record: Mutex<Record>,
}

/// One open obligation.
const OPEN: u64 = 1;
/// The bits that count open obligations.
const OPEN_MASK: u64 = u32::MAX as u64;
/// One subscription that got the event.
const GIVEN: u64 = 1 << 32;

/// Who was not done well, until the callback takes the lists.
#[derive(Default)]
struct Record {
    callback: Option<Callback>,
    failed: Vec<SubscriptionId>,
    dropped: Vec<(SubscriptionId, DropReason)>,
    expired: Vec<SubscriptionId>,
    dead_lettered: Vec<SubscriptionId>,
}

impl Completion {
    /// Creates a completion with one open obligation: the publisher's own.
    pub(crate) fn new(callback: Callback) -> Self {
        Self {
            counts: AtomicU64::new(OPEN),
            record: Mutex::new(Record { callback: Some(callback), ..Record::default() }),
        }
    }

    /// Opens an obligation for a subscription. Comes before the subscription can see the event, and
    /// before the publisher's [`release`](Self::release), or from within another open obligation.
    pub(crate) fn open(&self) {
        // Relaxed: the opener has an obligation of its own open, so the count cannot reach zero before
        // this; and its own subtraction, which releases, comes later on the same word.
        let before = self.counts.fetch_add(OPEN | GIVEN, Ordering::Relaxed);
        debug_assert_ne!(before & OPEN_MASK, 0, "opened after the completion");
    }

    /// Opens an obligation for a subscription that replays the event, maybe after the callback was called: then it is of no
    /// account.
    pub(crate) fn reopen(&self) {
        // Relaxed: as above; the callback is taken once, under a lock.
        self.counts.fetch_add(OPEN | GIVEN, Ordering::Relaxed);
    }

    /// Closes the obligation of a subscription; the last one runs the callback.
    ///
    /// # Errors
    ///
    /// Says what a callback that panicked had to say; the obligation is closed all the same.
    pub(crate) fn settle(&self, settled: Settled) -> Result<(), CompletionPanicked> {
        match settled {
            Settled::Done => {}
            Settled::Failed(subscription) => {
                self.record.lock().failed.push(subscription);
            }
            Settled::Dropped(subscription, reason) => {
                self.record.lock().dropped.push((subscription, reason));
            }
            Settled::Expired(subscription) => {
                self.record.lock().expired.push(subscription);
            }
        }
        self.end(OPEN)
    }

    /// Records that the event is kept as a dead letter of a subscription, which settles after that.
    #[cold]
    pub(crate) fn keep_dead_letter(&self, subscription: SubscriptionId) {
        self.record.lock().dead_lettered.push(subscription);
    }

    /// Closes the obligation of a subscription that did not get the event after all, as if it had not
    /// been opened.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub(crate) fn withdraw(&self) -> Result<(), CompletionPanicked> {
        self.end(OPEN | GIVEN)
    }

    /// Closes the publisher's own obligation: the event has been offered to everybody.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub(crate) fn release(&self) -> Result<(), CompletionPanicked> {
        self.end(OPEN)
    }

    fn end(&self, share: u64) -> Result<(), CompletionPanicked> {
        // AcqRel: release hands this thread's record, and all that its handler did, to the last one;
        // acquire lets the last one, if it is this one, see all of that of the others. The open and
        // other closes are RMWs of the same word, so the release sequences do not break.
        let before = self.counts.fetch_sub(share, Ordering::AcqRel);
        debug_assert_ne!(before & OPEN_MASK, 0, "closed once too often");
        if before & OPEN_MASK == OPEN { self.finish((before - share) / GIVEN) } else { Ok(()) }
    }

    #[cold]
    fn finish(&self, given: u64) -> Result<(), CompletionPanicked> {
        let Record { callback, failed, dropped, expired, dead_lettered } =
            std::mem::take(&mut *self.record.lock());
        // The lock is released: the callback may publish, and may drop what it owns.
        let Some(callback) = callback else { return Ok(()) };
        // Saturates only if a subscription settled without having been opened, which is a bug.
        let done = usize::try_from(given)
            .unwrap_or(usize::MAX)
            .saturating_sub(failed.len() + dropped.len() + expired.len());
        let outcome = Outcome { done, failed, dropped, expired, dead_lettered };
        catch_unwind(AssertUnwindSafe(|| callback(outcome))).map_err(CompletionPanicked::new)
    }
}

// A callback that panics has been taken out before; what stays behind is whole.
impl UnwindSafe for Completion {}
impl RefUnwindSafe for Completion {}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed: for people to read.
        let counts = self.counts.load(Ordering::Relaxed);
        f.debug_struct("Completion")
            .field("open", &(counts & OPEN_MASK))
            .field("given", &(counts / GIVEN))
            .finish_non_exhaustive()
    }
}

/// The callback of a completion panicked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the completion callback of an event panicked: {message}")]
pub(crate) struct CompletionPanicked {
    /// What the panic said.
    message: String,
}

impl CompletionPanicked {
    fn new(cause: Box<dyn Any + Send>) -> Self {
        let message = cause
            .downcast_ref::<&'static str>()
            .map(ToString::to_string)
            .or_else(|| cause.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| String::from("no message"));
        // What was thrown is user code too: its drop may panic in turn, and then what the second panic
        // threw is leaked rather than dropped, for there would be no end to it.
        if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(cause))) {
            std::mem::forget(second);
        }
        Self { message }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;
    use crate::sync::{OnceLock, thread};

    const A: SubscriptionId = SubscriptionId::new(1);
    const B: SubscriptionId = SubscriptionId::new(2);

    /// Collects what the callback was called with, call by call.
    fn recorded() -> (Completion, Arc<Mutex<Vec<Outcome>>>) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&calls);
        (Completion::new(Box::new(move |outcome| theirs.lock().push(outcome))), calls)
    }

    #[test]
    fn the_last_settlement_calls_back_with_what_became_of_the_event() {
        let (completion, calls) = recorded();
        for _ in 0..4 {
            completion.open();
        }
        completion.release().expect("no panic");
        completion.settle(Settled::Failed(B)).expect("no panic");
        completion.settle(Settled::Done).expect("no panic");
        completion.settle(Settled::Dropped(A, DropReason::Full)).expect("no panic");
        assert_eq!(*calls.lock(), []);
        completion.settle(Settled::Done).expect("no panic");
        let expected =
            Outcome { done: 2, failed: vec![B], dropped: vec![(A, DropReason::Full)], ..Outcome::default() };
        assert_eq!(*calls.lock(), [expected]);
    }

    #[test]
    fn an_event_that_nobody_gets_completes_when_the_publisher_is_done() {
        let (completion, calls) = recorded();
        completion.release().expect("no panic");
        assert_eq!(*calls.lock(), [Outcome::default()]);
    }

    #[test]
    fn a_subscription_that_is_done_early_does_not_complete_the_event() {
        let (completion, calls) = recorded();
        completion.open();
        completion.settle(Settled::Done).expect("no panic");
        completion.open();
        completion.settle(Settled::Done).expect("no panic");
        assert_eq!(*calls.lock(), []);
        completion.release().expect("no panic");
        assert_eq!(*calls.lock(), [Outcome { done: 2, ..Outcome::default() }]);
    }

    #[test]
    fn an_event_given_back_to_its_publisher_drops_the_callback_unused() {
        let (completion, calls) = recorded();
        drop(completion);
        assert_eq!(*calls.lock(), []);
        assert_eq!(Arc::strong_count(&calls), 1);
    }

    #[test]
    fn p2_a_callback_that_panics_is_caught_and_its_message_is_reported() {
        struct PanicsInDrop;
        impl Drop for PanicsInDrop {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        let cases: [(Callback, &str); 3] = [
            (Box::new(|_| panic!("plain")), "plain"),
            (Box::new(|outcome| panic!("done {}", outcome.done)), "done 0"),
            (Box::new(|_| std::panic::panic_any(PanicsInDrop)), "no message"),
        ];
        for (callback, message) in cases {
            let panicked = Completion::new(callback).release().expect_err("it panicked");
            assert_eq!(panicked, CompletionPanicked { message: message.into() });
        }
    }

    #[test]
    fn r5_no_lock_is_held_while_the_callback_runs() {
        let own = Arc::new(OnceLock::<Arc<Completion>>::new());
        let theirs = Arc::clone(&own);
        let (locked, has_locked) = mpsc::channel();
        let completion = Arc::new(Completion::new(Box::new(move |_| {
            let completion = Arc::clone(theirs.get().expect("set before the release"));
            let (taken, was_taken) = mpsc::channel();
            let lock = move || {
                drop(completion.record.lock());
                taken.send(()).expect("the callback waits");
            };
            thread::Builder::new().spawn(lock).expect("a thread");
            let in_time = was_taken.recv_timeout(Duration::from_secs(10)).is_ok();
            locked.send(in_time).expect("the test waits");
        })));
        own.set(Arc::clone(&completion)).expect("set once");
        completion.release().expect("no panic");
        assert_eq!(has_locked.recv(), Ok(true), "the lock was held for ten seconds");
    }

    #[test]
    fn debug_prints_the_counts() {
        let (completion, _calls) = recorded();
        completion.open();
        assert_eq!(format!("{completion:?}"), "Completion { open: 2, given: 1, .. }");
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::thread::{JoinHandle, spawn};

    use super::*;

    const A: SubscriptionId = SubscriptionId::new(1);

    /// A completion, what its callback was called with, and the work that the callback found done.
    struct Observed {
        completion: Completion,
        /// Each settling thread adds to it before it settles. Only relaxed accesses: what makes it
        /// visible to the callback is the completion alone.
        work: Arc<AtomicU64>,
        calls: Arc<Mutex<Vec<(Outcome, u64)>>>,
    }

    impl Observed {
        fn new() -> Arc<Self> {
            let work = Arc::new(AtomicU64::new(0));
            let calls = Arc::new(Mutex::new(Vec::new()));
            let (done, called) = (Arc::clone(&work), Arc::clone(&calls));
            let callback = move |outcome| called.lock().push((outcome, done.load(Ordering::Relaxed)));
            Arc::new(Self { completion: Completion::new(Box::new(callback)), work, calls })
        }

        /// Settles in a thread of its own.
        fn settle(self: &Arc<Self>, settled: Settled) -> JoinHandle<()> {
            let this = Arc::clone(self);
            spawn(move || {
                this.work.fetch_add(1, Ordering::Relaxed);
                if let Settled::Failed(subscription) = settled {
                    this.completion.keep_dead_letter(subscription);
                }
                this.completion.settle(settled).expect("no panic");
            })
        }

        /// The one call that there must have been, with the work of both threads done before.
        fn expect_one_call(&self, outcome: Outcome) {
            assert_eq!(*self.calls.lock(), [(outcome, 2)]);
        }
    }

    /// Two subscriptions settle while the publisher releases: one call, after all of them. One fails, and has sent its dead
    /// letter.
    ///
    /// Broken by a subtraction that is not `AcqRel` (the callback misses work that was done), and by
    /// recording a failure, or the letter, after the subtraction instead of before it (the outcome misses it).
    #[test]
    fn completion_is_called_once_by_the_last_of_three() {
        loom::model(|| {
            let observed = Observed::new();
            observed.completion.open();
            observed.completion.open();
            let threads = [observed.settle(Settled::Done), observed.settle(Settled::Failed(A))];
            observed.completion.release().expect("no panic");
            for thread in threads {
                thread.join().expect("no panic");
            }
            observed.expect_one_call(Outcome {
                done: 1,
                failed: vec![A],
                dead_lettered: vec![A],
                ..Outcome::default()
            });
        });
    }

    /// The first subscription settles while the publisher still opens the next obligation.
    ///
    /// Broken by a count that starts without the publisher's own obligation (the first to settle
    /// completes the event), and by opening with a load and a store (a settlement in between is lost).
    #[test]
    fn completion_waits_for_the_publisher_that_still_opens() {
        loom::model(|| {
            let observed = Observed::new();
            observed.completion.open();
            let first = observed.settle(Settled::Done);
            observed.completion.open();
            let second = observed.settle(Settled::Dropped(A, DropReason::Full));
            observed.completion.release().expect("no panic");
            for thread in [first, second] {
                thread.join().expect("no panic");
            }
            observed.expect_one_call(Outcome {
                done: 1,
                dropped: vec![(A, DropReason::Full)],
                ..Outcome::default()
            });
        });
    }
}
