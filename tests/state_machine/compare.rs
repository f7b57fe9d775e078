//! Comparing everything that the bus says with what the model says.

use trolleybus::{
    Dropped, EventBus, Ledger, Problem, PublishRefusal, ShutdownReport, SubscriptionId, SubscriptionKind,
    Verdict,
};

use super::ops::{MAX_RAW, TOPICS};
use super::publish::Told;
use super::records::{
    Book, CANCELLED, Drops, FULL, Outcome, Paper, Refused, Report, SHUTDOWN, Seen, TIMEOUT,
};
use super::system::System;

impl System {
    pub(super) fn number_of(&self, id: SubscriptionId) -> usize {
        self.ids.iter().position(|known| *known == id).expect("a subscription of this test")
    }

    pub(super) fn compare_told(
        &mut self,
        told: Told,
        expected: Result<(Paper, bool), Refused>,
        before: &Book,
    ) {
        let (told, (paper, ended)) = match (told, expected) {
            (Some(Err(refusal)), Err(expected)) => {
                let refused = match refusal {
                    PublishRefusal::ShutDown => Refused::ShutDown,
                    PublishRefusal::TooLarge { limit: MAX_RAW, .. } => Refused::TooLarge,
                    other => panic!("refused: {other}"),
                };
                return assert_eq!(refused, expected);
            }
            (Some(Ok(receipt)), Ok(expected)) => (Some(receipt), expected),
            (None, Ok(expected)) => (None, expected),
            (told, expected) => panic!("told {told:?}, expected {expected:?}"),
        };
        assert_eq!(told.is_some(), ended, "a publish waits exactly for full queues that ask for it");
        let groups = self.model.total();
        self.receipts.offered += (paper.delivered + paper.queued) as u64 + paper.dropped.iter().sum::<u64>();
        self.receipts.filtered += groups.filtered - before.filtered;
        self.receipts.skipped += groups.skipped - before.skipped;
        for reason in [FULL, TIMEOUT, CANCELLED, SHUTDOWN] {
            self.receipts.dropped[reason] += paper.dropped[reason];
        }
        let Some(receipt) = told else { return };
        let mut problems: Vec<_> = receipt
            .problems()
            .iter()
            .map(|problem| {
                let reason = match problem {
                    Problem::Dropped { reason, .. } => Some(
                        trolleybus::DropReason::ALL.iter().position(|known| known == reason).expect("known"),
                    ),
                    Problem::Failed { error, .. } => {
                        assert_eq!(error.to_string(), "a third event");
                        None
                    }
                    other => panic!("{other:?}"),
                };
                (self.number_of(problem.subscription()), reason)
            })
            .collect();
        problems.sort_unstable();
        let said = Paper {
            matched: receipt.matched(),
            delivered: receipt.delivered(),
            queued: receipt.queued(),
            failed: receipt.failed(),
            filtered: receipt.filtered(),
            skipped: receipt.skipped(),
            dropped: drops(&receipt.dropped_by()),
            problems,
        };
        let mut paper = paper;
        paper.problems.sort_unstable();
        assert_eq!(said, paper, "the receipt");
        assert_eq!(receipt.offered(), said.matched - said.filtered - said.skipped);
        assert_eq!(receipt.dropped() as u64, said.dropped.iter().sum::<u64>());
        assert_eq!(receipt.all_delivered().is_ok(), said.problems.is_empty());
    }

    pub(super) fn compare_reports(&self, report: &ShutdownReport, expected: &Report) {
        let unfinished = report.unfinished.iter().map(|one| {
            assert_eq!(one.running, 0);
            (self.number_of(one.subscription), one.discarded)
        });
        let said = Report {
            complete: report.complete,
            discarded: report.discarded,
            unfinished: unfinished.collect(),
        };
        assert_eq!(said, *expected);
        assert_eq!(report.threads_running, 0);
    }

