//! The two spans: how they belong together, and what they say.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;
use trolleybus::{DeliveryMode, EventBus, HandlerError};

use crate::collector::Span;
use crate::poll_once::poll_once;
use crate::support::{PATIENCE, watchdog};
use crate::yield_once::YieldOnce;
use crate::{closed, eventually, only, traced};

/// Says whether one span is the parent of another by their trace contexts.
fn is_child(child: &Span, parent: &Span) -> bool {
    child.field("trace_id") == parent.field("trace_id")
        && child.field("trace_id").len() == 32
        && child.field("parent_id") == parent.field("span_id")
        && child.field("parent_id").len() == 16
}

#[test]
fn one_tree_leads_from_inline_to_pooled_to_async_to_a_receiver() {
    let _watchdog = watchdog("tree");
    let (bus, collector) = traced(2);
    let weak = bus.downgrade();
    let _inline = bus
        .subscribe::<u32>("tree.1")
        .name("first")
        .handle_inline(move |number| {
            weak.upgrade()
                .map(|bus| bus.publish("tree.2", **number))
                .transpose()
                .map(drop)
                .expect("published");
        })
        .expect("subscribe");
    let weak = bus.downgrade();
    let _pooled = bus
        .subscribe::<u32>("tree.2")
        .handle(move |number| {
            weak.upgrade()
                .map(|bus| bus.try_publish("tree.3", **number))
                .transpose()
                .map(drop)
                .expect("published");
        })
        .expect("subscribe");
    let weak = bus.downgrade();
    let _tasks = bus
        .subscribe::<u32>("tree.3")
        .group("workers")
        .handle_async(move |number| {
            let weak = weak.clone();
            async move {
                YieldOnce::default().await;
                if let Some(bus) = weak.upgrade() {
                    bus.publish_async("tree.4", *number).await.expect("published");
                }
            }
        })
        .expect("subscribe");
    let mut receiver = bus.subscribe::<u32>("tree.4").name("last").receiver().expect("subscribe");
    bus.publish("tree.1", 7_u32).expect("published");
    let event = receiver.recv().expect("it comes");
    receiver.tracer().handle(&event).in_scope(|| bus.publish("tree.5", *event).map(drop)).expect("published");

    let publishes: Vec<_> = (1..=5).map(|n| only(collector, "publish", &format!("tree.{n}"))).collect();
    let handles: Vec<_> = (1..=4).map(|n| only(collector, "handle", &format!("tree.{n}"))).collect();
    for n in 0..4 {
        assert!(is_child(&handles[n], &publishes[n]), "{:?} {:?}", handles[n], publishes[n]);
        assert!(is_child(&publishes[n + 1], &handles[n]), "{:?} {:?}", publishes[n + 1], handles[n]);
        // What a handler publishes is published within its span.
        assert_eq!(publishes[n + 1].parent, Some(handles[n].number));
    }
    // An inline handler runs within the publish call, others beside it.
    assert_eq!(handles[0].parent, Some(publishes[0].number));
    assert!(handles[1..].iter().all(|handle| handle.parent.is_none()));
    // At each poll.
    assert!(handles[2].entered >= 2 && handles[1].entered == 1, "{handles:?}");

    let [publish, handle] = [&publishes[0], &handles[0]];
    for (span, kind, operation, op_type) in
        [(publish, "producer", "publish", "send"), (handle, "consumer", "handle", "process")]
    {
        assert_eq!(span.level, Level::DEBUG);
        let expected = [
            ("otel.kind", kind),
            ("otel.name", &format!("{operation} tree.1")),
            ("messaging.system", "trolleybus"),
            ("messaging.operation.name", operation),
            ("messaging.operation.type", op_type),
            ("messaging.destination.name", "tree.1"),
            ("engine", "memory"),
        ];
        for (name, value) in expected {
            assert_eq!(span.field(name), value, "{name}");
        }
    }
    assert_eq!((publish.field("outcome"), publish.field("delivered")), ("delivered", "1"));
    assert_eq!((publish.field("queued"), publishes[1].field("queued")), ("0", "1"));
    assert_eq!((publishes[4].field("outcome"), publish.field("parent_id")), ("nobody", ""));
    assert_eq!(handle.field("messaging.destination.subscription.name"), "first");
    assert_eq!(handles[2].field("messaging.consumer.group.name"), "workers");
    assert_eq!(handles[3].field("messaging.message.id"), event.id().to_string());
    assert_eq!(handles[0].field("outcome"), "ok");
}

