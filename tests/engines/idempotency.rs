//! Events that an engine brings again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use trolleybus::engine::{Capabilities, Encoded, Envelope, Groups, Handover, Scope};
use trolleybus::{DeadLetter, EventBus, EventId, HandlerError, IdempotencyWindow, Subscribe, Topic};

use crate::eventually::eventually;
use crate::faulty_engine::{Plan, Remote, block_on};
use crate::gate::gate;
use crate::support::watchdog;

fn envelope(number: u32) -> Envelope {
    let payload = Encoded::json(&number).expect("a number");
    let topic = Topic::new("n").expect("a topic");
    Envelope::new(topic, payload).with_id(EventId::from_u128(u128::from(number)))
}

fn bus_of(remote: &Remote) -> EventBus {
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["n"]).workers(2);
    builder.dead_letters(["n"], "dead").start().wait().expect("it starts")
}

fn window(bus: &EventBus) -> Subscribe<trolleybus::Event<u32>> {
    bus.subscribe::<u32>("n").idempotent(IdempotencyWindow::new(100))
}

fn is_open(handover: &mut Handover) -> bool {
    block_on(smol::future::poll_once(handover)).is_none()
}

#[test]
fn t7_what_an_engine_brings_again_is_acknowledged_and_not_handled_again() {
    let _watchdog = watchdog("again");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let handled = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&handled);
    let subscription = window(&bus)
        .handle(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .expect("subscribe");
    for number in [1, 2, 1, 2, 2] {
        let outcome = block_on(remote.arrive(envelope(number), Scope::Everyone)).expect("offered");
        assert!(outcome.is_ok() && outcome.done == 1, "{outcome:?}");
    }
    assert_eq!(handled.load(Ordering::Relaxed), 2);
    let ledger = subscription.stats();
    assert!(ledger.is_balanced() && (ledger.delivered, ledger.duplicate) == (2, 3), "{ledger:?}");
    let engine = &bus.stats().engines[1];
    assert_eq!((engine.offered, engine.delivered, engine.duplicate, engine.in_flight), (5, 2, 3, 0));
}

#[test]
fn t7_what_comes_again_while_the_first_runs_is_acknowledged_only_as_that_ends() {
    let _watchdog = watchdog("still running");
    for well in [true, false] {
        let remote = Remote::default();
        let bus = bus_of(&remote);
        let (gate, opens) = gate();
        let held = Arc::clone(&gate);
        let subscription = window(&bus)
            .concurrency(2)
            .handle(move |_| {
                held.pass();
                if well { Ok(()) } else { Err(HandlerError::new("as told")) }
            })
            .expect("subscribe");
        let mut dead =
            (!well).then(|| bus.subscribe_local::<DeadLetter>("dead").receiver().expect("subscribe"));
        let mut first = remote.arrive(envelope(1), Scope::Everyone);
        eventually("the first is held up", || gate.inside() == 1);
        let mut again = remote.arrive(envelope(1), Scope::Everyone);
        eventually("it is a duplicate", || subscription.stats().duplicate == 1);
        assert!(is_open(&mut first) && is_open(&mut again), "acknowledged while the handler runs");
        drop(opens);
        let outcomes = [first, again].map(|handover| block_on(handover).expect("offered"));
        for outcome in outcomes {
            // Of a failure somebody has the letter, for both.
            assert_eq!((outcome.is_ok(), outcome.is_kept()), (well, true), "{outcome:?}");
        }
        if let Some(dead) = &mut dead {
            assert!(dead.try_recv().is_ok() && dead.try_recv().is_err(), "one letter");
            // It failed, and is tried again.
            let outcome = block_on(remote.arrive(envelope(1), Scope::Everyone)).expect("offered");
            assert_eq!(outcome.failed, [subscription.id()]);
            assert_eq!(subscription.stats().failed, 2);
        }
    }
}

#[test]
fn a_group_of_a_broker_that_brings_an_event_again_to_another_member_handles_it_once() {
    let _watchdog = watchdog("groups");
    let remote =
        Remote::new(Plan { capabilities: Capabilities::new().groups(Groups::Shared), ..Plan::default() });
    let bus = bus_of(&remote);
    let member = || window(&bus).group("red").handle_inline(|_| ()).expect("subscribe");
    let members = [member(), member()];
    for _ in 0..4 {
        let handover = remote.arrive(envelope(1), Scope::Group("red".into()));
        assert_eq!(block_on(handover).expect("offered").done, 1);
    }
    let ledgers = members.each_ref().map(trolleybus::Subscription::stats);
    assert_eq!(ledgers.each_ref().map(|ledger| ledger.offered), [2, 2]);
    assert_eq!(ledgers.iter().map(|ledger| ledger.delivered).sum::<u64>(), 1);
}
