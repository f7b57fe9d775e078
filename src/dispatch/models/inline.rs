//! Inline handlers: the words in which they run, and the counts of the thread that is at home.

use std::sync::Arc;
use std::task::Context;

use loom::sync::atomic::AtomicBool;
use loom::thread::spawn;

use super::support::{
    Figure, close_account, inline, inline_in, list_of, publish, publish_on, publish_to, waker,
};
use crate::dispatch::{Quiet, Slot};
use crate::event::DropReason;
use crate::sync::atomic::Ordering;

/// Notices a handler that runs when it should not any more.
#[derive(Clone)]
struct Over {
    over: Arc<AtomicBool>,
    late: Figure,
}

impl Over {
    fn new() -> Self {
        Self { over: Arc::new(AtomicBool::new(false)), late: Figure::default() }
    }

    fn handler(&self) -> impl Fn() + Send + Sync + 'static {
        let this = self.clone();
        move || {
            if this.over.load(Ordering::Relaxed) {
                this.late.raise();
            }
        }
    }

    /// No handler runs from here on.
    fn say(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn check(&self) {
        assert_eq!(self.late.get(), 0, "a handler ran after the end");
    }
}

/// A publisher runs inline handlers while somebody cancels one of them and waits: it does not run after the wait,
/// and the wait ends. The canceller may have published to the same list before, and have rounds there.
fn cancel_and_wait_of(place: usize, handlers: usize, published: u64) {
    loom::model(move || {
        let roster = Arc::default();
        let over = Over::new();
        let before: Vec<_> = (0..place).map(|_| inline_in(&roster, u64::MAX, || {})).collect();
        let slot = inline_in(&roster, u64::MAX, over.handler());
        let after: Vec<_> = (place + 1..handlers).map(|_| inline_in(&roster, u64::MAX, || {})).collect();
        let all: Vec<_> = before.into_iter().chain([Arc::clone(&slot)]).chain(after).collect();
        let list = Arc::new(list_of(&all));
        (0..published).for_each(|_| drop(publish_on(&list, 0_u64, None)));
        let publisher = spawn(move || {
            publish_on(&list, 1_u64, None);
            (all, list)
        });
        slot.cancel(DropReason::Cancelled);
        let (woken, waker) = waker();
        let mut quiet = Quiet::of(Arc::clone(&slot));
        let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
        if ready {
            over.say();
            assert_eq!(slot.ledger().running, 0, "what has ended is in the account");
        }
        let all = publisher.join().expect("publisher");
        over.check();
        assert!(ready || woken.get() > 0, "nobody told that the handler ended");
        drop((quiet, all));
        let handled = slot.ledger().delivered;
        assert!(handled >= published);
        close_account(slot, handled, handled);
    });
}

/// The only handler of a topic.
///
/// Broken by a [`Light`](crate::sync::fence::Light) fence that is none, and by a `Stage::leave` that does not look at
/// the gate of the handler that it leaves.
#[test]
fn v3_an_inline_handler_against_cancel_and_wait() {
    cancel_and_wait_of(0, 1, 0);
}

/// The first of two, which are called in a round: it is left by entering the second.
///
/// Broken by a round that is not looked at when it is over, by a view that does not look at the gates of those that
/// join it, and by a `Round::end` behind the change to the next handler.
#[test]
fn v3_the_first_of_two_inline_handlers_against_cancel_and_wait() {
    cancel_and_wait_of(0, 2, 0);
}

/// The second of two.
///
/// Broken by a `call_round` that does not say which handler was the last.
#[test]
fn v3_the_second_of_two_inline_handlers_against_cancel_and_wait() {
    cancel_and_wait_of(1, 2, 0);
}

/// The publisher is the second one of the chunk, and has rounds of its own.
///
/// Broken by an `Attendance::stop` that stops only the first of the rounds, and by a thread that begins those of another.
#[test]
fn v3_the_first_of_two_against_cancel_and_wait_with_a_second_home() {
    cancel_and_wait_of(0, 2, 1);
}

