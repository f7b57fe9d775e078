//! What every test that could hang begins with: a watchdog. What some tests share stands in a file each beside this one.

use std::fmt::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Long enough for any machine; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a test may take between two signs of life.
const LIMIT: Duration = PATIENCE.saturating_mul(6);

/// What shall be printed when the test hangs, with a name.
pub(crate) type Report = (String, Box<dyn Fn() -> String + Send>);

/// Ends the process when the test that holds it hangs. See [`watchdog`].
#[must_use = "the watchdog leaves when this is dropped"]
pub(crate) struct Guard {
    /// Each message is a sign of life; the end of the channel is the end of the test.
    pub(crate) signs: Option<Sender<Option<Report>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.signs = None;
        // It does not panic: either it returns or the process is gone.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Watches the calling test: unless the guard is dropped within 120 s, or gave a sign of life since, it prints the
/// threads of the process and the reports that the guard was given, and aborts.
pub(crate) fn watchdog(name: &str) -> Guard {
    let (signs, seen) = mpsc::channel::<Option<Report>>();
    let name = name.to_owned();
    let watch = move || {
        let mut reports: Vec<Report> = Vec::new();
        loop {
            match seen.recv_timeout(LIMIT) {
                Ok(None) => {}
                Ok(Some(report)) => {
                    reports.retain(|(known, _)| *known != report.0);
                    reports.push(report);
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        eprintln!("watchdog: {name} has shown no sign of life for {LIMIT:?}\n{}", threads());
        // A report may need a lock that the hanging thread holds: the threads were printed first.
        for (what, report) in &reports {
            eprintln!("{what}: {}", report());
        }
        std::process::abort();
    };
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch);
    Guard { signs: Some(signs), thread: Some(thread.expect("a thread for the watchdog")) }
}

/// The threads of this process: name, state, and where in the kernel each waits.
fn threads() -> String {
    let mut text = String::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return "no /proc here".to_owned() };
    for task in tasks.flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let status = read("status");
        let field =
            |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).map_or("?", str::trim);
        let _ = writeln!(
            text,
            "  {} {:16} {:14} in {} ({} voluntary switches)",
            task.file_name().to_string_lossy(),
            read("comm").trim(),
            field("State:"),
            read("wchan").trim(),
            field("voluntary_ctxt_switches:"),
        );
    }
    text
}
