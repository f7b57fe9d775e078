//! Scrapers that hang or are slow, beside a bus that publishes.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use trolleybus::EventBus;
use trolleybus::metrics::prometheus::{Format, PrometheusCollector};

use crate::prometheus::samples;
use crate::support::{PATIENCE, watchdog};

/// A writer that hangs in the middle of a scrape until it is let go.
struct Hung {
    written: usize,
    hangs: SyncSender<()>,
    goes_on: Receiver<()>,
}

impl fmt::Write for Hung {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let before = self.written;
        self.written += text.len();
        // In the middle of the collector's own text.
        if before <= 1000 && self.written > 1000 {
            self.hangs.send(()).map_err(|_| fmt::Error)?;
            self.goes_on.recv_timeout(PATIENCE).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

#[test]
fn a_scraper_that_hangs_holds_up_neither_delivery_nor_other_scrapers_nor_the_end_of_the_bus() {
    let _watchdog = watchdog("hung scraper");
    let bus = EventBus::new();
    let collector = PrometheusCollector::new(&bus);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector.clone()));
    let (hangs, is_hung) = sync_channel(0);
    let (let_go, goes_on) = sync_channel(1);
    let scraper = thread::spawn(move || {
        let mut hung = Hung { written: 0, hangs, goes_on };
        text::encode(&mut hung, &registry).map(|()| hung.written)
    });
    is_hung.recv_timeout(PATIENCE).expect("the scrape has begun");

    let deadline = Instant::now() + PATIENCE;
    let queued = bus.subscribe::<u32>("t").capacity(1024).handle(|_| ()).expect("subscribed");
    let inline = bus.subscribe::<u32>("t").handle_inline(|_| ()).expect("subscribed");
    for number in 0..1000_u32 {
        let receipt = bus.publish("t", number).expect("published");
        assert_eq!(receipt.matched(), 2);
    }
    assert!(queued.drain(PATIENCE).wait().complete);
    let shown = samples(&collector.encode(Format::Text));
    assert_eq!(shown["modular_eventbus_delivered_total{engine=\"memory\"}"], 2000.0);
    drop((queued, inline));
    assert!(bus.shutdown(PATIENCE).wait().complete);
    drop(bus);
    assert!(Instant::now() < deadline, "not in time, though nothing waits for the scraper");

    let_go.send(()).expect("the scraper still hangs");
    let written = scraper.join().expect("no panic").expect("the rest was written");
    assert!(written > 1000, "{written}");
}

#[test]
fn scrapers_at_once_disturb_neither_each_other_nor_the_count() {
    let _watchdog = watchdog("scrapers");
    let bus = EventBus::new();
    let _inline = bus.subscribe::<u32>("t").handle_inline(|_| ()).expect("subscribed");
    let collector = PrometheusCollector::new(&bus);
    thread::scope(|scope| {
        for _ in 0..4 {
            let (bus, collector) = (&bus, &collector);
            scope.spawn(move || {
                for number in 0..250_u32 {
                    bus.publish("t", number).expect("published");
                    assert!(collector.encode(Format::OpenMetrics).ends_with("# EOF\n"));
                }
            });
        }
    });
    let shown = samples(&collector.encode(Format::Text));
    assert_eq!(shown["modular_eventbus_delivered_total{engine=\"memory\"}"], 1000.0);
}
