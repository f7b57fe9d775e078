//! loom models of the engines. Each says which change breaks it, and was seen to fail with that change.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loom::thread::spawn;

use super::delivery::{Delivery, Errands, Ground};
use super::ingress::{Abandoned, Arrival, Deliver, Handover, Ingress, Intake, Next, Watch};
use super::transport::Limits;
use super::{
    BoxFuture, Capabilities, Encoded, Engine, EngineError, EngineState, Engines, Envelope, Position, Router,
    Rule, Scope, SubscriptionSpec,
};
use crate::dispatch::models::support::{Bell, Figure, ends, slot_in, spec, waker};
use crate::dispatch::{Carriage, Carriers, DeliveryMode, Hooks, Roster, Slot, TopicTable};
use crate::event::{DropReason, Outcome, SubscriptionId};
use crate::pattern::TopicPattern;
use crate::subscribe::Start;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::park::{Wait, block_on};
use crate::tenant::Tenant;
use crate::topic::Topic;

struct Silent;

impl Watch for Silent {
    fn state(&self, _: EngineState) {}
    fn rejected(&self, _: &dyn std::fmt::Display) {}
    fn report(&self, _: &str) {}
}

fn intake(limit: usize) -> Arc<Intake> {
    Arc::new(Intake::new("e".into(), limit, Box::new(Silent)))
}

fn arrival() -> Arrival {
    let topic = Topic::new("t").expect("a topic");
    Arrival::new(Envelope::new(topic, Encoded::raw(&b""[..])), Scope::Everyone)
}

/// A future of an engine's thread, which waits as threads do.
struct Waiting<F>(F);

impl<F: Future + Unpin> Wait for Waiting<F> {
    type Output = F::Output;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }

    fn deadline(&self) -> crate::sync::clock::Deadline {
        crate::sync::clock::Deadline::NEVER
    }
}

fn deliver(intake: &Arc<Intake>) -> Deliver {
    Ingress::new(Arc::clone(intake)).deliver(arrival())
}

fn wait<F: Future + Unpin>(future: F) -> F::Output {
    block_on(&mut Waiting(future))
}

/// Ends the next arrival, as the last subscription does.
fn end_next(intake: &Intake) -> bool {
    let Next::Arrival(accepted) = intake.next() else { return false };
    accepted.share.end(Outcome::default());
    true
}

/// An engine waits for room while the last subscription of another arrival comes to its end: it gets the room.
///
/// Broken by a share that is given back without a notification, and by a `Deliver` that does not try again after it
/// has begun to listen.
#[test]
fn l2_a_hand_over_that_waits_against_the_end_of_another() {
    loom::model(|| {
        let intake = intake(1);
        let first = wait(deliver(&intake)).expect("there is room");
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || drop(wait(deliver(&intake)).expect("it is open")))
        };
        assert!(end_next(&intake));
        engine.join().expect("it gets the room");
        assert_eq!(wait(first), Ok(Outcome::default()));
        assert_eq!(intake.in_flight(), 1);
        intake.close();
    });
}

/// Two hand-overs wait for room, and two arrivals end: both get it.
///
/// Broken by a notification that does not add to one that is on its way.
#[test]
fn l2_two_hand_overs_that_wait_against_two_ends() {
    loom::model(|| {
        let intake = intake(2);
        let _there = [(); 2].map(|()| wait(deliver(&intake)).expect("there is room"));
        let engine = || {
            let intake = Arc::clone(&intake);
            spawn(move || drop(wait(deliver(&intake)).expect("it is open")))
        };
        let engines = [engine(), engine()];
        assert!(end_next(&intake) && end_next(&intake));
        for engine in engines {
            engine.join().expect("it gets the room");
        }
        intake.close();
    });
}

/// An engine hands an arrival over while the ingress is closed: either it is refused and given back, or it is taken
/// and said to be abandoned. Nothing stays in flight, and nobody waits for ever.
///
/// Broken by a `close` that leaves the queue as it is, and by an `admit` that looks whether it is closed before it has
/// the lock.
#[test]
fn s2_a_hand_over_against_the_close() {
    loom::model(|| {
        let intake = intake(1);
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || match wait(deliver(&intake)) {
                Ok(handover) => assert_eq!(wait(handover), Err(Abandoned)),
                Err(closed) => assert!(closed.into_arrival().is_some()),
            })
        };
        intake.close();
        engine.join().expect("it is told");
        assert_eq!(intake.in_flight(), 0);
    });
}

/// The same while it waits for room, which an arrival has that is on its way past the subscriptions.
///
/// Broken by a `close` that does not tell those who wait for room.
#[test]
fn l2_a_hand_over_that_waits_against_the_close() {
    loom::model(|| {
        let intake = intake(1);
        let first = wait(deliver(&intake)).expect("there is room");
        let Next::Arrival(on_its_way) = intake.next() else { panic!("it was handed over") };
        let engine = {
            let intake = Arc::clone(&intake);
            spawn(move || assert!(wait(deliver(&intake)).is_err(), "there is no room"))
        };
        intake.close();
        engine.join().expect("it is told");
        on_its_way.share.end(Outcome::default());
        assert_eq!(wait(first), Ok(Outcome::default()));
    });
}