/// Two threads come to a chunk in which a third has rounds, and there is room for one of them: each count is in somebody's
/// account.
///
/// Broken by a `further` that does not look whose home it has found.
#[test]
fn c1_two_threads_come_for_one_home() {
    loom::model(|| {
        let roster = Arc::default();
        let all: Vec<_> = (0..2).map(|_| inline_in(&roster, u64::MAX, || {})).collect();
        let list = Arc::new(list_of(&all));
        publish_on(&list, 0_u64, None);
        let publisher = || {
            let list = Arc::clone(&list);
            spawn(move || publish_on(&list, 1_u64, None).delivered())
        };
        let (one, two) = (publisher(), publisher());
        assert_eq!((one.join().expect("publisher"), two.join().expect("publisher")), (2, 2));
        drop(list);
        all.into_iter().for_each(|slot| close_account(slot, 3, 3));
    });
}

/// Two threads publish to one chunk, each in rounds of its own, and one of them reads the account meanwhile.
///
/// Broken by a thread that begins the rounds of another.
#[test]
fn c2_an_account_of_two_homes() {
    loom::model(|| {
        let roster = Arc::default();
        let all: Vec<_> = (0..2).map(|_| inline_in(&roster, u64::MAX, || {})).collect();
        let list = Arc::new(list_of(&all));
        publish_on(&list, 0_u64, None);
        let other = {
            let list = Arc::clone(&list);
            spawn(move || publish_on(&list, 1_u64, None).delivered())
        };
        publish_on(&list, 2_u64, None);
        for slot in &all {
            let ledger = slot.ledger();
            assert!(ledger.is_balanced() && (2..=3).contains(&ledger.offered), "{ledger:?}");
        }
        assert_eq!(other.join().expect("publisher"), 2);
        drop(list);
        all.into_iter().for_each(|slot| close_account(slot, 3, 3));
    });
}

/// The hand-shake alone: a mark on the gate and a look at the words, with nothing in between that has a fence of its
/// own, as event-listener has.
fn mark_against_a_publisher_with(others: usize) {
    loom::model(move || {
        let (roster, over) = (Arc::default(), Over::new());
        let slot = inline_in(&roster, u64::MAX, over.handler());
        let others = (0..others).map(|_| inline_in(&roster, u64::MAX, || {}));
        let all: Vec<_> = [Arc::clone(&slot)].into_iter().chain(others).collect();
        let publisher = spawn(move || publish_to(&all, 1_u64, None));
        slot.gate.bar();
        slot.show_mark();
        if slot.running_inline() == 0 {
            over.say();
        }
        publisher.join().expect("publisher");
        over.check();
        let delivered = slot.ledger().delivered;
        close_account(slot, delivered, delivered);
    });
}

/// A handler by itself.
///
/// Broken by a `heavy` fence that is none.
#[test]
fn v3_a_mark_on_the_gate_against_a_publisher_that_enters() {
    mark_against_a_publisher_with(0);
}

/// One that is called in a round.
///
/// Broken by a `show_mark` that marks the rounds behind the fence.
#[test]
fn v3_a_mark_on_the_gate_against_a_publisher_in_a_round() {
    mark_against_a_publisher_with(1);
}

/// Two mark the gate at a time, and the second one does so without a fence if the first one has had its own.
///
/// Broken by a `show_mark` that notes that the gate was shown before its fence.
#[test]
fn v3_two_marks_on_the_gate_against_a_publisher_that_enters() {
    loom::model(|| {
        let over = Over::new();
        let slot = inline(u64::MAX, over.handler());
        let mark = |slot: &Arc<Slot>| {
            slot.gate.bar();
            slot.show_mark();
        };
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || publish(&slot, 1_u64).delivered() as u64)
        };
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || mark(&slot))
        };
        mark(&slot);
        if slot.running_inline() == 0 {
            over.say();
        }
        other.join().expect("the other");
        let delivered = publisher.join().expect("publisher");
        over.check();
        close_account(slot, delivered, delivered);
    });
}

