//! Who joins and leaves an engine, and rules that come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread::spawn;

use super::hooks;
use crate::dispatch::models::support::{Bell, Figure, ends, slot_in, spec};
use crate::dispatch::{Carriers, DeliveryMode, Roster, Slot, TopicTable};
use crate::engine::ingress::Ingress;
use crate::engine::transport::Limits;
use crate::engine::{
    BoxFuture, Capabilities, Engine, EngineError, Engines, Envelope, Position, QueueTerms, Router, Rule,
    Seated, SubscriptionSpec,
};
use crate::event::{DropReason, SubscriptionId};
use crate::pattern::TopicPattern;
use crate::subscribe::Start;
use crate::sync::Mutex;
use crate::sync::park::block_on;

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
    let seats = vec![
        ("memory".into(), Seated::Memory(QueueTerms::default())),
        ("e".into(), Seated::Engine(Arc::clone(engine) as Arc<dyn Engine>)),
    ];
    let router = if routed { router() } else { Router::default() };
    Arc::new(Engines::new(seats, router, limits, &hooks()))
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
