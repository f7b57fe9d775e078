//! loom models of the ring itself: the real one, places and claims. Each says which change breaks it, and was
//! seen to fail with that change. loom's cells report two accesses that race; values that are lost or taken
//! twice show in the counts.

use std::sync::Arc;

use loom::thread::{JoinHandle, spawn, yield_now};

use super::{Popped, Refused, Ring};

/// A value that is freed once, or else loom reports it.
type Value = loom::sync::Arc<u64>;

fn ring(capacity: usize) -> Arc<Ring<Value>> {
    Arc::new(Ring::new(capacity))
}

/// Pushes a value; false if the queue is closed. Tries again while it is full.
fn push(ring: &Ring<Value>, number: u64) -> bool {
    let mut value = Value::new(number);
    loop {
        match ring.push(value, 0) {
            Ok(_) => return true,
            Err(Refused::Closed(_)) => return false,
            Err(Refused::Full(back)) => value = back,
        }
        yield_now();
    }
}

fn pop(ring: &Ring<Value>) -> Option<u64> {
    match ring.pop() {
        Popped::Value(value, _) => Some(*value),
        _ => None,
    }
}

/// Pops until there was something.
fn pop_one(ring: &Ring<Value>) -> u64 {
    loop {
        if let Some(number) = pop(ring) {
            return number;
        }
        yield_now();
    }
}

fn pusher(ring: &Arc<Ring<Value>>, number: u64) -> JoinHandle<bool> {
    let ring = Arc::clone(ring);
    spawn(move || push(&ring, number))
}

/// The one place of a queue is used again while a consumer empties it: nothing is lost, nothing is read while
/// it is written, and the order stays.
///
/// Broken by a `push` that does not look whether its place is empty (it writes what the consumer reads), and
/// by a `take` that says "empty" before it has read.
#[test]
fn c5_a_place_is_used_again_while_it_is_emptied() {
    loom::model(|| {
        let ring = ring(1);
        let publisher = {
            let ring = Arc::clone(&ring);
            spawn(move || push(&ring, 1) && push(&ring, 2))
        };
        assert_eq!((pop_one(&ring), pop_one(&ring)), (1, 2));
        assert!(publisher.join().expect("publisher"));
        assert_eq!(ring.len(), 0);
    });
}

/// Two publishers fill a queue of two while it is popped: both values come, once.
///
/// Broken by a `claim` that loads and stores (both write one place).
#[test]
fn c5_two_publishers_claim_two_places() {
    loom::model(|| {
        let ring = ring(2);
        let (one, two) = (pusher(&ring, 1), pusher(&ring, 2));
        let first = pop(&ring);
        assert!(one.join().expect("publisher") && two.join().expect("publisher"));
        let mut all: Vec<_> = first.into_iter().chain(std::iter::from_fn(|| pop(&ring))).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

/// Two consumers pop, and the places come round again: each value is taken once.
///
/// Broken by a `pop` that does not compare the number of what is in the place: a consumer that has claimed a
/// value and not yet read it leaves it there for the next round. And by a `claim` that loads and stores.
#[test]
fn c5_two_consumers_and_a_place_that_comes_round() {
    loom::model(|| {
        let ring = ring(1);
        assert!(push(&ring, 1));
        let other = {
            let ring = Arc::clone(&ring);
            spawn(move || pop(&ring))
        };
        let publisher = pusher(&ring, 2);
        let own = pop(&ring);
        let other = other.join().expect("consumer");
        assert!(own.is_some() || other.is_some(), "one of the two finds what was there before");
        assert!(publisher.join().expect("publisher"));
        let mut all: Vec<_> = own.into_iter().chain(other).chain(std::iter::from_fn(|| pop(&ring))).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

/// A queue is closed and emptied while somebody pushes: what was accepted is found, and nothing is accepted
/// after.
///
/// Broken by a `push` that claims by an addition after a look at the gate, and by a `discard` that does not
/// wait for a place that is claimed and not yet filled.
#[test]
fn c1_a_close_and_a_discard_against_a_push() {
    loom::model(|| {
        let ring = ring(2);
        let publisher = pusher(&ring, 1);
        ring.gate().close();
        let found = std::iter::from_fn(|| ring.discard()).count();
        assert_eq!(publisher.join().expect("publisher"), found == 1);
        assert_eq!(ring.len(), 0);
    });
}

/// Appends a run of values, as many as there is room for; how many were accepted.
fn push_run(ring: &Ring<Value>, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let values: Vec<_> = numbers.into_iter().map(Value::new).collect();
    ring.push_run(&mut values.into_iter(), 0).map_or(0, |run| run.count)
}

/// A run is put into places that two consumers are about to leave: each value comes once, and none is written over.
///
/// Broken by a `claim` that looks only at the first place of a run.
#[test]
fn c5_a_run_and_places_that_come_round() {
    loom::model(|| {
        let ring = ring(2);
        assert_eq!(push_run(&ring, [1, 2]), 2);
        let other = {
            let ring = Arc::clone(&ring);
            spawn(move || pop(&ring))
        };
        let publisher = {
            let ring = Arc::clone(&ring);
            spawn(move || push_run(&ring, [3, 4]))
        };
        let own = pop(&ring);
        let other = other.join().expect("consumer");
        let accepted = publisher.join().expect("publisher");
        let mut all: Vec<_> = own.into_iter().chain(other).chain(std::iter::from_fn(|| pop(&ring))).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(1..=2 + accepted));
    });
}

/// A run that there is room for is not parted by what another publisher appends.
///
/// Broken by a `push_run` that claims one number after the other.
#[test]
fn o1_a_run_is_not_parted() {
    loom::model(|| {
        let ring = ring(4);
        let publisher = pusher(&ring, 3);
        assert_eq!(push_run(&ring, [1, 2]), 2);
        assert!(publisher.join().expect("publisher"));
        let all: Vec<_> = std::iter::from_fn(|| pop(&ring)).collect();
        assert!(all == [1, 2, 3] || all == [3, 1, 2], "{all:?}");
    });
}

/// A queue is closed and emptied while a run is appended: it is accepted as a whole, and found, or not at all.
///
/// Broken by a `claim` that looks at the gate before it claims, and not in the same step.
#[test]
fn c1_a_close_and_a_discard_against_a_run() {
    loom::model(|| {
        let ring = ring(2);
        let publisher = {
            let ring = Arc::clone(&ring);
            spawn(move || push_run(&ring, [1, 2]))
        };
        ring.gate().close();
        let found = std::iter::from_fn(|| ring.discard()).count();
        assert_eq!(publisher.join().expect("publisher"), found as u64);
        assert!(found == 0 || found == 2);
        assert_eq!(ring.len(), 0);
    });
}

/// A queue is dropped with a value in it: the value is dropped.
///
/// Broken by a ring without a `Drop`.
#[test]
fn c4_what_is_left_in_a_ring_is_dropped() {
    loom::model(|| {
        let ring = ring(2);
        let publisher = pusher(&ring, 1);
        assert!(push(&ring, 2));
        assert!(publisher.join().expect("publisher"));
        pop_one(&ring);
    });
}
