//! What an engine brings.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use trolleybus::engine::{Capabilities, Encoded, EngineState, Envelope, Groups, Scope, StartKinds};
use trolleybus::{
    DeliveryMode, DropReason, EventBus, HandlerError, Observer, Retention, Start, SubscribeError, Topic,
};

use crate::eventually::eventually;
use crate::faulty_engine::{Call, Does, Plan, Remote, block_on};
use crate::gate::gate;
use crate::support::{PATIENCE, watchdog};

fn bus_of(remote: &Remote) -> EventBus {
    EventBus::builder()
        .engine("far", remote.engine())
        .route("far", ["far.*"])
        .engine_timeout(Duration::from_millis(200))
        .start()
        .wait()
        .expect("it starts")
}

fn envelope(topic: &str, number: u32) -> Envelope {
    Envelope::new(Topic::new(topic).expect("a topic"), Encoded::json(&number).expect("a number"))
}

static DECODED: AtomicU32 = AtomicU32::new(0);

/// Counts how often it is decoded.
struct Costly(u32);

impl<'de> Deserialize<'de> for Costly {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        u32::deserialize(deserializer).map(Self)
    }
}

#[test]
fn d_all_9_a_payload_is_decoded_once_per_type_whatever_the_number_of_subscribers() {
    let _watchdog = watchdog("decoded once");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let sum = Arc::new(AtomicU32::new(0));
    let add = |sum: &Arc<AtomicU32>| {
        let sum = Arc::clone(sum);
        move |number: u32| {
            sum.fetch_add(number, Ordering::Relaxed);
        }
    };
    let inline = add(&sum);
    let mut all = vec![
        bus.subscribe::<Costly>("far.*").handle_inline(move |event| inline(event.0)).expect("subscribe"),
    ];
    for pattern in ["far.a", "far.+", "*"] {
        let pooled = add(&sum);
        all.push(bus.subscribe::<Costly>(pattern).handle(move |event| pooled(event.0)).expect("subscribe"));
        let numbers = add(&sum);
        all.push(bus.subscribe::<u32>(pattern).handle(move |event| numbers(**event)).expect("subscribe"));
    }
    let outcome = block_on(remote.arrive(envelope("far.a", 5), Scope::Everyone)).expect("offered");
    assert_eq!((outcome.done, outcome.failed.len()), (7, 0));
    assert_eq!((sum.load(Ordering::Relaxed), DECODED.load(Ordering::Relaxed)), (35, 1));
}

#[test]
fn each_scope_reaches_its_own_subscriptions_only() {
    let _watchdog = watchdog("scopes");
    let remote =
        Remote::new(Plan { capabilities: Capabilities::new().groups(Groups::Shared), ..Plan::default() });
    let bus = bus_of(&remote);
    let receiver = || bus.subscribe::<u32>("far.*");
    let (mut first, mut second) =
        (receiver().receiver().expect("subscribe"), receiver().receiver().expect("subscribe"));
    let mut red = [(); 2].map(|()| receiver().group("red").receiver().expect("subscribe"));
    let mut blue = receiver().group("blue").receiver().expect("subscribe");
    let group = |name: &str| Scope::Group(name.into());
    let scopes = [
        Scope::Subscription(first.subscription().id()),
        group("red"),
        group("red"),
        group("blue"),
        group("green"),
    ];
    for (number, scope) in (0..).zip(scopes) {
        drop(remote.arrive(envelope("far.a", number), scope));
    }
    // Another topic, to none of them; and to all that are in no group.
    drop(remote.arrive(envelope("near.a", 10), Scope::Everyone));
    let last = remote.arrive(envelope("far.a", 11), Scope::Everyone);
    eventually("the last one is queued", || second.subscription().stats().offered > 0);
    let all = |receiver: &mut trolleybus::Receiver<trolleybus::Event<u32>>| {
        receiver.try_iter().map(|event| *event).collect::<Vec<_>>()
    };
    assert_eq!(all(&mut first), [0, 11]);
    assert_eq!(all(&mut second), [11]);
    assert_eq!(all(&mut blue), [3, 11]);
    let mut shared: Vec<u32> = red.iter_mut().flat_map(all).collect();
    shared.sort_unstable();
    assert_eq!(shared, [1, 2, 11]);
    assert_eq!(block_on(last).expect("offered").done, 4);
    let subscribed = remote.calls();
    assert!(subscribed.contains(&Call::Subscribe(blue.subscription().id(), Some("blue".to_owned()))));
}

