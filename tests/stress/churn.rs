//! Subscriptions that come, are paused and resumed, and go again while events are published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trolleybus::EventBus;

use crate::random::Rng;
use crate::subscriptions::{Elsewhere, Kind, MODES, Made, Plan};
use crate::support::PATIENCE;
use crate::tracker::{Field, Tracker, Wants};

/// What one churning thread did.
#[derive(Default)]
pub(crate) struct Churned {
    /// Their handlers may run until the bus is at rest.
    pub(crate) trackers: Vec<Arc<Tracker>>,
    pub(crate) wrong: Vec<String>,
}

/// Subscribes and ends subscriptions until it is told to stop.
pub(crate) fn churn(
    bus: &EventBus,
    field: &Arc<Field>,
    to: &Elsewhere,
    stop: &AtomicBool,
    fails: bool,
    mut rng: Rng,
) -> Churned {
    let mut churned = Churned::default();
    // At least one turn, so that every round has churn.
    loop {
        let plan = Plan {
            kind: rng.pick(&Kind::ALL),
            mode: rng.pick(&MODES),
            capacity: rng.pick(&[1, 2, 64]),
            wants: Wants::form(rng.below(12), field.topics, rng.pick(&[1, 1, 3])),
            group: None,
            budget: rng.one_in(4).then(|| 1 + rng.below(20) as u64),
            fails,
        };
        let tracker = plan.tracker(field, false);
        churned.trackers.push(Arc::clone(&tracker));
        let made = plan.subscribe(bus, &tracker, to);
        live(&made, &mut rng, field);
        if let Err(wrong) = end(made, &tracker, plan.budget.is_some(), &mut rng) {
            churned.wrong.push(format!("{}: {wrong}", tracker.label));
        }
        if plan.budget.is_some_and(|events| tracker.handled() > events) {
            churned.wrong.push(format!("{}: {} were handled", tracker.label, tracker.handled()));
        }
        if stop.load(Ordering::Acquire) {
            return churned;
        }
        // Hundreds of subscriptions a second are churn enough; what they delay would be all there is.
        for _ in 0..rng.below(64) {
            std::thread::yield_now();
        }
    }
}

/// Pauses, resumes and looks on for a while.
fn live(made: &Made, rng: &mut Rng, field: &Field) {
    let subscription = made.subscription();
    let before = subscription.stats().offered;
    let enough = rng.below(field.each.min(200)) as u64;
    for turn in 0..rng.below(200) {
        match turn % 16 {
            4 if rng.one_in(2) => subscription.pause(),
            8 => subscription.resume(),
            _ if subscription.stats().offered - before > enough => break,
            _ => std::thread::yield_now(),
        }
    }
    // A paused one goes as it is, now and then.
    if rng.one_in(2) {
        subscription.resume();
    }
}

/// Ends a subscription in one of the ways to end one.
fn end(made: Made, tracker: &Tracker, takes: bool, rng: &mut Rng) -> Result<(), String> {
    let made = match made {
        Made::Receiver(mut receiver) => {
            for _ in 0..rng.below(50) {
                match receiver.recv_timeout(Duration::from_micros(50)) {
                    Ok(event) => tracker.note(&event),
                    Err(_) => break,
                }
            }
            if rng.one_in(3) {
                let subscription = receiver.subscription();
                subscription.resume();
                // The waiter is dropped: nobody else pulls, so that it would only wait for the deadline.
                drop(subscription.drain(Duration::ZERO));
                receiver.iter().for_each(|event| tracker.note(&event));
                // A publisher that has displaced an event may not have counted it yet.
                receiver.subscription().cancel_and_wait().wait();
                return balanced(receiver.subscription().stats(), tracker);
            }
            Made::Receiver(receiver)
        }
        handler => handler,
    };
    match rng.below(5) {
        0 => drop(made),
        1 => {
            let subscription = made.subscription();
            // One with a budget may have ended by itself.
            if !(subscription.cancel() || takes) || subscription.cancel() || !subscription.is_closed() {
                return Err("V4: not cancelled once".to_owned());
            }
        }
        2 if matches!(made, Made::Handler(_)) => {
            let subscription = made.subscription();
            subscription.resume();
            let report = subscription.drain(PATIENCE).wait();
            if !report.complete || report.discarded > 0 || report.running > 0 {
                return Err(format!("not drained: {report:?}, {:?}", subscription.stats()));
            }
            tracker.set_over();
            return balanced(subscription.stats(), tracker);
        }
        3 if matches!(made, Made::Handler(_)) => {
            let report = made.subscription().drain(Duration::ZERO).wait();
            if report.complete && (report.discarded > 0 || report.running > 0) {
                return Err(format!("complete, and not: {report:?}"));
            }
        }
        _ => {
            made.subscription().cancel_and_wait().wait();
            tracker.set_over();
            return balanced(made.subscription().stats(), tracker);
        }
    }
    Ok(())
}

/// The ledger of a subscription that has ended (C1). Publishers may still be between their look at the
/// gate and their offer: those count as dropped, and the ledger balances all the same.
fn balanced(ledger: trolleybus::Ledger, tracker: &Tracker) -> Result<(), String> {
    if ledger.running > 0 || ledger.delivered != tracker.handled() || !ledger.is_balanced() {
        return Err(format!("C1: {} handled, {ledger:?}", tracker.handled()));
    }
    Ok(())
}
