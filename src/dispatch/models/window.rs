//! Events that come again, to subscriptions with an idempotency window.

use std::sync::Arc;

use loom::thread::{JoinHandle, spawn};

use super::support::{Bell, Figure, close_account, ends, inline_of, publish_with, slot_with, spec};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::{DeliveryMode, Spec};
use crate::dispatch::window::{IdClaim, IdempotencyWindow, Window};
use crate::dispatch::{Hooks, Next, Observer, Receipt};
use crate::error::HandlerError;
use crate::event::{Completion, DropReason, EventId, Extras, Outcome};
use crate::sync::atomic::{AtomicU64, Ordering};

fn id(number: u64) -> EventId {
    EventId::from_u128(u128::from(number))
}

/// Keeps failures off standard error.
struct Silent;

impl Observer for Silent {}

/// What remembers, what handlers did, and what the completions of events said.
struct Observed {
    window: Arc<Window>,
    /// Only relaxed accesses: what makes it visible to the completions is the window alone.
    work: Arc<AtomicU64>,
    done: Figure,
    failed: Figure,
    other: Figure,
    /// Completions that were called before any handler had done its work.
    early: Figure,
}

impl Observed {
    fn new() -> Self {
        Self {
            window: Arc::new(Window::new(IdempotencyWindow::new(4))),
            work: Arc::new(AtomicU64::new(0)),
            done: Figure::default(),
            failed: Figure::default(),
            other: Figure::default(),
            early: Figure::default(),
        }
    }

    fn spec(&self) -> Spec {
        let window = Some(Arc::clone(&self.window));
        Spec { window, concurrency: 2, ..spec(&["t"], 2, DeliveryMode::Drop) }
    }

    /// A slot with a queue for two lanes.
    fn lanes(&self, budget: u64) -> Arc<Slot> {
        let hooks = Hooks::new(Some(Arc::new(Silent)), None, Box::default(), None);
        slot_with(hooks, Spec { budget, ..self.spec() }, |_| ends(2, Bell::default()))
    }

    /// What an event carries whose end is observed.
    fn extras(&self, number: u64) -> Box<Extras> {
        let figures = [&self.done, &self.failed, &self.other, &self.early].map(Clone::clone);
        let work = Arc::clone(&self.work);
        let tell = move |outcome: Outcome| {
            let [done, failed, other, early] = &figures;
            match (outcome.done, outcome.failed.len()) {
                (1, 0) => done.raise(),
                (0, 1) => failed.raise(),
                _ => other.raise(),
            }
            if outcome.done + outcome.failed.len() > 0 && work.load(Ordering::Relaxed) == 0 {
                early.raise();
            }
        };
        let completion = Some(Arc::new(Completion::new(Box::new(tell))));
        Box::new(Extras { id: id(number).into(), completion, ..Extras::default() })
    }

    fn publish(&self, slot: &Arc<Slot>, number: u64) -> Receipt {
        publish_with(slot, number, Some(self.extras(number)))
    }

    /// A lane takes one event, if there is one for it, and handles it.
    fn handle_one(&self, slot: &Arc<Slot>, well: bool) {
        handle_one(slot, &self.work, well);
    }

    /// The same in a thread of its own.
    fn lane(&self, slot: &Arc<Slot>, well: bool) -> JoinHandle<()> {
        let (slot, work) = (Arc::clone(slot), Arc::clone(&self.work));
        spawn(move || handle_one(&slot, &work, well))
    }

    /// How the events ended: done, failed, otherwise. None did before its time.
    fn ends(&self) -> [u32; 3] {
        assert_eq!(self.early.get(), 0, "an event was settled before it was handled");
        [&self.done, &self.failed, &self.other].map(Figure::get)
    }
}