/// Somebody cancels while a handler is called by a publish from within another handler: a publisher goes one deeper
/// than ever before while somebody looks for running handlers.
///
/// Broken by a `used` that is stored after the fence, and by an `Acquire` less where it is read.
#[test]
fn v3_a_nested_handler_against_cancel_and_wait() {
    loom::model(|| {
        let over = Over::new();
        let slot = inline(u64::MAX, over.handler());
        let outer = {
            let slot = Arc::clone(&slot);
            inline(u64::MAX, move || {
                publish(&slot, 2_u64);
            })
        };
        // Who only looks at a word comes last: see DESIGN.md, "What loom sees".
        let canceller = {
            let (slot, over) = (Arc::clone(&slot), over.clone());
            spawn(move || {
                slot.cancel(DropReason::Cancelled);
                let mut quiet = Quiet::of(slot);
                let (_woken, waker) = waker();
                if quiet.poll(&mut Context::from_waker(&waker)).is_ready() {
                    over.say();
                }
            })
        };
        publish(&outer, 1_u64);
        close_account(outer, 1, 1);
        canceller.join().expect("canceller");
        over.check();
        let handled = slot.ledger().delivered;
        close_account(slot, handled, handled);
    });
}

/// A handler ends its own subscription and waits, while another thread is about to run it or runs it: it waits
/// for the other, and is told. (That it does not wait for itself, `tests/reentrancy.rs` knows.)
///
/// Broken by a `leave` that does not look at the gate.
#[test]
fn v3_a_handler_that_cancels_itself_waits_for_the_other_publisher() {
    loom::model(|| {
        let (ready, told) = (Figure::default(), waker());
        let waits = Arc::new(std::sync::Mutex::new(None));
        let cell: Arc<std::sync::OnceLock<std::sync::Weak<Slot>>> = Arc::default();
        let slot = {
            let (ready, told, cell, waits) = (ready.clone(), told.1, Arc::clone(&cell), Arc::clone(&waits));
            inline(u64::MAX, move || {
                let slot = cell.get().and_then(std::sync::Weak::upgrade).expect("it is set");
                if slot.cancel(DropReason::Cancelled) {
                    let mut quiet = Quiet::of(slot);
                    if quiet.poll(&mut Context::from_waker(&told)).is_ready() {
                        ready.raise();
                    } else {
                        *waits.lock().expect("one handler waits") = Some(quiet);
                    }
                }
            })
        };
        cell.set(Arc::downgrade(&slot)).expect("set once");
        let other = {
            let slot = Arc::clone(&slot);
            spawn(move || publish(&slot, 1_u64).delivered())
        };
        let own = publish(&slot, 2_u64).delivered();
        let delivered = (own + other.join().expect("publisher")) as u64;
        assert!(delivered >= 1 && slot.is_quiet(0));
        assert!(ready.get() == 1 || told.0.get() > 0, "nobody told that the other is out");
        drop(waits.lock().expect("nobody panics").take());
        close_account(slot, delivered, delivered);
    });
}

/// Two threads publish, and the second may get the number of the first, and with it the home where that one
/// counted without read-modify-writes: no count is lost.
///
/// Broken by two threads at a time with one number.
#[test]
fn c1_a_number_of_a_thread_that_is_gone() {
    loom::model(|| {
        let slot = inline(u64::MAX, || {});
        let publisher = || {
            let slot = Arc::clone(&slot);
            spawn(move || publish(&slot, 1_u64))
        };
        let (one, two) = (publisher(), publisher());
        one.join().expect("publisher");
        two.join().expect("publisher");
        close_account(slot, 2, 2);
    });
}