#[test]
fn an_event_that_matches_two_patterns_comes_once_and_joins_once() {
    let _watchdog = watchdog("two patterns");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let mut both = bus.subscribe_many::<u32, _>(["far.a", "far.*"]).receiver().expect("subscribe");
    block_on(async {
        drop(remote.arrive(envelope("far.a", 1), Scope::Everyone));
    });
    assert_eq!(*both.recv().expect("it arrives"), 1);
    assert!(both.try_recv().is_err());
    let joined = remote.calls().iter().filter(|call| matches!(call, Call::Subscribe(..))).count();
    assert_eq!(joined, 1);
}

#[test]
fn the_outcome_says_who_failed_dropped_or_could_not_decode() {
    let _watchdog = watchdog("outcome");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let fails = bus
        .subscribe::<u32>("far.*")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    let panics = bus.subscribe::<u32>("far.*").handle(|_| -> () { panic!("as told") }).expect("subscribe");
    let full = bus.subscribe::<u32>("far.*").capacity(1).receiver().expect("subscribe");
    let text = bus.subscribe::<String>("far.*").handle_inline(|_| ()).expect("subscribe");
    let mut any = bus.subscribe_any("far.*").receiver().expect("subscribe");
    let _first = remote.arrive(envelope("far.a", 1), Scope::Everyone);
    let second = remote.arrive(envelope("far.a", 2), Scope::Everyone);
    for _ in 0..2 {
        let event = any.recv().expect("it arrives");
        assert!(event.payload::<Encoded>().is_some(), "it was decoded: {event:?}");
    }
    let outcome = block_on(second).expect("offered");
    let mut failed = outcome.failed.clone();
    failed.sort_unstable();
    assert_eq!(failed, [fails.id(), panics.id(), text.id()]);
    assert_eq!(outcome.dropped, [(full.subscription().id(), DropReason::Full)]);
    assert_eq!(outcome.done, 1);
    assert_eq!((text.stats().offered, text.stats().skipped), (0, 2));
    let engine = &bus.stats().engines[1];
    assert_eq!(
        (engine.offered, engine.delivered, engine.failed, engine.dropped, engine.in_flight),
        (8, 6, 4, 1, 1)
    );
    assert_eq!(engine.skipped, 2);
}

#[test]
fn d_all_10_arrivals_in_flight_are_bounded_until_the_last_subscription_is_done() {
    let _watchdog = watchdog("back-pressure");
    let remote = Remote::default();
    let bus = EventBus::builder()
        .engine("far", remote.engine())
        .default_engine("far")
        .in_flight(2)
        .start()
        .wait()
        .expect("it starts");
    let mut slow = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    let ingress = remote.ingress();
    let deliver =
        |number| ingress.deliver(trolleybus::engine::Arrival::new(envelope("a", number), Scope::Everyone));
    let mut first = block_on(deliver(1)).expect("room");
    let _second = block_on(deliver(2)).expect("room");
    let mut third = deliver(3);
    assert!(block_on(smol::future::poll_once(&mut third)).is_none(), "a third is in flight");
    assert!(block_on(smol::future::poll_once(&mut first)).is_none(), "nobody has handled it");
    assert_eq!(*slow.recv().expect("the first"), 1);
    assert_eq!(block_on(first).expect("offered").done, 1);
    let _third = block_on(third).expect("there is room again");
    assert_eq!(*slow.recv().expect("the second"), 2);
    assert_eq!(*slow.recv().expect("the third"), 3);
    eventually("nothing is in flight", || {
        bus.stats().engines[0].transport.as_ref().is_some_and(|far| far.arrivals_in_flight == 0)
    });
}

#[test]
fn a_full_queue_of_mode_block_holds_the_engine_and_loses_nothing() {
    let _watchdog = watchdog("block");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let mut slow = bus
        .subscribe::<u32>("far.*")
        .capacity(1)
        .delivery(DeliveryMode::Block)
        .receiver()
        .expect("subscribe");
    let handovers: Vec<_> =
        (0..50).map(|number| remote.arrive(envelope("far.a", number), Scope::Everyone)).collect();
    for expected in 0..50 {
        assert_eq!(*slow.recv().expect("it arrives"), expected);
    }
    for handover in handovers {
        assert_eq!(block_on(handover).expect("offered").done, 1);
    }
    assert_eq!(slow.subscription().stats().dropped.total(), 0);
}

