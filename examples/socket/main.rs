//! Two processes, each with a bus, and an engine between them that is no more than a TCP socket: to show what an
//! engine has to do, and what the bus does for it.
//!
//!     cargo run --release --features cloudevents --example socket
//!     cargo run --release --features cloudevents --example socket -- --threads
//!
//! | file | what it does |
//! |---|---|
//! | `engine.rs` | the engine: the part to read first |
//! | `hub.rs` | the broker, as small as it can be |
//!
//! The parent is the hub. One child listens, the other talks; half way through the parent cuts their connections, and
//! both come back by themselves.

mod engine;
mod hub;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use trolleybus::{DeliveryMode, EventBus};

use engine::SocketEngine;
use hub::Hub;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many events go over the socket.
const EVENTS: u32 = 1000;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => parent(spawn_process),
        ["--threads"] => parent(spawn_thread),
        [role, hub] => child(role, hub.parse()?, &mut std::io::stdin().lock(), &mut std::io::stdout()),
        _ => Err("usage: socket [--threads]".into()),
    }
}

/// What the parent says to a child, and hears from it, line by line.
struct Talk {
    says: Box<dyn Write>,
    hears: Box<dyn BufRead>,
    ends: Box<dyn FnOnce() -> Result>,
}

impl Talk {
    fn say(&mut self, line: &str) -> Result {
        writeln!(self.says, "{line}")?;
        Ok(self.says.flush()?)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.hears.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// Ends a child that is still there when the parent gives up.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_process(role: &'static str, hub: SocketAddr) -> Result<Talk> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([role, &hub.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (says, hears) = (child.stdin.take(), child.stdout.take());
    let mut child = Ending(child);
    let ends = move || match child.0.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("the process that {role} ended with {status}").into()),
    };
    Ok(Talk {
        says: Box::new(says.ok_or("a child without input")?),
        hears: Box::new(BufReader::new(hears.ok_or("a child without output")?)),
        ends: Box::new(ends),
    })
}

fn spawn_thread(role: &'static str, hub: SocketAddr) -> Result<Talk> {
    let ((commands, says), (hears, mut answers)) = (std::io::pipe()?, std::io::pipe()?);
    let thread = std::thread::spawn(move || child(role, hub, &mut BufReader::new(commands), &mut answers));
    let ends = || thread.join().unwrap_or_else(|_| Err("a thread panicked".into()));
    Ok(Talk { says: Box::new(says), hears: Box::new(BufReader::new(hears)), ends: Box::new(ends) })
}

fn parent(spawn: fn(&'static str, SocketAddr) -> Result<Talk>) -> Result {
    let hub = Hub::open(0)?;
    println!("the hub is at {}", hub.address());
    let mut listens = spawn("listens", hub.address())?;
    println!("one {}", listens.hear()?);
    let mut talks = spawn("talks", hub.address())?;
    println!("the other {}", talks.hear()?);

    hub.cut();
    let deadline = Instant::now() + PATIENCE;
    while hub.connections() < 2 {
        assert!(Instant::now() < deadline, "the two did not come back");
        std::thread::yield_now();
    }
    println!("their connections were cut, and both are back");
    talks.say("go on")?;
    println!("the other {}", talks.hear()?);
    let heard = listens.hear()?;
    println!("one {heard}");
    assert_eq!(heard, format!("has heard {EVENTS} events, from 0 to {}, in order", EVENTS - 1));
    (talks.ends)()?;
    (listens.ends)()
}

/// One of the two, with a bus of its own.
fn child(role: &str, hub: SocketAddr, commands: &mut impl BufRead, answers: &mut impl Write) -> Result {
    let bus = EventBus::builder()
        .engine("socket", SocketEngine::new(hub))
        .route("socket", ["news.*"])
        .start()
        .wait()?;
    match role {
        "listens" => {
            let mut news = bus.subscribe::<u32>("news.*").delivery(DeliveryMode::Block).receiver()?;
            writeln!(answers, "listens")?;
            for number in 0..EVENTS {
                assert_eq!(*news.recv_timeout(PATIENCE)?, number);
            }
            writeln!(answers, "has heard {EVENTS} events, from 0 to {}, in order", EVENTS - 1)?;
        }
        _ => {
            let mut command = String::new();
            for number in 0..EVENTS {
                if number == EVENTS / 2 {
                    writeln!(answers, "has talked half of the time")?;
                    commands.read_line(&mut command)?;
                }
                let deadline = Instant::now() + PATIENCE;
                // While there is no connection the event comes back, and nobody has got it.
                while let Err(error) = bus.publish("news.local", number) {
                    assert!(!error.is_unknown() && Instant::now() < deadline, "{error}");
                    std::thread::yield_now();
                }
            }
            writeln!(answers, "has talked to the end")?;
        }
    }
    let report = bus.shutdown(PATIENCE).wait();
    assert!(report.complete, "{report:?}");
    Ok(())
}
