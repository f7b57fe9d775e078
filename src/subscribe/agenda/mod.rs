//! What a subscription's lanes handle next, where that is not simply the next of its queue: order by key, retries, and the
//! circuit breaker.
//!
//! An event that may not start yet is taken out of the queue and set aside here: behind another of its key, or until its next
//! attempt is due. In the ledger it counts as queued. `plan.rs` decides; this file has the lock around it, the clock, and what
//! becomes of an attempt.
//!
//! # Nothing sleeps through
//!
//! A lane that finds nothing to start goes idle, and then asks once more ([`Agenda::may_start`]), under the lock. What makes a
//! start possible is done under the lock, too, or is the time that has come, and whoever does it wakes a lane afterwards. So
//! either the lane finds it, or it is idle when it is woken. Who wakes: the alarm, which is set whenever something is put off
//! and whenever a lane finds nothing; and a lane that starts a handler wakes the next one if another may start.
//!
//! # The end
//!
//! Who cancels the subscription marks its queue and then [ends the plan](Agenda::discard): what is set aside is discarded, and
//! nothing is set aside any more, so that an attempt which fails from then on was the last. Who pauses it marks its queue, too,
//! and then waits for the lock: a start is decided under it, after a look at the mark.

#[cfg(all(test, loom))]
mod models;
mod plan;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use plan::{Another, Changed, Do, Plan};
pub(super) use plan::{Mark, Order, Turn};

use super::breaker::Circuit;
use super::delivered::Delivered;
use super::retry::Retry;
use crate::clock::TimeSource;
use crate::dispatch::{Aside, Attempt, CircuitState, Next, Slot};
use crate::guard::drop_guarded;
use crate::queue::Ring;
use crate::sync::Mutex;
use crate::sync::alarm::Alarm;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock;
use crate::worker::Step;

/// Finds the key of an event: the hash of it, for two keys of one hash are only in order with one another, too. `None`: it is
/// in order with no other.
pub(super) type KeyOf<E> = Arc<dyn Fn(&E) -> Option<u64> + Send + Sync>;

/// What a subscription was asked for.
pub(super) struct Terms<E> {
    pub(super) order: Order,
    pub(super) key_of: Option<KeyOf<E>>,
    pub(super) retry: Option<Retry>,
    pub(super) circuit: Option<Circuit>,
    /// So many events may be set aside.
    pub(super) limit: usize,
}

/// See the head of the file.
pub(super) struct Agenda<E> {
    key_of: Option<KeyOf<E>>,
    retry: Option<Retry>,
    has_circuit: bool,
    time: TimeSource,
    plan: Mutex<Plan<E>>,
    /// How many events are set aside. Written under the lock.
    len: AtomicU64,
    /// How many attempts were followed by another.
    retried: AtomicU64,
    /// Wakes a lane when something is due. Its lock comes before that of the plan.
    alarm: Mutex<Alarm>,
    bell: Waker,
    /// Draws the part of a delay that is left to chance.
    chance: AtomicU64,
}

/// Wakes a lane of a subscription.
struct Bell(Weak<Slot>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(slot) = self.0.upgrade() {
            slot.wake_consumer();
        }
    }
}

impl<E: Delivered> Agenda<E> {
    pub(super) fn new(slot: Weak<Slot>, terms: Terms<E>, alarm: Alarm) -> Arc<Self> {
        let Terms { order, key_of, retry, circuit, limit } = terms;
        let keeps_order = retry.as_ref().is_none_or(|retry| !retry.lets_others_pass);
        let seed = crate::sync::hash_keys().hash_one(limit);
        Arc::new(Self {
            bell: Waker::from(Arc::new(Bell(slot))),
            key_of,
            retry,
            has_circuit: circuit.is_some(),
            time: alarm.time().clone(),
            plan: Mutex::new(Plan::new(order, keeps_order, limit, circuit)),
            len: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            alarm: Mutex::new(alarm),
            chance: AtomicU64::new(seed),
        })
    }

