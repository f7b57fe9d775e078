//! Random numbers, and how to get the same ones again.

use std::hash::{BuildHasher, RandomState};

/// The seed of this test: `TROLLEYBUS_SEED`, or a random one. Prints the command that replays the test.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("TROLLEYBUS_SEED") {
        Ok(text) => text.parse().expect("TROLLEYBUS_SEED is a number"),
        // Short enough to be typed.
        Err(_) => RandomState::new().hash_one(std::process::id()) >> 32,
    };
    eprintln!("seed {seed}; replay: {}", replay(seed));
    seed
}

/// The command that runs the calling test with this seed.
pub(crate) fn replay(seed: u64) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    let deliveries = std::env::var("TROLLEYBUS_STRESS_DELIVERIES")
        .map(|number| format!(" TROLLEYBUS_STRESS_DELIVERIES={number}"))
        .unwrap_or_default();
    let target = env!("CARGO_CRATE_NAME");
    format!("TROLLEYBUS_SEED={seed}{deliveries} cargo test{release} --test {target} {test} -- --nocapture")
}

/// Random numbers from a seed: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
