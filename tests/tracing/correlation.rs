//! Who caused an event, and where its chain began.

use std::sync::mpsc;

use trolleybus::{AnyEvent, EventBus, EventId, Metadata};

use crate::support::{PATIENCE, watchdog};
use crate::yield_once::YieldOnce;
use crate::{context_of, traced};

/// Sends each event of a topic into a channel.
fn listen(bus: &EventBus, topic: &str) -> mpsc::Receiver<AnyEvent> {
    let (events, heard) = mpsc::channel();
    bus.subscribe_any(topic)
        .handle_inline(move |event| drop(events.send(event.clone())))
        .expect("subscribe")
        .detach();
    heard
}

#[track_caller]
fn next(heard: &mpsc::Receiver<AnyEvent>) -> AnyEvent {
    heard.recv_timeout(PATIENCE).expect("it comes")
}

/// Asserts who caused an event, and where its chain began.
#[track_caller]
fn assert_chain(event: &AnyEvent, cause: &AnyEvent, first: &str) {
    assert_eq!(event.meta("causationid"), Some(cause.id().to_string().as_str()));
    assert_eq!(event.meta("correlationid"), Some(first));
    assert_eq!(context_of(event.metadata()).trace_id(), context_of(cause.metadata()).trace_id());
    assert_ne!(context_of(event.metadata()).span_id(), context_of(cause.metadata()).span_id());
}

#[test]
fn a_chain_of_handlers_of_every_kind_is_one_chain() {
    let _watchdog = watchdog("chain");
    let (bus, _) = traced(2);
    let (weak, typed) = (bus.downgrade(), bus.publisher::<u32>("chain.b").expect("a topic"));
    let _a = bus
        .subscribe::<u32>("chain.a")
        .handle_inline(move |n| typed.publish(**n).map(drop))
        .expect("subscribe");
    let _b = bus
        .subscribe::<u32>("chain.b")
        .handle(move |n| {
            let bus = weak.upgrade().expect("it lives");
            bus.publisher::<u32>("chain.c").expect("a topic").publish_batch([**n, **n]).map(drop)
        })
        .expect("subscribe");
    let weak = bus.downgrade();
    let _c = bus
        .subscribe::<u32>("chain.c")
        .concurrency(2)
        .handle_async(move |n| {
            let weak = weak.clone();
            async move {
                for _ in 0..3 {
                    YieldOnce::default().await;
                }
                let bus = weak.upgrade().expect("it lives");
                bus.event("chain.d", *n).key("k").publish_async().await.map(drop)
            }
        })
        .expect("subscribe");
    let [a, b, c, d] = ["chain.a", "chain.b", "chain.c", "chain.d"].map(|topic| listen(&bus, topic));
    bus.publish("chain.a", 7_u32).expect("published");
    let a = next(&a);
    assert_eq!((a.meta("causationid"), a.meta("correlationid")), (None, None));
    let first = a.id().to_string();
    let b = next(&b);
    assert_chain(&b, &a, &first);
    let cs = [next(&c), next(&c)];
    cs.iter().for_each(|c| assert_chain(c, &b, &first));
    assert_ne!(context_of(cs[0].metadata()).span_id(), context_of(cs[1].metadata()).span_id());
    for d in [next(&d), next(&d)] {
        let cause = cs.iter().find(|c| d.meta("causationid") == Some(c.id().to_string().as_str()));
        assert_chain(&d, cause.expect("one of the two"), &first);
        assert_eq!(d.key(), Some("k"));
    }
    // Nothing is left behind in the threads.
    let alone = listen(&bus, "chain.alone");
    bus.publish("chain.alone", 1_u32).expect("published");
    let alone = next(&alone);
    assert_eq!((alone.meta("causationid"), alone.meta("correlationid")), (None, None));
    assert_ne!(context_of(alone.metadata()).trace_id(), context_of(a.metadata()).trace_id());
}

