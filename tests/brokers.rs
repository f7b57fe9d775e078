//! The kit with which engines of brokers are tested, tested itself: the proxy that makes faults, servers that are killed, and
//! the checker of what became of events.

#[path = "support/brokers/mod.rs"]
mod brokers;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/random.rs"]
mod random;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use brokers::proxy::{Proxy, Toxic, Way};
use brokers::server::{REDIS, Server, free_port};
use brokers::verdict::{Published, Record, Sent, Verdict};
use eventually::eventually;
use support::{PATIENCE, watchdog};

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Sends bytes, and reads as many back.
fn ping(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back)?;
    Ok(back)
}

#[test]
fn without_a_fault_the_proxy_passes_everything() {
    let _watchdog = watchdog("proxy");
    let proxy = Proxy::new(echo(), random::seed());
    let mut stream = connect(&proxy);
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for part in bytes.chunks(1_000) {
        assert_eq!(ping(&mut stream, part).expect("passed"), part);
    }
    // They are counted when they have gone.
    eventually("all are counted", || [Way::Up, Way::Down].map(|way| proxy.passed(way)) == [200_000; 2]);
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn what_is_late_slow_or_in_pieces_is_still_whole() {
    let _watchdog = watchdog("slow proxy");
    let proxy = Proxy::new(echo(), random::seed());
    let mut stream = connect(&proxy);
    for (toxic, least) in [
        (Toxic::Latency(Duration::from_millis(20), Duration::from_millis(20)), Duration::from_millis(20)),
        (Toxic::Bandwidth(100_000), Duration::from_millis(10)),
        (Toxic::Slicer(1), Duration::ZERO),
    ] {
        proxy.set(Way::Down, toxic);
        let began = Instant::now();
        assert_eq!(ping(&mut stream, &[7; 1_000]).expect("passed"), [7; 1_000]);
        assert!(began.elapsed() >= least, "{toxic:?} took {:?}", began.elapsed());
    }
}

#[test]
fn what_is_stalled_comes_later_and_what_is_swallowed_never() {
    let _watchdog = watchdog("stalls");
    let proxy = Proxy::new(echo(), random::seed());
    let mut stream = connect(&proxy);
    assert!(ping(&mut stream, b"there").is_ok());
    for (toxic, comes) in [(Toxic::Stall, true), (Toxic::Timeout, false)] {
        proxy.set(Way::Down, toxic);
        stream.write_all(b"late").expect("open");
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        let error = stream.read(&mut [0; 4]).expect_err("nothing comes");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        proxy.set(Way::Down, None);
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        if comes {
            stream.read_exact(&mut [0; 4]).expect("it comes now");
        } else {
            assert_eq!(ping(&mut stream, b"next").expect("passed"), b"next", "{toxic:?}");
        }
    }
}

#[test]
fn a_connection_ends_after_each_number_of_bytes_with_a_fin_or_a_rst() {
    let _watchdog = watchdog("cuts");
    let proxy = Proxy::new(echo(), random::seed());
    for most in 0..40_u64 {
        for (toxic, resets) in [(Toxic::LimitData(most), false), (Toxic::ResetPeer(most), true)] {
            proxy.set(Way::Down, toxic);
            let mut stream = connect(&proxy);
            stream.write_all(&[1; 40]).expect("open");
            let (mut got, mut bytes) = (0, [0; 64]);
            let end = loop {
                match stream.read(&mut bytes) {
                    Ok(0) => break None,
                    Ok(count) => got += count as u64,
                    Err(error) => break Some(error.kind()),
                }
            };
            // A RST may overtake what was sent before it.
            assert!(if resets { got <= most } else { got == most }, "{got} of {most}");
            assert_eq!(end, resets.then_some(ErrorKind::ConnectionReset), "after {most}");
        }
    }
}

#[test]
fn connections_are_cut_and_refused_on_demand() {
    let _watchdog = watchdog("cuts on demand");
    let proxy = Proxy::new(echo(), random::seed());
    for reset in [false, true] {
        let mut streams = [connect(&proxy), connect(&proxy)];
        streams.iter_mut().for_each(|stream| assert!(ping(stream, b"x").is_ok()));
        assert_eq!(proxy.cut(reset), 2);
        for stream in &mut streams {
            match stream.read(&mut [0]) {
                Ok(0) => assert!(!reset),
                other => assert!(reset && other.is_err(), "{other:?}"),
            }
        }
    }
    proxy.refuse(true);
    let refused = TcpStream::connect(proxy.address()).and_then(|mut stream| ping(&mut stream, b"x"));
    assert!(refused.is_err());
    proxy.refuse(false);
    assert!(ping(&mut connect(&proxy), b"x").is_ok());
}

/// Faults as a seed has them, one after the other, and a client that comes again after each.
#[test]
fn a_client_that_comes_again_gets_through_whatever_happens_to_its_connections() {
    let _watchdog = watchdog("faults by chance");
    let seed = random::seed();
    let (proxy, mut rng) = (Proxy::new(echo(), seed), random::Rng::new(seed));
    let toxics = [
        Toxic::Latency(Duration::ZERO, Duration::from_millis(3)),
        Toxic::Slicer(3),
        Toxic::LimitData(70),
        Toxic::ResetPeer(50),
    ];
    let mut stream = connect(&proxy);
    for number in 0..100_u64 {
        let way = rng.pick(&[Way::Up, Way::Down]);
        proxy.set(way, if rng.one_in(3) { None } else { Some(rng.pick(&toxics)) });
        if rng.one_in(5) {
            proxy.cut(rng.one_in(2));
        }
        let bytes = number.to_le_bytes();
        while ping(&mut stream, &bytes).ok().as_deref() != Some(&bytes[..]) {
            stream = connect(&proxy);
        }
    }
    assert!(proxy.accepted() > 1, "some were cut");
}

/// Sends a command to Redis, and returns its answer, of one line or one value.
fn ask(stream: &mut TcpStream, command: &str) -> String {
    stream.write_all(format!("{command}\r\n").as_bytes()).expect("open");
    let mut bytes = [0; 256];
    let count = stream.read(&mut bytes).expect("an answer");
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

fn redis(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

#[test]
fn a_server_is_killed_and_comes_back_on_its_port_with_what_it_has_acknowledged() {
    let _watchdog = watchdog("kill");
    let Some(mut server) = Server::start(REDIS, &["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    for round in 1..=3 {
        assert_eq!(ask(&mut redis(&server), "INCR kept"), format!(":{round}\r\n"));
        server.kill();
        assert!(TcpStream::connect(server.address()).is_err());
        server.run();
    }
    assert_eq!(ask(&mut redis(&server), "GET kept"), "$1\r\n3\r\n");
}

#[test]
fn a_server_that_is_paused_answers_when_it_is_resumed() {
    let _watchdog = watchdog("pause");
    let Some(server) = Server::start(REDIS, &[]) else { return };
    let mut stream = redis(&server);
    assert_eq!(ask(&mut stream, "PING"), "+PONG\r\n");
    server.pause();
    stream.write_all(b"PING\r\n").expect("its connections are open");
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    assert!(stream.read(&mut [0; 7]).is_err());
    server.resume();
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.read_exact(&mut [0; 7]).expect("it goes on");
}

/// What people use who try an example.
#[test]
fn the_script_starts_servers_shows_them_and_takes_them_away() {
    let _watchdog = watchdog("scripts/brokers");
    if !REDIS.is_there() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("trolleybus-script-{}", std::process::id()));
    let port = free_port().to_string();
    let run = |action: &str| {
        let mut command = Command::new("scripts/brokers");
        command.arg(action).arg("redis").env("BROKERS_DIR", &folder).env("REDIS_PORT", &port);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it runs");
        assert!(output.status.success(), "{action}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let url = format!("url: redis://127.0.0.1:{port}\n");
    for _ in 0..2 {
        assert_eq!(run("up"), format!("redis: {url}"), "also if it is up");
    }
    assert_eq!(run("status"), format!("redis: up, {url}"));
    for action in ["down", "status"] {
        assert_eq!(run(action), "redis: down\n");
    }
    assert!(!folder.join("redis").exists());
    let _ = std::fs::remove_dir(&folder);
}

#[test]
fn the_checker_tells_what_was_lost_came_twice_or_in_a_wrong_order() {
    let mut record = Record::default();
    assert!(record.verdict().is_at_least_once());
    for (id, how) in [
        (1, Published::Ok),
        (2, Published::Ok),
        (3, Published::Err),
        (4, Published::Unknown),
        (5, Published::Unknown),
        (6, Published::Ok),
    ] {
        record.publish(Sent { id, line: if id == 6 { "b" } else { "a" }.to_owned(), number: id }, how);
    }
    for id in [6, 2, 1, 1, 1, 4] {
        record.handle(id);
    }
    let fine = Verdict {
        recovered: BTreeSet::from([4]),
        duplicates: BTreeMap::from([(1, 2)]),
        disordered: BTreeSet::from([1]),
        ..Verdict::default()
    };
    assert_eq!(record.verdict(), fine);
    assert!(record.verdict().is_at_least_once());
    for (id, wrong) in [(3, "risen"), (9, "phantom")] {
        record.handle(id);
        let verdict = record.verdict();
        assert!(!verdict.is_at_least_once(), "{wrong}");
        assert_eq!(verdict.risen.contains(&3), id == 3 || wrong == "phantom");
    }
    record.publish(Sent { id: 7, line: "b".to_owned(), number: 7 }, Published::Ok);
    assert_eq!(record.verdict().lost, BTreeSet::from([7]));
}