/// An engine begins to wait for an outcome while the last subscription ends: it is woken, once.
///
/// Broken by a `settle` that takes the waker before it leaves the result, in two steps.
#[test]
fn c1_a_handover_is_told_of_the_outcome() {
    loom::model(|| {
        let intake = intake(1);
        let mut handover: Handover = wait(deliver(&intake)).expect("there is room");
        let last = {
            let intake = Arc::clone(&intake);
            spawn(move || assert!(end_next(&intake)))
        };
        let (woken, waker) = waker();
        let mut cx = Context::from_waker(&waker);
        let first = Pin::new(&mut handover).poll(&mut cx);
        last.join().expect("the last subscription");
        match first {
            Poll::Ready(result) => assert_eq!(result, Ok(Outcome::default())),
            Poll::Pending => {
                assert_eq!(woken.get(), 1);
                assert_eq!(Pin::new(&mut handover).poll(&mut cx), Poll::Ready(Ok(Outcome::default())));
            }
        }
    });
}

/// The delivery thread looks for work and goes to sleep while an engine hands over and the ingress is closed: it takes
/// the arrival, or finds it abandoned, and comes to its end. (The bus is gone, so that nobody is offered it.)
///
/// Broken by an `admit` or a `close` that does not notify the thread, and by a thread that does not look again after
/// it has begun to listen.
#[test]
fn l1_the_delivery_thread_against_a_hand_over_and_the_close() {
    loom::model(|| {
        let intake = intake(2);
        let thread = {
            let intake = Arc::clone(&intake);
            spawn(move || {
                let ground = Ground {
                    tables: Weak::new(),
                    hooks: Arc::new(Hooks::new(None, None, ["memory".into(), "e".into()].into(), None)),
                };
                block_on(&mut Delivery::new(intake, Arc::new(Errands::default()), ground, 1));
            })
        };
        let handover = wait(deliver(&intake)).expect("it is open");
        assert_eq!(wait(handover), Err(Abandoned));
        intake.close();
        thread.join().expect("it ends");
        assert_eq!(intake.in_flight(), 0);
    });
}

/// An engine that notes who is a member.
#[derive(Debug, Default)]
struct Members {
    here: Mutex<Vec<SubscriptionId>>,
    subscribed: Figures,
}

