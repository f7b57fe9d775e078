//! The logs of a table of topics, and the subscriptions that follow them.

use std::collections::HashMap;
use std::sync::Arc;

use super::keeper::Keeper;
use super::log::Log;
use super::place::{Origin, Place, Search, StartError};
use crate::dispatch::slot::Slot;
use crate::history::Retention;
use crate::pattern::TopicPattern;
use crate::sync::{Mutex, hash_keys};
use crate::topic::Topic;

/// What a table of topics keeps: those of a bus, or of one of its tenants.
#[derive(Debug)]
pub(crate) struct Logs {
    keeper: Arc<Keeper>,
    state: Mutex<State>,
}

/// Under the lock nothing of the application's runs. The locks of logs are taken under it, never the other way round.
#[derive(Debug)]
struct State {
    logs: HashMap<Topic, Arc<Log>, ahash::RandomState>,
    followers: Vec<Arc<Slot>>,
    /// The last numbers of topics whose logs went, by the hash of the topic: they go on from there.
    last: HashMap<u64, u64, ahash::RandomState>,
    /// With so many logs it is time to look for those that nobody needs.
    sweep_at: usize,
    /// The bus has ended.
    closed: bool,
}

/// The fewest logs with which those are looked for that nobody needs.
const FEWEST: usize = 1024;

impl Logs {
    pub(crate) fn new(keeper: Arc<Keeper>) -> Self {
        let logs = HashMap::with_hasher(hash_keys());
        let last = HashMap::with_hasher(hash_keys());
        let state = State { logs, followers: Vec::new(), last, sweep_at: FEWEST, closed: false };
        Self { keeper, state: Mutex::new(state) }
    }

    /// The log of a topic, made if it has none; `None` if nothing is kept of it. Logs that nobody needs go into the garbage,
    /// for the caller holds a lock.
    pub(crate) fn of(&self, topic: &str, unneeded: &mut Vec<Arc<Log>>) -> Option<Arc<Log>> {
        let rule = self.keeper.rule_of(topic)?;
        self.state.lock().log(&self.keeper, topic, rule, unneeded)
    }

