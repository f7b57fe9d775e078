//! Waits for oneself and recursion are refused or end: nothing hangs, and no stack overflows.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, PublishRefusal};

use crate::bus;
use crate::eventually::eventually;
use crate::kinds::Kind;
use crate::support::{PATIENCE, watchdog};

#[test]
fn r2_d_mem_5_publishing_into_ones_own_full_queue_is_refused_and_counted() {
    let _watchdog = watchdog("r2 self");
    for mode in [DeliveryMode::Block, DeliveryMode::Timeout(PATIENCE)] {
        for awaited in [false, true] {
            let bus = bus(2);
            let weak = bus.downgrade();
            let (send, receipts) = mpsc::channel();
            let builder = bus.subscribe::<u32>("n").capacity(1).delivery(mode);
            let subscription = if awaited {
                builder.handle_async(move |number| {
                    let (weak, send) = (weak.clone(), send.clone());
                    async move {
                        for next in 1..=if *number == 0 { 2_u32 } else { 0 } {
                            let bus = weak.upgrade().expect("alive");
                            let receipt = bus.publish_async("n", next).await.expect("publish");
                            send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
                        }
                    }
                })
            } else {
                builder.handle(move |number| {
                    for next in 1..=if **number == 0 { 2_u32 } else { 0 } {
                        let bus = weak.upgrade().expect("alive");
                        let receipt = bus.publish("n", next).expect("publish");
                        send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
                    }
                })
            }
            .expect("subscribe");
            bus.publish("n", 0_u32).expect("publish");
            assert_eq!(receipts.recv_timeout(PATIENCE), Ok((1, 0)));
            assert_eq!(receipts.recv_timeout(PATIENCE), Ok((0, 1)), "{mode:?} awaited: {awaited}");
            eventually("both are handled", || subscription.stats().delivered == 2);
            assert_eq!(subscription.stats().dropped.deadlock, 1);
        }
    }
}

#[test]
fn r2_the_only_worker_does_not_wait_for_itself() {
    let _watchdog = watchdog("r2 one worker");
    let bus = bus(1);
    let weak = bus.downgrade();
    let b = Kind::Pooled.handle(bus.subscribe::<u32>("b").capacity(1).delivery(DeliveryMode::Block), |_| ());
    let (send, receipts) = mpsc::channel();
    let a = Kind::Pooled.handle(bus.subscribe::<u32>("a"), move |_| {
        let bus = weak.upgrade().expect("alive");
        for number in 0..2_u32 {
            let receipt = bus.publish("b", number).expect("publish");
            send.send((receipt.queued(), receipt.dropped_by().deadlock)).expect("send");
        }
    });
    bus.publish("a", 1_u32).expect("publish");
    assert_eq!(receipts.recv_timeout(PATIENCE), Ok((1, 0)));
    assert_eq!(receipts.recv_timeout(PATIENCE), Ok((0, 1)));
    eventually("both are handled", || a.stats().delivered + b.stats().delivered == 2);
}

/// A handler of `a` and one of `b` each fill the other's queue while the other runs.
fn cycle(workers: usize, awaited: bool, deadline: Option<Duration>) {
    let bus = bus(workers);
    let subscribe = |own: &'static str, other: &'static str| {
        let weak = bus.downgrade();
        let builder = bus.subscribe::<u32>(own).capacity(1).delivery(DeliveryMode::Block);
        let event = move |bus: &EventBus| {
            let event = bus.event(other, 1_u32);
            if let Some(deadline) = deadline { event.deadline(deadline) } else { event }
        };
        if awaited {
            builder.handle_async(move |number| {
                let (weak, event) = (weak.clone(), event);
                async move {
                    for _ in 0..if *number == 0 { 3 } else { 0 } {
                        let bus = weak.upgrade().expect("alive");
                        event(&bus).publish_async().await.expect("publish");
                    }
                }
            })
        } else {
            builder.handle(move |number| {
                for _ in 0..if **number == 0 { 3 } else { 0 } {
                    let bus = weak.upgrade().expect("alive");
                    event(&bus).publish().expect("publish");
                }
            })
        }
        .expect("subscribe")
    };
    let (a, b) = (subscribe("a", "b"), subscribe("b", "a"));
    bus.publish("a", 0_u32).expect("publish");
    bus.publish("b", 0_u32).expect("publish");
    eventually("the cycle ends", || {
        [&a, &b].iter().all(|one| {
            let ledger = one.stats();
            ledger.offered == 4 && ledger.queued + ledger.running == 0
        })
    });
    let (a, b) = (a.stats(), b.stats());
    assert!(a.is_balanced() && b.is_balanced());
    let lost = a.dropped.deadlock + b.dropped.deadlock + a.dropped.timeout + b.dropped.timeout;
    assert_eq!(a.delivered + b.delivered + lost, 8, "{a:?} {b:?}");
    if deadline.is_none() {
        assert_eq!(a.dropped.timeout + b.dropped.timeout, 0);
    }
}

#[test]
fn r2_a_cycle_of_waiting_handlers_ends() {
    let _watchdog = watchdog("r2 cycle");
    for round in 0..30 {
        cycle([2, 4][round % 2], false, None);
    }
}

#[test]
fn r2_a_cycle_of_awaiting_handlers_ends() {
    let _watchdog = watchdog("r2 async cycle");
    for round in 0..30 {
        cycle([1, 4][round % 2], true, None);
    }
}

#[test]
fn r2_an_events_deadline_ends_a_cycle() {
    let _watchdog = watchdog("r2 deadline");
    for awaited in [false, true] {
        cycle(4, awaited, Some(Duration::from_millis(20)));
    }
}

#[test]
fn r3_recursion_stops_at_the_limit_with_the_payload_back() {
    let _watchdog = watchdog("r3");
    for limit in [1, 64, 128] {
        let bus = EventBus::builder().inline_depth(limit).build().expect("build");
        let (weak, deepest) = (bus.downgrade(), Arc::new(AtomicUsize::new(0)));
        let refused = Arc::new(AtomicUsize::new(0));
        let (deep, count) = (Arc::clone(&deepest), Arc::clone(&refused));
        let _recursive = bus
            .subscribe::<u32>("n")
            .handle_inline(move |depth| {
                deep.fetch_max(**depth as usize, SeqCst);
                if let Err(error) = weak.upgrade().expect("alive").publish("n", **depth + 1) {
                    assert!(matches!(error.refusal(), PublishRefusal::TooDeep { limit: at } if *at == limit));
                    assert_eq!(error.into_payload(), **depth + 1);
                    count.fetch_add(1, SeqCst);
                }
            })
            .expect("subscribe");
        let rounds = 1_000_000 / limit / 10;
        for _ in 0..rounds {
            assert_eq!(bus.publish("n", 1_u32).expect("publish").delivered(), 1);
        }
        assert_eq!((deepest.load(SeqCst), refused.load(SeqCst)), (limit, rounds));
    }
}
