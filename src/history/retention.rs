//! Rules for what is kept of the events of a topic.

use std::fmt;
use std::time::Duration;

use crate::error::BuildError;
use crate::pattern::TopicPattern;

/// The longest time for which events are kept: ages beyond are a mistake in the unit.
const LONGEST: Duration = Duration::from_secs(100 * 31_557_600);

/// How much of a topic's events is kept: [so many](Self::count), [so many bytes](Self::bytes), or those that are not
/// [older](Self::age); with several of these, what all of them allow. See [`BusBuilder::retain`](crate::BusBuilder::retain).
///
/// ```
/// use std::time::Duration;
/// use trolleybus::Retention;
///
/// let rule = Retention::new().count(1000).age(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    count: Option<u64>,
    bytes: Option<u64>,
    age: Option<Duration>,
}

impl Retention {
    /// Keeps everything, as far as the [limits of the bus](crate::BusBuilder::max_history_bytes) allow.
    pub const fn new() -> Self {
        Self { count: None, bytes: None, age: None }
    }

    /// Keeps nothing: for topics that a later, wider rule would be about.
    pub const fn nothing() -> Self {
        Self { count: Some(0), bytes: None, age: None }
    }

    /// Keeps at most so many of a topic's events, the newest ones. From 1.
    pub const fn count(mut self, events: u64) -> Self {
        // 0 says "nothing" here, and a count of 0 is to be refused.
        self.count = Some(if events == 0 { u64::MAX } else { events });
        self
    }

    /// Keeps at most so many bytes of a topic's events, the newest ones. From 1.
    ///
    /// An event counts as 256 bytes and the length of its payload where that is known: of [`Raw`](crate::Raw) bytes. What a
    /// value takes is not known, and not counted.
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Keeps the events that are not as old as this: from a millisecond to a hundred years, in milliseconds of the [bus's
    /// clock](crate::BusBuilder::clock).
    ///
    /// Old events of a topic go when the next is published to it, when it is read, when room has to be made, and now and
    /// then when other topics are published to. While nothing is published nobody looks for them.
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Its count, bytes and age, as far as it has them.
    #[cfg(feature = "config")]
    pub(crate) fn parts(&self) -> (Option<u64>, Option<u64>, Option<Duration>) {
        (self.count, self.bytes, self.age)
    }

    /// Says whether it keeps anything.
    pub(crate) fn keeps(&self) -> bool {
        self.count != Some(0)
    }

    pub(super) fn most_events(&self) -> u64 {
        self.count.unwrap_or(u64::MAX)
    }

    pub(super) fn most_bytes(&self) -> u64 {
        self.bytes.unwrap_or(u64::MAX)
    }

    /// In milliseconds.
    pub(super) fn longest(&self) -> u64 {
        self.age.map_or(u64::MAX, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }

    /// Says what is wrong with it, if something is.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.count == Some(u64::MAX) {
            return Err(BuildError::InvalidRetention { what: "a count of 0" });
        }
        if self.bytes == Some(0) {
            return Err(BuildError::InvalidRetention { what: "0 bytes" });
        }
        match self.age {
            Some(age) if age < Duration::from_millis(1) => {
                Err(BuildError::InvalidRetention { what: "an age of less than a millisecond" })
            }
            Some(age) if age > LONGEST => {
                Err(BuildError::InvalidRetention { what: "an age of more than a hundred years" })
            }
            _ => Ok(()),
        }
    }
}

/// Which rule is for which topics: the first that matches decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(pub(crate) Vec<(TopicPattern, Retention)>);

impl Rules {
    /// What is kept of a topic, if anything is.
    pub(crate) fn of(&self, topic: &str) -> Option<Retention> {
        let rule = self.0.iter().find(|(pattern, _)| pattern.matches_str(topic));
        rule.map(|(_, retention)| *retention).filter(Retention::keeps)
    }

    /// Says whether something may be kept of a topic that the pattern matches.
    pub(crate) fn reach(&self, pattern: &TopicPattern) -> bool {
        for (of_rule, retention) in &self.0 {
            if retention.keeps() && of_rule.intersects(pattern) {
                return true;
            }
            if of_rule.covers(pattern) {
                return false;
            }
        }
        false
    }

    /// Says whether some of them depend on time.
    pub(crate) fn have_ages(&self) -> bool {
        self.0.iter().any(|(_, retention)| retention.age.is_some())
    }

    /// Says whether anything is kept at all.
    pub(crate) fn keep_something(&self) -> bool {
        self.0.iter().any(|(_, retention)| retention.keeps())
    }
}

/// How much a bus keeps altogether.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) topics: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 1 << 20, bytes: 256 << 20, topics: 1 << 16 }
    }
}

impl Limits {
    /// Says what is wrong with them, if something is.
    pub(crate) fn check(self) -> Result<(), BuildError> {
        let wrong = [(self.events, "0 events"), (self.bytes, "0 bytes"), (self.topics, "0 topics")];
        match wrong.into_iter().find(|(limit, _)| *limit == 0) {
            Some((_, what)) => Err(BuildError::InvalidRetention { what }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} bytes, {} topics", self.events, self.bytes, self.topics)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).expect("a pattern")
    }

    #[test]
    fn t4_the_first_rule_that_matches_decides_also_for_what_a_pattern_may_reach() {
        let rules = Rules(vec![
            (pattern("secret.*"), Retention::nothing()),
            (pattern("a.*"), Retention::new().count(3)),
            (pattern("a.b"), Retention::new().count(9)),
        ]);
        assert_eq!(rules.of("a.b"), Some(Retention::new().count(3)));
        assert_eq!((rules.of("secret.a"), rules.of("other")), (None, None));
        let reached =
            ["*", "a.b", "a", "secret.*", "secret.a", "+.b", "other"].map(|text| rules.reach(&pattern(text)));
        assert_eq!(reached, [true, true, false, false, false, true, false]);
        assert!(!Rules(vec![(pattern("*"), Retention::nothing())]).keep_something());
    }

    #[test]
    fn what_keeps_nothing_or_for_ever_is_a_mistake() {
        let ages =
            [Duration::ZERO, Duration::from_nanos(1), Duration::MAX].map(|age| Retention::new().age(age));
        for wrong in [Retention::new().count(0), Retention::new().bytes(0)].into_iter().chain(ages) {
            assert!(matches!(wrong.check(), Err(BuildError::InvalidRetention { .. })), "{wrong:?}");
        }
        let right = Retention::new().count(1).bytes(1).age(Duration::from_millis(1));
        assert!(right.check().is_ok() && Retention::nothing().check().is_ok());
    }
}
