//! Reports the accounts of a bus to an agent of Datadog, or another daemon for `StatsD`.
//!
//! ```text
//! cargo run --features datadog --example datadog                          to an agent of its own, which prints what it gets
//! cargo run --features datadog --example datadog -- 127.0.0.1:8125        to that one; unix:///path works as well
//! ```

use std::error::Error;
use std::net::UdpSocket;
use std::time::Duration;

use trolleybus::metrics::datadog::DatadogExporter;
use trolleybus::{DeliveryMode, EventBus};

fn main() -> Result<(), Box<dyn Error>> {
    let agent = UdpSocket::bind("127.0.0.1:0")?;
    agent.set_nonblocking(true)?;
    let address = match std::env::args().nth(1) {
        Some(address) => address,
        None => agent.local_addr()?.to_string(),
    };

    let bus = EventBus::new();
    let exporter = DatadogExporter::builder(&bus)
        .address(address)
        .prefix("shop.events")
        .tag("env:example")
        .interval(Duration::from_secs(10))
        .start()?;
    let _ledger = bus.subscribe::<u32>("order.*").handle_inline(|_| ())?;
    let _small = bus.subscribe::<u32>("order.*").capacity(2).delivery(DeliveryMode::Drop).receiver()?;
    for number in 0..10_u32 {
        bus.publish("order.placed", number)?;
    }
    // The last figures: with an interval of ten seconds these are all.
    let stats = exporter.stop();
    println!("{stats:?}");
    assert_eq!((stats.rounds, stats.failed), (1, 0));

    let mut lines = Vec::new();
    let mut line = [0; 2048];
    while let Ok(length) = agent.recv(&mut line) {
        lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
    }
    for line in &lines {
        println!("{line}");
    }
    if !lines.is_empty() {
        for line in [
            "shop.events.delivered_total:10|g|#env:example,engine:memory",
            "shop.events.delivered_total:10|g|#env:example,engine:_all",
            "shop.events.dropped:8|c|#env:example,engine:memory",
            "shop.events.dropped_by_reason:8|c|#env:example,engine:memory,reason:full",
        ] {
            assert!(lines.iter().any(|sent| sent == line), "{line}");
        }
    }
    Ok(())
}
