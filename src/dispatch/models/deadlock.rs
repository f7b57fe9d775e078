//! Handlers that would wait for one another: the graph of waits.
//!
//! A handler here is an event that was taken and not counted yet, and a thread that occupies its lane while it
//! polls.

use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use loom::thread::spawn;
use smallvec::smallvec;

use super::support::{Bell, Figure, close_account, ends, poll, publish, slot_in, spec, take_one, waker};
use crate::dispatch::deadlock::Place;
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Next, Occupied, Roster, Waits};
use crate::event::AnyEvent;
use crate::sync::clock::Deadline;

/// Two slots of one bus with so many lanes, whose publishers wait for room for one event. Each has one queued.
fn two(lanes: [usize; 2]) -> [Arc<Slot>; 2] {
    let roster = Arc::<Roster>::default();
    lanes.map(|lanes| {
        let mut spec = spec(&["t"], 1, DeliveryMode::Block);
        spec.concurrency = lanes;
        let slot = slot_in(&Weak::new(), &roster, spec, |_| ends(1, Bell::default()));
        publish(&slot, 0_u64);
        slot
    })
}

/// A handler that runs and publishes one event to another subscription.
struct Handler {
    own: Arc<Slot>,
    lane: usize,
    event: AnyEvent,
    waits: Waits,
    woken: Figure,
    waker: Waker,
}

/// A handler that has ended, whose lane takes the next events.
struct Ended {
    own: Arc<Slot>,
    refused: u64,
}

impl Handler {
    /// Publishes, and polls once.
    fn start(own: &Arc<Slot>, lane: usize, event: AnyEvent, other: &Arc<Slot>) -> Result<Ended, Self> {
        let (woken, waker) = waker();
        let waits = {
            let _lane = Occupied::enter(own.key(), lane);
            Waits::new(publish(other, 1_u64), Deadline::NEVER)
        };
        Self { own: Arc::clone(own), lane, event, waits, woken, waker }.go_on()
    }

    /// Polls. With its answer the handler ends, and its lane handles the next event.
    fn go_on(mut self) -> Result<Ended, Self> {
        let lane = Occupied::enter(self.own.key(), self.lane);
        let Poll::Ready(receipt) = poll(&mut self.waits, &self.waker) else { return Err(self) };
        drop(lane);
        self.own.run(&self.event, || Ok(()));
        take_one(&self.own);
        Ok(Ended { own: self.own, refused: receipt.dropped_by().deadlock })
    }
}

/// Takes the event that is queued, for a handler.
fn take(slot: &Arc<Slot>) -> AnyEvent {
    let Next::Event(event) = slot.take_any() else { panic!("it is queued") };
    event
}

/// Takes the event that is queued, and fills the queue again.
fn take_of_full(slot: &Arc<Slot>) -> AnyEvent {
    let event = take(slot);
    publish(slot, 0_u64);
    event
}

/// When all threads are done: lanes without a handler take, and handlers go on as they are woken. Returns how
/// many were refused.
fn finish(mut handlers: Vec<Result<Ended, Handler>>) -> u64 {
    loop {
        for ended in handlers.iter().flatten() {
            while take_one(&ended.own).is_some() {}
        }
        let woken = |handler: &Result<_, Handler>| matches!(handler, Err(it) if it.woken.take() > 0);
        let Some(at) = handlers.iter().position(woken) else { break };
        if let Err(handler) = handlers.swap_remove(at) {
            handlers.push(handler.go_on());
        }
    }
    let refused = handlers.iter().map(|handler| match handler {
        Ok(ended) => ended.refused,
        Err(_) => panic!("a handler waits for ever"),
    });
    refused.sum()
}

fn close(slots: [Arc<Slot>; 2], offered: [u64; 2]) {
    for (slot, offered) in slots.into_iter().zip(offered) {
        let delivered = offered - slot.ledger().dropped.deadlock;
        close_account(slot, offered, delivered);
    }
}

/// Two handlers begin to wait for room in each other's full queue: one of them is refused, and the other gets
/// room then.
///
/// Broken by a `judge` that looks at the graph before it has entered (neither sees the other), and by one that
/// leaves the graph in a step of its own when it has been judged (both are refused).
#[test]
fn r2_two_handlers_that_would_wait_for_each_other() {
    loom::model(|| {
        let [one, two] = two([1, 1]);
        let (first, second) = (take_of_full(&one), take_of_full(&two));
        let other = {
            let (one, two) = (Arc::clone(&one), Arc::clone(&two));
            spawn(move || Handler::start(&one, 0, first, &two))
        };
        let own = Handler::start(&two, 0, second, &one);
        let other = other.join().expect("handler");
        assert_eq!(finish(vec![own, other]), 1, "refused");
        close([one, two], [3, 3]);
    });
}

/// A handler gets room and leaves the graph while the lane that has made the room begins to wait for it: the
/// two look like a circle only to who takes the one for waiting still, and nobody is refused.
///
/// Broken by a `Waits` that is polled with its entry in the graph (the event that it puts in makes the queue
/// full again before it has left).
#[test]
fn r2_a_handler_that_has_got_room_against_one_that_judges() {
    loom::model(|| {
        let [one, two] = two([1, 2]);
        let event = take_of_full(&one);
        let Err(first) = Handler::start(&one, 0, event, &two) else { panic!("there was room") };
        // The first lane of `two` waits, too; only its place in the graph counts here.
        let place = {
            let _lane = Occupied::enter(two.key(), 0);
            Place::enter(smallvec![Arc::clone(&one)])
        };
        let other = {
            let (one, two) = (Arc::clone(&one), Arc::clone(&two));
            spawn(move || {
                let event = take(&two);
                Handler::start(&two, 1, event, &one)
            })
        };
        let first = first.go_on();
        let other = other.join().expect("handler");
        drop(place);
        assert_eq!(finish(vec![first, other]), 0, "it could have gone on");
        close([one, two], [3, 2]);
    });
}