    /// Compares everything that can be seen.
    pub(super) fn compare(&mut self) {
        // Inline handlers run in the order of registration; among groups no order is promised.
        let split = |log: Vec<(usize, Seen)>| -> (Vec<_>, Vec<_>) {
            log.into_iter().partition(|(sub, _)| self.model.subs[*sub].spec.group.is_none())
        };
        let (plain, mut grouped) = split(std::mem::take(&mut *self.log.lock().expect("lock")));
        let (expected_plain, mut expected_grouped) = split(self.model.log.clone());
        assert_eq!(plain, expected_plain, "what inline handlers saw");
        grouped.sort_by_key(|(sub, _)| *sub);
        expected_grouped.sort_by_key(|(sub, _)| *sub);
        assert_eq!(grouped, expected_grouped, "what inline handlers in groups saw");
        self.model.log.clear();
        let outcomes = std::mem::take(&mut *self.outcomes.lock().expect("lock"));
        let outcomes: Vec<_> =
            outcomes.into_iter().map(|(number, one)| (number, self.outcome(&one))).collect();
        assert_eq!(by_number(outcomes), by_number(std::mem::take(&mut self.model.outcomes)), "completions");

        for (sub, held) in self.held.iter().enumerate() {
            let Some(handle) = held.subscription() else { continue };
            let model = &self.model.subs[sub];
            assert_eq!(book(&handle.stats()), model.book(), "the ledger of {sub}");
            assert!(handle.stats().is_balanced());
            assert_eq!(handle.is_closed(), !model.open, "closed: {sub}");
            assert!(!model.open || handle.is_paused() == model.paused, "paused: {sub}");
            assert_eq!(handle.oldest_age().is_some(), model.book().queued > 0, "age: {sub}");
            assert!(held.len().is_none_or(|len| len as u64 == model.book().queued), "length: {sub}");
        }
        for (topic, publishers) in self.publishers.iter().enumerate() {
            let Some((numbers, _)) = publishers else { continue };
            assert_eq!(numbers.has_subscribers(), !self.model.matching(TOPICS[topic]).is_empty());
        }
        if let Some(bus) = self.buses.first() {
            assert_eq!(bus.is_closed(), self.model.closed);
            // A walk over the whole bus: now and then, and whenever the subscriptions changed.
            self.steps += 1;
            if self.steps.is_multiple_of(4) || self.model.subs.len() != self.listed.len() {
                self.compare_stats(bus);
            }
            let listed: Vec<_> = self.model.subs.iter().map(|sub| (sub.open, sub.paused)).collect();
            if listed != self.listed {
                self.compare_lists(bus);
                self.listed = listed;
            }
        }
    }

    pub(super) fn compare_stats(&self, bus: &EventBus) {
        let stats = bus.stats();
        let total = book(&stats.total);
        assert_eq!(total, self.model.total(), "the ledger of the bus");
        // C3: the receipts together are the counters, but for what happened to events later.
        let said = &self.receipts;
        assert_eq!(
            (said.offered, said.filtered, said.skipped),
            (total.offered, total.filtered, total.skipped)
        );
        assert_eq!(
            (said.dropped[FULL], said.dropped[TIMEOUT]),
            (total.dropped[FULL], total.dropped[TIMEOUT])
        );
        let open = |sub: &usize| self.model.subs[*sub].open;
        let listed: Vec<_> =
            stats.subscriptions.iter().map(|one| self.number_of(one.id)).filter(open).collect();
        let expected: Vec<_> = (0..self.model.subs.len()).filter(open).collect();
        assert_eq!(listed, expected, "the open subscriptions, in the order of registration");
        for one in &stats.subscriptions {
            let model = &self.model.subs[self.number_of(one.id)];
            assert_eq!(book(&one.ledger), model.book());
            assert_eq!(one.kind == SubscriptionKind::Receiver, model.is_receiver());
            let patterns: Vec<_> = one.patterns.iter().map(trolleybus::TopicPattern::as_str).collect();
            assert_eq!(patterns, model.patterns);
            assert_eq!((one.capacity, one.name.is_some()), (model.spec.capacity, model.spec.named));
        }
    }

