//! A bus from a configuration: several engines and rules, publishing what it reads from standard input.
//!
//! ```text
//! cargo run --release --features config,json --example from-config -- [bus.yaml] [--check]
//! ```
//!
//! Each line of the input is a topic, and after a space a payload of JSON: `order.placed {"id": 7}`. Without a file the
//! one beside this source is used, and without input some lines of it. Variables such as `EVENTBUS_WORKER_COUNT` and
//! `EVENTBUS_ENGINES_0_NAME` count more than the file. `--check` only reads the configuration, and prints what it comes
//! to.

use std::error::Error;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use trolleybus::engine::Encoded;
use trolleybus::{AnyEvent, Config, EngineRegistry, EventBus, Format, TopicPattern};

/// Used when no file is given.
const SAMPLE: &str = include_str!("bus.yaml");

/// Used when nothing is piped in.
const EVENTS: &str = r#"user.created {"name": "ann"}
auth.login {"name": "ann"}
payment.17.refunded {"amount": 1200}
alert.disk {"host": "a7"}
alert.disk {"host": "b2"}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut file, mut check) = (None, false);
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--check" => check = true,
            "--help" | "-h" => {
                println!("from-config [bus.yaml] [--check]");
                return Ok(());
            }
            path => file = Some(path.to_owned()),
        }
    }
    let registry = EngineRegistry::new();
    let loader = Config::loader().engine_types(registry.types());
    let loader = match &file {
        Some(path) => loader.file(path),
        None => loader.text("bus.yaml", SAMPLE, Format::Yaml),
    };
    let config = match loader.env().load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    if check {
        print!("{config}");
        return routes(&config);
    }
    let bus = config.into_builder_with(&registry)?.start().wait()?;
    run(&bus)
}

/// Prints the effective rules, in their order.
fn routes(config: &Config) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n# routes")?;
    for rule in config.routing() {
        let patterns: Vec<&str> = rule.patterns().iter().map(TopicPattern::as_str).collect();
        writeln!(out, "# {} -> {}", patterns.join(", "), rule.engine())?;
    }
    writeln!(out, "# everything else -> {}", config.default_engine())?;
    Ok(())
}

/// Publishes what it reads, and shows what arrives.
fn run(bus: &EventBus) -> Result<(), Box<dyn Error>> {
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    let _printer = bus.subscribe_any("*").name("printer").handle(move |event| {
        count.fetch_add(1, Ordering::Relaxed);
        println!("  {} {}", event.topic(), payload(event));
    })?;
    let mut published = 0_u64;
    let mut publish = |line: &str| -> Result<(), Box<dyn Error>> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        let (topic, payload) = line.split_once(' ').unwrap_or((line, "null"));
        let payload: serde_json::Value = serde_json::from_str(payload)?;
        bus.publish(topic, payload)?;
        published += 1;
        Ok(())
    };
    let stdin = std::io::stdin();
    let mut read = false;
    if !stdin.is_terminal() {
        for line in stdin.lock().lines() {
            read = true;
            publish(&line?)?;
        }
    }
    if !read {
        EVENTS.lines().try_for_each(&mut publish)?;
    }
    let report = bus.shutdown(Duration::from_secs(10)).wait();
    let stats = bus.stats();
    for engine in &stats.engines {
        println!(
            "engine {} ({}): {} delivered, {} dropped",
            engine.name, engine.kind, engine.delivered, engine.dropped
        );
    }
    println!("{published} published, {} arrived", arrived.load(Ordering::Relaxed));
    if !report.complete || !stats.total.is_balanced() {
        return Err("not everything was handled".into());
    }
    if !read && arrived.load(Ordering::Relaxed) != published {
        return Err("the sample did not arrive".into());
    }
    Ok(())
}

/// The payload as text: as the value that was published in this process, or as an engine brought it.
fn payload(event: &AnyEvent) -> String {
    match (event.payload::<serde_json::Value>(), event.payload::<Encoded>()) {
        (Some(value), _) => value.to_string(),
        (None, Some(bytes)) => String::from_utf8_lossy(bytes.bytes()).into_owned(),
        (None, None) => String::from("?"),
    }
}