#[test]
fn the_span_of_a_publish_call_says_what_came_of_it() {
    let _watchdog = watchdog("outcomes");
    let (bus, collector) = traced(1);
    bus.publish("outcome.nobody", 1_u32).expect("published");
    let _fails = bus
        .subscribe::<u32>("outcome.partial")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    let _full = bus.subscribe::<u32>("outcome.partial").capacity(1).receiver().expect("subscribe");
    bus.publish("outcome.partial", 1_u32).expect("published");
    bus.publish("outcome.partial", 2_u32).expect("published");
    let weak = bus.downgrade();
    let _deep = bus
        .subscribe::<u32>("outcome.deep")
        .handle_inline(move |number| {
            let _ = weak.upgrade().map(|bus| bus.publish("outcome.deep", **number + 1));
        })
        .expect("subscribe");
    bus.publish("outcome.deep", 0_u32).expect("published");

    assert_eq!(only(collector, "publish", "outcome.nobody").field("outcome"), "nobody");
    let partial = closed(collector, 2, "publish", "outcome.partial");
    let counts =
        |span: &Span| ["delivered", "queued", "dropped", "failed"].map(|name| span.field(name).to_owned());
    assert_eq!(
        (partial[0].field("outcome"), counts(&partial[0])),
        ("partial", ["1", "1", "0", "1"].map(str::to_owned))
    );
    assert_eq!(counts(&partial[1]), ["1", "0", "1", "1"]);
    let deep = closed(collector, 65, "publish", "outcome.deep");
    assert!(deep[..64].iter().all(|span| span.field("outcome") == "delivered"));
    let refused = &deep[64];
    assert_eq!((refused.field("outcome"), refused.field("otel.status_code")), ("refused", "ERROR"));
    assert!(refused.field("error").contains("nest deeper"), "{refused:?}");
    // Each within the one before.
    let handles = closed(collector, 64, "handle", "outcome.deep");
    assert!(
        (0..64)
            .all(|n| handles[n].parent == Some(deep[n].number)
                && deep[n + 1].parent == Some(handles[n].number))
    );
}

#[test]
fn waiting_for_room_is_within_the_span() {
    let _watchdog = watchdog("waiting");
    let (bus, collector) = traced(1);
    let mut receiver = bus
        .subscribe::<u32>("wait.*")
        .capacity(1)
        .delivery(DeliveryMode::Block)
        .receiver()
        .expect("subscribe");
    bus.publish("wait.first", 1_u32).expect("published");
    let mut call = bus.publish_async("wait.task", 2_u32);
    assert!(poll_once(&mut call).is_pending());
    let mut dropped = bus.publish_async("wait.dropped", 3_u32);
    assert!(poll_once(&mut dropped).is_pending());
    drop(dropped);
    let open =
        collector.spans().into_iter().find(|span| span.field("topic") == "wait.task").expect("it is there");
    assert_eq!((open.closed, open.field("outcome"), open.entered, open.left), (false, "", 2, 2));
    assert_eq!(*receiver.recv().expect("the first"), 1);
    let task = match poll_once(&mut call) {
        std::task::Poll::Ready(receipt) => receipt.expect("published"),
        std::task::Poll::Pending => panic!("there is room"),
    };
    assert_eq!(task.queued(), 1);
    let span = only(collector, "publish", "wait.task");
    assert_eq!((span.field("outcome"), span.field("queued"), span.entered), ("delivered", "1", 3));
    assert_eq!(only(collector, "publish", "wait.dropped").field("outcome"), "cancelled");

    let thread = {
        let bus = bus.clone();
        std::thread::spawn(move || bus.publish("wait.thread", 4_u32).expect("published").queued())
    };
    eventually("it waits", || {
        collector.spans().iter().any(|span| span.field("topic") == "wait.thread" && span.left > 1)
    });
    assert_eq!(*receiver.recv().expect("the second"), 2);
    assert_eq!(thread.join().expect("no panic"), 1);
    assert_eq!(only(collector, "publish", "wait.thread").field("outcome"), "delivered");

    let late = bus.event("wait.late", 5_u32).deadline(Duration::from_millis(1)).publish().expect("published");
    assert_eq!(late.dropped(), 1);
    assert_eq!(only(collector, "publish", "wait.late").field("dropped"), "1");
    // A worker that would wait for itself does not.
    let itself = Arc::new(bus.downgrade());
    let weak = Arc::clone(&itself);
    let _own = bus
        .subscribe::<u32>("own")
        .capacity(1)
        .delivery(DeliveryMode::Block)
        .handle(move |number| {
            if **number == 0
                && let Some(bus) = weak.upgrade()
            {
                let _ = bus.publish("own", 1_u32);
                let _ = bus.publish("own", 2_u32);
            }
        })
        .expect("subscribe");
    bus.publish("own", 0_u32).expect("published");
    let own = closed(collector, 3, "publish", "own");
    assert_eq!(own[2].field("dropped"), "1");
}

