//! Spans, and the chain of events that one order sets off: an order, a payment, a mail that fails.
//!
//!     cargo run --features tracing --example tracing
//!
//! The collector is `tracing-subscriber`, which prints to standard output. For OpenTelemetry, its layer takes that place, and
//! a `Propagator` the place of the bus's own trace contexts.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use tracing::{Level, info};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::FmtSpan;
use trolleybus::trace::TraceContext;
use trolleybus::{AnyEvent, EventBus, HandlerError};

fn main() -> Result<(), Box<dyn Error>> {
    fmt()
        .with_max_level(Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .init();

    let bus = EventBus::builder().workers(1).traced().build()?;
    let (events, heard) = mpsc::channel::<AnyEvent>();
    let _audit =
        bus.subscribe_any("*").name("audit").handle_inline(move |event| drop(events.send(event.clone())))?;

    let weak = bus.downgrade();
    let _payments = bus.subscribe::<u32>("order.placed").name("payments").handle(move |order| {
        // Within the span of this handler: the line names it.
        info!(order = **order, "taking the money");
        weak.upgrade().map(|bus| bus.publish("order.paid", **order)).transpose().map(drop)
    })?;
    let weak = bus.downgrade();
    let _mails = bus.subscribe::<u32>("order.paid").name("mails").handle_async(move |order| {
        let weak = weak.clone();
        async move {
            let Some(bus) = weak.upgrade() else { return Ok(()) };
            bus.publish_async("mail.sent", *order).await?;
            Err(HandlerError::new("the printer is out of paper"))
        }
    })?;

    bus.publish("order.placed", 7_u32)?;
    let mut chain: Vec<AnyEvent> =
        (0..3).map(|_| heard.recv_timeout(Duration::from_secs(5))).collect::<Result<_, _>>()?;
    // The pool may be faster than the publish call that gave it the event.
    let topics = ["order.placed", "order.paid", "mail.sent"];
    chain.sort_by_key(|event| topics.iter().position(|topic| event.topic() == *topic));
    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);

    // One trace, and each event is caused by the one before.
    let first = chain[0].id().to_string();
    for pair in chain.windows(2) {
        let [cause, event] = pair else { continue };
        assert_eq!(event.meta("causationid"), Some(cause.id().to_string().as_str()));
        assert_eq!(event.meta("correlationid"), Some(first.as_str()));
        let trace = |event: &AnyEvent| TraceContext::of(event.metadata()).map(|context| context.trace_id());
        assert!(trace(cause).is_some() && trace(cause) == trace(event));
    }
    println!("{}", chain.iter().map(|event| event.topic().as_str()).collect::<Vec<_>>().join(" -> "));
    Ok(())
}
