//! What was published, compared with what was read.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client::{Log, Read, key_text};
use super::ground::{Failure, Ground, Item, Outcome};

/// What became of a publish, as far as the publisher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has not returned, or nobody knows. The event may come or not.
    Unknown,
    /// It was stored. The event has to come.
    Stored,
}

/// What was published.
#[derive(Debug, Default)]
pub(super) struct History {
    published: Mutex<HashMap<Item, (Fate, Option<u64>)>>,
}

/// What is asked of what was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// Not all that was stored has to come.
    pub(super) may_lose: bool,
    /// So many events may come that came before.
    pub(super) duplicates: u64,
    /// Those of a publisher come in order, but for those that come again.
    pub(super) by_publisher: bool,
    /// Those of a publisher that have one key come in order, but for those that come again.
    pub(super) by_key: bool,
}

/// What a comparison has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Stored, and did not come.
    pub(super) lost: Vec<Item>,
    /// Came, and was never published, or is not what was published.
    pub(super) phantoms: Vec<Read>,
    /// How many came that had come before.
    pub(super) duplicates: u64,
    /// The first that came after one that was published later: both.
    pub(super) out_of_order: Option<(Item, Item)>,
    /// The same among those with one key.
    pub(super) out_of_order_by_key: Option<(Item, Item)>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, HashMap<Item, (Fate, Option<u64>)>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A publish begins.
    pub(super) fn begun(&self, item: Item, key: Option<u64>) {
        self.lock().insert(item, (Fate::Unknown, key));
    }

    /// A publish has returned.
    pub(super) fn ended(&self, item: Item, fate: Fate) {
        if let Some(entry) = self.lock().get_mut(&item) {
            entry.0 = fate;
        }
    }

    /// How many were stored.
    pub(super) fn stored(&self) -> usize {
        self.lock().values().filter(|(fate, _)| *fate == Fate::Stored).count()
    }

    /// How many publishes have begun.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Those that were stored and have not come, in words, if there are any.
    pub(super) fn missing(&self, logs: &[&Log]) -> Option<String> {
        let come: std::collections::HashSet<Item> = logs.iter().flat_map(|log| log.items()).collect();
        let published = self.lock();
        let mut lost: Vec<_> = published
            .iter()
            .filter(|(item, (fate, _))| *fate == Fate::Stored && !come.contains(item))
            .map(|(item, _)| *item)
            .collect();
        lost.sort_unstable();
        let first = lost.first()?;
        Some(format!("{} of {} events have not come, the first is {first:?}", lost.len(), published.len()))
    }

    /// Compares what one subscription, or one member of a group, has read.
    pub(super) fn compare(&self, ground: &Ground<'_>, reads: &[Read]) -> Findings {
        let published = self.lock();
        let mut findings = Findings::default();
        let mut seen: HashMap<Item, ()> = HashMap::new();
        let mut last: HashMap<u32, u64> = HashMap::new();
        let mut last_of_key: HashMap<(u32, u64), u64> = HashMap::new();
        for read in reads {
            let item = read.item;
            let known = published.get(&item);
            let key = known.and_then(|(_, key)| *key);
            if known.is_none() || read.id != ground.id(item) || read.key != key.map(key_text) {
                findings.phantoms.push(read.clone());
                continue;
            }
            if seen.insert(item, ()).is_some() {
                findings.duplicates += 1;
                continue;
            }
            let (publisher, number) = item;
            let before = last.insert(publisher, number).filter(|before| *before > number);
            if let (Some(before), None) = (before, findings.out_of_order) {
                findings.out_of_order = Some(((publisher, before), item));
            }
            if let Some(key) = key {
                let before = last_of_key.insert((publisher, key), number).filter(|before| *before > number);
                if let (Some(before), None) = (before, findings.out_of_order_by_key) {
                    findings.out_of_order_by_key = Some(((publisher, before), item));
                }
            }
        }
        findings.lost = published
            .iter()
            .filter(|(item, (fate, _))| *fate == Fate::Stored && !seen.contains_key(item))
            .map(|(item, _)| *item)
            .collect();
        findings.lost.sort_unstable();
        findings
    }

    /// Compares, and fails if a rule is broken.
    pub(super) fn judge(&self, ground: &Ground<'_>, log: &Log, rules: Rules) -> Outcome {
        self.compare(ground, &log.reads()).judge(rules)
    }
}

