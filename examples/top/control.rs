//! What the keys change.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::sort::Sort;

/// How the model is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) sort: Sort,
    /// The first subscription that is shown. The view keeps it where there is something to see.
    pub(crate) scroll: usize,
    /// How many subscriptions are shown at a time, as the view last found.
    pub(crate) page: usize,
    /// The view stands still.
    pub(crate) paused: bool,
    pub(crate) help: bool,
}

/// What a key asks the loop to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Asked {
    GoOn,
    Quit,
}

impl Control {
    /// Does what a key says.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Asked {
        // Some terminals tell when a key is let go, too.
        if key.kind == KeyEventKind::Release {
            return Asked::GoOn;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Asked::Quit,
            // The terminal sends no signal while it is ours.
            KeyCode::Char('c') if is_control => return Asked::Quit,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('?') => self.help = !self.help,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('S') => self.sort = self.sort.previous(),
            KeyCode::Char('j') | KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Char('k') | KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(self.page),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(self.page),
            KeyCode::Char('g') | KeyCode::Home => self.scroll = 0,
            KeyCode::Char('G') | KeyCode::End => self.scroll = usize::MAX,
            _ => {}
        }
        Asked::GoOn
    }
}
