//! An exporter and real sockets.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use trolleybus::EventBus;
use trolleybus::metrics::datadog::DatadogExporter;

use crate::support::{PATIENCE, watchdog};

/// So long that only the end of an exporter makes it send.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What an agent makes of what it gets: the last value of each gauge, the sum of each count.
#[derive(Debug, Default)]
struct Agent {
    gauges: BTreeMap<String, u64>,
    counts: BTreeMap<String, u64>,
}

impl Agent {
    fn takes(&mut self, line: &str) {
        let mut parts = line.split('|');
        let (name, value) = parts.next().and_then(|part| part.split_once(':')).expect("a name and a value");
        let value: u64 = value.parse().expect("a number");
        let kind = parts.next().expect("a kind");
        let tags = parts.next().and_then(|tags| tags.strip_prefix('#')).expect("tags");
        assert_eq!(parts.next(), None, "{line}");
        let mut sorted: Vec<&str> = tags.split(',').collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), tags.split(',').count(), "a tag twice: {line}");
        let series = format!("{name}|{tags}");
        match kind {
            "g" => drop(self.gauges.insert(series, value)),
            "c" => *self.counts.entry(series).or_default() += value,
            other => panic!("{other} in {line}"),
        }
    }

    fn gauge(&self, series: &str) -> u64 {
        self.gauges.get(series).copied().unwrap_or_default()
    }

    fn count(&self, series: &str) -> u64 {
        self.counts.get(series).copied().unwrap_or_default()
    }
}

/// An agent's socket, and its address.
fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let address = socket.local_addr().expect("an address").to_string();
    (socket, address)
}

/// Takes what has been sent.
fn drain(socket: &UdpSocket, agent: &mut Agent) {
    socket.set_nonblocking(true).expect("it can");
    let mut line = [0; 2048];
    while let Ok(length) = socket.recv(&mut line) {
        agent.takes(std::str::from_utf8(&line[..length]).expect("text"));
    }
    socket.set_nonblocking(false).expect("it can");
}

/// A bus with an inline subscription to everything, which goes with the bus.
fn bus() -> EventBus {
    let bus = EventBus::new();
    bus.subscribe_any("*").handle_inline(|_| ()).expect("subscribed").detach();
    bus
}

fn publish(bus: &EventBus, times: u32) {
    for number in 0..times {
        bus.publish("t", number).expect("published");
    }
}

#[test]
fn d_exporters_over_udp_gauges_are_the_originals_and_counts_add_up_to_them() {
    let _watchdog = watchdog("udp");
    let (socket, address) = udp();
    let bus = bus();
    let exporter = DatadogExporter::builder(&bus).address(address).tag("env:test");
    let exporter = exporter.interval(Duration::from_millis(5)).start().expect("valid");
    publish(&bus, 5);
    let mut agent = Agent::default();
    let deadline = Instant::now() + PATIENCE;
    let mut line = [0; 2048];
    while agent.gauge("eventbus.delivered_total|env:test,engine:_all") < 5 {
        assert!(Instant::now() < deadline, "{agent:?}");
        let length = socket.recv(&mut line).expect("a line in time");
        agent.takes(std::str::from_utf8(&line[..length]).expect("text"));
    }
    publish(&bus, 7);
    let stats = exporter.stop();
    drain(&socket, &mut agent);
    assert!(stats.rounds >= 2 && stats.failed == 0, "{stats:?}");
    for engine in ["memory", "_all"] {
        assert_eq!(agent.gauge(&format!("eventbus.delivered_total|env:test,engine:{engine}")), 12);
        assert!(agent.gauges.contains_key(&format!("eventbus.dropped_total|env:test,engine:{engine}")));
    }
    assert_eq!(agent.count("eventbus.delivered|env:test,engine:memory"), 12);
    assert!(agent.counts.keys().all(|series| !series.contains("_all")), "{agent:?}");
}

