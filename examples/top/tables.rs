//! The columns of the two tables, and their colours.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use trolleybus::engine::EngineState;

use super::columns::{Cell, Column, Width, table};
use super::model::{Counter, EngineRow, Model, SubscriptionRow, TransportRow};
use super::numbers::{age, count, rate};
use super::sort::Sort;

/// What asks for attention.
const WARNING: Style = Style::new().fg(Color::Yellow);

/// What goes wrong at this moment.
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

const GOOD: Style = Style::new().fg(Color::Green);

/// What says nothing.
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// A heading, and a line for each engine.
pub(crate) fn engines(model: &Model, width: usize) -> Vec<Line<'static>> {
    let rows: Vec<&EngineRow> = model.engines.iter().collect();
    table(ENGINES, &rows, width, None)
}

/// A heading, and a line for each subscription.
pub(crate) fn subscriptions(model: &Model, sort: Sort, width: usize) -> Vec<Line<'static>> {
    table(SUBSCRIPTIONS, &sort.of(model), width, title_of(sort))
}

/// The style of a count of events that were lost or went wrong: red while there come more of them.
pub(crate) fn alarm(counter: Counter) -> Style {
    match counter {
        Counter { total: 0, .. } => Style::new(),
        Counter { tenths: 0, .. } => WARNING,
        _ => BAD,
    }
}

const ENGINES: &[Column<EngineRow>] = &[
    Column { title: "ENGINE", rank: 0, width: Width::Flexible(8), cell: |row| Cell::new(row.name.as_str()) },
    Column { title: "KIND", rank: 13, width: Width::Flexible(6), cell: |row| Cell::new(row.kind.as_str()) },
    Column { title: "STATE", rank: 1, width: Width::Flexible(10), cell: |row| state(row.state) },
    Column {
        title: "PUBLISHED/s",
        rank: 4,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| Cell::new(rate(transport.published.tenths))),
    },
    Column {
        title: "REFUSED",
        rank: 6,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| alarming(transport.refused)),
    },
    Column {
        title: "UNKNOWN",
        rank: 10,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| alarming(transport.unknown)),
    },
    Column {
        title: "REJECTED",
        rank: 11,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| alarming(transport.rejected)),
    },
    Column {
        title: "MEMBERS",
        rank: 12,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| Cell::new(count(transport.members as u64))),
    },
    Column {
        title: "ARRIVING",
        rank: 7,
        width: Width::Fixed(5),
        cell: |row| carried(row, |transport| Cell::new(count(transport.arriving as u64))),
    },
    Column {
        title: "OFFERED/s",
        rank: 5,
        width: Width::Fixed(5),
        cell: |row| Cell::new(rate(row.offered.tenths)),
    },
    Column {
        title: "DELIVERED/s",
        rank: 2,
        width: Width::Fixed(5),
        cell: |row| Cell::new(rate(row.delivered.tenths)),
    },
    Column { title: "DROPPED", rank: 3, width: Width::Fixed(5), cell: |row| alarming(row.dropped) },
    Column { title: "FAILED", rank: 9, width: Width::Fixed(5), cell: |row| alarming(row.failed) },
    Column {
        title: "IN FLIGHT",
        rank: 8,
        width: Width::Fixed(5),
        cell: |row| Cell::new(count(row.in_flight)),
    },
];

const SUBSCRIPTIONS: &[Column<SubscriptionRow>] = &[
    Column { title: "NAME", rank: 0, width: Width::Flexible(8), cell: |row| Cell::new(row.name.as_str()) },
    Column {
        title: "PATTERN",
        rank: 5,
        width: Width::Flexible(8),
        cell: |row| Cell::new(row.patterns.as_str()),
    },
    Column { title: "KIND", rank: 7, width: Width::Flexible(8), cell: |row| Cell::new(row.kind.as_str()) },
    Column {
        title: "OFFERED/s",
        rank: 4,
        width: Width::Fixed(5),
        cell: |row| Cell::new(rate(row.offered.tenths)),
    },
    Column {
        title: "DELIVERED/s",
        rank: 1,
        width: Width::Fixed(5),
        cell: |row| Cell::new(rate(row.delivered.tenths)),
    },
    Column { title: "QUEUE", rank: 2, width: Width::Fixed(11), cell: queue },
    Column { title: "OLDEST", rank: 6, width: Width::Fixed(6), cell: oldest },
    Column { title: "RUNNING", rank: 9, width: Width::Fixed(6), cell: running },
    Column { title: "FAILED", rank: 8, width: Width::Fixed(5), cell: |row| alarming(row.failed) },
    Column { title: "DROPPED", rank: 3, width: Width::Flexible(11), cell: dropped },
];

/// The column that a sort is by.
fn title_of(sort: Sort) -> Option<&'static str> {
    Some(match sort {
        Sort::Registration => return None,
        Sort::Name => "NAME",
        Sort::Offered => "OFFERED/s",
        Sort::Delivered => "DELIVERED/s",
        Sort::Queued => "QUEUE",
        Sort::Oldest => "OLDEST",
        Sort::Running => "RUNNING",
        Sort::Failed => "FAILED",
        Sort::Dropped => "DROPPED",
    })
}

fn alarming(counter: Counter) -> Cell {
    Cell::styled(count(counter.total), alarm(counter))
}

fn nothing() -> Cell {
    Cell::styled("-", FAINT)
}

fn state(state: EngineState) -> Cell {
    let style = match state {
        EngineState::Connected => GOOD,
        EngineState::Stopped => FAINT,
        EngineState::Degraded => BAD,
        _ => WARNING,
    };
    Cell::styled(state.as_str(), style)
}

/// What only an engine has that is not the bus itself.
fn carried(row: &EngineRow, cell: fn(&TransportRow) -> Cell) -> Cell {
    row.transport.as_ref().map_or_else(nothing, cell)
}

/// How full a queue is.
fn queue(row: &SubscriptionRow) -> Cell {
    if !row.has_queue() {
        return nothing();
    }
    let style = if row.queued >= row.capacity {
        BAD
    } else if row.queued >= row.capacity.div_ceil(2) {
        WARNING
    } else {
        Style::new()
    };
    Cell::styled(format!("{}/{}", count(row.queued), count(row.capacity)), style)
}

fn oldest(row: &SubscriptionRow) -> Cell {
    row.oldest.map_or_else(nothing, |time| Cell::new(age(time)))
}

/// How many handlers run, or why none does.
fn running(row: &SubscriptionRow) -> Cell {
    match row.paused {
        true => Cell::styled("paused", WARNING),
        false => Cell::new(count(row.running)),
    }
}

/// What was dropped by reason, and how much more there is now: `full 4.1k +41/s, oldest 12`.
fn dropped(row: &SubscriptionRow) -> Cell {
    if row.dropped.is_empty() {
        return nothing();
    }
    let reasons: Vec<String> = row
        .dropped
        .iter()
        .map(|(reason, counter)| match counter.tenths {
            0 => format!("{reason} {}", count(counter.total)),
            more => format!("{reason} {} +{}/s", count(counter.total), rate(more)),
        })
        .collect();
    Cell::styled(reasons.join(", "), alarm(row.dropped_total()))
}
