//! How a bus ends: what is queued is handled until the deadline, what is left is counted, and the report
//! names those that did not finish.
//!
//!     cargo run --example shutdown

use std::error::Error;
use std::thread;
use std::time::Duration;

use trolleybus::{EventBus, ShutdownReport};

fn main() -> Result<(), Box<dyn Error>> {
    in_time()?;
    too_slow()
}

/// Everything that was published before the shutdown is handled.
fn in_time() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::new();
    let orders = bus.subscribe::<u32>("order.*").name("orders").handle(|_| ())?;
    for order in 0..1000_u32 {
        bus.publish("order.placed", order)?;
    }
    let report = bus.shutdown(Duration::from_secs(5)).wait();
    print("in time", &report);
    assert!(report.complete);
    assert_eq!(orders.stats().delivered, 1000);

    // From the call on, nothing is taken any more, and the payload comes back.
    let refused = bus.publish("order.placed", 1000_u32);
    assert!(refused.is_err_and(|error| error.is_shut_down() && error.into_payload() == 1000));
    Ok(())
}

/// A handler that would take an hour is told at the deadline that it is no longer wanted. Threads cannot
/// be stopped from outside: one that does not listen goes on, and the report says so.
fn too_slow() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::new();
    let (started, has_started) = std::sync::mpsc::channel();
    let import = bus.subscribe::<u32>("import.*").name("import").handle_with(move |_, delivery| {
        let _ = started.send(());
        for _minute in 0..60 {
            if delivery.is_cancelled() {
                return;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    })?;
    for file in 0..10_u32 {
        bus.publish("import.file", file)?;
    }
    has_started.recv()?;
    let report = bus.shutdown(Duration::from_millis(100)).wait();
    print("too slow", &report);

    assert!(!report.complete);
    assert_eq!(report.unfinished.len(), 1);
    assert_eq!(report.unfinished[0].name.as_deref(), Some("import"));
    // Nine were still queued; the ledger knows where they went.
    assert_eq!((report.discarded, import.stats().dropped.shutdown), (9, 9));
    assert!(import.stats().is_balanced());
    Ok(())
}

fn print(what: &str, report: &ShutdownReport) {
    println!("{what}: complete {}, {} discarded", report.complete, report.discarded);
    for unfinished in &report.unfinished {
        println!(
            "  {}: {} running, {} discarded",
            unfinished.name.as_deref().unwrap_or("(no name)"),
            unfinished.running,
            unfinished.discarded,
        );
    }
}
