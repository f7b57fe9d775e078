//! One frame without a terminal: a fixed amount of work, what it looks like, and whether the accounts balance.

use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use trolleybus::BusStats;

use super::control::Control;
use super::load::{Load, SLOW_CAPACITY, STREAMS};
use super::model::{Model, Sample};
use super::view::{draw, text_of};

/// The size of the frame, in characters.
const SIZE: (u16, u16) = (120, 20);

/// Events of each stream: fewer than the engine of the sensors has room for.
const EVENTS: u64 = 3000;

/// How long the events may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the load, prints a frame, and checks what it shows.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let load = Load::new()?;
    let before = load.sample();
    load.hold(true);
    load.publish(EVENTS);
    let after = settled(&load)?;
    let model = Model::between(&before, &after);
    let screen = rendered(&model, SIZE.0, SIZE.1)?;
    write!(out, "{screen}")?;
    check(&after, &model, &screen);

    let ended = load.finish()?;
    writeln!(out, "{}", summary(&ended.stats))?;
    assert!(ended.report.complete, "{:?}", ended.report);
    balanced(&ended.stats);
    let total = &ended.stats.total;
    assert_eq!((total.queued, total.running), (0, 0), "nothing is left");
    Ok(())
}

/// A line for the end, when nothing is queued and nothing runs.
pub(crate) fn summary(stats: &BusStats) -> String {
    let total = &stats.total;
    format!(
        "{} offered = {} delivered ({} failed) + {} dropped + {} expired + {} duplicate",
        total.offered,
        total.delivered,
        total.failed,
        total.dropped.total(),
        total.expired,
        total.duplicate,
    )
}

/// The text of a frame of this size.
pub(crate) fn rendered(model: &Model, width: u16, height: u16) -> Result<String, Box<dyn Error>> {
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    let mut control = Control::default();
    terminal.draw(|frame| draw(frame, Rect::new(0, 0, width, height), model, &mut control))?;
    Ok(text_of(terminal.backend().buffer()))
}

/// Waits until the engine has brought all that it was given.
fn settled(load: &Load) -> Result<Sample, Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sample = load.sample();
        // Both are offered what the engine brings, one after the other.
        let arrived = of(&sample.stats, "alerts").ledger.offered;
        if arrived == EVENTS && of(&sample.stats, "meter").ledger.delivered == 3 * EVENTS {
            return Ok(sample);
        }
        if Instant::now() > deadline {
            return Err(format!("{arrived} of {EVENTS} events arrived in time").into());
        }
        thread::yield_now();
    }
}

fn of<'a>(stats: &'a BusStats, name: &str) -> &'a trolleybus::SubscriptionStats {
    let found = stats.subscriptions.iter().find(|one| one.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no subscription {name}"))
}

fn balanced(stats: &BusStats) {
    assert!(stats.total.is_balanced(), "{:?}", stats.total);
    for one in &stats.subscriptions {
        assert!(one.ledger.is_balanced(), "{one:?}");
    }
}

/// What was published must be what the accounts hold, and what the screen says.
fn check(sample: &Sample, model: &Model, screen: &str) {
    let stats = &sample.stats;
    balanced(stats);
    let published = sample.published.expect("the load counts");
    assert_eq!(published.events, EVENTS * STREAMS.len() as u64);
    assert_eq!((published.unmatched, published.refused), (EVENTS, 0), "the drafts, and nothing");

    // Three streams, inline; the slow one was held, so that its queue is full to the last place.
    assert_eq!(of(stats, "meter").ledger.delivered, 3 * EVENTS);
    let scan = &of(stats, "scan").ledger;
    assert_eq!((scan.offered, scan.queued), (EVENTS, SLOW_CAPACITY as u64));
    assert_eq!(scan.dropped.full, EVENTS - SLOW_CAPACITY as u64);
    let sensors = stats.engines.iter().find(|engine| engine.name == "sensors").expect("it is there");
    assert_eq!(sensors.transport.as_ref().map(|transport| transport.published), Some(EVENTS));

    assert_eq!(model.subscriptions.len(), stats.subscriptions.len());
    let names = model.subscriptions.iter().map(|row| &row.name);
    for name in names.chain(model.engines.iter().map(|row| &row.name)) {
        assert!(screen.contains(name.as_str()), "{name} is not on the screen");
    }
    assert!(screen.contains("64/64") && screen.contains("full 2.93k"), "the slow one's queue and drops");
}
