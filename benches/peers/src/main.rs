//! Measures trolleybus beside channels and other event buses, in turns, and prints one line per bar.
//!
//! ```text
//! cargo run --release                              every scenario but memory
//! cargo run --release -- --only S2c --rounds 15    some scenarios, or the bar of a number
//! cargo run --release -- --quick                   a smoke run
//! cargo run --release --features memory            memory (S5)
//! ```
//!
//! Judge ratios, and only within one run. `--strict` makes the exit code 1 when a floor is missed.

mod drive;
mod event;
mod harness;
#[cfg(feature = "memory")]
#[expect(unsafe_code, reason = "an allocator that counts is an implementation of an unsafe trait")]
#[path = "../../../tests/support/malloc.rs"]
mod malloc;
mod peers;
mod probe;
mod scenarios;
mod table;
mod tally;
mod us;

use std::process::ExitCode;

use harness::{Harness, Options};
use table::Table;

const USAGE: &str = "usage: trolleybus-peers [--rounds N] [--only PATTERN] [--quick] [--strict]
  --rounds N       rounds per scenario (default 9, with --quick 3)
  --only PATTERN   scenarios whose name contains PATTERN, or the bars of that number
  --quick          short rounds and small tables: does it run, not how fast
  --strict         exit code 1 when a floor is missed";

fn options() -> Result<(Options, bool), String> {
    let (mut rounds, mut only, mut quick, mut strict) = (None, None, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--strict" => strict = true,
            "--only" => only = Some(arguments.next().ok_or("--only needs a pattern")?),
            "--rounds" => {
                let text = arguments.next().ok_or("--rounds needs a number")?;
                let number = text.parse().map_err(|_| format!("--rounds {text}: not a number"))?;
                if number == 0 {
                    return Err("--rounds 0: at least one round".into());
                }
                rounds = Some(number);
            }
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok((Options { rounds: rounds.unwrap_or(if quick { 3 } else { 9 }), only, quick }, strict))
}

fn main() -> ExitCode {
    let (options, strict) = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    probe::machine(options.quick);
    let quick = options.quick;
    let harness = Harness::new(options);
    let mut table = Table::default();
    table.heading();
    scenarios::run(&harness, &mut table);
    let held = table.finish();
    if quick {
        println!("a smoke run: the figures mean nothing");
    }
    if strict && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
