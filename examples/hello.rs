//! The shortest useful program: a handler on the worker pool, an event, an orderly end.
//!
//!     cargo run --example hello

use std::error::Error;
use std::time::Duration;

use trolleybus::EventBus;

fn main() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::new();
    let greeter = bus.subscribe::<String>("greet.*").handle(|name| println!("hello, {}", **name))?;

    bus.publish("greet.everybody", "world")?;

    let report = bus.shutdown(Duration::from_secs(5)).wait();
    assert!(report.complete, "{report:?}");
    assert_eq!(greeter.stats().delivered, 1);
    Ok(())
}
