//! The terminal, and how it is given back.
//!
//! The library's own initialization is not used: its panic hook gives the terminal back at any panic, those included that
//! a bus catches in a handler while the view goes on.

use std::io::{self, Stdout, stdout};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// So many panics of other threads are told when the terminal is back.
const KEPT: usize = 8;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal as long as it is ours: given back when this is dropped, or this thread panics.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
    _ours: Ours,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let ours = Ours::take()?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))?, _ours: ours })
    }
}

/// Raw mode, the other screen, and the panic hook.
struct Ours {
    previous: Arc<Hook>,
    /// Panics of other threads, which nobody could read on this screen.
    kept: Arc<Mutex<Vec<String>>>,
}

impl Ours {
    fn take() -> io::Result<Self> {
        let previous: Arc<Hook> = Arc::from(panic::take_hook());
        let ours = Self { previous, kept: Arc::default() };
        let (previous, kept) = (Arc::clone(&ours.previous), Arc::clone(&ours.kept));
        let viewer = thread::current().id();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == viewer {
                give_back();
                previous(info);
            } else {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT {
                    kept.push(info.to_string());
                }
            }
        }));
        // From here on, `ours` gives back whatever was taken.
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(ours)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        give_back();
        // A thread that panics may not change the hook, and has told what there was to tell.
        if !thread::panicking() {
            let previous = Arc::clone(&self.previous);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
        for panic in self.kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            eprintln!("{panic}");
        }
    }
}

/// Does what can be done: there is nobody left to tell of an error.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}
