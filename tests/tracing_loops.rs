//! A collector that publishes whatever it hears to the very bus that it hears of. It is the process's: nothing of the crate
//! `tracing` keeps it from being called within itself.

#[path = "support/collector.rs"]
mod collector;
#[path = "support/eventually.rs"]
mod eventually;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use collector::Collector;
use eventually::eventually;
use support::watchdog;
use tracing::Level;
use trolleybus::{EventBus, HandlerError, Subscription};

/// Where the collector publishes.
static BUS: Mutex<Option<EventBus>> = Mutex::new(None);

/// How often it was called.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// A bus that the collector publishes to from now on.
fn published_to() -> (EventBus, &'static Collector) {
    let collector = Collector::with_hook(|call| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let bus = BUS.lock().expect("lock").clone();
        if let Some(bus) = bus {
            // Refused when it is too deep.
            let _ = bus.publish("log", call.to_owned());
        }
    });
    let collector = collector.install();
    let bus = EventBus::builder().workers(2).traced().build().expect("built");
    *BUS.lock().expect("lock") = Some(bus.clone());
    (bus, collector)
}

/// Nobody publishes what the collector hears any more.
fn done(bus: EventBus) {
    drop(bus);
    drop(BUS.lock().expect("lock").take());
}

/// Handles one event, inline and on the pool, and returns how often the collector was called for it.
fn calls_of_one_event(bus: &EventBus) -> usize {
    let before = CALLS.load(Ordering::Relaxed);
    let _inline = bus.subscribe::<u32>("work").handle_inline(|_| ()).expect("subscribe");
    let pooled =
        bus.subscribe::<u32>("work").handle(|_| Err::<(), _>(HandlerError::new("no"))).expect("subscribe");
    bus.publish("work", 1_u32).expect("published");
    eventually("it is handled", || pooled.stats().delivered == 1);
    // The end of a span comes after that: every span has been left and closed.
    eventually("no span is open", || {
        let collector = Collector::default().install();
        collector.spans().iter().all(|span| span.closed)
    });
    CALLS.load(Ordering::Relaxed) - before
}

// One after the other: there is one collector.
#[test]
fn a_collector_that_publishes_comes_to_an_end() {
    let _watchdog = watchdog("loops");
    let (bus, collector) = published_to();
    let without = calls_of_one_event(&bus);
    let spans = collector.spans().len();

    // Handlers of every kind hear of it, fail, and publish in turn.
    let weak = bus.downgrade();
    let inline = bus
        .subscribe::<String>("log")
        .handle_inline(move |_| {
            let _ = weak.upgrade().map(|bus| bus.publish("more.inline", 1_u32));
            Err::<(), _>(HandlerError::new("no"))
        })
        .expect("subscribe");
    let weak = bus.downgrade();
    let pooled = bus
        .subscribe::<String>("log")
        .capacity(4096)
        .handle(move |_| {
            let _ = weak.upgrade().map(|bus| bus.publish("more.pooled", 1_u32));
            Err::<(), _>(HandlerError::new("no"))
        })
        .expect("subscribe");
    let weak = bus.downgrade();
    let tasks = bus
        .subscribe::<String>("log")
        .capacity(4096)
        .handle_async(move |_| {
            let weak = weak.clone();
            async move {
                if let Some(bus) = weak.upgrade() {
                    let _ = bus.publish_async("more.task", 1_u32).await;
                }
            }
        })
        .expect("subscribe");
    let more = bus.subscribe::<u32>("more.*").capacity(4096).handle(|_| ()).expect("subscribe");
    let with = calls_of_one_event(&bus);
    assert_eq!(with, without, "as often as if nobody heard of it");
    let all = |subscription: &Subscription| {
        let stats = subscription.stats();
        stats.delivered == with as u64 && stats.is_balanced() && stats.queued + stats.running == 0
    };
    eventually("all that it published is handled", || [&inline, &pooled, &tasks].into_iter().all(all));
    eventually("and what came of it", || more.stats().delivered == 3 * with as u64);
    let told = collector.spans();
    assert_eq!(told.len(), 2 * spans);
    for span in &told {
        assert_eq!((span.field("topic"), span.level), ("work", Level::DEBUG), "{}", span.name);
        assert!(span.parent.is_none_or(|parent| parent < span.number));
    }
    // The two handlers of `work` that failed, and none of `log`.
    let failures = collector.events();
    assert!(failures.iter().all(|event| event.level == Level::WARN && event.parent.is_some()));
    assert_eq!(failures.iter().map(|event| event.fields["topic"].as_str()).collect::<Vec<_>>(), ["work"; 2]);
    done(bus);

    // The application's own events within handlers of what is collected: that ends at the depth of inline handlers.
    let (bus, _) = published_to();
    let (depth, deepest) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&deepest);
    let _log = bus
        .subscribe::<String>("log")
        .handle_inline(move |_| {
            seen.fetch_max(depth.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tracing::info!(target: "application", "handled");
            depth.fetch_sub(1, Ordering::Relaxed);
        })
        .expect("subscribe");
    tracing::info!(target: "application", "begins");
    assert_eq!(deepest.load(Ordering::Relaxed), 64);
    done(bus);
}
