//! The engines that need no broker.

use trolleybus::conformance::{self, Features, Subject};
use trolleybus::engine::Engine;
use trolleybus::{BusBuilder, EventBus, StartError};

use super::quiet_engine::quiet_engine;
use super::support::watchdog;

/// The bus itself.
struct Memory;

impl Subject for Memory {
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
        builder.start().wait()
    }

    fn features(&self) -> Features {
        Features::in_process()
    }
}

/// The bus itself, as the second of two engines: it has an account of its own then.
struct SecondMemory;

impl Subject for SecondMemory {
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
        builder.memory_engine("other").memory_engine("second").default_engine("second").start().wait()
    }

    fn features(&self) -> Features {
        Features::in_process()
    }
}

/// The engine to copy.
struct Custom;

impl Subject for Custom {
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
        builder.engine("custom", quiet_engine()).default_engine("custom").start().wait()
    }

    fn features(&self) -> Features {
        Features::of(quiet_engine().capabilities()).drains()
    }
}

#[test]
fn the_memory_engine_conforms() {
    let _watchdog = watchdog("the_memory_engine_conforms");
    let report = conformance::run(&Memory);
    println!("{report}");
    report.assert_passed();
}

#[test]
fn a_second_memory_engine_conforms() {
    let _watchdog = watchdog("a_second_memory_engine_conforms");
    let report = conformance::run(&SecondMemory);
    println!("{report}");
    report.assert_passed();
}

#[test]
fn the_custom_engine_conforms() {
    let _watchdog = watchdog("the_custom_engine_conforms");
    let report = conformance::run(&Custom);
    println!("{report}");
    report.assert_passed();
}
