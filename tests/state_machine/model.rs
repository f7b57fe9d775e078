//! What a bus should do, from its documentation: lists, one thread, and no thought of speed.

use std::collections::VecDeque;

use super::ops::{Kind, MAX_RAW, Mode, PATTERNS, Spec, TOPICS, What};
use super::oracle;
use super::records::{
    Book, CANCELLED, FULL, OLDEST, Outcome, Paper, Patience, Payload, Received, Refused, Report, SHUTDOWN,
    Seen, TIMEOUT,
};

/// An event that was accepted by the bus.
struct Event {
    number: u32,
    seen: Seen,
    /// The open obligations, the publisher's own included, and what came so far.
    completion: Option<(usize, Outcome)>,
}

/// A subscription.
pub(crate) struct Sub {
    pub(crate) spec: Spec,
    /// Without those that came twice.
    pub(crate) patterns: Vec<&'static str>,
    pub(crate) open: bool,
    /// What was queued has been discarded. `None`: whether it counts as cancelled is nobody's business.
    pub(crate) cancelled: Option<bool>,
    pub(crate) paused: bool,
    left: Option<u64>,
    reason: Option<usize>,
    queue: VecDeque<usize>,
    book: Book,
    /// The number of its group among all groups that there ever were.
    group: Option<usize>,
}

impl Sub {
    pub(crate) fn book(&self) -> Book {
        Book { queued: self.queue.len() as u64, ..self.book }
    }

    pub(crate) fn is_receiver(&self) -> bool {
        self.spec.kind == Kind::Receiver
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        let topic: Vec<_> = topic.split('.').collect();
        self.patterns.iter().any(|pattern| {
            let pattern: Vec<_> = pattern.split('.').collect();
            oracle::matches(&pattern, &topic)
        })
    }

    fn is_full(&self) -> bool {
        self.queue.len() == self.spec.capacity
    }
}

/// The bus.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) subs: Vec<Sub>,
    events: Vec<Event>,
    pub(crate) closed: bool,
    /// The groups with a member, by their number in a [`Spec`], and whose turn it is in each.
    groups: [Option<usize>; 2],
    turns: Vec<usize>,
    /// What inline handlers saw since the last look.
    pub(crate) log: Vec<(usize, Seen)>,
    /// The completions that were called since the last look, by the number of their event.
    pub(crate) outcomes: Vec<(u32, Outcome)>,
}

impl Model {
    pub(crate) fn payload(what: What, number: u32) -> Payload {
        match what {
            What::Number => Payload::Number(number),
            What::Text => Payload::Text("t".repeat(number as usize % 7 + 1) + &number.to_string()),
            What::Literal => Payload::Text("literal".to_owned()),
            What::Raw(len) => Payload::Raw(len),
            What::Other => Payload::Other(u64::from(number)),
        }
    }

    /// The name of a group: a new one each time that its last member has gone, so that turns begin anew.
    pub(crate) fn group_name(&mut self, group: usize) -> String {
        let number = *self.groups[group].get_or_insert_with(|| {
            self.turns.push(0);
            self.turns.len() - 1
        });
        format!("group-{number}")
    }

    /// False if the bus is closed.
    pub(crate) fn subscribe(&mut self, spec: &Spec) -> bool {
        if self.closed {
            return false;
        }
        let mut patterns = Vec::new();
        for pattern in &spec.patterns {
            if !patterns.contains(&PATTERNS[*pattern]) {
                patterns.push(PATTERNS[*pattern]);
            }
        }
        let group = spec.group.and_then(|group| self.groups[group]);
        self.subs.push(Sub {
            spec: spec.clone(),
            patterns,
            open: true,
            cancelled: Some(false),
            paused: false,
            left: spec.take,
            reason: None,
            queue: VecDeque::new(),
            book: Book::default(),
            group,
        });
        true
    }

    /// The open subscriptions that match a topic, in the order of registration.
    pub(crate) fn matching(&self, topic: &str) -> Vec<usize> {
        (0..self.subs.len()).filter(|sub| self.subs[*sub].open && self.subs[*sub].matches(topic)).collect()
    }

    /// Says whether a publish might wait for ever.
    pub(crate) fn might_block(&self, topic: &str) -> bool {
        self.matching(topic).into_iter().any(|sub| {
            let sub = &self.subs[sub];
            sub.is_receiver() && sub.is_full() && matches!(sub.spec.mode, Mode::Block | Mode::Patient)
        })
    }

