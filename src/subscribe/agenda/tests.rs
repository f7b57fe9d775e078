//! The plan against a vector of events, each with what is happening to it.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::plan::{Do, Order, Plan, Turn};

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Running,
    Waiting { due: u64 },
    Done,
}

/// An event of the model: its key, and how many of its attempts fail.
#[derive(Clone, Copy, Debug)]
struct Modelled {
    key: u64,
    failures: u32,
    attempts: u32,
    state: State,
}

/// What the test does next.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// A lane that is free looks for something to do.
    Start,
    /// One of the handlers that run ends.
    End(usize),
    /// Time passes.
    Pass(u64),
}

struct Model {
    order: Order,
    keeps_order: bool,
    events: Vec<Modelled>,
    now: u64,
}

impl Model {
    /// Says whether a handler may start for an event.
    fn may_start(&self, number: usize) -> bool {
        let event = self.events[number];
        let is_there = match event.state {
            State::Queued => true,
            State::Waiting { due } => due <= self.now,
            State::Running | State::Done => false,
        };
        let before = || self.events[..number].iter();
        let of_key = |other: &&Modelled| other.key == event.key;
        is_there
            && match self.order {
                Order::All if self.keeps_order => before().all(|other| other.state == State::Done),
                Order::ByKey if self.keeps_order => {
                    before().filter(of_key).all(|other| other.state == State::Done)
                }
                Order::ByKey => {
                    let runs = |other: &Modelled| other.key == event.key && other.state == State::Running;
                    !self.events.iter().any(runs)
                        && (event.state != State::Queued
                            || before().filter(of_key).all(|other| other.state != State::Queued))
                }
                // Out of the queue in its order; what is due, at any time.
                Order::All | Order::None => {
                    event.state != State::Queued || before().all(|other| other.state != State::Queued)
                }
            }
    }
}

fn at(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// What a lane finds.
fn look(plan: &mut Plan<usize>, queue: &mut VecDeque<usize>, model: &Model) -> Option<Turn<usize>> {
    let mut looked = false;
    loop {
        match plan.next(at(model.now), looked).0 {
            Do::Handle(turn) => return Some(turn),
            Do::Look => match queue.pop_front() {
                Some(event) => {
                    let key = (model.order == Order::ByKey).then(|| model.events[event].key);
                    let admitted = plan.admit(Turn::first(event, key), at(model.now)).expect("not ended");
                    if let (Some(turn), _) = admitted {
                        return Some(turn);
                    }
                }
                None => {
                    plan.has_looked();
                    looked = true;
                }
            },
            Do::Wait | Do::AsFound => return None,
        }
    }
}

fn check(
    order: Order,
    keeps_order: bool,
    lanes: usize,
    events: &[(u64, u32)],
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let modelled = |(key, failures): &(u64, u32)| Modelled {
        key: *key,
        failures: *failures,
        attempts: 0,
        state: State::Queued,
    };
    let mut model = Model { order, keeps_order, events: events.iter().map(modelled).collect(), now: 0 };
    let mut plan = Plan::new(order, keeps_order, events.len() + 1, None);
    let mut queue: VecDeque<usize> = (0..events.len()).collect();
    let mut running: Vec<Turn<usize>> = Vec::new();
    // At last everything is brought to its end.
    let to_the_end = std::iter::repeat_n([Op::Start, Op::End(0), Op::Pass(1000)], events.len() * 4);
    for op in ops.iter().copied().chain(to_the_end.flatten()) {
        match op {
            Op::Start if running.len() < lanes => match look(&mut plan, &mut queue, &model) {
                Some(turn) => {
                    prop_assert!(
                        model.may_start(turn.event),
                        "{} may not start: {:?}",
                        turn.event,
                        model.events
                    );
                    let event = &mut model.events[turn.event];
                    (event.attempts, event.state) = (event.attempts + 1, State::Running);
                    prop_assert_eq!(turn.attempt, event.attempts);
                    running.push(turn);
                }
                None => {
                    let startable = (0..events.len()).find(|event| model.may_start(*event));
                    prop_assert_eq!(startable, None, "nothing starts: {:?}", model.events);
                }
            },
            Op::End(which) if !running.is_empty() => {
                let turn = running.swap_remove(which % running.len());
                let event = &mut model.events[turn.event];
                let fails = event.attempts <= event.failures;
                prop_assert_eq!(plan.count(&turn, !fails, at(model.now)), None);
                if fails {
                    let due = model.now + u64::from(event.attempts) * 10;
                    event.state = State::Waiting { due };
                    prop_assert!(plan.put_off(turn, at(due)).is_ok());
                } else {
                    event.state = State::Done;
                    plan.release(turn.key);
                }
            }
            Op::Pass(time) => model.now += time,
            Op::Start | Op::End(_) => {}
        }
        let taken = events.len() - queue.len();
        let done = model.events.iter().filter(|event| event.state == State::Done).count();
        prop_assert_eq!(plan.len(), taken - done - running.len());
        prop_assert_eq!(plan.iter().count(), plan.len());
        let dues = model.events.iter().filter_map(|event| match event.state {
            State::Waiting { due } if due > model.now => Some(at(due)),
            _ => None,
        });
        // It may name a time that has come: then somebody looks once more.
        if let Some(due) = dues.min() {
            prop_assert!(plan.next_change().is_some_and(|next| next <= due), "nobody would wake up");
        }
    }
    let left: Vec<_> = model.events.iter().filter(|event| event.state != State::Done).collect();
    prop_assert!(left.is_empty() && plan.len() == 0, "left over: {:?}", left);
    Ok(())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Start),
        3 => (0_usize..8).prop_map(Op::End),
        2 => (0_u64..30).prop_map(Op::Pass),
    ]
}

