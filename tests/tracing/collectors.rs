//! Collectors that panic, or are not interested.

use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::dispatcher::with_default;
use tracing::{Dispatch, Level};
use trolleybus::{EventBus, HandlerError};

use crate::support::watchdog;
use crate::{Collector, context_of, eventually};

/// A traced bus whose workers have that collector.
fn collected(dispatch: &Dispatch) -> EventBus {
    let for_workers = dispatch.clone();
    let around = move |work: &mut dyn FnMut()| with_default(&for_workers, work);
    EventBus::builder().workers(1).traced().around_workers(around).build().expect("built")
}

#[test]
fn a_collector_that_panics_harms_nobody() {
    let _watchdog = watchdog("panicking");
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    for panicking in ["new_span", "enter", "exit", "record", "event", "close"] {
        let collector = Collector::with_hook(move |call| {
            if call == panicking {
                CALLS.fetch_add(1, Ordering::Relaxed);
                panic!("as told");
            }
        });
        let before = CALLS.load(Ordering::Relaxed);
        let dispatch = collector.dispatch();
        let bus = collected(&dispatch);
        let fails = |_: &_| Err::<(), _>(HandlerError::new("no"));
        let inline = bus.subscribe::<u32>("panics").handle_inline(move |n| fails(n)).expect("subscribe");
        let pooled = bus.subscribe::<u32>("panics").handle(move |n| fails(n)).expect("subscribe");
        let tasks = bus.subscribe::<u32>("panics").handle_async(|_| async {}).expect("subscribe");
        let receipt = with_default(&dispatch, || bus.publish("panics", 1_u32)).expect("published");
        assert_eq!((receipt.delivered(), receipt.queued(), receipt.failed()), (1, 2, 1));
        eventually("all are handled", || {
            [&inline, &pooled, &tasks].iter().all(|sub| sub.stats().delivered == 1)
        });
        drop(bus);
        assert!(CALLS.load(Ordering::Relaxed) > before, "{panicking}");
    }
}

#[test]
fn a_collector_that_is_not_interested_hears_nothing_and_contexts_travel() {
    let _watchdog = watchdog("not interested");
    let dispatch = Dispatch::new(
        tracing_subscriber::fmt().with_max_level(Level::ERROR).with_writer(std::io::sink).finish(),
    );
    let bus = collected(&dispatch);
    let weak = bus.downgrade();
    let _handler = bus
        .subscribe::<u32>("bored.a")
        .handle(move |n| weak.upgrade().map(|bus| bus.publish("bored.b", **n)).transpose().map(drop))
        .expect("subscribe");
    let [mut first, mut second] =
        ["bored.a", "bored.b"].map(|topic| bus.subscribe_any(topic).receiver().expect("subscribe"));
    with_default(&dispatch, || bus.publish("bored.a", 1_u32)).expect("published");
    let (a, b) = (first.recv().expect("it comes"), second.recv().expect("it comes"));
    assert_eq!(b.meta("causationid"), Some(a.id().to_string().as_str()));
    let (a, b) = (context_of(a.metadata()), context_of(b.metadata()));
    assert_eq!(a.trace_id(), b.trace_id());
    assert!(!a.is_sampled() && !b.is_sampled());
}
