//! The broker: a log, a cursor for each consumer, and who is connected.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use trolleybus::engine::{EngineError, EngineErrorKind, Envelope, Scope, SubscriptionSpec};
use trolleybus::{Start, SubscriptionId, TopicPattern};

/// What the broker or its engine does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// Every tenth event is stored nowhere.
    LosesEveryTenth,
    /// Every tenth event is stored twice.
    StoresTwice,
    /// Two events that follow each other are stored the other way round.
    Reorders,
    /// A subscription that ends is not told to the broker.
    IgnoresUnsubscribe,
    /// Who subscribes is told so before it is.
    ConfirmsEarly,
    /// An event is acknowledged when it is handed over.
    AcknowledgesEarly,
    /// What is for one member of a group is handed over for everyone.
    MixesScopes,
    /// A publish waits until the event has been handled.
    WaitsForHandlers,
    /// A wildcard stands for one segment only.
    MatchesOneSegment,
    /// An event loses its key.
    LosesKeys,
    /// Whose connection was cut goes on with what is published from then on.
    GoesOnAtTheEnd,
    /// The state is `Connected`, whatever happens.
    HidesItsState,
    /// Everything is read from the beginning, wherever a subscription starts.
    StartsAtTheBeginning,
    /// A shutdown does not wait for what is in flight, and leaves it unacknowledged.
    LeavesInAHurry,
    /// Nothing that was stored is there after a restart.
    ForgetsAtRestart,
}

/// How often an event is tried.
const ATTEMPTS: u32 = 3;

/// A broker. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct FakeBroker {
    state: Arc<Mutex<State>>,
    pub(crate) flaw: Flaw,
}

#[derive(Default)]
struct State {
    log: Vec<Envelope>,
    appended: u64,
    /// An event that waits to be overtaken.
    held: Option<Envelope>,
    clients: BTreeMap<u64, Connection>,
    last_client: u64,
    consumers: Vec<Consumer>,
    /// Subscriptions that are confirmed, and made when the next event has been stored.
    late: Vec<(u64, SubscriptionSpec)>,
    /// Publish calls that wait for handlers.
    publishers: Vec<Waker>,
}

/// A client that has said who it is.
struct Connection {
    /// `None` while it is cut off.
    session: Option<u64>,
    sessions: u64,
    /// The next publish is stored, or not, and the answer is lost.
    loses_answer: Option<bool>,
    waker: Option<Waker>,
}

/// Who reads the log: a subscription, or a group.
struct Consumer {
    who: Who,
    patterns: Vec<TopicPattern>,
    next: usize,
    /// What comes before the rest: it was not handled.
    again: VecDeque<(usize, u32)>,
    /// Handed over: to which session of which client, and the how-manieth time.
    pending: HashMap<usize, (u64, u64, u32)>,
    /// Members, by client. One of a group that has none keeps its place.
    members: Vec<(u64, SubscriptionId)>,
    turn: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Subscription(u64, SubscriptionId),
    Group(Arc<str>),
}

/// What a client gets.
pub(super) struct Fetched {
    pub(super) envelope: Envelope,
    pub(super) scope: Scope,
    pub(super) ticket: Ticket,
}

/// Which delivery it is.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    who: Who,
    index: usize,
    client: u64,
    session: u64,
}

impl FakeBroker {
    pub(crate) fn with(flaw: Flaw) -> Self {
        Self { state: Arc::default(), flaw }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts all connections. The answer to the next publish of each client is lost.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        let clients: Vec<u64> = state.clients.keys().copied().collect();
        for client in clients {
            state.disconnect(client, self.flaw);
            if let Some(connection) = state.clients.get_mut(&client) {
                connection.loses_answer = Some(client.is_multiple_of(2));
            }
        }
        state.wake_all();
    }

    /// Ends, and begins again with what is stored: the log, and how far each consumer has come.
    pub(crate) fn restart(&self) {
        let mut state = self.lock();
        let clients: Vec<u64> = state.clients.keys().copied().collect();
        clients.into_iter().for_each(|client| state.disconnect(client, self.flaw));
        if self.flaw == Flaw::ForgetsAtRestart {
            state.log.clear();
            state.consumers.iter_mut().for_each(|consumer| {
                consumer.next = 0;
                consumer.again.clear();
            });
        }
        state.wake_all();
    }

    /// How many events those who read the log for a client have before them.
    pub(super) fn lag(&self, client: u64) -> u64 {
        let state = self.lock();
        let of_client = |consumer: &&Consumer| consumer.members.iter().any(|(member, _)| *member == client);
        let before = |consumer: &Consumer| {
            let matches = |envelope: &&Envelope| {
                consumer.patterns.iter().any(|pattern| pattern.matches(envelope.topic()))
            };
            consumer.again.len() + state.log[consumer.next..].iter().filter(matches).count()
        };
        state.consumers.iter().filter(of_client).map(before).sum::<usize>() as u64
    }