fn order() -> impl Strategy<Value = (Order, usize)> {
    prop_oneof![
        Just((Order::All, 1)),
        (1_usize..5).prop_map(|lanes| (Order::ByKey, lanes)),
        (2_usize..5).prop_map(|lanes| (Order::None, lanes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn o2_handlers_start_when_the_model_says_so_and_none_waits_in_vain(
        (order, lanes) in order(),
        keeps_order: bool,
        events in prop::collection::vec((0_u64..4, 0_u32..3), 0..25),
        ops in prop::collection::vec(op(), 0..150),
    ) {
        check(order, keeps_order, lanes, &events, &ops)?;
    }

    #[test]
    fn z2_no_more_events_are_set_aside_than_the_limit_and_one_for_each_lane(
        (order, lanes) in order(),
        keeps_order: bool,
        limit in 1_usize..5,
        keys in prop::collection::vec(0_u64..2, 20..60),
    ) {
        let events = keys.iter().map(|key| Modelled { key: *key, failures: 0, attempts: 0, state: State::Queued });
        let model = Model { order, keeps_order, events: events.collect(), now: 0 };
        let mut plan = Plan::new(order, keeps_order, limit, None);
        let mut queue: VecDeque<usize> = (0..keys.len()).collect();
        let mut running = 0;
        // Handlers that run and do not end, and others that fail.
        for number in 0..keys.len() * 2 {
            match look(&mut plan, &mut queue, &model) {
                Some(_) if number % 2 == 0 && running + 1 < lanes => running += 1,
                Some(turn) => prop_assert!(plan.put_off(turn, at(1000)).is_ok()),
                None => {}
            }
            prop_assert!(plan.len() <= limit + lanes, "{} of {limit}", plan.len());
        }
        prop_assert!(queue.len() + running + limit + lanes >= keys.len(), "the queue is not emptied");
        prop_assert_eq!(plan.end().len() + queue.len() + running, keys.len());
        prop_assert_eq!(plan.len(), 0);
        let late = plan.admit(Turn::first(0, None), at(0)).err();
        prop_assert!(late.is_some(), "nothing is kept after the end");
        prop_assert!(plan.put_off(Turn::first(0, None), at(0)).is_err());
    }
}
