//! A table that fits: the columns that matter least go first when there is no room.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// The columns between two columns of a table.
const GAP: usize = 2;

/// What stands in one place of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new() }
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// A column of a table of `R`s.
pub(crate) struct Column<R> {
    pub(crate) title: &'static str,
    /// What has the highest rank is left out first.
    pub(crate) rank: u8,
    pub(crate) width: Width,
    pub(crate) cell: fn(&R) -> Cell,
}

/// How wide a column is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Always as wide, and right-aligned: numbers.
    Fixed(usize),
    /// At least as wide, and wider for its content if there is room.
    Flexible(usize),
}

impl<R> Column<R> {
    fn least(&self) -> usize {
        let (Width::Fixed(width) | Width::Flexible(width)) = self.width;
        width.max(self.title.len())
    }

    fn is_right(&self) -> bool {
        matches!(self.width, Width::Fixed(_))
    }
}

/// The heading and a line for each row. `marked` is the title that stands out: what the rows are sorted by.
pub(crate) fn table<R>(
    columns: &[Column<R>],
    rows: &[&R],
    width: usize,
    marked: Option<&str>,
) -> Vec<Line<'static>> {
    let columns = fitting(columns, width);
    let cells: Vec<Vec<Cell>> =
        rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect()).collect();
    let widths = widths(&columns, &cells, width);
    let heading = columns.iter().map(|column| {
        let style = Style::new().add_modifier(Modifier::BOLD);
        let is_marked = marked == Some(column.title);
        Cell::styled(column.title, if is_marked { style.add_modifier(Modifier::REVERSED) } else { style })
    });
    std::iter::once(heading.collect())
        .chain(cells)
        .map(|cells| {
            let mut spans = Vec::new();
            for ((column, cell), width) in columns.iter().zip(cells).zip(&widths) {
                spans.extend(placed(&cell, *width, column.is_right()));
                spans.push(Span::raw(" ".repeat(GAP)));
            }
            spans.pop();
            Line::from(spans)
        })
        .collect()
}

/// The columns for which there is room; the one that matters most in any case.
fn fitting<R>(columns: &[Column<R>], width: usize) -> Vec<&Column<R>> {
    let mut columns: Vec<&Column<R>> = columns.iter().collect();
    while columns.len() > 1 && total(columns.iter().map(|column| column.least())) > width {
        let most = columns.iter().map(|column| column.rank).max();
        columns.retain(|column| Some(column.rank) != most);
    }
    columns
}

fn total(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    widths.len().saturating_sub(1) * GAP + widths.sum::<usize>()
}

/// Shares out what is left to the flexible columns, in turn, until each has what its content needs.
fn widths<R>(columns: &[&Column<R>], cells: &[Vec<Cell>], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.least().min(width)).collect();
    let wanted = |number: usize| match columns[number].width {
        Width::Fixed(_) => 0,
        Width::Flexible(_) => cells.iter().map(|row| width_of(&row[number].text)).max().unwrap_or(0),
    };
    let wanted: Vec<usize> = (0..columns.len()).map(wanted).collect();
    let mut left = width.saturating_sub(total(widths.iter().copied()));
    loop {
        let before = left;
        for (own, wanted) in widths.iter_mut().zip(&wanted) {
            if *own < *wanted && left > 0 {
                *own += 1;
                left -= 1;
            }
        }
        if left == before {
            return widths;
        }
    }
}

/// A cell in its column.
fn placed(cell: &Cell, width: usize, right: bool) -> [Span<'static>; 3] {
    let text = clipped(&cell.text, width);
    let space = " ".repeat(width.saturating_sub(width_of(&text)));
    let (before, after) = if right { (space, String::new()) } else { (String::new(), space) };
    [Span::raw(before), Span::styled(text, cell.style), Span::raw(after)]
}

/// How many columns of the terminal a text takes.
pub(crate) fn width_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text that fits; an ellipsis says that there was more, for `a.*` is not `a.**`.
pub(crate) fn clipped(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width_of(&kept) >= width {
            kept.pop();
            break;
        }
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}