#[test]
fn d_exporters_the_end_sends_the_last_figures_whichever_way_it_comes() {
    let _watchdog = watchdog("last figures");
    for (what, stops, bus_goes_first) in [
        ("stop", true, false),
        ("drop", false, false),
        ("stop after the bus", true, true),
        ("drop after the bus", false, true),
    ] {
        let (socket, address) = udp();
        let mut bus = Some(bus());
        let builder = DatadogExporter::builder(bus.as_ref().expect("a bus")).address(address);
        let exporter = builder.interval(NEVER).prefix("shop.events").start().expect("valid");
        publish(bus.as_ref().expect("a bus"), 9);
        if bus_goes_first {
            bus = None;
        }
        if stops {
            let stats = exporter.stop();
            assert_eq!((stats.rounds, stats.failed), (1, 0), "{what}");
        } else {
            drop(exporter);
        }
        let mut agent = Agent::default();
        drain(&socket, &mut agent);
        assert_eq!(agent.gauge("shop.events.delivered_total|engine:memory"), 9, "{what}");
        assert_eq!(agent.count("shop.events.delivered|engine:memory"), 9, "{what}");
        drop(bus);
    }
}

#[test]
fn an_exporter_keeps_no_bus_open_and_may_belong_to_a_handler() {
    let _watchdog = watchdog("owned by a handler");
    let (socket, address) = udp();
    let bus = bus();
    let exporter = DatadogExporter::builder(&bus).address(address).interval(NEVER).start().expect("valid");
    let owner = bus.subscribe_any("*").handle_inline(move |_| drop(format!("{exporter:?}")));
    owner.expect("subscribed").detach();
    publish(&bus, 1);
    let weak = bus.downgrade();
    drop(bus);
    assert!(weak.upgrade().is_none());
    // The exporter went with its handler, and sent what there was.
    let mut agent = Agent::default();
    let deadline = Instant::now() + PATIENCE;
    while agent.count("eventbus.delivered|engine:memory") < 2 {
        assert!(Instant::now() < deadline, "{agent:?}");
        drain(&socket, &mut agent);
        std::thread::yield_now();
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    use super::*;

    /// A path for a socket, which is gone with this.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("trolleybus-{name}-{}.sock", std::process::id()));
            let _ = std::fs::remove_file(&path);
            Self(path)
        }

        fn address(&self) -> String {
            format!("unix://{}", self.0.display())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn an_agent_that_comes_late_to_its_unix_socket_gets_every_count() {
        let _watchdog = watchdog("late agent");
        let place = Place::new("late");
        let bus = bus();
        let exporter = DatadogExporter::builder(&bus).address(place.address());
        let exporter =
            exporter.interval(Duration::from_millis(2)).start().expect("the socket may come later");
        publish(&bus, 5);
        let deadline = Instant::now() + PATIENCE;
        while exporter.stats().failed < 3 {
            assert!(Instant::now() < deadline, "{exporter:?}");
            std::thread::yield_now();
        }
        let socket = UnixDatagram::bind(&place.0).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        publish(&bus, 6);
        let mut agent = Agent::default();
        let mut line = [0; 2048];
        while agent.count("eventbus.delivered|engine:memory") < 11 {
            assert!(Instant::now() < deadline, "{agent:?}");
            let length = socket.recv(&mut line).expect("a line in time");
            agent.takes(std::str::from_utf8(&line[..length]).expect("text"));
        }
        assert_eq!(agent.count("eventbus.delivered|engine:memory"), 11);
        // Its last round must not wait for an agent that has gone.
        drop(socket);
        assert!(exporter.stop().failed >= 4);
    }

    #[test]
    fn an_agent_that_hangs_holds_up_neither_the_bus_nor_the_end_of_the_exporter() {
        let _watchdog = watchdog("hung agent");
        let place = Place::new("hung");
        // Nobody reads from it: after some lines it is full.
        let _socket = UnixDatagram::bind(&place.0).expect("a socket");
        let bus = bus();
        let exporter = DatadogExporter::builder(&bus).address(place.address());
        let exporter = exporter.interval(Duration::from_micros(1)).start().expect("valid");
        let deadline = Instant::now() + PATIENCE;
        while exporter.stats().failed < 1 {
            assert!(Instant::now() < deadline, "{exporter:?}");
            publish(&bus, 100);
        }
        let stats = exporter.stop();
        assert!(stats.failed >= 2, "{stats:?}");
        assert!(Instant::now() < deadline);
    }
}