    /// How many subscriptions it knows of.
    pub(crate) fn subscriptions(&self) -> usize {
        self.lock().consumers.iter().map(|consumer| consumer.members.len()).sum()
    }

    /// A client says who it is, for the first time or again. Returns its number and that of its session.
    pub(super) fn connect(&self, client: Option<u64>) -> (u64, u64) {
        let mut state = self.lock();
        let client = client.unwrap_or(state.last_client + 1);
        state.last_client = state.last_client.max(client);
        let connection = state.clients.entry(client).or_insert(Connection {
            session: None,
            sessions: 0,
            loses_answer: None,
            waker: None,
        });
        connection.sessions += 1;
        connection.session = Some(connection.sessions);
        (client, connection.sessions)
    }

    /// A client leaves for good.
    pub(super) fn leave(&self, client: u64) {
        let mut state = self.lock();
        state.disconnect(client, self.flaw);
        state.clients.remove(&client);
        state.consumers.iter_mut().for_each(|consumer| consumer.members.retain(|(of, _)| *of != client));
        state.consumers.retain(Consumer::stays);
        state.wake_all();
    }

    pub(super) fn is_connected(&self, client: u64, session: u64) -> bool {
        self.lock().clients.get(&client).is_some_and(|connection| connection.session == Some(session))
    }

    pub(super) fn publish(&self, client: u64, envelope: &Envelope) -> Result<usize, EngineError> {
        let mut state = self.lock();
        let lost = || EngineError::new(EngineErrorKind::Connection, "the connection is lost");
        let Some(connection) = state.clients.get_mut(&client) else { return Err(lost()) };
        if let Some(stored) = connection.loses_answer.take() {
            if stored {
                state.append(envelope.clone(), self.flaw);
            }
            return Err(lost().may_be_stored());
        }
        if connection.session.is_none() {
            return Err(lost());
        }
        state.append(envelope.clone(), self.flaw);
        for (client, spec) in std::mem::take(&mut state.late) {
            state.subscribe(client, &spec, self.flaw);
        }
        Ok(state.log.len())
    }

    /// Says whether an event has been handled by all that it is for; else the waker is kept.
    pub(super) fn is_handled(&self, number: usize, waker: &Waker) -> bool {
        let mut state = self.lock();
        let Some(index) = number.checked_sub(1).filter(|index| *index < state.log.len()) else { return true };
        let topic = state.log[index].topic().clone();
        let handled = state.consumers.iter().all(|consumer| {
            let is_for = consumer.patterns.iter().any(|pattern| pattern.matches(&topic));
            let waits = consumer.next <= index
                || consumer.pending.contains_key(&index)
                || consumer.again.iter().any(|(again, _)| *again == index);
            !(is_for && waits)
        });
        if !handled {
            state.publishers.push(waker.clone());
        }
        handled
    }

    pub(super) fn subscribe(&self, client: u64, spec: &SubscriptionSpec) {
        let mut state = self.lock();
        if self.flaw == Flaw::ConfirmsEarly {
            return state.late.push((client, spec.clone()));
        }
        state.subscribe(client, spec, self.flaw);
    }

    pub(super) fn unsubscribe(&self, client: u64, id: SubscriptionId) {
        if self.flaw == Flaw::IgnoresUnsubscribe {
            return;
        }
        let mut state = self.lock();
        for consumer in &mut state.consumers {
            consumer.members.retain(|member| *member != (client, id));
        }
        state.consumers.retain(Consumer::stays);
        state.wake_all();
    }

    /// The next event for a client, if there is one; else its waker is kept.
    pub(super) fn fetch(&self, client: u64, session: u64, waker: &Waker) -> Option<Fetched> {
        let mut state = self.lock();
        let State { log, clients, consumers, .. } = &mut *state;
        let connection = clients.get_mut(&client)?;
        connection.waker = Some(waker.clone());
        if connection.session != Some(session) {
            return None;
        }
        for consumer in consumers.iter_mut() {
            if let Some(index) = consumer.take(client, session, log, self.flaw) {
                // The others of a group may go on.
                let wakers = clients.values_mut().filter_map(|connection| connection.waker.take());
                wakers.for_each(Waker::wake);
                let scope = match &consumer.who {
                    Who::Group(_) if self.flaw == Flaw::MixesScopes => Scope::Everyone,
                    Who::Group(group) => Scope::Group(Arc::clone(group)),
                    Who::Subscription(_, id) => Scope::Subscription(*id),
                };
                let who = consumer.who.clone();
                let ticket = Ticket { who, index, client, session };
                return Some(Fetched { envelope: log[index].clone(), scope, ticket });
            }
        }
        None
    }