    /// Publishes. The flag says whether the publish came to an end, rather than being given up.
    pub(crate) fn publish(
        &mut self,
        number: u32,
        seen: &Seen,
        completion: bool,
        patience: Patience,
    ) -> Result<(Paper, bool), Refused> {
        if self.closed {
            return Err(Refused::ShutDown);
        }
        if matches!(seen.payload, Payload::Raw(len) if len > MAX_RAW) {
            return Err(Refused::TooLarge);
        }
        let event = self.events.len();
        let completion = completion.then(|| (1, Outcome::default()));
        self.events.push(Event { number, seen: seen.clone(), completion });
        let mut paper = Paper::default();
        let mut waiting = Vec::new();
        let matching = self.matching(&seen.topic);
        let (grouped, plain): (Vec<_>, Vec<_>) =
            matching.into_iter().partition(|sub| self.subs[*sub].group.is_some());
        // First all queues, then the handlers that run here, each in the order of registration.
        let (queues, inline): (Vec<_>, Vec<_>) =
            plain.into_iter().partition(|sub| self.subs[*sub].is_receiver());
        for sub in queues {
            if self.judge(sub, event, Some(&mut paper)) {
                self.offer(sub, event, &mut paper, &mut waiting);
            }
        }
        for sub in inline {
            if self.judge(sub, event, Some(&mut paper)) {
                self.run(sub, event, &mut paper);
            }
        }
        let mut groups: Vec<usize> = Vec::new();
        for group in grouped.iter().filter_map(|sub| self.subs[*sub].group) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        for group in groups {
            let members: Vec<_> =
                grouped.iter().copied().filter(|sub| self.subs[*sub].group == Some(group)).collect();
            self.offer_to_group(group, &members, event, &mut paper, &mut waiting);
        }
        let mut ended = true;
        for sub in waiting {
            let reason = match (patience, self.subs[sub].spec.mode) {
                (Patience::Never, _) => FULL,
                (Patience::Zero, _) | (_, Mode::Timeout) => TIMEOUT,
                (Patience::Abandoned, _) => {
                    // Never offered.
                    ended = false;
                    continue;
                }
                (Patience::Wait, _) => panic!("the test would wait for ever"),
            };
            self.refuse(sub, event, reason, &mut paper);
        }
        paper.problems.sort_unstable();
        self.close_obligation(event);
        Ok((paper, ended))
    }

    /// Judges an event before the offer: a pause of an inline handler, the type, the filter. `paper` is
    /// `None` for a member of a group, for which one line stands for all of them.
    fn judge(&mut self, sub: usize, event: usize, paper: Option<&mut Paper>) -> bool {
        let payload = &self.events[event].seen.payload;
        let sub = &mut self.subs[sub];
        let skipped = (sub.paused && !sub.is_receiver()) || !payload.is(sub.spec.want);
        let filtered = !skipped && sub.spec.even && !payload.is_even();
        sub.book.skipped += u64::from(skipped);
        sub.book.filtered += u64::from(filtered);
        if let Some(paper) = paper {
            paper.matched += 1;
            paper.skipped += usize::from(skipped);
            paper.filtered += usize::from(filtered);
        }
        !skipped && !filtered
    }

    /// Offers an event to a queue.
    fn offer(&mut self, number: usize, event: usize, paper: &mut Paper, waiting: &mut Vec<usize>) {
        let sub = &mut self.subs[number];
        if sub.is_full() {
            match sub.spec.mode {
                Mode::Drop => return self.refuse(number, event, FULL, paper),
                Mode::DropOldest => {
                    let oldest = sub.queue.pop_front().expect("a full queue");
                    sub.book.dropped[OLDEST] += 1;
                    self.settle(oldest, |outcome| outcome.dropped.push((number, OLDEST)));
                }
                Mode::Block | Mode::Patient | Mode::Timeout => return waiting.push(number),
            }
        }
        self.accept(number, event, paper);
    }

    fn accept(&mut self, number: usize, event: usize, paper: &mut Paper) {
        self.subs[number].book.offered += 1;
        self.subs[number].queue.push_back(event);
        paper.queued += 1;
        self.open_obligation(event);
    }

    fn refuse(&mut self, number: usize, event: usize, reason: usize, paper: &mut Paper) {
        self.subs[number].book.offered += 1;
        self.subs[number].book.dropped[reason] += 1;
        paper.dropped[reason] += 1;
        paper.problems.push((number, Some(reason)));
        if let Some((_, outcome)) = &mut self.events[event].completion {
            outcome.dropped.push((number, reason));
        }
    }

    /// Runs an inline handler.
    fn run(&mut self, number: usize, event: usize, paper: &mut Paper) {
        let seen = self.events[event].seen.clone();
        let sub = &mut self.subs[number];
        let failed = sub.spec.kind == Kind::Inline { fails: true } && seen.payload.fails();
        sub.book.offered += 1;
        sub.book.delivered += 1;
        sub.book.failed += u64::from(failed);
        paper.delivered += 1;
        if failed {
            paper.failed += 1;
            paper.problems.push((number, None));
        }
        if let Some((_, outcome)) = &mut self.events[event].completion {
            if failed { outcome.failed.push(number) } else { outcome.done += 1 }
        }
        self.log.push((number, seen));
        self.spend(number);
    }

    /// One event less of those that a subscription takes.
    fn spend(&mut self, number: usize) {
        let left = self.subs[number].left.as_mut().map(|left| {
            *left -= 1;
            *left
        });
        if left == Some(0) {
            self.cancel(number, CANCELLED);
        }
    }