    /// The time, by the application's clock maybe: not under a lock. Zero if nothing depends on it.
    fn now(&self) -> Duration {
        if self.has_circuit || self.retry.is_some() { self.time.now() } else { Duration::ZERO }
    }

    /// The same for a lane that looks again before it rests, and need not see what is put off at this moment.
    fn about_now(&self) -> Duration {
        if self.has_circuit || self.len() > 0 { self.now() } else { Duration::ZERO }
    }

    /// Does something with the plan, and counts what is set aside after it.
    fn change<R>(&self, change: impl FnOnce(&mut Plan<E>) -> R) -> R {
        let mut plan = self.plan.lock();
        let result = change(&mut plan);
        // Release: who finds an event set aside finds that it was taken, and who finds it gone from here finds that its handler
        // has not ended, or not without a trace (C2).
        self.len.store(plan.len() as u64, Ordering::Release);
        result
    }

    /// The next event to handle; `Err`: what the lane is to do instead.
    pub(super) fn next(&self, slot: &Arc<Slot>, queue: &Ring<E>) -> Result<Turn<E>, Step> {
        // What the queue has answered, if it had nothing.
        let mut found = None;
        loop {
            let now = self.about_now();
            let decided = self.change(|plan| {
                if slot.is_paused() {
                    return None;
                }
                let (what, changed) = plan.next(now, found.is_some());
                Some((what, changed, plan.another(now)))
            });
            let Some((what, changed, another)) = decided else { return Err(Step::Paused) };
            self.tell(slot, changed);
            let (turn, another) = match what {
                Do::Handle(turn) => (turn, another),
                Do::Look => match slot.take(queue) {
                    Next::Event(event) => match self.admit(slot, event) {
                        Some(admitted) => admitted,
                        None => continue,
                    },
                    nothing => {
                        self.change(Plan::has_looked);
                        found = Some(Step::from(&nothing));
                        continue;
                    }
                },
                Do::Wait => {
                    self.set_alarm();
                    return Err(Step::Waits);
                }
                Do::AsFound => {
                    self.set_alarm();
                    return Err(found.unwrap_or(Step::Empty));
                }
            };
            match self.still_young(slot, turn) {
                Some(turn) => {
                    match another {
                        Another::Ready => slot.wake_another_lane(),
                        Another::IfQueued => slot.wake_next_lane(),
                        Another::None => {}
                    }
                    return Ok(turn);
                }
                // Another one may have become ready.
                None => found = None,
            }
        }
    }

    /// An event from the queue: returns it if it is to be handled now, and whether another lane may start a handler, too.
    fn admit(&self, slot: &Arc<Slot>, event: E) -> Option<(Turn<E>, Another)> {
        let key = self.key_of(slot, &event);
        let turn = Turn::first(event, key);
        let now = self.about_now();
        match self.change(|plan| plan.admit(turn, now).map(|admitted| (admitted, plan.another(now)))) {
            Ok(((turn, changed), another)) => {
                self.tell(slot, changed);
                turn.map(|turn| (turn, another))
            }
            Err(turn) => {
                slot.discard_taken(turn.event);
                None
            }
        }
    }