#[test]
fn spans_of_events_that_are_kept_are_closed() {
    let _watchdog = watchdog("kept");
    let (bus, collector) = traced(1);
    let mut receiver = bus.subscribe::<u32>("kept").receiver().expect("subscribe");
    bus.publish("kept", 1_u32).expect("published");
    assert!(only(collector, "publish", "kept").closed, "though the event is queued");
    let event = receiver.recv().expect("it comes");
    assert!(collector.spans().iter().all(|span| span.name != "handle" || span.field("topic") != "kept"));
    drop(event);
}

#[test]
fn batches_and_handles_have_a_span_for_each_event() {
    let _watchdog = watchdog("batches");
    let (bus, collector) = traced(1);
    let mut receiver = bus.subscribe::<u32>("batch").receiver().expect("subscribe");
    let publisher = bus.publisher::<u32>("batch").expect("a topic");
    assert_eq!(publisher.publish_batch(0..5_u32).expect("published").queued(), 5);
    publisher.try_publish(5).expect("published");
    let spans = closed(collector, 6, "publish", "batch");
    for span in &spans {
        let event = receiver.recv().expect("it comes");
        assert!(event.meta("traceparent").is_some_and(|parent| parent.contains(span.field("span_id"))));
    }
}

#[test]
fn a_bus_that_is_not_traced_has_no_spans_and_adds_nothing() {
    let _watchdog = watchdog("not traced");
    let collector = crate::Collector::default().install();
    let bus = EventBus::builder().workers(1).build().expect("built");
    let mut receiver = bus.subscribe::<u32>("plain").receiver().expect("subscribe");
    let _inline = bus.subscribe::<u32>("plain").handle_inline(|_| ()).expect("subscribe");
    bus.publish("plain", 1_u32).expect("published");
    assert!(receiver.recv().expect("it comes").metadata().is_empty());
    assert!(bus.shutdown(PATIENCE).wait().complete);
    assert!(collector.spans().iter().all(|span| span.field("topic") != "plain"));
}

#[test]
fn spans_name_the_tenant_and_a_chain_may_cross_tenants() {
    let _watchdog = watchdog("tenants");
    let (bus, collector) = traced(1);
    let [acme, other] = ["acme", "other"].map(|name| bus.tenant(name).expect("a tenant"));
    let to = other.clone();
    let _handler = acme
        .subscribe::<u32>("rented.a")
        .handle(move |n| to.publish("rented.b", **n).map(drop))
        .expect("subscribe");
    let mut receiver = other.subscribe::<u32>("rented.b").receiver().expect("subscribe");
    acme.publish("rented.a", 1_u32).expect("published");
    let event = receiver.recv().expect("it comes");
    let (a, b) = (only(collector, "handle", "rented.a"), only(collector, "publish", "rented.b"));
    assert_eq!((a.field("tenant"), b.field("tenant")), ("acme", "other"));
    assert_eq!(event.meta("causationid"), Some(a.field("messaging.message.id")));
}
