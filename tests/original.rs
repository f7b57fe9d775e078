//! Defects of the original that no other test here is about, each under its number. `tests/defects.toml` says where all of
//! them are tested.
//!
//! | file | what it holds |
//! |---|---|
//! | `original/delivery.rs` | what happens between a publish call and a handler |
//! | `original/engines.rs` | what is to be the same whatever engine carries an event |
//! | `original/life.rs` | start, end, and what comes after |
//! | `original/custom.rs` | the custom engine |
//! | `original/durable.rs` | the memory engine that never drops |

#[path = "original/custom.rs"]
mod custom;
#[path = "original/delivery.rs"]
mod delivery;
#[path = "original/durable.rs"]
mod durable;
#[path = "original/engines.rs"]
mod engines;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "support/gate.rs"]
mod gate;
#[path = "original/life.rs"]
mod life;
#[path = "support/quiet_engine.rs"]
mod quiet_engine;
mod support;

use trolleybus::{BusBuilder, EventBus};

use quiet_engine::quiet_engine;

/// Two buses that differ in the engine that carries everything: the memory engine, and one outside of the bus.
fn on_each_engine(builder: impl Fn() -> BusBuilder) -> [EventBus; 2] {
    let memory = builder().memory_engine("carrier");
    let custom = builder().engine("carrier", quiet_engine());
    [memory, custom].map(|builder| builder.default_engine("carrier").start().wait().expect("it starts"))
}
