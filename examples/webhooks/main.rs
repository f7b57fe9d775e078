//! An ingest service in miniature: webhook deliveries come in, are published as typed events, and
//! subscriptions of every kind work on them; in the end every event must be accounted for.
//!
//!     cargo run --release --example webhooks
//!     cargo run --release --example webhooks -- --repeat 1000 --publishers 4 deliveries.jsonl
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | reads the command line |
//! | `input.rs` | reads files, folders and standard input |
//! | `delivery.rs` | the typed event, and the topic that it goes to |
//! | `subscriptions.rs` | who works on the events, and how: the part to read first |
//! | `publish.rs` | the publishers' threads |
//! | `progress.rs` | the progress bar |
//! | `report.rs` | the table, the JSON line, and the check of the ledgers |

mod delivery;
mod input;
mod options;
mod progress;
mod publish;
mod report;
mod subscriptions;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use trolleybus::EventBus;

use crate::options::{Command, Options};
use crate::report::Report;
use crate::subscriptions::Subscriptions;

/// How long the queues may take to empty once everything has been published.
const DRAIN: Duration = Duration::from_secs(60);

/// The exit code for a command line that makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\nTry --help.");
            return ExitCode::from(USAGE);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads, publishes, drains and reports. Says whether everything was accounted for.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let deliveries = input::read(&options.inputs)?;

    let bus = EventBus::builder().workers(options.workers).thread_name("webhooks").build()?;
    let subscriptions = Subscriptions::new(&bus)?;

    let began = Instant::now();
    let published = publish::publish(&bus, &deliveries, options.repeat, options.publishers);
    // Everything that was accepted is handled before this returns; the archive's thread ends with it.
    let shutdown = bus.shutdown(DRAIN).wait();
    let elapsed = began.elapsed();

    let findings = subscriptions.finish();
    let report = Report::new(&bus.stats(), &findings, &published, &shutdown, elapsed);
    report.print_table();
    if options.json {
        report.print_json()?;
    }
    report.print_problems();
    Ok(report.holds())
}
