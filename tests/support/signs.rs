//! What long tests tell their watchdog.

use super::support::{Guard, Report};

impl Guard {
    /// A sign of life: the time begins anew.
    pub(crate) fn alive(&self) {
        self.sign(None);
    }

    /// Registers what shall be printed when the test hangs, which is a sign of life, too. The same `what` replaces the
    /// earlier one.
    pub(crate) fn report(&self, what: &str, report: impl Fn() -> String + Send + 'static) {
        self.sign(Some((what.to_owned(), Box::new(report))));
    }

    fn sign(&self, sign: Option<Report>) {
        let signs = self.signs.as_ref().expect("until the guard is dropped");
        // The watchdog only ends with this guard, or with the process.
        let _ = signs.send(sign);
    }
}