    /// An event was handled, or not: then it comes again, a few times.
    pub(super) fn settle(&self, ticket: &Ticket, handled: bool, counts: bool) {
        let mut state = self.lock();
        let found = state.consumers.iter_mut().find(|consumer| consumer.who == ticket.who);
        let Some(consumer) = found else { return };
        let Some((client, session, attempts)) = consumer.pending.get(&ticket.index).copied() else { return };
        if (client, session) != (ticket.client, ticket.session) {
            // It has been given to somebody else since.
            return;
        }
        consumer.pending.remove(&ticket.index);
        let attempts = if counts { attempts + 1 } else { attempts };
        if !handled && attempts < ATTEMPTS {
            consumer.again.push_back((ticket.index, attempts));
        }
        state.publishers.drain(..).for_each(Waker::wake);
        state.wake_all();
    }
}

impl State {
    fn subscribe(&mut self, client: u64, spec: &SubscriptionSpec, flaw: Flaw) {
        let who = match &spec.group {
            Some(group) => Who::Group(Arc::clone(group)),
            None => Who::Subscription(client, spec.id),
        };
        let end = self.log.len();
        let patterns = spec.patterns.to_vec();
        if let Some(known) = self.consumers.iter_mut().find(|consumer| consumer.who == who) {
            for pattern in patterns {
                if !known.patterns.contains(&pattern) {
                    known.patterns.push(pattern);
                }
            }
            known.members.push((client, spec.id));
            return self.wake_all();
        }
        let matches = |envelope: &Envelope| patterns.iter().any(|pattern| pattern.matches(envelope.topic()));
        let next = match spec.start {
            _ if flaw == Flaw::StartsAtTheBeginning => 0,
            Start::Now => end,
            Start::Beginning => 0,
            Start::LastN(count) => {
                let matching = (0..end).rev().filter(|index| matches(&self.log[*index]));
                matching.take(count).last().unwrap_or(end)
            }
            start => unreachable!("{start:?} is not claimed"),
        };
        self.consumers.push(Consumer {
            who,
            patterns,
            next,
            again: VecDeque::new(),
            pending: HashMap::new(),
            members: vec![(client, spec.id)],
            turn: 0,
        });
        self.wake_all();
    }

    fn append(&mut self, envelope: Envelope, flaw: Flaw) {
        self.appended += 1;
        let tenth = self.appended.is_multiple_of(10);
        match flaw {
            Flaw::LosesEveryTenth if tenth => {}
            Flaw::StoresTwice if tenth => self.log.extend([envelope.clone(), envelope]),
            Flaw::Reorders => match self.held.take() {
                Some(held) => self.log.extend([envelope, held]),
                None => self.held = Some(envelope),
            },
            Flaw::LosesKeys => self.log.push(
                Envelope::new(envelope.topic().clone(), envelope.payload().clone())
                    .with_id(envelope.id())
                    .with_metadata(envelope.metadata().clone()),
            ),
            _ => self.log.push(envelope),
        }
        self.wake_all();
    }

    fn wake_all(&mut self) {
        let wakers = self.clients.values_mut().filter_map(|connection| connection.waker.take());
        wakers.for_each(Waker::wake);
    }

    /// What a client has not acknowledged comes again.
    fn disconnect(&mut self, client: u64, flaw: Flaw) {
        if let Some(connection) = self.clients.get_mut(&client) {
            connection.session = None;
        }
        for consumer in &mut self.consumers {
            let mut lost: Vec<(usize, u32)> = consumer
                .pending
                .iter()
                .filter(|(_, (of, _, _))| *of == client)
                .map(|(index, (_, _, attempts))| (*index, *attempts))
                .collect();
            lost.sort_unstable();
            lost.iter().for_each(|(index, _)| _ = consumer.pending.remove(index));
            lost.into_iter().rev().for_each(|lost| consumer.again.push_front(lost));
            if flaw == Flaw::GoesOnAtTheEnd {
                consumer.again.clear();
                consumer.next = self.log.len();
            }
        }
    }
}

impl Consumer {
    fn stays(&self) -> bool {
        matches!(self.who, Who::Group(_)) || !self.members.is_empty()
    }

    /// The index of the next event for a client, which it has from now on.
    fn take(&mut self, client: u64, session: u64, log: &[Envelope], flaw: Flaw) -> Option<usize> {
        // The members take turns.
        let (of, _) = *self.members.get(self.turn % self.members.len().max(1))?;
        if of != client {
            return None;
        }
        let found = self.again.pop_front().or_else(|| {
            loop {
                let index = self.next;
                let envelope = log.get(index)?;
                self.next += 1;
                if self.patterns.iter().any(|pattern| matches(pattern, envelope, flaw)) {
                    return Some((index, 0));
                }
            }
        });
        let (index, attempts) = found?;
        self.pending.insert(index, (client, session, attempts));
        self.turn += 1;
        Some(index)
    }
}

fn matches(pattern: &TopicPattern, envelope: &Envelope, flaw: Flaw) -> bool {
    let matches = pattern.matches(envelope.topic());
    if flaw == Flaw::MatchesOneSegment && pattern.as_str().ends_with(".*") {
        let segments = |text: &str| text.split('.').count();
        return matches && segments(pattern.as_str()) == segments(envelope.topic().as_str());
    }
    matches
}
