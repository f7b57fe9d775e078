//! What a run has come to.

use std::fmt;
use std::time::Duration;

/// What a run has come to, test by test. `Display` is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a report says whether the tests passed"]
pub struct Report {
    pub(super) tests: Vec<TestReport>,
}

/// What one test has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestReport {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: TestVerdict,
    /// How long it took.
    pub took: Duration,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestVerdict {
    /// All was as it should be.
    Passed,
    /// Something was not: this.
    Failed(String),
    /// It was not run, for this is not claimed.
    Skipped(&'static str),
}

impl Report {
    /// Returns what each test has come to, in the order in which they ran.
    #[must_use]
    pub fn tests(&self) -> &[TestReport] {
        &self.tests
    }

    /// Returns the names of the tests that failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        self.named(|verdict| matches!(verdict, TestVerdict::Failed(_)))
    }

    /// Returns the names of the tests that were skipped.
    #[must_use]
    pub fn skipped(&self) -> Vec<&'static str> {
        self.named(|verdict| matches!(verdict, TestVerdict::Skipped(_)))
    }

    fn named(&self, which: impl Fn(&TestVerdict) -> bool) -> Vec<&'static str> {
        self.tests.iter().filter(|test| which(&test.verdict)).map(|test| test.name).collect()
    }

    /// Fails unless no test failed and at least one passed.
    ///
    /// # Panics
    ///
    /// With the table, if a test failed or none ran.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failed().is_empty(), "{self}");
        assert!(self.tests.len() > self.skipped().len(), "no test ran\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tests.iter().map(|test| test.name.len()).max().unwrap_or(0);
        for TestReport { name, verdict, took } in &self.tests {
            match verdict {
                TestVerdict::Passed => writeln!(f, "{name:width$}  passed   {took:.1?}")?,
                TestVerdict::Failed(why) => writeln!(f, "{name:width$}  FAILED   {took:.1?}: {why}")?,
                TestVerdict::Skipped(why) => writeln!(f, "{name:width$}  skipped  {why}")?,
            }
        }
        let (failed, skipped) = (self.failed().len(), self.skipped().len());
        let passed = self.tests.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_table_and_names_what_failed() {
        let test = |name, verdict| TestReport { name, verdict, took: Duration::from_millis(12) };
        let mut report = Report {
            tests: vec![
                test("one", TestVerdict::Passed),
                test("second", TestVerdict::Skipped("not claimed")),
            ],
        };
        report.assert_passed();
        report.tests.push(test("third", TestVerdict::Failed("so".to_owned())));
        let table = "one     passed   12.0ms\nsecond  skipped  not claimed\nthird   FAILED   12.0ms: so\n\
                     1 passed, 1 failed, 1 skipped";
        assert_eq!(report.to_string(), table);
        assert_eq!((report.failed(), report.skipped()), (vec!["third"], vec!["second"]));
        assert!(std::panic::catch_unwind(|| report.assert_passed()).is_err());
        let empty = Report { tests: Vec::new() };
        assert!(std::panic::catch_unwind(|| empty.assert_passed()).is_err());
    }
}