    fn key_of(&self, slot: &Arc<Slot>, event: &E) -> Option<u64> {
        let key_of = self.key_of.as_ref()?;
        // The application's code. What has no key because of a panic is in order with others of the kind.
        let key = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| key_of(event)));
        key.unwrap_or_else(|payload| {
            slot.key_panicked(event, payload);
            Some(0)
        })
    }

    /// An event that is about to start, if it is not too old by now.
    fn still_young(&self, slot: &Arc<Slot>, turn: Turn<E>) -> Option<Turn<E>> {
        if !slot.expires_aside(&turn.event, turn.attempt.saturating_sub(1)) {
            return Some(turn);
        }
        let Turn { event, key, trial, .. } = turn;
        let now = self.now();
        let changed = self.change(|plan| plan.skip(key, trial, now));
        self.tell(slot, changed);
        drop_guarded(event);
        None
    }

    /// An attempt has ended.
    pub(super) fn ended(&self, slot: &Arc<Slot>, turn: Turn<E>, attempt: Attempt) {
        if self.has_circuit {
            let (succeeded, now) = (attempt.result.is_ok(), self.now());
            let changed = self.change(|plan| plan.count(&turn, succeeded, now));
            self.tell(slot, changed);
        }
        let Some((turn, attempt)) = self.put_off(slot, turn, attempt) else { return };
        let (number, key) = (turn.attempt, turn.key);
        slot.finish_attempt(&turn.event, number, attempt);
        drop_guarded(turn.event);
        // What follows in order starts when everything about this one is done.
        if key.is_some() {
            self.change(|plan| plan.release(key));
        }
    }

    /// Puts an event off until its next attempt. It is given back if it was the last.
    fn put_off(&self, slot: &Arc<Slot>, turn: Turn<E>, attempt: Attempt) -> Option<(Turn<E>, Attempt)> {
        let Some(retry) = &self.retry else { return Some((turn, attempt)) };
        let (timing, error) = match attempt {
            Attempt { timing, result: Err(error) } if retry.is_worth_it(turn.attempt, &error) => {
                (timing, error)
            }
            attempt => return Some((turn, attempt)),
        };
        let delay = retry.delay(turn.attempt, self.draw());
        // Told before it may start again. Who cancels the subscription now makes this the last attempt after all.
        slot.failed_for_now(&turn.event, turn.attempt, timing.as_ref(), &error, delay);
        let due = self.now().saturating_add(delay);
        match self.change(|plan| plan.put_off(turn, due)) {
            Ok(()) => {
                // Relaxed: a figure for people.
                self.retried.fetch_add(1, Ordering::Relaxed);
                drop_guarded(error);
                self.set_alarm();
                None
            }
            Err(turn) => Some((turn, Attempt { timing: None, result: Err(error) })),
        }
    }

    /// A number from 0 to 1, by splitmix64 (Steele, Lea and Flood, 2014).
    fn draw(&self) -> f64 {
        // Relaxed: each draw is another number, whoever draws.
        let state = self.chance.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / f64::from(u32::MAX)
    }

    /// Sees to it that a lane looks again when something is due.
    fn set_alarm(&self) {
        if self.retry.is_none() && !self.has_circuit {
            return;
        }
        // The application's clock, under no lock.
        let (now, due) = (self.time.now(), self.plan.lock().next_change());
        if due.is_some_and(|due| self.time.wake_at(due, &self.bell)) {
            return;
        }
        let mut alarm = self.alarm.lock();
        // Looked up under the alarm's lock: of two who set it, the later one knows what the other has added.
        let due = self.plan.lock().next_change();
        match due {
            Some(due) => alarm.set_by_system(due, now, &self.bell),
            None => alarm.clear(),
        }
    }

    fn tell(&self, slot: &Slot, changed: Changed) {
        if let Some(state) = changed {
            slot.circuit_changed(state);
        }
    }
}

impl<E: Delivered> Aside for Agenda<E> {
    fn len(&self) -> u64 {
        // Acquire: see `change`.
        self.len.load(Ordering::Acquire)
    }

    fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    fn circuit(&self) -> Option<CircuitState> {
        self.plan.lock().circuit.as_ref().map(Circuit::state)
    }

    fn may_start(&self, queued: bool) -> bool {
        let now = self.now();
        self.change(|plan| plan.may_start(queued, now))
    }

    fn oldest_tick(&self, now: u32) -> Option<u32> {
        let age = |tick: &u32| clock::tick_age(*tick, now);
        self.plan.lock().iter().map(|turn| turn.event.parts().0.tick()).max_by_key(age)
    }

    fn settle(&self) {
        drop(self.plan.lock());
    }

    fn discard(&self, slot: &Slot) {
        let turns = self.change(Plan::end);
        for turn in turns {
            slot.discard_taken(turn.event);
        }
        self.set_alarm();
    }
}

impl<E> fmt::Debug for Agenda<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda").field("len", &self.len).finish_non_exhaustive()
    }
}