    /// V4: who is cancelled is in no list.
    fn compare_lists(&self, bus: &EventBus) {
        let topics = bus.topics();
        let topics: Vec<_> = topics.iter().map(|one| (one.pattern.as_str(), one.subscriptions)).collect();
        assert_eq!(topics, self.model.topics(), "topics");
        for topic in TOPICS {
            let matching = self.model.matching(topic);
            assert_eq!(bus.subscriber_count(topic), Ok(matching.len()), "subscribers of {topic}");
            self.compare_explanation(bus, topic, matching);
        }
    }

    fn compare_explanation(&self, bus: &EventBus, topic: &str, matching: Vec<usize>) {
        let explanation = bus.explain(topic).expect("a topic");
        let explained: Vec<_> =
            explanation.matching.iter().map(|one| self.number_of(one.subscription)).collect();
        // In the order in which they are served: queues, handlers in the publisher's thread, groups.
        let mut expected = matching;
        expected.sort_by_key(|sub| {
            let sub = &self.model.subs[*sub];
            (sub.spec.group.is_some(), sub.spec.group.is_none() && !sub.is_receiver())
        });
        assert_eq!(explained, expected, "who gets {topic}");
        for one in &explanation.matching {
            let sub = &self.model.subs[self.number_of(one.subscription)];
            let paused = sub.paused && !sub.is_receiver();
            let fits = match &one.verdict {
                Verdict::Paused => paused,
                Verdict::Offered => !paused && sub.spec.group.is_none(),
                Verdict::OneOfGroup(_) => !paused && sub.spec.group.is_some(),
                _ => false,
            };
            assert!(fits && one.filtered == sub.spec.even, "{one:?}");
        }
        // Near are the open ones that do not match and begin alike.
        let near: Vec<_> = explanation.near.iter().map(|one| self.number_of(one.subscription)).collect();
        let first = topic.split('.').next();
        let alike = |sub: &usize| {
            let sub = &self.model.subs[*sub];
            sub.open
                && !sub.matches(topic)
                && sub.patterns.iter().any(|pattern| pattern.split('.').next() == first)
        };
        assert_eq!(near, (0..self.model.subs.len()).filter(alike).collect::<Vec<_>>(), "near {topic}");
    }

    fn outcome(&self, said: &trolleybus::Outcome) -> Outcome {
        let place = |reason| trolleybus::DropReason::ALL.iter().position(|known| *known == reason);
        let dropped =
            said.dropped.iter().map(|(id, reason)| (self.number_of(*id), place(*reason).expect("known")));
        let mut outcome = Outcome {
            done: said.done,
            failed: said.failed.iter().map(|id| self.number_of(*id)).collect(),
            dropped: dropped.collect(),
        };
        assert_eq!(said.is_ok(), outcome.failed.is_empty() && outcome.dropped.is_empty());
        outcome.failed.sort_unstable();
        outcome.dropped.sort_unstable();
        outcome
    }
}

fn by_number(mut outcomes: Vec<(u32, Outcome)>) -> Vec<(u32, Outcome)> {
    outcomes.sort_by_key(|(number, _)| *number);
    outcomes
}

fn drops(dropped: &Dropped) -> Drops {
    let mut drops = Drops::default();
    for (place, (_, count)) in drops.iter_mut().zip(dropped.iter()) {
        *place = count;
    }
    drops
}

fn book(ledger: &Ledger) -> Book {
    assert_eq!((ledger.expired, ledger.duplicate, ledger.running), (0, 0, 0));
    Book {
        offered: ledger.offered,
        delivered: ledger.delivered,
        failed: ledger.failed,
        dropped: drops(&ledger.dropped),
        queued: ledger.queued,
        filtered: ledger.filtered,
        skipped: ledger.skipped,
    }
}
