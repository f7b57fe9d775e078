//! Draws a model: anywhere in a frame, in whatever room there is.
//!
//! ```text
//! title           always
//! the whole bus   as many lines as it takes
//! engines         a caption, a heading, a line for each
//! subscriptions   the same; what does not fit is scrolled to
//! keys            the last line
//! ```
//!
//! Where there is little room, the first to go are captions, then engines, keys, and the bus.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::columns::width_of;
use super::control::Control;
use super::help;
use super::model::{Counter, Model};
use super::numbers::{age, count, rate};
use super::tables;

/// Captions are drawn from this height on.
const ROOMY: usize = 14;

const CAPTION: Style = Style::new().fg(Color::Cyan);

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws a model into a part of a frame. Puts `control.scroll` where there is something to see.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, control: &mut Control) {
    let buffer = frame.buffer_mut();
    let area = area.intersection(buffer.area);
    let lines = lines(model, control, usize::from(area.width), usize::from(area.height));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
    if control.help {
        help::draw(buffer, area);
    }
}

/// The text of a screen, without the spaces at the ends of the lines.
pub(crate) fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character covers the place behind it.
            x += u16::try_from(width_of(symbol)).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What stands in each line, from the top.
fn lines(model: &Model, control: &mut Control, width: usize, height: usize) -> Vec<Line<'static>> {
    let roomy = height >= ROOMY;
    let bus = flow(&figures(model), width);
    let engines = tables::engines(model, width);
    let subscriptions = tables::subscriptions(model, control.sort, width);

    // Who gets lines first; the heading of a table is nothing without a row.
    let mut left = height;
    let mut take = |wanted: usize, least: usize| {
        let taken = if left >= least { wanted.min(left) } else { 0 };
        left -= taken;
        taken
    };
    let title_lines = take(1, 1);
    let table_lines = take(2, 2);
    let some_bus_lines = take(1, 1);
    let key_lines = take(1, 1);
    let bus_lines = some_bus_lines + take(bus.len().saturating_sub(1), 1);
    let captions = if roomy { take(2, 2) } else { 0 };
    // The engines leave at least half of what is left to the subscriptions.
    let half = height.saturating_sub(title_lines + bus_lines + key_lines) / 2;
    let engine_lines = take(engines.len().min(half), 2);
    let table_lines = table_lines + take(usize::MAX, 0);

    let rows = table_lines.saturating_sub(1);
    let all = subscriptions.len().saturating_sub(1);
    control.scroll = control.scroll.min(all.saturating_sub(rows));
    control.page = rows.max(1);
    let shown = control.scroll..all.min(control.scroll + rows);

    let mut lines = Vec::new();
    lines.extend(std::iter::once(title(model, control)).take(title_lines));
    lines.extend(bus.into_iter().take(bus_lines));
    if captions > 0 && engine_lines > 0 {
        let hidden = engines.len() - engine_lines;
        let more = if hidden > 0 { format!(", {hidden} more") } else { String::new() };
        lines.push(caption(&format!("engines{more}"), width));
    }
    lines.extend(engines.into_iter().take(engine_lines));
    if captions > 0 {
        let part = if shown.len() < all {
            format!(" {}-{} of {all}", shown.start + 1, shown.end)
        } else {
            String::new()
        };
        lines.push(caption(&format!("subscriptions{part}, by {}", control.sort.as_str()), width));
    }
    let mut subscriptions = subscriptions.into_iter();
    lines.extend(subscriptions.next().into_iter().take(table_lines));
    lines.extend(subscriptions.skip(shown.start).take(rows));
    lines.resize(height - key_lines, Line::default());
    lines.extend(std::iter::once(keys(width)).take(key_lines));
    lines
}

fn title(model: &Model, control: &Control) -> Line<'static> {
    let over = if model.interval.is_zero() {
        "no rates yet".to_owned()
    } else {
        format!("rates over {}", age(model.interval))
    };
    let mut spans = vec![Span::styled("trolleybus top", BOLD)];
    if control.paused {
        spans.push(Span::raw("  "));
        spans.push(Span::styled("PAUSED", Style::new().fg(Color::Yellow).add_modifier(Modifier::REVERSED)));
    }
    spans.push(Span::raw(format!(
        "  {} subscriptions, {} engines, {} topics, {over}",
        model.subscriptions.len(),
        model.engines.len(),
        model.bus.topics,
    )));
    Line::from(spans)
}

/// The figures of the whole bus, each a name and what it is at.
fn figures(model: &Model) -> Vec<[Span<'static>; 2]> {
    let bus = &model.bus;
    let figure = |name: &'static str, text: String, style: Style| {
        [Span::raw(format!("{name} ")), Span::styled(text, style.add_modifier(Modifier::BOLD))]
    };
    let counter = |name, counter: Counter, style| {
        figure(name, format!("{}/s {}", rate(counter.tenths), count(counter.total)), style)
    };
    // Only what the application's publishers tell.
    let told = |name, told: Option<Counter>, style: fn(Counter) -> Style| {
        told.map(|told| counter(name, told, style(told)))
    };
    let plain = |_| Style::new();
    let known = [
        told("published", bus.published, plain),
        told("unmatched", bus.unmatched, tables::alarm),
        told("refused", bus.refused, tables::alarm),
    ];
    known
        .into_iter()
        .flatten()
        .chain([
            counter("offered", bus.offered, Style::new()),
            counter("delivered", bus.delivered, Style::new()),
            counter("dropped", bus.dropped, tables::alarm(bus.dropped)),
            counter("failed", bus.failed, tables::alarm(bus.failed)),
            figure("queued", count(bus.queued), Style::new()),
            figure("running", count(bus.running), Style::new()),
            counter("lifecycle dropped", bus.lifecycle_dropped, tables::alarm(bus.lifecycle_dropped)),
        ])
        .collect()
}

/// Puts figures into lines; none is broken, for half a number is a wrong one.
fn flow(figures: &[[Span<'static>; 2]], width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for figure in figures {
        let own: usize = figure.iter().map(Span::width).sum();
        let used = lines.last().map_or(0, Line::width);
        if used > 0 && used + 3 + own > width {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            if line.width() > 0 {
                line.push_span(Span::raw("   "));
            }
            line.extend(figure.iter().cloned());
        }
    }
    lines
}

fn caption(text: &str, width: usize) -> Line<'static> {
    let text = format!("── {text} ");
    let rule = "─".repeat(width.saturating_sub(width_of(&text)));
    Line::styled(text + &rule, CAPTION)
}

/// The last line: as many keys as there is room for.
fn keys(width: usize) -> Line<'static> {
    let mut line = Line::default();
    for (key, what) in [("q", "quit"), ("?", "help"), ("p", "pause"), ("s", "sort"), ("jk", "scroll")] {
        let gap = if line.width() > 0 { "  " } else { "" };
        let spans = [Span::raw(gap), Span::styled(key, BOLD), Span::raw(format!(" {what}"))];
        if line.width() + spans.iter().map(Span::width).sum::<usize>() > width {
            break;
        }
        line.extend(spans);
    }
    line
}