#[derive(Default)]
struct Figures(Figure);

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Engine for Members {
    fn kind(&self) -> &'static str {
        "members"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn start(&self, _: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn publish<'a>(&'a self, _: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        Box::pin(async { Ok(Position::none()) })
    }

    fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async {
            self.subscribed.0.raise();
            self.here.lock().push(spec.id);
            Ok(())
        })
    }

    fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            self.here.lock().retain(|here| *here != id);
            Ok(())
        })
    }

    fn shutdown(&self, _: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A memory engine and another one, with a rule for `t` if it is `routed`.
fn engines(engine: &Arc<Members>, routed: bool) -> Arc<Engines> {
    let limits = Limits { in_flight: 1, timeout: Duration::from_secs(1) };
    let seats = vec![("memory".into(), None), ("e".into(), Some(Arc::clone(engine) as Arc<dyn Engine>))];
    let router = if routed { router() } else { Router::default() };
    Arc::new(Engines::new(
        seats,
        router,
        limits,
        &Arc::new(Hooks::new(None, None, ["memory".into(), "e".into()].into(), None)),
    ))
}

fn router() -> Router {
    Router::new(vec![Rule {
        patterns: vec![TopicPattern::new("t").expect("a pattern")],
        tenants: None,
        engine: 1,
    }])
}

fn slot_of(table: &Arc<TopicTable>, roster: &Arc<Roster>) -> Arc<Slot> {
    let ends = |_: &_| ends(1, Bell::default());
    slot_in(&Arc::downgrade(table), roster, spec(&["t"], 1, DeliveryMode::Drop), ends)
}

fn join(engines: &Engines, slot: &Arc<Slot>) {
    let transport = engines.transport(1).expect("an engine");
    if let Some(mut call) = transport.join(slot, Start::Now) {
        block_on(&mut call).expect("it lets everybody in");
    }
}

/// Runs what an engine's thread would.
fn run_errands(engines: &Engines) {
    engines.transport(1).expect("an engine").run_errands();
}

/// A subscription joins an engine while it is cancelled: in the end it is no member.
///
/// Broken by a joiner that does not look whether the subscription has ended meanwhile, and by a canceller that does
/// not mark it as ended before it looks what it has joined.
#[test]
fn v4_a_join_against_the_cancel() {
    loom::model(|| {
        let engine = Arc::new(Members::default());
        let engines = engines(&engine, true);
        let table = Arc::new(TopicTable::new(4, Some(Arc::clone(&engines) as Arc<dyn Carriers>), None));
        let slot = slot_of(&table, &Arc::default());
        let joiner = {
            let (engines, slot) = (Arc::clone(&engines), Arc::clone(&slot));
            spawn(move || join(&engines, &slot))
        };
        slot.cancel(DropReason::Cancelled);
        run_errands(&engines);
        joiner.join().expect("the joiner");
        run_errands(&engines);
        assert!(engine.here.lock().is_empty(), "a subscription that has ended is a member");
    });
}

/// Two come to make one subscription a member: the engine is asked once, and both find it joined.
///
/// Broken by a `join` that looks for who is there and enters in two steps, and by one that does not notify who waits.
#[test]
fn m4_two_joins_of_one_subscription() {
    loom::model(|| {
        let engine = Arc::new(Members::default());
        let engines = engines(&engine, true);
        let table = Arc::new(TopicTable::new(4, None, None));
        let slot = slot_of(&table, &Arc::default());
        let other = {
            let (engines, slot) = (Arc::clone(&engines), Arc::clone(&slot));
            spawn(move || join(&engines, &slot))
        };
        join(&engines, &slot);
        assert_eq!(*engine.here.lock(), [slot.id]);
        other.join().expect("the other");
        assert_eq!(engine.subscribed.0.get(), 1);
    });
}

/// Somebody subscribes while rules are announced that route its topic to another engine: one of the two makes it a member
/// before the rules hold.
///
/// Broken by rules that are announced after the look at who subscribes, and by a subscription that looks for the rules
/// before it is in the roster.
#[test]
fn m4_a_subscription_against_rules_that_come() {
    loom::model(|| {
        let engines = engines(&Arc::new(Members::default()), false);
        let table = Arc::new(TopicTable::new(4, None, None));
        let roster = Arc::new(Roster::default());
        let subscriber = {
            let (engines, table, roster) = (Arc::clone(&engines), Arc::clone(&table), Arc::clone(&roster));
            spawn(move || {
                let slot = slot_of(&table, &roster);
                for transport in engines.reach(&slot).transports {
                    slot.join(transport.number);
                }
                slot
            })
        };
        let router = Arc::new(router());
        assert!(engines.announce(&router));
        for slot in roster.held() {
            for transport in engines.reach(&slot).transports {
                slot.join(transport.number);
            }
        }
        engines.replace_rules(router);
        let slot = subscriber.join().expect("the subscriber");
        assert!(slot.has_joined(1), "the topic goes by an engine that its subscription has not joined");
    });
}

/// Routes by a word.
#[derive(Debug)]
struct Flips(AtomicU32);

impl Carriers for Flips {
    fn route(&self, _: Option<&Tenant>, _: &str) -> Carriage {
        let engine = u8::try_from(self.0.load(Ordering::Acquire)).expect("0 or 1");
        Carriage { engine, carried: engine == 1, ..Carriage::default() }
    }

    fn left(&self, _: SubscriptionId, _: u64) {}
}

fn engine_of(table: &TopicTable, topic: &str) -> u8 {
    let hash = table.hash(topic);
    let bucket = table.bucket(hash);
    match table.named(&bucket, hash, topic) {
        Some(list) => list.engine(),
        None => table.resolve_unseen(topic).expect("a topic").engine(),
    }
}

/// The rules are replaced while a topic is published to: who publishes after that goes by the new ones, and who has gone
/// by the new ones does not go back.
///
/// Broken by a `reroute` that does not raise the generation, and by one that raises it without the writer lock and leaves
/// what was remembered of subscriptions (a list of the old rules is brought up to date by them).
#[test]
fn v1_a_publish_against_rules_that_are_replaced() {
    loom::model(|| {
        let flips = Arc::new(Flips(AtomicU32::new(0)));
        let table = Arc::new(TopicTable::new(4, Some(Arc::clone(&flips) as Arc<dyn Carriers>), None));
        let entry = table.pin(&Topic::new("t").expect("a topic"));
        // A pattern that was subscribed to lately, so that lists are brought up to date in small steps.
        let roster = Arc::default();
        let ends = |_: &_| ends(1, Bell::default());
        let wild = slot_in(&Arc::downgrade(&table), &roster, spec(&["*"], 1, DeliveryMode::Drop), ends);
        table.insert(&wild);
        assert_eq!(engine_of(&table, "t"), 0);
        let rules = {
            let (table, flips) = (Arc::clone(&table), Arc::clone(&flips));
            spawn(move || {
                flips.0.store(1, Ordering::Release);
                table.reroute();
            })
        };
        let first = engine_of(&table, "t");
        let second = engine_of(&table, "t");
        assert!(first <= second, "it went back to the old rules");
        rules.join().expect("the rules");
        assert_eq!(engine_of(&table, "t"), 1, "the new rules do not hold");
        table.unpin(&entry);
        wild.cancel(DropReason::Cancelled);
    });
}