    /// Says whether the events of a topic that was published to are kept.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.state.lock().logs.contains_key(topic)
    }

    /// All logs of topics that one of the patterns matches.
    pub(crate) fn matching(&self, patterns: &[TopicPattern]) -> Vec<Arc<Log>> {
        let state = self.state.lock();
        if let [pattern] = patterns
            && let Some(topic) = pattern.as_topic()
        {
            return state.logs.get(topic.as_str()).cloned().into_iter().collect();
        }
        let is_matched =
            |log: &&Arc<Log>| patterns.iter().any(|pattern| pattern.matches_str(log.topic.as_str()));
        state.logs.values().filter(is_matched).cloned().collect()
    }

    /// Lets a subscription follow all topics that it matches, those included that are still to come: what it reads itself
    /// begins at the origin, and new topics it hears of from their first event on.
    pub(crate) fn follow(&self, slot: &Arc<Slot>, beginning: Beginning) -> Result<(), StartError> {
        let Some(follower) = slot.follower.as_deref() else { return Ok(()) };
        let now = self.keeper.now();
        // What has become too old goes first, while this has no lock.
        self.matching(&slot.spec.patterns).iter().for_each(|log| drop(log.lock_to_read(now)));
        let (mut gone, mut unneeded) = (Vec::new(), Vec::new());
        let mut state = self.state.lock();
        if state.closed {
            return Ok(());
        }
        // So that a number of a topic can be compared with its last, which is there even if none of its events are.
        for topic in slot.spec.patterns.iter().filter_map(TopicPattern::as_topic) {
            if let Some(rule) = self.keeper.rule_of(topic.as_str()) {
                state.log(&self.keeper, topic.as_str(), rule, &mut unneeded);
            }
        }
        let logs: Vec<Arc<Log>> =
            state.logs.values().filter(|log| slot.matches(log.topic.as_str())).cloned().collect();
        let origin = match beginning {
            Beginning::Each(origin) => origin,
            Beginning::LastN(most) => {
                let mut numbers = Vec::new();
                logs.iter().for_each(|log| log.last_numbers(most, &mut numbers));
                numbers.sort_unstable_by(|a, b| b.cmp(a));
                // What is published meanwhile has higher numbers, and belongs to it.
                Origin::Number(numbers.get(most - 1).or(numbers.last()).copied().unwrap_or(0))
            }
        };
        let mut pending = Vec::new();
        for log in logs {
            let mut search = Search::new(origin);
            let mut here = loop {
                let mut here = log.state.lock();
                while log.trim_locked(&mut here, now, &mut gone) {}
                if search.look_on(&here) {
                    break here;
                }
            };
            let mut place = match search.place(Arc::clone(slot), &here) {
                Ok(place) => place,
                // There is only one topic then: nothing was entered yet.
                Err(error) => {
                    drop((here, state));
                    super::keeper::drop_all(gone);
                    return Err(error);
                }
            };
            if !place.live {
                let number = place.next(&here.shelf, |first, last| follower.lose(&log.topic, first, last, 0));
                pending.push((number.unwrap_or(u64::MAX), Arc::clone(&log)));
            }
            here.places.push(place);
        }
        // Before anybody can take it out again.
        follower.begin(pending);
        state.followers.push(Arc::clone(slot));
        drop(state);
        super::keeper::drop_all(gone);
        Ok(())
    }

    /// A subscription has ended: it follows nothing any more.
    pub(crate) fn leave(&self, slot: &Slot) {
        let Some(follower) = slot.follower.as_deref() else { return };
        let (mut places, mut gone) = (Vec::new(), None);
        {
            let mut state = self.state.lock();
            if let Some(at) = state.followers.iter().position(|other| other.id == slot.id) {
                gone = Some(state.followers.swap_remove(at));
                let logs = state.logs.values().filter(|log| slot.matches(log.topic.as_str()));
                places.extend(logs.filter_map(|log| log.leave(slot.id)));
            }
        }
        follower.end();
        // Outside the locks: they may hold the last reference to a handler.
        drop((places, gone));
    }

    /// The bus has ended: keeps nothing any more, and nobody follows.
    pub(crate) fn close(&self) {
        let (logs, followers) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.logs), std::mem::take(&mut state.followers))
        };
        let places: Vec<Place> = logs.values().flat_map(|log| log.leave_all()).collect();
        followers.iter().filter_map(|slot| slot.follower.as_deref()).for_each(super::Follower::end);
        for log in logs.values() {
            super::keeper::drop_all(log.close());
        }
        drop((places, followers));
    }
}

impl State {
    /// The log of a topic of which something is kept, made if it has none. `None`: the bus has ended.
    fn log(
        &mut self,
        keeper: &Arc<Keeper>,
        topic: &str,
        rule: Retention,
        unneeded: &mut Vec<Arc<Log>>,
    ) -> Option<Arc<Log>> {
        if let Some(log) = self.logs.get(topic) {
            return Some(Arc::clone(log));
        }
        if self.closed {
            return None;
        }
        if self.logs.len() >= self.sweep_at {
            self.sweep(keeper.most_topics(), unneeded);
        }
        let topic = Topic::new(topic).ok()?;
        let last = self.last.remove(&self.last.hasher().hash_one(&topic)).unwrap_or(0);
        let log = Arc::new(Log::new(topic.clone(), keeper, rule, last));
        // Nobody has published to it since, as far as anybody can tell.
        let following = self.followers.iter().filter(|slot| slot.matches(topic.as_str()));
        log.state.lock().places.extend(following.map(|slot| Place::live(Arc::clone(slot))));
        self.logs.insert(topic, Arc::clone(&log));
        Some(log)
    }

    /// Takes out the logs that nobody needs. Their numbers are remembered, of as many topics as something is kept of at most.
    fn sweep(&mut self, most: usize, unneeded: &mut Vec<Arc<Log>>) {
        // Only the register hands out what it alone holds.
        let is_unneeded = |_: &Topic, log: &mut Arc<Log>| Arc::strong_count(log) == 1 && log.is_empty();
        for (topic, log) in self.logs.extract_if(is_unneeded) {
            self.last.insert(self.last.hasher().hash_one(&topic), log.next_sequence() - 1);
            unneeded.push(log);
        }
        while self.last.len() > most {
            // Every other one, whichever that is: there is no order to go by.
            let mut stays = false;
            self.last.retain(|_, _| {
                stays = !stays;
                stays
            });
        }
        self.sweep_at = FEWEST.max(2 * self.logs.len());
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// In each topic there.
    Each(Origin),
    /// With the last so many events of all topics together.
    LastN(usize),
}