#[test]
fn d_all_5_a_subscription_that_ends_leaves_its_engines_and_hears_no_more() {
    let _watchdog = watchdog("leave");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let heard = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&heard);
    let subscription = bus
        .subscribe::<u32>("*")
        .handle_inline(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .expect("subscribe");
    let id = subscription.id();
    assert_eq!(block_on(remote.arrive(envelope("far.a", 1), Scope::Everyone)).expect("offered").done, 1);
    subscription.cancel();
    assert_eq!(block_on(remote.arrive(envelope("far.a", 2), Scope::Everyone)).expect("offered").done, 0);
    assert_eq!(
        block_on(remote.arrive(envelope("far.a", 3), Scope::Subscription(id))).expect("offered").done,
        0
    );
    eventually("the engine was told", || remote.calls().contains(&Call::Unsubscribe(id)));
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    assert_eq!(bus.subscriber_count("far.a").expect("a topic"), 0);
    assert!(bus.topics().is_empty());
}

/// A member of another process may get it: to acknowledge it would lose it.
#[test]
fn an_arrival_for_a_group_without_a_member_is_not_to_be_acknowledged() {
    let _watchdog = watchdog("no member");
    let remote =
        Remote::new(Plan { capabilities: Capabilities::new().groups(Groups::Shared), ..Plan::default() });
    let bus = bus_of(&remote);
    let group = || Scope::Group("red".into());
    assert!(block_on(remote.arrive(envelope("far.a", 1), group())).is_err());
    let member = bus.subscribe::<u32>("far.*").group("red").handle_inline(|_| ()).expect("subscribe");
    assert_eq!(block_on(remote.arrive(envelope("far.a", 2), group())).expect("offered").done, 1);
    // Whoever turns it away was offered it.
    let picky = bus.subscribe::<u32>("far.*").group("blue").filter(|_| false).handle_inline(|_| ());
    let outcome = block_on(remote.arrive(envelope("far.a", 3), Scope::Group("blue".into())));
    assert!(outcome.expect("offered").is_ok());
    drop(picky);
    member.cancel();
    assert!(block_on(remote.arrive(envelope("far.a", 4), group())).is_err());
}

#[test]
fn an_engine_that_lets_a_subscription_in_badly_leaves_none_behind() {
    let _watchdog = watchdog("subscribe fails");
    for does in [Does::Fails, Does::Hangs, Does::Panics] {
        let remote = Remote::new(Plan { subscribe: does, ..Plan::default() });
        let bus = bus_of(&remote);
        let Err(SubscribeError::Engine { engine, .. }) = bus.subscribe::<u32>("*").receiver() else {
            panic!("it was let in")
        };
        assert_eq!(engine, "far");
        assert_eq!(bus.subscriber_count("far.a").expect("a topic"), 0);
        eventually("the engine was told", || {
            remote.calls().iter().any(|call| matches!(call, Call::Unsubscribe(_)))
        });
        // What the engine does not carry is not its business.
        assert!(bus.subscribe::<u32>("near.a").receiver().is_ok());
    }
}

#[test]
fn what_an_engine_cannot_do_is_refused_at_the_subscription() {
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let subscribe = |pattern: &str, start| bus.subscribe::<u32>(pattern).from(start).receiver();
    assert!(matches!(subscribe("far.a", Start::Beginning), Err(SubscribeError::Engine { .. })));
    remote.change(|plan| plan.capabilities = Capabilities::new().starts(StartKinds::Beginning));
    assert!(subscribe("far.a", Start::Beginning).is_ok());
    assert!(matches!(subscribe("far.a", Start::LastN(3)), Err(SubscribeError::Engine { .. })));
    // The memory engine keeps no history, and this reaches it, too.
    assert!(matches!(subscribe("*", Start::Beginning), Err(SubscribeError::NoHistory)));
}

