//! The window by itself, against a model that keeps everything in vectors.

use proptest::prelude::*;

use super::*;

fn id(number: u32) -> EventId {
    EventId::from_u128(u128::from(number))
}

fn window(events: usize, age: Option<u64>) -> Window {
    let settings = IdempotencyWindow::new(events);
    Window::new(age.map_or(settings, |age| settings.max_age(Duration::from_millis(age))))
}

fn completion() -> Arc<Completion> {
    Arc::new(Completion::new(Box::new(|_| ())))
}

/// Claims an id for nobody that waits.
fn claim(window: &Window, number: u32, now: u64) -> IdClaim {
    let mut counted = false;
    let claimed = window.claim(id(number), now, None, || counted = true);
    assert_eq!(counted, claimed != IdClaim::Granted, "duplicates are counted");
    claimed
}

/// Claims an id that is fresh, and ends well.
fn handle(window: &Window, number: u32, now: u64) {
    assert_eq!(claim(window, number, now), IdClaim::Granted);
    assert!(window.end(id(number), true, now).is_empty());
}

#[test]
fn an_id_is_granted_once_until_its_claim_fails() {
    let window = window(8, None);
    assert_eq!(claim(&window, 1, 0), IdClaim::Granted);
    assert_eq!(claim(&window, 1, 0), IdClaim::Running);
    assert_eq!(claim(&window, 2, 0), IdClaim::Granted);
    window.end(id(1), false, 0);
    assert_eq!(claim(&window, 1, 0), IdClaim::Granted);
    window.end(id(1), true, 0);
    assert_eq!(claim(&window, 1, u64::MAX), IdClaim::Handled);
    assert_eq!(window.sizes(), (1, 1));
}

#[test]
fn who_comes_while_the_first_runs_waits_for_its_end_and_nobody_else_does() {
    let window = window(8, None);
    let waits = completion();
    assert_eq!(window.claim(id(1), 0, Some(&waits), || ()), IdClaim::Granted);
    assert_eq!(window.claim(id(1), 0, Some(&waits), || ()), IdClaim::Running);
    assert_eq!(window.claim(id(1), 0, None, || ()), IdClaim::Running);
    assert_eq!(window.end(id(1), true, 0).len(), 1);
    assert_eq!(window.claim(id(1), 0, Some(&waits), || ()), IdClaim::Handled);
    assert_eq!(Arc::strong_count(&waits), 1);
}

#[test]
fn the_oldest_is_forgotten_first_and_what_runs_is_not() {
    let window = window(2, None);
    assert_eq!(claim(&window, 9, 0), IdClaim::Granted);
    for number in 1..=3 {
        handle(&window, number, 0);
    }
    assert_eq!(claim(&window, 3, 0), IdClaim::Handled);
    assert_eq!(claim(&window, 2, 0), IdClaim::Handled);
    assert_eq!(claim(&window, 1, 0), IdClaim::Granted);
    assert_eq!(claim(&window, 9, 0), IdClaim::Running);
}

#[test]
fn an_age_counts_from_the_end_and_is_exact() {
    let window = window(8, Some(100));
    assert_eq!(claim(&window, 1, 0), IdClaim::Granted);
    assert_eq!(claim(&window, 1, 5_000), IdClaim::Running, "what runs is not too old");
    window.end(id(1), true, 5_000);
    assert_eq!(claim(&window, 1, 5_099), IdClaim::Handled);
    assert_eq!(claim(&window, 1, 5_100), IdClaim::Granted);
}

#[test]
fn parts_of_a_millisecond_are_rounded_up() {
    for (age, expected) in [(Duration::from_nanos(1), 1), (Duration::from_micros(1500), 2)] {
        let window = Window::new(IdempotencyWindow::new(1).max_age(age));
        handle(&window, 1, 0);
        assert_eq!(claim(&window, 1, expected - 1), IdClaim::Handled);
        assert_eq!(claim(&window, 1, expected), IdClaim::Granted);
    }
}

