//! Serves the accounts of a bus to Prometheus, over HTTP and with nothing but the standard library.
//!
//! ```text
//! cargo run --features prometheus --example prometheus                          scrapes itself once, and ends
//! cargo run --features prometheus --example prometheus -- 127.0.0.1:9464        serves until it is killed
//! ```
//!
//! An application that has an HTTP server already adds a route that answers with
//! [`PrometheusCollector::encode`] and nothing more.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use trolleybus::metrics::prometheus::{Format, PrometheusCollector};
use trolleybus::{EventBus, Subscription};

/// A scraper that says nothing, or does not read, is given up after this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest head of a request.
const LONGEST_HEAD: u64 = 8 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let bus =
        EventBus::builder().memory_engine("audit").route("audit", ["auth.*"]).time_handlers().build()?;
    let _subscriptions = subscribe(&bus)?;
    for number in 0..10_u32 {
        bus.publish("order.placed", number)?;
        bus.publish("auth.login", number)?;
    }
    let collector = PrometheusCollector::new(&bus).with_all();

    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    println!("http://{}/metrics", listener.local_addr()?);
    if address.is_some() {
        thread::spawn(move || trade(&bus));
        loop {
            serve(&listener, &collector)?;
        }
    }

    let local = listener.local_addr()?;
    let server = thread::spawn(move || {
        for _ in 0..3 {
            serve(&listener, &collector)?;
        }
        io::Result::Ok(())
    });
    let scrape = |path: &str, accept: &str| -> io::Result<String> {
        let mut stream = TcpStream::connect(local)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {local}\r\nAccept: {accept}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let text = scrape("/metrics", "text/plain")?;
    let open = scrape("/metrics", "application/openmetrics-text; version=1.0.0, text/plain; q=0.5")?;
    let nothing = scrape("/", "*/*")?;
    server.join().map_err(|_| "the server panicked")??;
    println!("{}", text.split_once("\r\n\r\n").map_or("", |(_, body)| body));
    for answer in [&text, &open] {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\nmodular_eventbus_delivered_total{engine=\"memory\"} 10\n"), "{answer}");
        assert!(answer.contains("\nmodular_eventbus_delivered_total{engine=\"audit\"} 10\n"), "{answer}");
        assert!(answer.contains("\nmodular_eventbus_delivered_total{engine=\"_all\"} 20\n"), "{answer}");
    }
    assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
    assert!(nothing.starts_with("HTTP/1.1 404 "), "{nothing}");
    Ok(())
}

/// What an application may have: inline handlers, and a queue that is a bit small.
fn subscribe(bus: &EventBus) -> Result<Vec<Subscription>, Box<dyn Error>> {
    let ledger = bus.subscribe::<u32>("order.*").name("ledger").handle_inline(|_| ())?;
    let logins = bus.subscribe::<u32>("auth.*").name("logins").handle_inline(|_| ())?;
    let mail = bus.subscribe::<u32>("mail.*").name("mail").capacity(8).handle(|_| thread::yield_now())?;
    Ok(vec![ledger, logins, mail])
}

/// Traffic until the bus is gone.
fn trade(bus: &EventBus) {
    for number in 0_u32.. {
        for topic in ["order.placed", "auth.login", "mail.sent"] {
            if bus.publish(topic, number).is_err() {
                return;
            }
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Answers one request.
///
/// # Errors
///
/// The listener's own; what goes wrong with one scraper is no reason to end.
fn serve(listener: &TcpListener, collector: &PrometheusCollector) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    if let Err(error) = answer(stream, collector) {
        eprintln!("a scrape failed: {error}");
    }
    Ok(())
}

fn answer(mut stream: TcpStream, collector: &PrometheusCollector) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut limited = Read::take(&stream, LONGEST_HEAD);
    let mut some = [0; 512];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match limited.read(&mut some)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&some[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    if !head.starts_with("GET /metrics ") {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let accept = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("accept").then_some(value)
    });
    let format = Format::accepted(accept.unwrap_or_default());
    let body = collector.encode(format);
    let (kind, length) = (format.content_type(), body.len());
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
