//! What happens between a publish call and a handler.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use trolleybus::{DeliveryMode, DropReason, Event, EventBus, HandlerError, Problem};

use crate::support::watchdog;

/// In the original nobody waits for a "synchronous" handler or hears of its error, and with ten events queued it misses
/// the rest.
#[test]
fn d_all_1_an_inline_handler_runs_in_the_publish_call_which_tells_of_its_error() {
    const EVENTS: u64 = 1_000;
    // It has no queue that could be full.
    let bus = EventBus::builder().capacity(1).build().expect("build");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let handler = move |number: &Event<u64>| {
        note.lock().expect("lock").push((thread::current().id(), **number));
        if number.is_multiple_of(3) { Err(HandlerError::new(format!("no {}", **number))) } else { Ok(()) }
    };
    let subscription = bus.subscribe::<u64>("n").handle_inline(handler).expect("subscribe");
    for number in 0..EVENTS {
        let receipt = bus.publish("n", number).expect("publish");
        assert_eq!(seen.lock().expect("lock").last(), Some(&(thread::current().id(), number)));
        assert_eq!((receipt.delivered(), receipt.dropped()), (1, 0));
        match receipt.problems() {
            [] => assert!(!number.is_multiple_of(3)),
            [Problem::Failed { subscription: whose, error }] => {
                assert_eq!((*whose, error.to_string()), (subscription.id(), format!("no {number}")));
            }
            other => panic!("{other:?}"),
        }
    }
    let ledger = subscription.stats();
    assert_eq!((ledger.offered, ledger.delivered, ledger.failed), (EVENTS, EVENTS, EVENTS.div_ceil(3)));
}

/// In the original a publisher of mode `timeout` can wait for ever: its timer is drained twice.
#[test]
fn d_mem_6_publishers_with_a_timeout_return_whatever_wins() {
    const EVENTS: u64 = 300;
    const PUBLISHERS: u64 = 4;
    let _watchdog = watchdog("d_mem_6");
    for timeout in [Duration::ZERO, Duration::from_micros(50), Duration::from_millis(1)] {
        let bus = EventBus::new();
        let mut receiver = bus
            .subscribe::<u64>("n")
            .capacity(1)
            .delivery(DeliveryMode::Timeout(timeout))
            .receiver()
            .expect("subscribe");
        let (queued, late) = (AtomicU64::new(0), AtomicU64::new(0));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|_| {
                    scope.spawn(|| {
                        for number in 0..EVENTS {
                            let receipt = bus.publish("n", number).expect("publish");
                            queued.fetch_add(receipt.queued() as u64, SeqCst);
                            late.fetch_add(receipt.dropped_by().by(DropReason::Timeout), SeqCst);
                        }
                    })
                })
                .collect();
            // Room comes before the time is over, at the same moment, or too late.
            let over = &over;
            let taking = scope.spawn(move || {
                let mut taken = 0_u64;
                while !over.load(SeqCst) || !receiver.is_empty() {
                    taken += u64::from(receiver.try_recv().is_ok());
                    (0..=taken % 7).for_each(|_| thread::yield_now());
                }
                taken
            });
            publishers.into_iter().for_each(|publisher| publisher.join().expect("join"));
            over.store(true, SeqCst);
            assert_eq!(taking.join().expect("join"), queued.load(SeqCst));
        });
        assert_eq!(queued.load(SeqCst) + late.load(SeqCst), EVENTS * PUBLISHERS, "{timeout:?}");
    }
    // Without time, a full queue drops exactly the one event.
    let bus = EventBus::builder().delivery(DeliveryMode::Timeout(Duration::ZERO)).build().expect("build");
    let full = bus.subscribe::<u64>("n").capacity(1).receiver().expect("subscribe");
    let receipts = [0_u64, 1].map(|number| bus.publish("n", number).expect("publish"));
    assert_eq!(receipts.map(|receipt| receipt.dropped()), [0, 1]);
    assert_eq!(full.subscription().stats().dropped.timeout, 1);
}
