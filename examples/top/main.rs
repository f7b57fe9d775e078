//! A live view of a bus in the terminal: what its subscriptions and engines do, how fast, and what goes wrong.
//!
//! ```text
//! cargo run --release --example top               until q; ? explains the screen
//! cargo run --release --example top -- --once     a fixed amount of work, one frame, and a check of it
//! ```
//!
//! Without a terminal it does what `--once` does. The bus is one that it loads itself; to watch an application's own bus,
//! copy the files but `load.rs`, `publishers.rs` and `unsteady.rs`: two samples of `EventBus::stats` make a model, and a
//! model can be drawn into any part of a frame. The application should have an observer then, since without one a bus
//! writes failures to standard error.
//!
//! | file | what it does |
//! |---|---|
//! | `model.rs` | makes what is shown, rates included, of two samples |
//! | `sort.rs` | the order of the subscriptions |
//! | `view.rs` | draws a model into a frame |
//! | `tables.rs`, `columns.rs`, `numbers.rs` | its columns and colours, how they fit, short numbers |
//! | `help.rs` | the help over it |
//! | `control.rs` | what the keys change |
//! | `screen.rs` | the terminal, and how it is given back |
//! | `load.rs`, `publishers.rs`, `unsteady.rs` | a bus with something to see |
//! | `once.rs` | one frame without a terminal |

mod columns;
mod control;
mod help;
mod load;
mod model;
mod numbers;
mod once;
mod publishers;
mod screen;
mod sort;
mod tables;
mod unsteady;
mod view;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};

use crate::control::{Asked, Control};
use crate::load::Load;
use crate::model::Model;
use crate::screen::Screen;

/// The rates are of this time.
const INTERVAL: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut once = !(io::stdin().is_terminal() && io::stdout().is_terminal());
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--once" => once = true,
            "--help" | "-h" => {
                println!("top [--once]");
                return Ok(());
            }
            other => return Err(format!("unknown option {other}: there is --once").into()),
        }
    }
    if once {
        return once::run(&mut io::stdout().lock());
    }
    let mut load = Load::new()?;
    load.start()?;
    let watched = watch(&load);
    // The terminal is back.
    let ended = load.finish()?;
    println!("{}", once::summary(&ended.stats));
    watched?;
    Ok(())
}

/// Shows the bus until a key ends it.
fn watch(load: &Load) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut control = Control::default();
    let began = Instant::now();
    let mut last = load.sample();
    let mut shown = Model::first(&last);
    let mut due = last.at + INTERVAL;
    loop {
        screen.terminal.draw(|frame| view::draw(frame, frame.area(), &shown, &mut control))?;
        let left = due.saturating_duration_since(Instant::now());
        if event::poll(left)? {
            // Whatever else it is, a change of the size for example, is an occasion to draw.
            if let Event::Key(key) = event::read()?
                && control.key(key) == Asked::Quit
            {
                return Ok(());
            }
        }
        if Instant::now() >= due {
            load.turn(began.elapsed());
            let next = load.sample();
            // Sampled while it is paused, too: the rates are right at once when it goes on.
            if !control.paused {
                shown = Model::between(&last, &next);
            }
            due = next.at + INTERVAL;
            last = next;
        }
    }
}
