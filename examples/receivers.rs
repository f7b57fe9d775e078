//! Subscriptions that the application pulls from, at its own pace: in a thread, in a task, as a stream,
//! and for one single event.
//!
//!     cargo run --example receivers

use std::error::Error;
use std::thread;
use std::time::Duration;

use smol::stream::StreamExt;
use trolleybus::{DeliveryMode, EventBus, RecvTimeoutError};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::new();

    // Blocking: a thread of its own takes one after the other, until the bus is shut down.
    let mut ticks = bus.subscribe::<u32>("tick.*").delivery(DeliveryMode::Block).receiver()?;
    let summer = thread::spawn(move || ticks.iter().map(|tick| *tick).sum::<u32>());

    // At most for a while, or not at all.
    let mut alarms = bus.subscribe::<String>("alarm").receiver()?;
    assert!(alarms.try_recv().is_err());
    let none = alarms.recv_timeout(Duration::from_millis(10));
    assert!(matches!(none, Err(RecvTimeoutError::Timeout)));

    // Async, on any runtime.
    let mut latest =
        bus.subscribe::<u32>("tick.*").capacity(3).delivery(DeliveryMode::DropOldest).receiver()?;
    // A stream; everything that can be done with streams can be done with it.
    let stream = bus.subscribe::<u32>("tick.*").receiver()?.into_stream();
    // One event, which is not missed even if it comes before anybody waits.
    let alarm = bus.expect::<String>("alarm", Duration::from_secs(5))?;

    for tick in 1..=10_u32 {
        bus.publish("tick.second", tick)?;
    }
    bus.publish("alarm", "the kettle boils")?;

    smol::block_on(async {
        // Each that found the queue full displaced the oldest: the newest three are left.
        let mut newest = Vec::new();
        while !latest.is_empty() {
            newest.push(*latest.recv_async().await?);
        }
        assert_eq!(newest, [8, 9, 10]);

        let even: Vec<u32> = stream.map(|tick| *tick).filter(|tick| tick % 2 == 0).take(5).collect().await;
        assert_eq!(even, [2, 4, 6, 8, 10]);

        println!("{}", *alarm.await?);
        assert_eq!(**alarms.recv()?, *"the kettle boils");
        Ok::<(), Box<dyn Error>>(())
    })?;

    assert!(bus.shutdown(Duration::from_secs(5)).wait().complete);
    assert_eq!(summer.join().expect("no panic"), 55);
    Ok(())
}