#[test]
fn what_the_application_sets_is_kept() {
    let _watchdog = watchdog("kept");
    let (bus, _) = traced(1);
    let weak = bus.downgrade();
    let _handler = bus
        .subscribe::<u32>("set.a")
        .handle(move |n| {
            let bus = weak.upgrade().expect("it lives");
            bus.event("set.b", **n).meta("causationid", "mine").publish().expect("published");
            bus.event("set.c", **n).meta("correlationid", "other").publish().expect("published");
        })
        .expect("subscribe");
    let [a, b, c] = ["set.a", "set.b", "set.c"].map(|topic| listen(&bus, topic));
    bus.event("set.a", 1_u32)
        .id(EventId::from_u128(9))
        .meta("correlationid", "order 7")
        .publish()
        .expect("published");
    let (a, b, c) = (next(&a), next(&b), next(&c));
    assert_eq!((a.meta("causationid"), a.meta("correlationid")), (None, Some("order 7")));
    assert_eq!((b.meta("causationid"), b.meta("correlationid")), (Some("mine"), Some("order 7")));
    let nine = EventId::from_u128(9).to_string();
    assert_eq!((c.meta("causationid"), c.meta("correlationid")), (Some(nine.as_str()), Some("other")));
}

#[test]
fn what_there_is_no_room_for_is_left_out() {
    let _watchdog = watchdog("room");
    let (bus, _) = traced(1);
    for (free, expected) in
        [(0, &[][..]), (1, &["causationid"][..]), (3, &["causationid", "correlationid", "traceparent"][..])]
    {
        let topic = format!("room.{free}");
        let (weak, to) = (bus.downgrade(), topic.clone());
        let handler = bus
            .subscribe::<u32>("room")
            .handle_inline(move |n| {
                let bus = weak.upgrade().expect("it lives");
                let event = (free..Metadata::MAX_ENTRIES)
                    .fold(bus.event(&to, **n), |event, entry| event.meta(entry.to_string(), "x"));
                event.publish().map(drop)
            })
            .expect("subscribe");
        let heard = listen(&bus, &topic);
        bus.event("room", 1_u32)
            .meta("traceparent", crate::context::GOOD)
            .meta("tracestate", "a=1")
            .publish()
            .expect("published");
        let event = next(&heard);
        assert_eq!(
            event.metadata().len(),
            Metadata::MAX_ENTRIES.min(Metadata::MAX_ENTRIES - free + expected.len())
        );
        for name in ["causationid", "correlationid", "traceparent", "tracestate"] {
            assert_eq!(event.meta(name).is_some(), expected.contains(&name), "{name} with {free} free");
        }
        handler.cancel();
    }
}

#[test]
fn an_event_of_one_bus_causes_those_of_another() {
    let _watchdog = watchdog("two buses");
    let (bus, _) = traced(1);
    let (other, _) = traced(1);
    let to = other.clone();
    let _handler =
        bus.subscribe::<u32>("two.a").handle(move |n| to.publish("two.b", **n).map(drop)).expect("subscribe");
    let (a, b) = (listen(&bus, "two.a"), listen(&other, "two.b"));
    bus.publish("two.a", 1_u32).expect("published");
    let a = next(&a);
    assert_chain(&next(&b), &a, &a.id().to_string());
}

#[test]
fn a_scope_is_handed_on_to_threads_and_tasks() {
    let _watchdog = watchdog("scopes");
    let (bus, _) = traced(1);
    let weak = bus.downgrade();
    let _handler = bus
        .subscribe::<u32>("scope.a")
        .handle(move |n| {
            let (bus, n, scope) =
                (weak.upgrade().expect("it lives"), **n, trolleybus::trace::Scope::current());
            let (here, also) = (bus.clone(), scope.clone());
            let thread = std::thread::spawn(move || also.in_scope(|| here.publish("scope.b", n).map(drop)));
            thread.join().expect("no panic").expect("published");
            let task = scope.instrument(async move {
                YieldOnce::default().await;
                bus.publish_async("scope.c", n).await.map(drop)
            });
            let elsewhere = std::thread::spawn(move || smol::block_on(task));
            elsewhere.join().expect("no panic").expect("published");
        })
        .expect("subscribe");
    let [a, b, c] = ["scope.a", "scope.b", "scope.c"].map(|topic| listen(&bus, topic));
    bus.publish("scope.a", 1_u32).expect("published");
    let a = next(&a);
    for event in [next(&b), next(&c)] {
        assert_chain(&event, &a, &a.id().to_string());
    }
}