    /// One member gets it: the next in turn that takes it and has room; if none has room, the first of
    /// them deals with it in its own way.
    fn offer_to_group(
        &mut self,
        group: usize,
        members: &[usize],
        event: usize,
        paper: &mut Paper,
        waiting: &mut Vec<usize>,
    ) {
        let first = self.turns[group] % members.len();
        self.turns[group] += 1;
        paper.matched += 1;
        let before: Vec<u64> = members.iter().map(|sub| self.subs[*sub].book.filtered).collect();
        let mut fallback = None;
        for sub in members[first..].iter().chain(&members[..first]).copied() {
            if !self.judge(sub, event, None) {
                continue;
            }
            if !self.subs[sub].is_receiver() {
                return self.run(sub, event, paper);
            }
            if !self.subs[sub].is_full() {
                return self.accept(sub, event, paper);
            }
            fallback.get_or_insert(sub);
        }
        if let Some(sub) = fallback {
            return self.offer(sub, event, paper, waiting);
        }
        let filtered = members.iter().zip(before).any(|(sub, before)| self.subs[*sub].book.filtered > before);
        if filtered { paper.filtered += 1 } else { paper.skipped += 1 }
    }

    fn open_obligation(&mut self, event: usize) {
        if let Some((open, _)) = &mut self.events[event].completion {
            *open += 1;
        }
    }

    fn close_obligation(&mut self, event: usize) {
        let event = &mut self.events[event];
        if let Some((open, outcome)) = &mut event.completion {
            *open -= 1;
            if *open == 0 {
                outcome.failed.sort_unstable();
                outcome.dropped.sort_unstable();
                self.outcomes.push((event.number, outcome.clone()));
            }
        }
    }

    fn settle(&mut self, event: usize, note: impl FnOnce(&mut Outcome)) {
        if let Some((_, outcome)) = &mut self.events[event].completion {
            note(outcome);
        }
        self.close_obligation(event);
    }

    pub(crate) fn receive(&mut self, number: usize) -> Received {
        let sub = &mut self.subs[number];
        if sub.paused && (sub.open || !sub.queue.is_empty()) {
            return Received::Empty;
        }
        let Some(event) = sub.queue.pop_front() else {
            return if sub.open { Received::Empty } else { Received::Closed };
        };
        sub.book.delivered += 1;
        let seen = self.events[event].seen.clone();
        self.settle(event, |outcome| outcome.done += 1);
        self.spend(number);
        Received::Event(seen)
    }

    /// Takes no more events.
    pub(crate) fn close(&mut self, number: usize, reason: usize) {
        let sub = &mut self.subs[number];
        sub.reason.get_or_insert(reason);
        if !std::mem::replace(&mut sub.open, false) {
            return;
        }
        if let Some(group) = sub.group
            && !self.subs.iter().any(|sub| sub.open && sub.group == Some(group))
        {
            for place in &mut self.groups {
                if *place == Some(group) {
                    *place = None;
                }
            }
        }
    }

    /// Discards what is queued as well, and says how much that was.
    pub(crate) fn cancel(&mut self, number: usize, reason: usize) -> u64 {
        self.close(number, reason);
        let sub = &mut self.subs[number];
        sub.cancelled = Some(true);
        let reason = sub.reason.unwrap_or(reason);
        let queue = std::mem::take(&mut sub.queue);
        sub.book.dropped[reason] += queue.len() as u64;
        for event in &queue {
            self.settle(*event, |outcome| outcome.dropped.push((number, reason)));
        }
        queue.len() as u64
    }

    /// A shutdown; `patient` leaves what is queued to be taken.
    pub(crate) fn shutdown(&mut self, patient: bool) -> Report {
        self.closed = true;
        let before = self.total().dropped[SHUTDOWN];
        let mut unfinished = Vec::new();
        for sub in 0..self.subs.len() {
            let was_open = self.subs[sub].open;
            self.close(sub, SHUTDOWN);
            let idle = self.subs[sub].queue.is_empty();
            if patient {
                if was_open && idle {
                    self.subs[sub].cancelled = None;
                }
            } else if was_open || !idle {
                let discarded = self.cancel(sub, SHUTDOWN);
                if discarded > 0 {
                    unfinished.push((sub, discarded));
                }
            } else if self.subs[sub].cancelled == Some(false) {
                self.subs[sub].cancelled = None;
            }
        }
        let discarded = self.total().dropped[SHUTDOWN] - before;
        Report { complete: unfinished.is_empty(), discarded, unfinished }
    }

    /// All accounts together.
    pub(crate) fn total(&self) -> Book {
        let mut total = Book::default();
        for sub in &self.subs {
            total.add(&sub.book());
        }
        total
    }

    /// The patterns that somebody subscribes to, sorted, with how many do.
    pub(crate) fn topics(&self) -> Vec<(&'static str, usize)> {
        let mut all: Vec<_> = PATTERNS
            .iter()
            .map(|pattern| {
                let subs = self.subs.iter().filter(|sub| sub.open && sub.patterns.contains(pattern));
                (*pattern, subs.count())
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn topic(number: usize) -> &'static str {
        TOPICS[number % TOPICS.len()]
    }
}