/// A rule of retention may be about all topics; what another engine carries is that engine's to keep.
#[test]
fn what_is_kept_here_says_nothing_of_what_an_engine_keeps() {
    let _watchdog = watchdog("what an engine keeps");
    let plan = Plan { capabilities: Capabilities::new().starts(StartKinds::Beginning), ..Plan::default() };
    let remote = Remote::new(plan);
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["far.*"]);
    let bus = builder.retain(["*"], Retention::new()).start().wait().expect("it starts");
    bus.publish("near.a", 1_u32).expect("open");
    let subscribe = |pattern: &str, start| bus.subscribe::<u32>(pattern).from(start);
    let inline = subscribe("far.a", Start::Beginning).handle_inline(|_| ()).expect("the engine can");
    let refused = subscribe("far.a", Start::Sequence(7)).receiver();
    assert!(matches!(refused, Err(SubscribeError::Engine { .. })), "{refused:?}");
    let mut all = subscribe("*", Start::Beginning).receiver().expect("both can");
    let near = all.try_recv().expect("what was kept");
    assert_eq!((*near, near.sequence()), (1, Some(1)));
    let handover = remote.arrive(envelope("far.a", 2), Scope::Everyone);
    let far = all.recv_timeout(PATIENCE).expect("what the engine brings");
    assert!(block_on(handover).expect("offered").is_kept());
    assert_eq!((*far, far.sequence(), inline.stats().delivered), (2, None, 1));
    assert_eq!(bus.history("*").expect("a rule is about it").iter().count(), 1);
}

#[test]
fn a_subscription_of_a_local_type_joins_no_engine() {
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let _local =
        bus.subscribe_local::<std::sync::mpsc::Sender<u8>>("*").handle_inline(|_| ()).expect("subscribe");
    assert_eq!(remote.calls(), [Call::Start]);
}

#[derive(Clone, Default)]
struct States(Arc<Mutex<Vec<(String, EngineState)>>>, Arc<Mutex<Vec<String>>>);

impl Observer for States {
    fn engine_state(&self, engine: &str, state: EngineState) {
        self.0.lock().expect("lock").push((engine.to_owned(), state));
    }

    fn warning(&self, message: &str) {
        self.1.lock().expect("lock").push(message.to_owned());
    }
}

#[test]
fn states_and_rejects_are_told() {
    let _watchdog = watchdog("states");
    let (remote, states) = (Remote::default(), States::default());
    let bus = EventBus::builder()
        .engine("far", remote.engine())
        .observer(states.clone())
        .start()
        .wait()
        .expect("start");
    let ingress = remote.ingress();
    for state in
        [EngineState::Connected, EngineState::Degraded, EngineState::Connecting, EngineState::Connecting]
    {
        ingress.set_state(state);
    }
    assert_eq!(bus.stats().engines[1].state, EngineState::Connecting);
    ingress.reject(&"not an event");
    assert_eq!(bus.stats().engines[1].transport.as_ref().map(|far| far.rejected), Some(1));
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
    let told: Vec<EngineState> = states.0.lock().expect("lock").iter().map(|(_, state)| *state).collect();
    assert_eq!(
        told,
        [EngineState::Connected, EngineState::Degraded, EngineState::Connecting, EngineState::Stopped]
    );
    assert_eq!(*states.1.lock().expect("lock"), ["engine \"far\" rejects what arrived: not an event"]);
}

#[test]
fn d_all_10_a_shutdown_lets_what_has_arrived_be_handled() {
    let _watchdog = watchdog("drain");
    let remote = Remote::default();
    let bus = bus_of(&remote);
    let heard = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&heard);
    let (gate, opens) = gate();
    let held = Arc::clone(&gate);
    let subscription = bus
        .subscribe::<u32>("far.*")
        .handle(move |_| {
            held.pass();
            count.fetch_add(1, Ordering::Relaxed);
        })
        .expect("subscribe");
    let handovers: Vec<_> =
        (0..100).map(|number| remote.arrive(envelope("far.a", number), Scope::Everyone)).collect();
    // All are queued behind the first, whose handler is held up.
    eventually("all are offered", || subscription.stats().offered == 100 && gate.inside() == 1);
    let shutdown = bus.shutdown(PATIENCE);
    assert_eq!(heard.load(Ordering::Relaxed), 0);
    drop(opens);
    let report = shutdown.wait();
    assert!(report.complete, "{report:?}");
    assert_eq!(heard.load(Ordering::Relaxed), 100);
    for handover in handovers {
        assert_eq!(block_on(handover).expect("offered").done, 1);
    }
    let late = block_on(
        remote.ingress().deliver(trolleybus::engine::Arrival::new(envelope("far.a", 1), Scope::Everyone)),
    );
    assert!(late.expect_err("it is closed").into_arrival().is_some());
}
