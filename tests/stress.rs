//! Stress: subscriptions of every kind and mode, publishers of every way and churn, all at once, in rounds of
//! different shapes; every event is accounted for, one by one.
//!
//! `TROLLEYBUS_STRESS_DELIVERIES` says how many handlers shall have run in the end (`scripts/stress`: 100
//! million), `TROLLEYBUS_SEED` replays the shapes.
//!
//! | file | what it holds |
//! |---|---|
//! | `stress/tracker.rs` | payloads, bitmaps, what handlers write down |
//! | `stress/subscriptions.rs` | subscriptions of every kind and mode |
//! | `stress/publishers.rs` | publishers of every way, the sum of receipts |
//! | `stress/churn.rs` | subscriptions that come and go |
//! | `stress/sampler.rs` | statistics, judged while everything runs |
//! | `stress/round.rs` | a round: its shape, and the account at its end |

#[path = "stress/churn.rs"]
mod churn;
#[path = "support/env.rs"]
mod env;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "stress/publishers.rs"]
mod publishers;
#[path = "support/random.rs"]
mod random;
#[path = "stress/round.rs"]
mod round;
#[path = "stress/sampler.rs"]
mod sampler;
#[path = "support/signs.rs"]
mod signs;
#[path = "stress/subscriptions.rs"]
mod subscriptions;
mod support;
#[path = "stress/tracker.rs"]
mod tracker;
#[path = "support/yield_once.rs"]
mod yield_once;

use env::number_from_env;
use random::{Rng, replay, seed};
use round::{Account, Shape};
use support::watchdog;

/// So that a plain `cargo test` stays quick.
const DELIVERIES: u64 = 200_000;

#[test]
fn c1_every_event_is_accounted_for_under_stress() {
    let guard = watchdog("c1_every_event_is_accounted_for_under_stress");
    let target = number_from_env("TROLLEYBUS_STRESS_DELIVERIES", DELIVERIES);
    let seed = seed();
    let mut rng = Rng::new(seed);
    // Each round begins and ends threads, and judges every event: so many that shapes differ, and no more.
    let rounds = if target < 1_000_000 { 10 } else { 50 };
    let mut sum = Account::default();
    let mut number = rng.below(120);
    let last = number + 20 * rounds;
    while sum.deliveries < target {
        let shape = Shape::new(number, target.div_ceil(rounds as u64), &mut rng);
        if target > DELIVERIES {
            println!("round {number}: {shape}");
        }
        let account = round::run(&shape, &mut rng, &guard);
        if target > DELIVERIES {
            println!("  {account}");
        }
        sum.add(&account);
        number += 1;
        assert!(number < last, "the deliveries do not add up: {sum}");
    }
    println!("stress: {sum}\n  seed {seed}; replay: {}", replay(seed));
    assert!(sum.samples > 0 && sum.churned > 0, "nothing was sampled or churned: {sum}");
    assert_eq!(sum.difference, 0);
}