fn handle_one(slot: &Arc<Slot>, work: &AtomicU64, well: bool) {
    if let Next::Event(event) = slot.take_any() {
        slot.run(&event, || {
            // A load and a store: handlers of one event do not run at a time.
            work.store(work.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            if well { Ok(()) } else { Err(HandlerError::new("as told")) }
        });
    }
}

/// Two lanes take one and the same event: one of them handles it, and both are settled after that.
///
/// Broken by a claim that looks and enters in two steps (both handle it), and by a duplicate that is settled at once while
/// the first still runs.
#[test]
fn t7_one_event_twice_on_two_lanes() {
    loom::model(|| {
        let observed = Observed::new();
        let slot = observed.lanes(u64::MAX);
        observed.publish(&slot, 1);
        observed.publish(&slot, 1);
        let other = observed.lane(&slot, true);
        observed.handle_one(&slot, true);
        other.join().expect("lane");
        // Of two lanes that come for one event, one may find nothing; it would come again.
        observed.handle_one(&slot, true);
        assert_eq!(observed.ends(), [2, 0, 0]);
        assert_eq!(slot.ledger().duplicate, 1);
        assert_eq!(observed.window.sizes(), (1, 0));
        close_account(slot, 2, 1);
    });
}

/// One lane fails with an event while another one takes the same: that one has a duplicate, which fails with it, or it
/// tries again. Who succeeded first is not tried again.
///
/// Broken by a failure that leaves its claim, or is remembered; and by a duplicate that is settled as done whatever comes
/// of the first.
#[test]
fn t7_a_failure_against_the_same_event_again() {
    loom::model(|| {
        let observed = Observed::new();
        let slot = observed.lanes(u64::MAX);
        observed.publish(&slot, 1);
        observed.publish(&slot, 1);
        let other = observed.lane(&slot, false);
        observed.handle_one(&slot, true);
        other.join().expect("lane");
        // As above.
        observed.handle_one(&slot, true);
        let ledger = slot.ledger();
        let ends = observed.ends();
        match (ledger.delivered, ledger.failed, ledger.duplicate) {
            (2, 1, 0) => assert_eq!(ends, [1, 1, 0]),
            (1, 1, 1) => assert_eq!(ends, [0, 2, 0]),
            (1, 0, 1) => assert_eq!(ends, [2, 0, 0]),
            _ => panic!("{ledger:?}"),
        }
        let again = observed.window.claim(id(1), 0, None, || ());
        assert_eq!(again, if ends[0] == 0 { IdClaim::Granted } else { IdClaim::Handled });
        close_account(slot, 2, ledger.delivered);
    });
}

/// Two lanes take two events of a subscription that takes one: the other one is discarded, and was not handled.
///
/// Broken by a `spend` that discards an event and leaves its claim.
#[test]
fn t7_two_events_on_two_lanes_with_a_budget_of_one() {
    loom::model(|| {
        let observed = Observed::new();
        let slot = observed.lanes(1);
        observed.publish(&slot, 1);
        observed.publish(&slot, 2);
        let other = observed.lane(&slot, true);
        observed.handle_one(&slot, true);
        other.join().expect("lane");
        assert_eq!(observed.ends(), [1, 0, 1]);
        assert_eq!(observed.window.sizes(), (1, 0));
        close_account(slot, 2, 1);
    });
}

/// Two publish one event to an inline handler while the subscription is cancelled: the handler runs once at the most,
/// both events are settled, and nothing is remembered that was not handled.
///
/// Broken by a handler that does not start after the cancellation and leaves its claim (the other one waits for ever).
#[test]
fn t7_two_publishers_of_one_event_to_an_inline_handler_against_a_cancel() {
    loom::model(|| {
        let observed = Arc::new(Observed::new());
        let work = Arc::clone(&observed.work);
        let handler = move || work.store(work.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let slot = inline_of(&Arc::default(), observed.spec(), handler);
        let other = {
            let (observed, slot) = (Arc::clone(&observed), Arc::clone(&slot));
            spawn(move || observed.publish(&slot, 1).offered())
        };
        let canceller = {
            let slot = Arc::clone(&slot);
            spawn(move || slot.cancel(DropReason::Cancelled))
        };
        let offered = observed.publish(&slot, 1).offered();
        let offered = (offered + other.join().expect("publisher")) as u64;
        canceller.join().expect("canceller");
        let ledger = slot.ledger();
        assert_eq!(ledger.delivered + ledger.duplicate, offered);
        assert!(ledger.delivered <= 1, "{ledger:?}");
        assert_eq!(observed.ends().iter().sum::<u32>(), 2, "an event was not settled");
        assert_eq!(observed.window.sizes(), (usize::try_from(ledger.delivered).expect("small"), 0));
        close_account(slot, offered, ledger.delivered);
    });
}
