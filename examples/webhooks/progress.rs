//! A progress bar on standard error, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the bar is drawn.
pub(crate) const REFRESH: Duration = Duration::from_millis(100);

/// Characters of a full bar.
const WIDTH: u64 = 40;

/// The bar. It takes one line, which it overwrites.
pub(crate) struct Progress {
    total: u64,
    began: Instant,
    on_terminal: bool,
    drawn: bool,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Self {
        Self { total, began: Instant::now(), on_terminal: io::stderr().is_terminal(), drawn: false }
    }

    /// Draws the bar for so many events.
    pub(crate) fn show(&mut self, done: u64) {
        if !self.on_terminal || self.total == 0 {
            return;
        }
        self.drawn = true;
        let filled = done.min(self.total) * WIDTH / self.total;
        let bar: String = (0..WIDTH).map(|place| if place < filled { '#' } else { '.' }).collect();
        let percent = done.min(self.total) * 100 / self.total;
        let rate = done as f64 / self.began.elapsed().as_secs_f64();
        write(&format!("\r[{bar}] {percent:3}%  {done} events, {rate:.0} a second \x1b[K"));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            write("\r\x1b[K");
        }
    }
}

/// A terminal that is gone is no reason to stop the work.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