impl Findings {
    /// Fails if a rule is broken, and says all that is wrong.
    pub(super) fn judge(&self, rules: Rules) -> Outcome {
        let mut wrong = String::new();
        let mut say = |text: String| {
            let _ = write!(wrong, "{}{text}", if wrong.is_empty() { "" } else { "; " });
        };
        if let (false, Some(first)) = (rules.may_lose, self.lost.first()) {
            say(format!("{} events were lost, the first is {first:?}", self.lost.len()));
        }
        if let Some(first) = self.phantoms.first() {
            say(format!(
                "{} events came that were not published so, the first is {first:?}",
                self.phantoms.len()
            ));
        }
        if self.duplicates > rules.duplicates {
            say(format!("{} events came twice, {} may", self.duplicates, rules.duplicates));
        }
        for (asked, found) in
            [(rules.by_publisher, self.out_of_order), (rules.by_key, self.out_of_order_by_key)]
        {
            if let (true, Some((before, after))) = (asked, found) {
                say(format!("out of order: {after:?} came after {before:?}"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::ground::RunId;
    use crate::conformance::{Features, Subject};
    use crate::{BusBuilder, EventBus, StartError};

    struct Nothing;

    impl Subject for Nothing {
        fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
            builder.start().wait()
        }

        fn features(&self) -> Features {
            Features::in_process()
        }
    }

    /// Publishes five, of which nobody knows of the last, and reads the given ones.
    fn found(read: &[u64]) -> Findings {
        let ground = Ground::new(&Nothing, Nothing.features(), RunId::new(), 0);
        let history = History::default();
        for number in 0..5 {
            history.begun((1, number), Some(number % 2));
            history.ended((1, number), if number < 4 { Fate::Stored } else { Fate::Unknown });
        }
        let event = |number: &u64| {
            let (item, topic) = ((1, *number), ground.topic("t"));
            Read { item, id: ground.id(item), topic, key: Some(key_text(number % 2)) }
        };
        history.compare(&ground, &read.iter().map(event).collect::<Vec<_>>())
    }

    #[test]
    fn what_was_stored_has_to_come_and_what_is_unknown_may() {
        let well = Rules { by_publisher: true, by_key: true, ..Rules::default() };
        for read in [&[0, 1, 2, 3][..], &[0, 1, 2, 3, 4]] {
            assert_eq!(found(read), Findings::default());
            assert!(found(read).judge(well).is_ok());
        }
        let lost = found(&[0, 3]);
        assert_eq!(lost.lost, [(1, 1), (1, 2)]);
        assert!(lost.judge(well).is_err() && lost.judge(Rules { may_lose: true, ..well }).is_ok());
    }

    #[test]
    fn what_nobody_published_is_a_phantom_whatever_is_allowed() {
        let found = found(&[0, 1, 2, 3, 7]);
        assert_eq!(found.phantoms.len(), 1);
        assert!(found.judge(Rules { may_lose: true, duplicates: 9, ..Rules::default() }).is_err());
    }

    #[test]
    fn duplicates_are_counted_and_do_not_count_as_out_of_order() {
        let found = found(&[0, 1, 0, 1, 2, 3]);
        assert_eq!((found.duplicates, found.out_of_order), (2, None));
        assert!(found.judge(Rules { duplicates: 1, ..Rules::default() }).is_err());
        assert!(found.judge(Rules { duplicates: 2, by_publisher: true, ..Rules::default() }).is_ok());
    }

    #[test]
    fn order_is_judged_by_publisher_and_by_key() {
        let keys = found(&[1, 0, 2, 3]);
        assert_eq!((keys.out_of_order, keys.out_of_order_by_key), (Some(((1, 1), (1, 0))), None));
        assert!(keys.judge(Rules { by_key: true, ..Rules::default() }).is_ok());
        let neither = found(&[2, 1, 0, 3]);
        assert_eq!(neither.out_of_order_by_key, Some(((1, 2), (1, 0))));
        let failure =
            neither.judge(Rules { by_key: true, ..Rules::default() }).map_err(|failure| failure.to_string());
        assert_eq!(failure, Err("out of order: (1, 0) came after (1, 2)".to_owned()));
    }
}
