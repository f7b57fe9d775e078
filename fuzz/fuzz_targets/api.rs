//! Arbitrary sequences of calls on the memory bus: nothing panics, and at the end every event is
//! accounted for.
#![no_main]

#[path = "api/bus.rs"]
mod bus;
#[path = "api/check.rs"]
mod check;
#[path = "api/held.rs"]
mod held;
#[path = "api/input.rs"]
mod input;
#[path = "api/publish.rs"]
mod publish;
#[path = "api/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

use input::Input;
use world::World;

/// The most calls in one sequence.
const MOST: usize = 64;

fuzz_target!(|input: Input| {
    let Ok(bus) = bus::build_bus(&input.setup) else { return };
    held::begin();
    let mut world = World::new(bus);
    for op in input.ops.into_iter().take(MOST) {
        world.step(op);
    }
    world.finish();
});
