//! What the keys do and what the columns mean, over the rest of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

const HELP: &str = "\
q  Esc  Ctrl-C   quit
p  Space         hold the view; the bus goes on
s  S             sort by the next column, or the one before
j  k  arrows     scroll by a line
PgUp  PgDn       scroll by a page
g  G  Home  End  to the first, to the last
?                this

OFFERED/s     events that matched and passed the filter
DELIVERED/s   handlers that ended, receivers that took one
QUEUE         events that wait / how many may
OLDEST        how long ago the first of them was published
RUNNING       handlers that run
FAILED        the part of the delivered that went wrong
DROPPED       by reason: in all, and now per second
ARRIVING      arrivals of an engine that are not done with";

/// Draws the help into the middle of an area, as much as there is room for.
pub(crate) fn draw(buffer: &mut Buffer, area: Rect) {
    let text: Vec<Line<'_>> = HELP.lines().map(Line::from).collect();
    let width = text.iter().map(Line::width).max().unwrap_or(0) + 4;
    let height = text.len() + 2;
    let fits = |wanted: usize, there: u16| u16::try_from(wanted).unwrap_or(u16::MAX).min(there);
    let (width, height) = (fits(width, area.width), fits(height, area.height));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    let block = Block::bordered().title(" help ").padding(ratatui::widgets::Padding::horizontal(1));
    Paragraph::new(text).block(block).render(place, buffer);
}