#[test]
fn a_claim_removes_a_few_of_many_that_are_too_old_and_counts_on_none() {
    let window = window(1000, Some(10));
    for number in 0..1000 {
        handle(&window, number, 0);
    }
    handle(&window, 999, 10);
    // The old place of the last is still there, with most of the others.
    assert_eq!(window.sizes().0, 1000 - SWEPT + 1);
    handle(&window, 998, 10);
    for number in [999, 998] {
        assert_eq!(claim(&window, number, 19), IdClaim::Handled);
    }
    for number in (0..998).rev() {
        handle(&window, number, 11);
    }
    assert_eq!(window.sizes().0, 1000);
    assert_eq!(claim(&window, 999, 19), IdClaim::Handled);
}

/// What a window is to do, in vectors.
struct Model {
    events: usize,
    age: Option<u64>,
    running: Vec<(u32, Vec<Arc<Completion>>)>,
    handled: Vec<(u32, u64)>,
}

impl Model {
    fn claim(&mut self, number: u32, now: u64, completion: Option<&Arc<Completion>>) -> IdClaim {
        if let Some((_, waiting)) = self.running.iter_mut().find(|(running, _)| *running == number) {
            waiting.extend(completion.cloned());
            return IdClaim::Running;
        }
        let age = self.age.unwrap_or(u64::MAX);
        if self.handled.iter().any(|(handled, at)| *handled == number && now.saturating_sub(*at) < age) {
            return IdClaim::Handled;
        }
        self.running.push((number, Vec::new()));
        IdClaim::Granted
    }

    /// Ends one of the claims that have not.
    fn end(&mut self, which: usize, handled: bool, now: u64) -> Option<(u32, Vec<Arc<Completion>>)> {
        let which = which.checked_rem(self.running.len())?;
        let (number, waiting) = self.running.remove(which);
        if handled {
            let now = self.handled.last().map_or(now, |(_, last)| now.max(*last));
            self.handled.retain(|(known, _)| *known != number);
            self.handled.push((number, now));
            if self.handled.len() > self.events {
                self.handled.remove(0);
            }
        }
        Some((number, waiting))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Claim {
        number: u32,
        waits: bool,
    },
    /// `late`: the clock was looked at so long before.
    End {
        which: usize,
        handled: bool,
        late: u64,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..24_u32, any::<bool>()).prop_map(|(number, waits)| Step::Claim { number, waits }),
        5 => (any::<usize>(), prop::bool::weighted(0.8), 0..3_u64)
            .prop_map(|(which, handled, late)| Step::End { which, handled, late }),
        2 => prop_oneof![0..5_u64, 0..40_u64].prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn t7_a_window_does_what_a_list_of_all_that_was_handled_would(
        events in 1..16_usize,
        age in prop::option::of(1..30_u64),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let window = window(events, age);
        let mut model = Model { events, age, running: Vec::new(), handled: Vec::new() };
        let mut now = 1_000;
        for step in steps {
            match step {
                Step::Claim { number, waits } => {
                    let completion = waits.then(completion);
                    let mut counted = 0;
                    let claimed = window.claim(id(number), now, completion.as_ref(), || counted += 1);
                    prop_assert_eq!(claimed, model.claim(number, now, completion.as_ref()));
                    prop_assert_eq!(counted, u32::from(claimed != IdClaim::Granted));
                }
                Step::End { which, handled, late } => {
                    let Some((number, waiting)) = model.end(which, handled, now - late) else { continue };
                    let settled = window.end(id(number), handled, now - late);
                    prop_assert_eq!(settled.len(), waiting.len());
                    let mut both = settled.iter().zip(&waiting);
                    prop_assert!(both.all(|(one, other)| Arc::ptr_eq(one, other)));
                }
                Step::Pass(time) => now += time,
            }
            let (remembered, running) = window.sizes();
            prop_assert!(remembered <= events && running == model.running.len());
        }
    }
}
